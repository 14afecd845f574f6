// Package prophet fits and extrapolates daily closes, or any other series, with
// the additive model of Taylor and Letham ("Forecasting at scale", The American
// Statistician 72, 2018) as the Python library prophet 1.x defines it: trend
// with changepoints, seasonalities as Fourier series, holidays, and intervals by
// simulation.
//
// Fit finds the maximum of the log posterior of Prophet's Stan model. That
// posterior is a least-squares problem with an L1 penalty, so it is solved as
// one, to the optimum, where Prophet's L-BFGS stops short of it. Parameter names
// and defaults are Prophet's. Everything is deterministic, simulation included.
//
// It does no MCMC, knows no extra regressors, and is made for horizons of days
// and longer: a model with yearly seasonality knows nothing about the next minute.
package prophet
