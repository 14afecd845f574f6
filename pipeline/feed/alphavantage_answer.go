package feed

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"tapedeck/pipeline/market"
)

// Why Alpha Vantage gave no data, with status 200 all the same.
var (
	errTooFast       = errors.New("asks us to slow down")
	errDayUsed       = errors.New("says that the key's requests for today are used up")
	errPremium       = errors.New("gives this only to paid keys")
	errKey           = errors.New("does not accept the key; see that it is right")
	errUnknownSymbol = errors.New("does not know the symbol")
)

// alphaAnswer is an answer of Alpha Vantage, by the names of its parts.
type alphaAnswer map[string]json.RawMessage

// decodeAlpha reads an answer and finds the error in it, if it is one.
func decodeAlpha(body []byte) (alphaAnswer, error) {
	var answer alphaAnswer
	if json.Unmarshal(body, &answer) != nil || answer == nil {
		return nil, notJSON(body)
	}
	for _, name := range []string{"Note", "Information", "Error Message"} {
		if text := answer.text(name); text != "" {
			return nil, alphaError(name, text)
		}
	}
	// The bulk quotes of an unpaid key are samples, which a message says.
	if text := strings.ToLower(answer.text("message")); strings.Contains(text, "premium") || strings.Contains(text, "sample") || strings.Contains(text, "demo") {
		return nil, errPremium
	}
	return answer, nil
}

// alphaError tells the messages apart by the words they have had for years;
// several name more than one limit.
func alphaError(name, text string) error {
	t := strings.ToLower(text)
	switch {
	case strings.Contains(t, "per minute"), strings.Contains(t, "per second"), strings.Contains(t, "call frequency"):
		return errTooFast
	case strings.Contains(t, "per day"), strings.Contains(t, "daily"):
		return errDayUsed
	case strings.Contains(t, "premium"):
		return errPremium
	case strings.Contains(t, "apikey") && !strings.Contains(t, "invalid api call"):
		return errKey
	case name == "Error Message" && strings.Contains(t, "invalid api call"):
		return errUnknownSymbol
	}
	return fmt.Errorf("says: %s", clipText(text))
}

func (a alphaAnswer) text(name string) string {
	var s string
	if json.Unmarshal(a[name], &s) != nil {
		return ""
	}
	return s
}

// part is the first part whose name begins so; a delayed answer has a longer
// name.
func (a alphaAnswer) part(prefix string) (json.RawMessage, bool) {
	found := ""
	for name := range a {
		if strings.HasPrefix(name, prefix) && (found == "" || name < found) {
			found = name
		}
	}
	return a[found], found != ""
}

// alphaQuote is a GLOBAL_QUOTE.
type alphaQuote struct {
	Symbol string `json:"01. symbol"`
	Price  loose  `json:"05. price"`
	Volume loose  `json:"06. volume"`
	Day    string `json:"07. latest trading day"`
}

// globalQuote reads a GLOBAL_QUOTE. It has a day and no time: of today it is
// as old as the answer, of another day its time is that day's close.
func (a alphaAnswer) globalQuote(now market.Time, calendar *market.Calendar) (quote, error) {
	raw, ok := a.part("Global Quote")
	if !ok {
		return quote{}, errors.New("sent something other than a quote")
	}
	var g alphaQuote
	if err := json.Unmarshal(raw, &g); err != nil {
		return quote{}, errors.New("sent a quote that cannot be read")
	}
	if g.Symbol == "" && !g.Price.known {
		return quote{}, errUnknownSymbol
	}
	day, err := time.Parse(time.DateOnly, g.Day)
	if err != nil || g.Price.price() == 0 {
		return quote{}, errors.New("sent a quote without price or day")
	}
	q := quote{symbol: g.Symbol, price: g.Price.price(), volume: g.Volume.count()}
	_, closes, open := calendar.Regular(market.At(day))
	if !open {
		closes = market.At(time.Date(day.Year(), day.Month(), day.Day(), 16, 0, 0, 0, calendar.Location()))
	}
	q.time = min(now, closes)
	return q, nil
}

// bulkQuotes reads REALTIME_BULK_QUOTES; its times are New York's.
func (a alphaAnswer) bulkQuotes(zone *time.Location) (quotes []quote, odd int, err error) {
	raw, ok := a["data"]
	var rows []json.RawMessage
	if !ok || json.Unmarshal(raw, &rows) != nil {
		return nil, 0, errors.New("sent something other than quotes")
	}
	for _, row := range rows {
		var b struct {
			Symbol string `json:"symbol"`
			Time   string `json:"timestamp"`
			Close  loose  `json:"close"`
			Volume loose  `json:"volume"`
		}
		if json.Unmarshal(row, &b) != nil {
			odd++
			continue
		}
		at, ok := localTime(b.Time, zone)
		if !ok || b.Close.price() == 0 {
			odd++
			continue
		}
		quotes = append(quotes, quote{symbol: b.Symbol, time: at, price: b.Close.price(), volume: b.Volume.count()})
	}
	return quotes, odd, nil
}

// intraday reads TIME_SERIES_INTRADAY of one-minute bars, in no order.
func (a alphaAnswer) intraday(symbol string, zone *time.Location) ([]candle, error) {
	raw, ok := a.part("Time Series")
	if !ok {
		return nil, errors.New("sent something other than minutes")
	}
	var meta struct {
		Zone string `json:"6. Time Zone"`
	}
	if json.Unmarshal(a["Meta Data"], &meta) == nil && meta.Zone != "" && meta.Zone != "Local" {
		if named, err := time.LoadLocation(meta.Zone); err == nil {
			zone = named
		}
	}
	var bars map[string]struct {
		Open   loose `json:"1. open"`
		High   loose `json:"2. high"`
		Low    loose `json:"3. low"`
		Close  loose `json:"4. close"`
		Volume loose `json:"5. volume"`
	}
	if json.Unmarshal(raw, &bars) != nil {
		return nil, errors.New("sent minutes that cannot be read")
	}
	var candles []candle
	for stamp, b := range bars {
		at, ok := localTime(stamp, zone)
		if !ok {
			continue
		}
		candles = append(candles, candle{symbol: symbol, time: at, length: time.Minute, open: b.Open.price(), high: b.High.price(),
			low: b.Low.price(), close: b.Close.price(), volume: max(b.Volume.count(), 0)})
	}
	return candles, nil
}

// localTime reads a time as a zone's clock shows it.
func localTime(s string, zone *time.Location) (market.Time, bool) {
	t, err := time.ParseInLocation("2006-01-02 15:04:05.999999999", s, zone)
	if err != nil {
		return 0, false
	}
	return market.At(t), true
}
