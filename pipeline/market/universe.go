package market

import (
	_ "embed"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
)

// Company is a listed company, or a fund.
type Company struct {
	Symbol string
	Name   string
	Sector string  // one of Sectors
	Price  float64 // rough level in dollars, for simulation; not a quotation
	Volume int64   // rough number of shares traded a day
}

// Sectors are the sectors of companies, after the GICS; funds are their own.
var Sectors = [...]string{
	"technology", "communication", "consumer", "staples", "health", "financials",
	"industrials", "energy", "materials", "utilities", "real estate", "fund",
}

// universeCSV has a row per company: symbol, name, sector, price, volume;
// nothing is quoted. It was compiled for this program from common knowledge,
// with prices and volumes of the year 2024, roughly.
//
//go:embed universe.csv
var universeCSV string

type companies struct {
	list     []Company
	bySymbol map[string]int
}

var universe = sync.OnceValue(func() companies {
	list, err := parseUniverse(universeCSV)
	if err != nil {
		panic("market: embedded universe: " + err.Error())
	}
	u := companies{list, make(map[string]int, len(list))}
	for i := range list {
		u.bySymbol[list[i].Symbol] = i
	}
	return u
})

// Companies are the US-listed companies and funds that the program knows by
// name, those with the most dollars traded a day first. The slice is shared:
// it must not be changed.
func Companies() []Company { return universe().list }

// Lookup is the company of a symbol; false where the symbol is not known.
func Lookup(symbol string) (Company, bool) {
	u := universe()
	i, ok := u.bySymbol[symbol]
	if !ok {
		return Company{}, false
	}
	return u.list[i], true
}

func parseUniverse(text string) ([]Company, error) {
	list := make([]Company, 0, strings.Count(text, "\n")+1)
	n := 0
	for line := range strings.Lines(text) {
		n++
		f := strings.Split(strings.TrimRight(line, "\r\n"), ",")
		if len(f) != 5 {
			return nil, fmt.Errorf("line %d: %d fields, want 5", n, len(f))
		}
		price, err := strconv.ParseFloat(f[3], 64)
		if err != nil || !(price > 0) || math.IsInf(price, 0) {
			return nil, fmt.Errorf("line %d: %q is not a price", n, clip(f[3]))
		}
		volume, err := strconv.ParseInt(f[4], 10, 64)
		if err != nil || volume <= 0 {
			return nil, fmt.Errorf("line %d: %q is not a volume", n, clip(f[4]))
		}
		list = append(list, Company{f[0], f[1], f[2], price, volume})
	}
	return list, nil
}
