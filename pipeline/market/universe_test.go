package market

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestUniverse(t *testing.T) {
	list := Companies()
	if len(list) < 1000 {
		t.Fatalf("%d companies, want at least 1000", len(list))
	}
	seen := make(map[string]bool)
	perSector := make(map[string]int)
	traded := list[0].Price * float64(list[0].Volume)
	for _, c := range list {
		if !ValidSymbol(c.Symbol) || len(c.Symbol) > 6 || strings.ToUpper(c.Symbol) != c.Symbol {
			t.Errorf("%q is not a US symbol", c.Symbol)
		}
		if seen[c.Symbol] {
			t.Errorf("%s is there twice", c.Symbol)
		}
		seen[c.Symbol] = true
		if c.Name == "" || strings.TrimSpace(c.Name) != c.Name || !utf8.ValidString(c.Name) || !cleanText(c.Name) {
			t.Errorf("%s: bad name %q", c.Symbol, c.Name)
		}
		if !slices.Contains(Sectors[:], c.Sector) {
			t.Errorf("%s: %q is not a sector", c.Symbol, c.Sector)
		}
		perSector[c.Sector]++
		if c.Price < 0.1 || c.Price > 1e6 || c.Volume < 1000 || c.Volume > 1e9 {
			t.Errorf("%s: price %g, volume %d are not plausible", c.Symbol, c.Price, c.Volume)
		}
		now := c.Price * float64(c.Volume)
		if now > traded {
			t.Errorf("%s: more traded than the one before it", c.Symbol)
		}
		traded = now
	}
	for _, s := range Sectors {
		if perSector[s] < 30 {
			t.Errorf("%s: only %d companies", s, perSector[s])
		}
	}
}

func TestLookup(t *testing.T) {
	for symbol, want := range map[string]string{"AAPL": "Apple", "BRK.B": "Berkshire Hathaway Class B", "SPY": "SPDR S&P 500 ETF"} {
		if c, ok := Lookup(symbol); !ok || c.Name != want || c.Symbol != symbol {
			t.Errorf("%s: %+v %v, want %s", symbol, c, ok, want)
		}
	}
	if c, ok := Lookup("NOSUCH"); ok || c != (Company{}) {
		t.Errorf("NOSUCH: %+v %v", c, ok)
	}
}

func TestParseUniverse(t *testing.T) {
	for _, bad := range []string{"A,B,technology,1\n", "A,B,technology,x,1\n", "A,B,technology,NaN,1\n", "A,B,technology,1,0\n", "A,B,technology,-1,5\n"} {
		if _, err := parseUniverse(bad); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}
