package market

import (
	"encoding/json"
	"math"
)

// Estimate is a number with its 95 % interval. Low and High are NaN where there
// is too little to tell.
type Estimate struct {
	Value float64 `json:"value"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
}

// MarshalJSON writes what is not known as null.
func (e Estimate) MarshalJSON() ([]byte, error) {
	known := func(v float64) *float64 {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil
		}
		return &v
	}
	return json.Marshal(struct {
		Value *float64 `json:"value"`
		Low   *float64 `json:"low"`
		High  *float64 `json:"high"`
	}{known(e.Value), known(e.Low), known(e.High)})
}

// UnmarshalJSON reads what MarshalJSON wrote; null, and what is not there, is NaN.
func (e *Estimate) UnmarshalJSON(data []byte) error {
	var v struct{ Value, Low, High *float64 }
	if err := json.Unmarshal(data, &v); err != nil {
		return err
	}
	known := func(v *float64) float64 {
		if v == nil {
			return math.NaN()
		}
		return *v
	}
	*e = Estimate{known(v.Value), known(v.Low), known(v.High)}
	return nil
}

// Score is how good forecasts for a horizon were. Errors are measured in the
// width of the forecast's own interval, so that every symbol counts alike.
type Score struct {
	Horizon int32 `json:"horizon"` // seconds
	N       int   `json:"n"`       // forecasts that came due
	Blocks  int   `json:"blocks"`  // stretches of time that they fall into, about independent of each other

	// Skill is 1 − MSE / MSE of "no change" (persistence): above 0 is better
	// than it. Drift is the same against the symbol's mean return so far. The
	// intervals are percentiles of a bootstrap over blocks of time, since what
	// happens to all symbols in a minute happens once (Künsch, The jackknife and
	// the bootstrap for general stationary observations, 1989).
	Skill Estimate `json:"skill"`
	Drift Estimate `json:"drift"`

	// Direction is the share of forecasts with the right sign, of those where
	// the price changed; its interval is Wilson's (JASA 22, 1927) for as many
	// independent forecasts as the spread between blocks is worth.
	Direction Estimate `json:"direction"`
	Coverage  Estimate `json:"coverage"` // share of outcomes inside the interval, likewise
	MAE       float64  `json:"mae"`      // 0 without forecasts; mean absolute error of the log return
	RMSE      float64  `json:"rmse"`
}

// Skilful says that the forecasts were better than "no change", and that this
// is unlikely to be luck.
func (s *Score) Skilful() bool { return s.Skill.Low > 0 }
