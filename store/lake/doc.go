// Package lake keeps the history of every topic in files, in a directory or in
// S3, each record exactly once.
//
// It promises: per partition the records form one chain of parts without gap
// or overlap, whoever writes and however often writers die, since a part is
// created only where none was before; a part that is there is whole; the rows
// of an hour of ticks are published as one CSV file whose bytes do not depend
// on who publishes; merged Parquet files only gain rows, and a manifest says
// up to which offset they are complete, so that a reader can count every row
// once at any moment.
//
// It does not read the log (a caller appends what it consumed), does not
// answer queries (package store does), and does not decide when to flush, seal
// or merge: that is its caller's loop. A directory must lie on a local file
// system that knows hard links.
package lake
