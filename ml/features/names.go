// Package features makes what the models see of the market out of closed
// one-minute bars: eight numbers a symbol and minute, in windows of sixty.
// Training and live use run the same code, so that a model meets live what it
// was trained on. No feature depends on anything later than its own minute.
//
// All features are without unit and near zero on average: returns are measured
// in the symbol's own volatility. A Panel is the only way in: it holds every
// symbol, since some features compare a symbol with the others.
package features

// Version of the list of features and of how they are computed. A model that
// was trained on another version must not be asked.
const Version = 1

// Count is the number of features of a row.
const Count = 8

// Window is the number of rows that a model sees, one a minute.
const Window = 60

// Names are the features, in the order of a row. r is a one-minute log return,
// σ the standard deviation of the last 30 of them.
var Names = [Count]string{
	"return_1m",       // r / σ
	"return_5m",       // of the last 5 minutes / σ√5
	"return_15m",      // of the last 15 minutes / σ√15
	"residual_5m",     // r less the mean r of the sector's other symbols, weighted by exp(−age/5 min), / σ√Σw²
	"lead_5m",         // mean r of technology less that of all symbols, weighted alike; 0 for technology itself
	"rsi_14",          // (RSI − 50) / 50
	"sma_20",          // distance to the mean of 20 minutes, in what a random walk's is on average
	"volume_ratio_20", // log of the volume over the mean volume of the 20 minutes before
}
