// Package store asks the history of the market: SQL over the lake and over
// what the log holds beyond it, by DuckDB.
//
// It promises that a query counts every row once, whatever is being written,
// merged or cleared meanwhile; that it sees what was in the log when it began;
// and that it can read the lake's tables and nothing else: no other file, no
// network, no write, with bounded memory, threads, temporary space and time.
//
// It writes nothing to the lake (package store/lake does), and it does not
// read Athena's dialect itself: a Rewriter given to Open does.
package store
