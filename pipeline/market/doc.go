// Package market holds the nouns of the whole program: ticks, clocks, bars,
// features, alerts, rules, predictions and dead letters, their JSON form on
// the log, their CSV form in the raw lake, the exchange's calendar and the
// universe of symbols.
//
// It promises that what is decoded is valid: whatever bytes come in, the
// result is a value within documented limits or one of a closed list of
// errors. It imports only the standard library and knows nothing of Kafka,
// files or screens.
package market
