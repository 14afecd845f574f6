package ml

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"

	"tapedeck/ml/features"
	"tapedeck/pipeline/market"
)

// The kinds of models that are asked every minute.
const (
	XGBoost = "xgboost" // a forest for each horizon, on the newest rows
	LSTM    = "lstm"    // one recurrent network for all horizons, on the window
)

// ManifestFormat is the version of the form of a model directory.
const ManifestFormat = 1

// ErrModel is in the chain of every error about a model directory that cannot
// be used.
var ErrModel = errors.New("model directory")

// Manifest says what a model is, what it needs and what it was made of. It is
// the file manifest.json of a model directory.
type Manifest struct {
	Format          int         `json:"format"`           // ManifestFormat
	Name            string      `json:"name"`             // XGBoost or LSTM
	Version         string      `json:"version"`          // sorts by the time of making
	Made            market.Time `json:"made"`             // when it was trained
	FeaturesVersion int         `json:"features_version"` // features.Version
	Features        []string    `json:"features"`
	Window          int         `json:"window"`         // rows
	Horizons        []int32     `json:"horizons"`       // seconds ahead of the end of the newest bar, rising
	Lags            []int       `json:"lags,omitempty"` // of a forest: which rows it sees, in minutes before the newest
	Normaliser      *Normaliser `json:"normaliser,omitempty"`
	Seed            uint64      `json:"seed"`
	Relative        bool        `json:"relative"` // targets were less the mean of their sector
	Training        Training    `json:"training"`
	// Calibration has an entry for each horizon.
	Calibration []Calibration `json:"calibration"`
	Curves      []Curve       `json:"curves,omitempty"`
	// Scores of a walk-forward over history, made by models like this one;
	// empty where there was not enough of it.
	Scores []Score `json:"scores,omitempty"`
	// Importance of the features for a forest, the largest first.
	Importance []Importance `json:"importance,omitempty"`
	// Files are the SHA-256 sums of the weights, in hexadecimal, by name.
	Files map[string]string `json:"files"`
}

// Training is what a model was trained on.
type Training struct {
	From    market.Time `json:"from"` // first minute
	To      market.Time `json:"to"`   // last minute whose bars the model has seen in any way
	Symbols int         `json:"symbols"`
	Rows    int         `json:"rows"`    // that weights were fitted to
	HeldOut int         `json:"heldout"` // rows for stopping, shrinkage and calibration
	Seconds float64     `json:"seconds"` // it took
}

// Normaliser makes of a feature v (v − Mean) / Scale, cut to ±Clip.
type Normaliser struct {
	Mean  []float32 `json:"mean"`
	Scale []float32 `json:"scale"`
	Clip  float32   `json:"clip"`
}

// Calibration is how the answers of a model for a horizon become returns. All
// is in units of volatility × √minutes.
type Calibration struct {
	Horizon int32 `json:"horizon"`
	// Shrink, 0 to 1, is what the model's answer is multiplied by: the
	// least-squares factor on held-out rows. 0 means that they gave no reason to
	// expect anything but no change.
	Shrink float64 `json:"shrink"`
	// Width is half the 80 % interval: the split-conformal quantile of the
	// absolute residuals of held-out rows (Lei et al., Distribution-free
	// predictive inference for regression, JASA 113, 2018), drawn towards that of
	// the next shorter horizon where few stretches were held out.
	Width   float64 `json:"width"`
	HeldOut int     `json:"heldout"` // residuals
}

// Curve is a learning curve.
type Curve struct {
	Horizon    int32     `json:"horizon,omitempty"` // of a forest; 0: all
	Train      []float64 `json:"train"`             // mean squared error by round or epoch, in units of volatility × √minutes
	Validation []float64 `json:"validation"`
	Best       int       `json:"best"` // index of the round or epoch that was kept
}

// Importance is the share of a forest's gain that a feature brings.
type Importance struct {
	Feature string  `json:"feature"`
	Share   float64 `json:"share"`
}

var validVersion = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// Validate says what about the manifest cannot be.
func (m *Manifest) Validate() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: manifest: "+format, append([]any{ErrModel}, args...)...)
	}
	switch {
	case m.Format != ManifestFormat:
		return bad("format %d, this version reads %d", m.Format, ManifestFormat)
	case m.Name != XGBoost && m.Name != LSTM:
		return bad("name %.40q, want %s or %s", m.Name, XGBoost, LSTM)
	case !validVersion.MatchString(m.Version):
		return bad("version %.40q is not letters, digits, dots and dashes", m.Version)
	case m.FeaturesVersion != features.Version || !slices.Equal(m.Features, features.Names[:]):
		return bad("it was trained on other features (version %d) than this program makes (version %d): train it again", m.FeaturesVersion, features.Version)
	case m.Window != features.Window:
		return bad("windows of %d rows, this program makes %d", m.Window, features.Window)
	case len(m.Horizons) == 0 || len(m.Horizons) > maxHorizons:
		return bad("%d horizons, want 1 to %d", len(m.Horizons), maxHorizons)
	case len(m.Calibration) != len(m.Horizons):
		return bad("%d calibrations for %d horizons", len(m.Calibration), len(m.Horizons))
	}
	if err := checkHorizons(m.Horizons); err != nil {
		return bad("%w", err)
	}
	for i, c := range m.Calibration {
		switch {
		case c.Horizon != m.Horizons[i]:
			return bad("calibration %d is for %d s, want %d s", i, c.Horizon, m.Horizons[i])
		case !(c.Shrink >= 0 && c.Shrink <= 1):
			return bad("shrink %g, want 0 to 1", c.Shrink)
		case !(c.Width > 0 && c.Width <= 100):
			return bad("interval of %g volatilities, want above 0 and at most 100", c.Width)
		}
	}
	if m.Name == XGBoost {
		if err := checkLags(m.Lags); err != nil {
			return bad("%w", err)
		}
	}
	if m.Name == LSTM {
		return m.Normaliser.validate(bad)
	}
	return nil
}

func (n *Normaliser) validate(bad func(string, ...any) error) error {
	if n == nil || len(n.Mean) != features.Count || len(n.Scale) != features.Count {
		return bad("the normaliser is not of %d features", features.Count)
	}
	for i := range n.Mean {
		if !finite(n.Mean[i]) || !finite(n.Scale[i]) || n.Scale[i] <= 0 {
			return bad("the normaliser of %s is %g, %g", features.Names[i], n.Mean[i], n.Scale[i])
		}
	}
	if !finite(n.Clip) || n.Clip <= 0 {
		return bad("the normaliser cuts at %g", n.Clip)
	}
	return nil
}

func finite(v float32) bool { return !math.IsNaN(float64(v)) && !math.IsInf(float64(v), 0) }

const (
	maxHorizons = 16
	maxHorizon  = 24 * 3600
	maxLags     = 16
)

func checkHorizons(list []int32) error {
	for i, h := range list {
		if h < 60 || h > maxHorizon || h%60 != 0 || i > 0 && h <= list[i-1] {
			return fmt.Errorf("horizons %v: want whole minutes in seconds, rising, up to a day", list)
		}
	}
	return nil
}

func checkLags(lags []int) error {
	if len(lags) == 0 || len(lags) > maxLags {
		return fmt.Errorf("%d lags, want 1 to %d", len(lags), maxLags)
	}
	for _, lag := range lags {
		if lag < 0 || lag >= features.Window {
			return fmt.Errorf("a lag of %d minutes, want 0 to %d", lag, features.Window-1)
		}
	}
	return nil
}

// apply normalises rows of features from src to dst, which may be the same.
func (n *Normaliser) apply(dst, src []float32) {
	for i := 0; i < len(src); i += len(n.Mean) {
		for k, mean := range n.Mean {
			dst[i+k] = min(max((src[i+k]-mean)/n.Scale[k], -n.Clip), n.Clip)
		}
	}
}
