// Package tui is the workstation's screen: one Bubble Tea model, panes as
// plain structs, one key table, one theme.
//
// It promises never to block on I/O (all of it runs in commands whose late
// answers are dropped), to sample the live board once a frame, to draw
// nothing when nothing moved, and to give the terminal back whatever happens.
// It does not talk to Kafka, the lake or the pipeline: what it needs comes
// through the small interfaces of Data. Text from outside loses its control
// characters in canvas.put, the only way onto the screen.
package tui
