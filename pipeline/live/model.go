package live

import "tapedeck/pipeline/market"

// Model is how one forecasting model does, as the stage predict says it.
type Model struct {
	Name     string `json:"name"`
	Version  string `json:"version,omitempty"`
	Champion bool   `json:"champion,omitempty"` // the one that is drawn first

	Trained market.Time `json:"trained,omitempty"` // when
	From    market.Time `json:"from,omitempty"`    // the history it was trained on
	To      market.Time `json:"to,omitempty"`
	Learned int         `json:"learned,omitempty"` // symbols in it

	Made    market.Time `json:"made,omitempty"`    // the newest forecast, in the market's time
	Symbols int         `json:"symbols,omitempty"` // in the newest batch
	// Latency of the endpoint's answers and Delay from the arrival of a minute's
	// last bar to its forecasts in the log, in seconds.
	Latency  Quantiles `json:"latency,omitzero"`
	Delay    Quantiles `json:"delay,omitzero"`
	Calls    int64     `json:"calls,omitempty"`
	Failures int64     `json:"failures,omitempty"`
	Waited   float64   `json:"waited,omitempty"` // seconds for all answers together
	Down     bool      `json:"down,omitempty"`   // the endpoint does not answer
	Text     string    `json:"text,omitempty"`   // why, in words

	Live   []market.Score `json:"live,omitempty"`   // of forecasts as they were made, by horizon
	Filled []market.Score `json:"filled,omitempty"` // walk-forward over history, by horizon
}

// Quantiles of durations in seconds.
type Quantiles struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
}
