package feed

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"time"

	"tapedeck/pipeline/market"
)

// yahooQuotes is the answer of /v7/finance/quote.
type yahooQuotes struct {
	QuoteResponse struct {
		Result []json.RawMessage `json:"result"`
		Error  *yahooError       `json:"error"`
	} `json:"quoteResponse"`
	Finance struct {
		Error *yahooError `json:"error"`
	} `json:"finance"`
}

// yahooError is how Yahoo says that something is wrong, also with status 200.
type yahooError struct {
	Code        string `json:"code"`
	Description string `json:"description"`
}

func (e *yahooError) Error() string {
	text := e.Description
	if text == "" {
		text = e.Code
	}
	if text == "" {
		text = "an error without words"
	}
	return clipText(text)
}

type yahooQuote struct {
	Symbol          string `json:"symbol"`
	QuoteType       string `json:"quoteType"`
	Exchange        string `json:"exchange"`
	RegularPrice    loose  `json:"regularMarketPrice"`
	RegularTime     loose  `json:"regularMarketTime"`
	RegularVolume   loose  `json:"regularMarketVolume"`
	PreMarketPrice  loose  `json:"preMarketPrice"`
	PreMarketTime   loose  `json:"preMarketTime"`
	PostMarketPrice loose  `json:"postMarketPrice"`
	PostMarketTime  loose  `json:"postMarketTime"`
	Bid             loose  `json:"bid"`
	Ask             loose  `json:"ask"`
}

// decodeQuotes reads the quotes of an answer. One that cannot be read is
// counted and passed over; an answer that is none at all is an error.
func decodeQuotes(body []byte) (quotes []quote, odd int, err error) {
	var answer yahooQuotes
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, 0, notJSON(body)
	}
	if e := answer.QuoteResponse.Error; e != nil {
		return nil, 0, e
	}
	if e := answer.Finance.Error; e != nil {
		return nil, 0, e
	}
	if answer.QuoteResponse.Result == nil {
		return nil, 0, notJSON(body)
	}
	for _, raw := range answer.QuoteResponse.Result {
		var y yahooQuote
		if json.Unmarshal(raw, &y) != nil {
			odd++
			continue
		}
		q, ok := y.quote()
		if !ok {
			odd++
			continue
		}
		quotes = append(quotes, q)
	}
	return quotes, odd, nil
}

// quote takes the newest of the regular price and those before and after the
// regular session. Yahoo counts volume in the regular session only.
func (y *yahooQuote) quote() (quote, bool) {
	q := quote{symbol: y.Symbol, time: y.RegularTime.seconds(), price: y.RegularPrice.price(), volume: y.RegularVolume.count(),
		bid: y.Bid.price(), ask: y.Ask.price(), exchange: y.Exchange, utcDay: y.QuoteType == "CRYPTOCURRENCY"}
	for _, extended := range [...]struct{ at, price loose }{{y.PreMarketTime, y.PreMarketPrice}, {y.PostMarketTime, y.PostMarketPrice}} {
		if t, price := extended.at.seconds(), extended.price.price(); t > q.time && price > 0 {
			q.time, q.price, q.volume = t, price, -1
		}
	}
	return q, q.symbol != "" && q.time > 0 && q.price > 0
}

// seconds is l as a time in seconds since 1970, 0 where it is none.
func (l loose) seconds() market.Time {
	if !l.known || l.v <= 0 || l.v >= 7e9 {
		return 0
	}
	return market.Time(math.Round(l.v * 1e6))
}

// notJSON says what came instead of an answer.
func notJSON(body []byte) error {
	head := bytes.ToLower(bytes.TrimSpace(body[:min(len(body), 512)]))
	switch {
	case len(head) == 0:
		return fmt.Errorf("the answer is empty")
	case bytes.HasPrefix(head, []byte("<")):
		return fmt.Errorf("a web page came instead of data (a consent or block page, or a proxy)")
	case bytes.Contains(head, []byte("too many requests")):
		return &webError{text: "too many requests", status: 429}
	}
	return fmt.Errorf("the answer is not what was expected: %q", clipText(string(head)))
}

// yahooChart is the answer of /v8/finance/chart.
type yahooChart struct {
	Chart struct {
		Result []struct {
			Meta struct {
				Symbol   string `json:"symbol"`
				Exchange string `json:"exchangeName"`
			} `json:"meta"`
			Timestamp  []int64 `json:"timestamp"`
			Indicators struct {
				Quote []struct {
					Open   []loose `json:"open"`
					High   []loose `json:"high"`
					Low    []loose `json:"low"`
					Close  []loose `json:"close"`
					Volume []loose `json:"volume"`
				} `json:"quote"`
			} `json:"indicators"`
		} `json:"result"`
		Error *yahooError `json:"error"`
	} `json:"chart"`
}

// decodeChart reads minute bars; minutes without trades have none.
func decodeChart(body []byte) ([]candle, error) {
	var answer yahooChart
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, notJSON(body)
	}
	if answer.Chart.Error != nil {
		return nil, answer.Chart.Error
	}
	if len(answer.Chart.Result) == 0 {
		return nil, notJSON(body)
	}
	result := answer.Chart.Result[0]
	if len(result.Indicators.Quote) == 0 {
		return nil, nil
	}
	q := result.Indicators.Quote[0]
	at := func(values []loose, i int) loose {
		if i < len(values) {
			return values[i]
		}
		return loose{}
	}
	var candles []candle
	for i, s := range result.Timestamp {
		if s <= 0 || s >= 7e9 {
			continue
		}
		c := candle{symbol: result.Meta.Symbol, time: market.Time(s * 1e6), length: time.Minute, exchange: result.Meta.Exchange,
			open: at(q.Open, i).price(), high: at(q.High, i).price(), low: at(q.Low, i).price(), close: at(q.Close, i).price(),
			volume: max(at(q.Volume, i).count(), 0)}
		if c.open > 0 && c.high > 0 && c.low > 0 && c.close > 0 {
			candles = append(candles, c)
		}
	}
	return candles, nil
}
