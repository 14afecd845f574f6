package tui

import (
	"time"

	"tapedeck/pipeline/market"
	"tapedeck/tui/chart"
)

// smallChart is a symbol's newest bars in whatever room there is. It keeps
// the grid that it drew last: most frames change nothing in it.
type smallChart struct {
	desk  *Desk
	style chart.Style
	drawn smallKey
	text  string // as it goes to the screen
}

// smallSpan is how many bars the narrowest charts show at least.
const smallSpan = 60

type smallKey struct {
	symbol        string
	interval      market.Interval
	width, height int
	theme         *Theme
	version       int
	axes          bool
	zone          *time.Location
	last, level   float64
	predicted     market.Time
	horizon       int32
}

// ask has the symbol's bars fetched; called from Update, which may.
func (s *smallChart) ask(symbol string) {
	if symbol != "" {
		s.desk.bars.series(symbol, s.desk.Interval)
	}
}

// draw fills h lines: a line by asciigraph, with axes where asked for and
// where there is room. It never shows another symbol's bars.
func (s *smallChart) draw(c *canvas, symbol string, w, h int, axes bool) {
	d := s.desk
	x := d.bars.peek(symbol, d.Interval)
	if h < 1 {
		return
	}
	coming := x != nil && d.bars.coming(x)
	if x == nil || len(x.bars) == 0 || coming {
		if h > 2 {
			c.end()
		}
		c.gap(1)
		switch {
		case symbol == "":
			c.muted("no symbol is selected")
		case coming:
			c.muted(symbol + " · its history is coming in …")
		case x == nil || x.busy() || !x.loaded && x.why == "":
			c.muted(symbol + " · loading …")
		case x.why != "":
			c.cell(c.on(Muted), symbol+" · "+x.why, w)
		default:
			c.muted(symbol + " · no " + d.Interval.String() + " bar has closed yet")
		}
		c.end()
		return
	}
	q := d.Frame.Quote(symbol)
	key := smallKey{symbol: symbol, interval: d.Interval, width: w, height: h, theme: d.Theme, version: x.version, axes: axes, zone: d.Zone()}
	if q != nil {
		key.last, key.level, key.predicted, key.horizon = q.Last, q.Reference, q.Predicted.Bar, q.Predicted.Horizon
	}
	if s.text == "" || key != s.drawn {
		ch := chart.Chart{Bars: x.bars, Interval: d.Interval, Zone: d.Zone(), ZoneName: zoneName(d.Zone(), d.Clock().Std()), Decimals: 2,
			Style: s.style, Zoom: chart.Zooms[chart.Natural], Volume: axes && h >= 12, Cross: -1,
			Plain: d.Theme.Mode == NoColor, ASCII: d.Theme.ASCII, Session: d.Calendar(symbol).Session}
		if !axes { // a span that says something, however narrow
			for z := chart.Natural; z > 0 && (w-9)*ch.Zoom.Bars < min(smallSpan, len(x.bars)); z-- {
				ch.Zoom = chart.Zooms[z-1]
			}
		}
		quoteOn(&ch, q, !x.detached)
		if axes {
			ch.Band = bandOf(d, q, x.bars[len(x.bars)-1], "", 0)
			ch.Ahead = aheadOf(ch.Band, x.bars[len(x.bars)-1].Time, d.Interval, ch.Zoom, 0)
		} else {
			ch.Level = 0
		}
		g, _ := ch.Draw(w, h)
		s.text, s.drawn = painted(d.Theme, g, w+1, 1), key
	}
	c.block(s.text)
}
