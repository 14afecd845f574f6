// Package athena gives statements written for Amazon Athena (Trino's SQL) the
// same meaning on DuckDB. A Translator reads a statement with a parser of its
// own, works out the type of every expression from the tables' columns, and
// writes DuckDB's SQL; Functions registers the functions that DuckDB lacks.
//
// It promises the answer that Trino gives, or an error that names what cannot
// be given and what to write instead; it never promises all of Trino. A value
// of type timestamp with time zone keeps its instant; its zone is followed
// through a statement only where it can be read off the text.
package athena
