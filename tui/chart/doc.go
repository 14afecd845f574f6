// Package chart draws bars of a market into a grid of cells: candles, lines,
// volume, oscillators, marks and predictions on one time axis on which closed
// hours take no width.
//
// It promises that the same input gives the same cells, that no cell lies
// outside the grid, and that no input makes it fail: what is not finite is
// not drawn. It knows no terminal and no colour: an Ink says what a cell
// means, and the screen gives it a look. It computes no indicator.
package chart
