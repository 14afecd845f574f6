// Package alert gives alert rules their meaning. Compile reads a rule's
// condition (in the syntax of expr-lang, with the words of Reference) and turns
// it into typed closures over a flat array of numbers; Engine evaluates the
// rules over one partition's symbols and says when an alert begins and ends.
//
// The engine promises to be a function of what it is told, in that order: it
// knows no clock but the one it is given, its state goes into a snapshot and
// back to the bit, and the same transition gets the same ID in every run. A
// condition cannot loop, and evaluating it allocates nothing. What is not known
// yet (an average that warms up) makes a condition not true, never an error.
//
// It does not deliver alerts, keep their history or store rules.
package alert
