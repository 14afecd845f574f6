package feed

import (
	"math"
	"time"

	"tapedeck/pipeline/market"
)

// simShape is how busy the market is at a moment, by New York time: the usual
// smile of a regular session, high after the opening and before the close, and
// a quieter but living market at all other hours. Each day is alike, weekends
// included.
type simShape struct {
	volume     float64 // relative to a regular session's average
	volatility float64
	until      market.Time // when it is to be computed again
}

// simDayOfShape is the sum of simShape.volume over the seconds of a day.
const simDayOfShape = 40_600.0

func (s *simShape) of(t market.Time) {
	if t < s.until && t >= s.until-1e6 {
		return
	}
	s.until = t.Truncate(time.Second) + 1e6
	day := market.AlwaysOpen()
	midnight, _, _ := day.Regular(day.Day(t))
	s.volume, s.volatility = simBusy(t.Sub(midnight).Hours())
}

// simBusy is the shape at an hour of the day.
func simBusy(hour float64) (volume, volatility float64) {
	switch {
	case hour < 4:
		return 0.25, 0.65
	case hour < 9.5:
		x := (hour - 4) / 5.5
		return 0.3 + 0.2*x, 0.7 + 0.1*x
	case hour < 16:
		x := (hour - 9.5) / 6.5
		opening, closing := math.Exp(-x/0.05), math.Exp((x-1)/0.04)
		return 0.7 + 1.8*opening + 1.3*closing, 0.85 + 0.9*opening + 0.3*closing
	case hour < 20:
		return 0.4, 0.75
	}
	return 0.25, 0.65
}
