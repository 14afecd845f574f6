package tui

import (
	"math"

	"tapedeck/pipeline/indicator"
	"tapedeck/pipeline/market"
	"tapedeck/tui/chart"
)

// studies is the set of what is drawn beside the price, a bit each.
type studies uint16

// The studies, in the order of the list that o opens.
const (
	studyVolume studies = 1 << iota
	studySMA20
	studySMA50
	studyEMA12
	studyEMA26
	studyVWAP
	studyBollinger
	studyRSI
	studyMACD
	studyAlerts
	studyPredictions
)

var studyNames = [...]struct {
	bit  studies
	key  string // of the command
	name string
	note string
	ink  chart.Ink
}{
	{studyVolume, "volume", "volume", "", chart.Blank},
	{studySMA20, "sma20", "SMA 20", "mean of 20 closes", chart.Study1},
	{studySMA50, "sma50", "SMA 50", "mean of 50 closes", chart.Study4},
	{studyEMA12, "ema12", "EMA 12", "exponential, 12 bars", chart.Study3},
	{studyEMA26, "ema26", "EMA 26", "exponential, 26 bars", chart.Study1},
	{studyVWAP, "vwap", "VWAP", "by volume, since the session began", chart.Study2},
	{studyBollinger, "bollinger", "Bollinger 20 2", "mean ± 2 deviations", chart.Study3},
	{studyRSI, "rsi", "RSI 14", "relative strength", chart.Study1},
	{studyMACD, "macd", "MACD 12 26 9", "and its signal", chart.Study1},
	{studyAlerts, "alerts", "alerts", "marked at their bars", chart.Alarm},
	{studyPredictions, "predictions", "predictions", "ahead, and what became of them", chart.Mean},
}

const defaultStudies = studyVolume | studySMA20 | studyVWAP | studyAlerts | studyPredictions

// warmUp is how many bars before the window are computed with it: after them
// an average of 50 has forgotten where it began, to the last digit drawn.
const warmUp = 400

// study computes what is switched on for bars that begin at a session's start
// or warmUp bars before the window; values are aligned with the bars.
func study(on studies, bars []market.Bar, calendar *market.Calendar) (overlays []chart.Line, panes []chart.Pane) {
	n := len(bars)
	line := func(name string, ink chart.Ink) chart.Line {
		return chart.Line{Name: name, Ink: ink, Values: make([]float64, n)}
	}
	closes := func(name string, ink chart.Ink, next func(float64) float64) {
		l := line(name, ink)
		for i := range bars {
			l.Values[i] = next(bars[i].Close)
		}
		overlays = append(overlays, l)
	}
	if on&studySMA20 != 0 {
		closes("SMA 20", chart.Study1, indicator.NewSMA(20).Next)
	}
	if on&studySMA50 != 0 {
		closes("SMA 50", chart.Study4, indicator.NewSMA(50).Next)
	}
	if on&studyEMA12 != 0 {
		closes("EMA 12", chart.Study3, indicator.NewEMA(12).Next)
	}
	if on&studyEMA26 != 0 {
		closes("EMA 26", chart.Study1, indicator.NewEMA(26).Next)
	}
	if on&studyVWAP != 0 && n > 0 && bars[0].Interval < market.Day {
		l, v := line("VWAP", chart.Study2), indicator.VWAP{}
		for i := range bars {
			l.Values[i] = v.Next(&bars[i], calendar.Day(bars[i].Time))
		}
		overlays = append(overlays, l)
	}
	if on&studyBollinger != 0 {
		b := indicator.NewBollinger(20, 2)
		upper, lower := line("Bollinger", chart.Study3), line("", chart.Study3)
		for i := range bars {
			upper.Values[i], _, lower.Values[i] = b.Next(bars[i].Close)
		}
		overlays = append(overlays, upper, lower)
	}
	if on&studyRSI != 0 {
		l, r := line("RSI 14", chart.Study1), indicator.NewRSI(14)
		for i := range bars {
			l.Values[i] = r.Next(bars[i].Close)
		}
		panes = append(panes, chart.Pane{Name: "RSI 14", Lines: []chart.Line{l}, Low: 10, High: 90, Guides: []float64{30, 70}})
	}
	if on&studyMACD != 0 {
		m := indicator.NewMACD(12, 26, 9)
		macd, signal, histogram := line("MACD", chart.Study1), line("signal", chart.Study2), line("", chart.Blank)
		for i := range bars {
			macd.Values[i], signal.Values[i], histogram.Values[i] = m.Next(bars[i].Close)
		}
		panes = append(panes, chart.Pane{Name: "MACD 12 26 9", Lines: []chart.Line{macd, signal}, Histogram: &histogram, Guides: []float64{0}})
	}
	return overlays, panes
}

// studyFrom is the first bar that studies of a window must have seen: back to
// the beginning of its session where the VWAP needs it.
func studyFrom(on studies, bars []market.Bar, from int, calendar *market.Calendar) int {
	start := max(from-warmUp, 0)
	if on&studyVWAP == 0 || from >= len(bars) || bars[from].Interval >= market.Day {
		return start
	}
	day := calendar.Day(bars[from].Time)
	first := from
	for first > 0 && calendar.Day(bars[first-1].Time) == day {
		first--
	}
	return min(start, first)
}

// closesAt aligns the closes of another symbol with the bars of the chart: each
// has the newest close up to its own time, NaN before the first.
func closesAt(bars, other []market.Bar) []float64 {
	out := make([]float64, len(bars))
	k, last := 0, math.NaN()
	for i := range bars {
		for k < len(other) && other[k].Time <= bars[i].Time {
			last = other[k].Close
			k++
		}
		out[i] = last
	}
	return out
}
