package market

import (
	"errors"
	"math"
)

// Tick is one trade, or one quote update without a trade (Size 0).
type Tick struct {
	Symbol    string
	Time      Time    // exchange time
	Price     float64 // in the symbol's currency, above 0
	Size      int64   // shares traded; 0 for a price update without a trade
	Bid, Ask  float64 // 0 is unknown
	Exchange  string
	Condition string // the vendor's trade condition code
	Source    string // the feed that brought it: sim, replay, yahoo, alphavantage …
	Received  Time   // when the feed had it
	Backfill  bool   // brought afterwards, to know what was before: no news to alert about
}

// Clock is a source's own running time, written into every partition of the
// ticks topic: all ticks of Source before Time have been written before it.
// End says that the source has ended and will write nothing more.
type Clock struct {
	Time   Time
	Source string
	End    bool
}

// Errors of Validate and DecodeTick; each is one reason why a message is no tick.
var (
	ErrNotJSON   = errors.New("not a JSON object")
	ErrSymbol    = errors.New("bad symbol")
	ErrPrice     = errors.New("price is missing, not finite or not above zero")
	ErrSize      = errors.New("size is negative or not a number")
	ErrTime      = errors.New("time is missing or unreadable")
	ErrQuote     = errors.New("bid or ask is negative or not a number")
	ErrFieldSize = errors.New("a text field is longer than 64 bytes or holds control characters")
	ErrType      = errors.New("a field has the wrong JSON type")
)

// Limits of a tick's values; what is beyond them is an error of the source.
const (
	MaxPrice = 1e12
	MaxSize  = int64(1e15)
	maxText  = 64
)

// Validate says why t cannot be a tick, whatever came before it, or nil.
func (t *Tick) Validate() error {
	switch {
	case !ValidSymbol(t.Symbol):
		return ErrSymbol
	case !(t.Price > 0) || t.Price > MaxPrice:
		return ErrPrice
	case t.Size < 0 || t.Size > MaxSize:
		return ErrSize
	case t.Time == 0 || t.Time < minTime || t.Time > maxTime:
		return ErrTime
	case !validQuote(t.Bid) || !validQuote(t.Ask):
		return ErrQuote
	case !cleanText(t.Exchange) || !cleanText(t.Condition) || !cleanText(t.Source):
		return ErrFieldSize
	}
	return nil
}

func validQuote(v float64) bool { return v >= 0 && v <= MaxPrice && !math.IsNaN(v) }

func cleanText(s string) bool {
	if len(s) > maxText {
		return false
	}
	for i := 0; i < len(s); i++ {
		if s[i] < 0x20 || s[i] == 0x7f {
			return false
		}
	}
	return true
}

// ValidSymbol says whether s can be a symbol: 1 to 24 of A–Z 0–9 . - = ^ / _ &.
func ValidSymbol(s string) bool {
	if len(s) == 0 || len(s) > 24 {
		return false
	}
	for i := 0; i < len(s); i++ {
		if !symbolByte[s[i]] {
			return false
		}
	}
	return true
}

var symbolByte = func() (ok [256]bool) {
	for c := 'A'; c <= 'Z'; c++ {
		ok[c] = true
	}
	for c := '0'; c <= '9'; c++ {
		ok[c] = true
	}
	for _, c := range ".-=^/_&" {
		ok[c] = true
	}
	return ok
}()
