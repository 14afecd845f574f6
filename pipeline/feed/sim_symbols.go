package feed

import (
	"hash/fnv"
	"math"
	"slices"
	"strings"

	"tapedeck/pipeline/market"
)

// SimCompanies are the n symbols that a simulator of that size trades: real
// ones as far as market.Companies goes, the most traded first, and after them
// filler, which is invented: symbols of four consonants, names that say
// "simulated", always the same.
func SimCompanies(n int) []market.Company {
	real := market.Companies()
	if n <= len(real) {
		return real[:n:n]
	}
	list := slices.Clone(real)
	for j := 0; len(list) < n; j++ {
		symbol := simFiller(j)
		if _, taken := market.Lookup(symbol); taken {
			continue
		}
		h := simHash(symbol, 0)
		list = append(list, market.Company{
			Symbol: symbol,
			Name:   "Simulated " + symbol,
			Sector: market.Sectors[h%uint64(len(market.Sectors)-1)], // no fund
			Price:  math.Round(100*(3+77*fraction(h>>8)*fraction(h>>8))) / 100,
			Volume: 20_000 + int64(h>>32%200)*1000,
		})
	}
	return list
}

// simFiller is the j-th of 160,000 symbols without a vowel, in mixed order.
func simFiller(j int) string {
	const letters = "BCDFGHJKLMNPQRSTVWXZ"
	k := (j*7919 + 12345) % (20 * 20 * 20 * 20) // 7919 is prime to 20: no symbol comes twice
	var s [4]byte
	for i := range s {
		s[i] = letters[k%20]
		k /= 20
	}
	return string(s[:])
}

// simHash is a number that belongs to a symbol and a seed.
func simHash(symbol string, seed uint64) uint64 {
	h := fnv.New64a()
	h.Write([]byte(symbol))
	x := h.Sum64() ^ seed*0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9 // the finaliser of SplitMix64
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// fraction is the low 16 bits as a number from 0 to 1.
func fraction(bits uint64) float64 { return float64(bits&0xffff) / 0xffff }

const simLeader = "technology"

var simLeaderIndex = slices.Index(market.Sectors[:], simLeader)

// simTemper is how a sector's symbols behave: their weight on the market, and
// their own volatility a day.
var simTemper = [len(market.Sectors)]struct{ beta, own float64 }{
	{1.25, 0.014}, // technology
	{1.05, 0.013}, // communication
	{1.15, 0.013}, // consumer
	{0.55, 0.009}, // staples
	{0.75, 0.014}, // health
	{1.10, 0.010}, // financials
	{1.05, 0.011}, // industrials
	{0.90, 0.013}, // energy
	{1.00, 0.013}, // materials
	{0.45, 0.008}, // utilities
	{0.80, 0.009}, // real estate
	{1.00, 0.002}, // fund
}

func newSimSymbol(c *market.Company, seed uint64) simSymbol {
	h := simHash(c.Symbol, seed)
	sector := max(0, slices.Index(market.Sectors[:], c.Sector))
	temper := simTemper[sector]
	dollars := c.Price * float64(c.Volume)
	small := min(max(math.Log10(1e9/dollars)/3, 0), 1.5) // 0 above a billion dollars a day, 1 at a million
	s := simSymbol{
		company:    c,
		price:      c.Price,
		sector:     uint8(sector),
		home:       "N",
		betaMarket: temper.beta * (0.75 + 0.5*fraction(h)),
		betaSector: 0.7 + 0.6*fraction(h>>16),
		sigma:      perRootSecond(temper.own * (0.8 + 0.6*fraction(h>>32)) * (1 + 0.6*small)),
		heat:       1,
		boost:      1,
		spread:     0.00008 + 0.0012*small*small,
	}
	if len(c.Symbol) > 3 && c.Symbol[len(c.Symbol)-2] != '.' { // true of most
		s.home = "Q"
	}
	if c.Sector == "fund" {
		s.home = "P"
		leverage := simLeverage(c.Name)
		s.betaMarket, s.betaSector = leverage, 0.1*leverage
		s.sigma *= math.Abs(leverage) + 0.2
		s.spread = min(s.spread, 0.0003)
	}
	return s
}

// simLeverage guesses from a fund's name how it follows the market.
func simLeverage(name string) float64 {
	has := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(name, w) })
	}
	x := 1.0
	switch {
	case has("VIX"):
	case has("Bond", "Treasury", "T-Bill", "Muni", "Loan", "Short-Term", "Short Maturity", "Ultra-Short Income"):
		x = 0.08
	case has("Gold", "Silver", "Dollar", "Currency", "Commodity", "Oil", "Gas", "Copper", "Platinum", "Palladium"):
		x = 0.3
	}
	switch {
	case has("3x", "UltraPro"):
		x *= 3
	case has("2x", "Ultra", "Bitcoin", "Ethereum"):
		x *= 2
	}
	if has("Bear", "UltraShort", "UltraPro Short", "ProShares Short", "VIX") {
		x = -x
	}
	return x
}
