// Package remote asks the lake's questions of the engines beyond this machine:
// Amazon Athena, and a Trino cluster. It also registers the lake's tables with
// the catalog of Athena, which is Glue's.
//
// It promises that a statement only reads, that a question which is given up is
// stopped where it runs, and that values come back with their types, as package
// store gives its own. What a question has scanned, and what that costs, is
// told with its answer. Engines see what is in the lake's files: the newest
// minutes, which only the log holds, are not among it.
package remote
