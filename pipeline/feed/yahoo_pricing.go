package feed

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"

	"tapedeck/pipeline/market"
)

// pricing is what a tick needs of Yahoo's PricingData message. The day's
// volume is -1 where the message has none.
type pricing struct {
	id        string
	price     float64
	time      market.Time
	exchange  string
	quoteType int64
	dayVolume int64
	bid, ask  float64
}

// Field numbers of PricingData.
const (
	pricingID        = 1
	pricingPrice     = 2
	pricingTime      = 3
	pricingExchange  = 5
	pricingQuoteType = 6
	pricingDayVolume = 9
	pricingBid       = 23
	pricingAsk       = 25
)

// quoteTypeCrypto is PricingData's quote_type of cryptocurrencies.
const quoteTypeCrypto = 41

// decodePricing reads the wire form of a PricingData message. Fields that are
// not known are passed over, also those of a wire type other than expected.
func decodePricing(data []byte, p *pricing) error {
	*p = pricing{dayVolume: -1}
	for len(data) > 0 {
		field, kind, n := protowire.ConsumeTag(data)
		if n < 0 {
			return fmt.Errorf("PricingData: %w", protowire.ParseError(n))
		}
		data = data[n:]
		switch kind {
		case protowire.VarintType:
			var v uint64
			if v, n = protowire.ConsumeVarint(data); n >= 0 {
				p.varint(field, v)
			}
		case protowire.Fixed32Type:
			var v uint32
			if v, n = protowire.ConsumeFixed32(data); n >= 0 {
				p.float(field, math.Float32frombits(v))
			}
		case protowire.BytesType:
			var v []byte
			if v, n = protowire.ConsumeBytes(data); n >= 0 {
				p.text(field, v)
			}
		default:
			n = protowire.ConsumeFieldValue(field, kind, data)
		}
		if n < 0 {
			return fmt.Errorf("PricingData field %d: %w", field, protowire.ParseError(n))
		}
		data = data[n:]
	}
	if p.id == "" {
		return errors.New("PricingData names no symbol")
	}
	return nil
}

func (p *pricing) varint(field protowire.Number, v uint64) {
	switch field {
	case pricingTime: // zigzag
		if ms := protowire.DecodeZigZag(v); ms > 0 && ms < 1e14 {
			p.time = market.FromMillis(ms)
		}
	case pricingDayVolume:
		if n := protowire.DecodeZigZag(v); n >= 0 {
			p.dayVolume = n
		}
	case pricingQuoteType:
		p.quoteType = int64(v)
	}
}

func (p *pricing) float(field protowire.Number, v float32) {
	switch field {
	case pricingPrice:
		p.price = widen(v)
	case pricingBid:
		p.bid = max(widen(v), 0)
	case pricingAsk:
		p.ask = max(widen(v), 0)
	}
}

func (p *pricing) text(field protowire.Number, v []byte) {
	if len(v) > 64 {
		return
	}
	switch field {
	case pricingID:
		p.id = string(v)
	case pricingExchange:
		p.exchange = string(v)
	}
}

// widen is the shortest decimal that a float32 stands for: 94745.08, not
// 94745.078125. What is not finite is 0.
func widen(v float32) float64 {
	if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
		return 0
	}
	var buf [32]byte
	f, err := strconv.ParseFloat(string(strconv.AppendFloat(buf[:0], float64(v), 'g', -1, 32)), 64)
	if err != nil {
		return float64(v)
	}
	return f
}

// decodeStream reads a message of the stream: base64 of PricingData, bare or
// as {"type":"pricing","message":"…"}. A message of another type is no error:
// ok is false.
func decodeStream(data []byte, p *pricing) (ok bool, err error) {
	data = bytes.TrimSpace(data)
	if len(data) > 0 && data[0] == '{' {
		var wrapped struct {
			Type    string `json:"type"`
			Message string `json:"message"`
		}
		if err := json.Unmarshal(data, &wrapped); err != nil {
			return false, errors.New("a message of the stream is broken JSON")
		}
		if wrapped.Message == "" || wrapped.Type != "" && wrapped.Type != "pricing" {
			return false, nil
		}
		data = []byte(wrapped.Message)
	}
	raw := make([]byte, base64.StdEncoding.DecodedLen(len(data)))
	n, err := base64.StdEncoding.Decode(raw, data)
	if err != nil {
		return false, errors.New("a message of the stream is not base64")
	}
	if err := decodePricing(raw[:n], p); err != nil {
		return false, err
	}
	return true, nil
}
