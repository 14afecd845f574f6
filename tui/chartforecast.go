package tui

import (
	"context"
	"time"

	tea "charm.land/bubbletea/v2"

	"tapedeck/pipeline/market"
)

// forecasts are what is known of the symbol's forecasts beyond the board's.
type forecasts struct {
	symbol  string
	list    []market.Prediction
	request int
	asked   time.Time
	version int
}

type predictionsCame struct {
	request int
	list    []market.Prediction
	err     error
}

// predictionsEvery is how often the record is read anew.
const predictionsEvery = 60 * time.Second

// want asks for the forecasts of the last days, once a minute.
func (p *forecasts) want(d *Desk, on studies) {
	source := d.Data.Predictions
	if on&studyPredictions == 0 || source == nil || p.request != 0 && d.Now().Sub(p.asked) < predictionsEvery {
		return
	}
	if p.symbol == d.Symbol && d.Now().Sub(p.asked) < predictionsEvery {
		return
	}
	if p.symbol != d.Symbol {
		p.symbol, p.list = d.Symbol, nil
		p.version++
	}
	p.request, p.asked = d.Request(), d.Now()
	request, symbol, to := p.request, d.Symbol, d.Clock().Add(time.Minute)
	d.Post(tea.Cmd(func() tea.Msg {
		ctx, cancel := context.WithTimeout(context.Background(), fetchWithin)
		defer cancel()
		list, err := source.Predictions(ctx, symbol, to.Add(-72*time.Hour), to)
		return predictionsCame{request, list, err}
	}))
}

func (p *forecasts) take(m predictionsCame) {
	if m.request != p.request {
		return
	}
	p.request = 0
	if m.err == nil {
		p.list = m.list
		p.version++
	}
}
