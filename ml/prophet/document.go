package prophet

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"

	"tapedeck/pipeline/market"
)

// ErrModel is in the chain of every error about a saved model that cannot be used.
var ErrModel = errors.New("prophet model")

// Format and version of a saved model. A reader refuses another version.
const (
	documentFormat  = "tapedeck/prophet"
	documentVersion = 1
	maxDocument     = 256 << 20 // bytes
)

// document is a saved model.
type document struct {
	Format       string        `json:"format"`
	Version      int           `json:"version"`
	Config       Config        `json:"config"`
	Start        market.Time   `json:"start"`
	Span         float64       `json:"span"` // µs
	YScale       float64       `json:"y_scale"`
	YMin         float64       `json:"y_min"`
	Changepoints []market.Time `json:"changepoints"`
	Terms        []term        `json:"terms"`
	Params       Params        `json:"params"`
	LogPosterior float64       `json:"log_posterior"`
	Times        []market.Time `json:"times"`
	Cap          []float64     `json:"cap,omitempty"`
	Floor        []float64     `json:"floor,omitempty"`
}

// Save writes the model as JSON. A model that is read back forecasts the same bits.
func (m *Model) Save(w io.Writer) error {
	err := json.NewEncoder(w).Encode(document{Format: documentFormat, Version: documentVersion, Config: m.config,
		Start: m.start, Span: m.span, YScale: m.yScale, YMin: m.yMin, Changepoints: m.changepoints, Terms: m.terms,
		Params: m.params, LogPosterior: m.logPosterior, Times: m.dates.Times, Cap: m.dates.Cap, Floor: m.dates.Floor})
	if err != nil {
		return fmt.Errorf("save prophet model: %w", err)
	}
	return nil
}

// Load reads a model that Save wrote, and refuses any other with ErrModel.
func Load(r io.Reader) (*Model, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxDocument+1))
	if err != nil {
		return nil, fmt.Errorf("read prophet model: %w", err)
	}
	if len(data) > maxDocument {
		return nil, fmt.Errorf("%w: longer than %d MB", ErrModel, maxDocument>>20)
	}
	var kind struct {
		Format  string `json:"format"`
		Version int    `json:"version"`
	}
	if err := json.Unmarshal(data, &kind); err != nil {
		return nil, fmt.Errorf("%w: not JSON as written by Save: %w", ErrModel, err)
	}
	if kind.Format != documentFormat {
		return nil, fmt.Errorf("%w: format is %.40q, not %q: this file is no model of this package", ErrModel, kind.Format, documentFormat)
	}
	if kind.Version != documentVersion {
		return nil, fmt.Errorf("%w: version %d, this program reads %d: fit again, or use the program that wrote it", ErrModel, kind.Version, documentVersion)
	}
	var d document
	if err := json.Unmarshal(data, &d); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrModel, err)
	}
	if err := d.validate(); err != nil {
		return nil, fmt.Errorf("%w: damaged: %w", ErrModel, err)
	}
	return &Model{config: d.Config, start: d.Start, span: d.Span, yScale: d.YScale, yMin: d.YMin, changepoints: d.Changepoints,
		terms: d.Terms, params: d.Params, logPosterior: d.LogPosterior, dates: Future{Times: d.Times, Cap: d.Cap, Floor: d.Floor}}, nil
}

func (d *document) validate() error {
	if err := d.Config.Validate(); err != nil {
		return err
	}
	if len(d.Times) < 2 {
		return errors.New("fewer than two times")
	}
	for i := 1; i < len(d.Times); i++ {
		if d.Times[i] <= d.Times[i-1] {
			return errors.New("times are not in order")
		}
	}
	if err := checkLimits(d.Config.Growth, d.Times, d.Cap, d.Floor); err != nil {
		return err
	}
	if !(d.Span > 0 && d.YScale > 0) {
		return errors.New("span or y_scale is not above 0")
	}
	features := 0
	for i := range d.Terms {
		t := &d.Terms[i]
		switch {
		case t.Name == "" || t.Mode != Additive && t.Mode != Multiplicative || !(t.PriorScale > 0):
			return fmt.Errorf("term %d has no name, mode or prior scale", i)
		case !(t.Period >= 0) || t.Order < 0 || t.Order > maxOrder || t.Period > 0 && len(t.Window) > 0:
			return fmt.Errorf("term %s has no valid period and order", t.Name)
		}
		features += t.width()
	}
	if features > maxColumns || len(d.Changepoints) > maxColumns {
		return fmt.Errorf("more than %d features or changepoints", maxColumns)
	}
	p := d.Params
	if len(p.Beta) != features || len(p.Delta) != max(1, len(d.Changepoints)) {
		return fmt.Errorf("%d coefficients and %d slope changes for %d features and %d changepoints", len(p.Beta), len(p.Delta), features, len(d.Changepoints))
	}
	if !(p.Sigma > 0) {
		return errors.New("sigma_obs is not above 0")
	}
	numbers := append(append([]float64{p.K, p.M, p.Sigma, d.Span, d.YScale, d.YMin, d.LogPosterior}, p.Delta...), p.Beta...)
	for _, v := range numbers {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return errors.New("a number is not finite")
		}
	}
	return nil
}
