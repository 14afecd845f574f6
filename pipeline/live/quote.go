package live

import "tapedeck/pipeline/market"

// Quote is the newest state of one symbol, ready to draw. It is a value: what
// its slice holds is never written again.
type Quote struct {
	Symbol string
	Source string

	Time     market.Time // of the newest tick
	Received market.Time // when its feed had it
	Last     float64
	Previous float64 // the price before Last
	Bid, Ask float64 // 0 is unknown

	// The trading day so far. Open, High and Low are of the regular session
	// once it has begun, of the pre session until then; Volume and Trades
	// count since the day began, whatever the session.
	Day             market.Time // its date, as midnight UTC
	Open, High, Low float64
	Volume, Trades  int64

	Reference float64 // what the change is against; 0 before the first trade
	FromFirst bool    // Reference is the day's first trade, since the previous close is not known

	Move     float64 // typical size of a tick's move, in price: what is large is large against this
	Rate     float64 // ticks per second, smoothed over about ten
	Decimals uint8   // to draw prices with; stands still for the day

	Spark []float32 // newest closes of 1m bars, oldest first, at most SparkLength; the last may still form

	Alerts    int32       // alerts firing now
	AlertTime market.Time // of the newest alert; 0 is none
	Severity  market.Severity

	Predicted market.Prediction // the champion's newest, of the nearest horizon; Model is empty where there is none
}

// SparkLength is how many 1m closes a quote keeps.
const SparkLength = 60

// Change is the difference to the reference and its share of it, 0 and 0
// where there is no reference.
func (q *Quote) Change() (abs, share float64) {
	if q.Reference == 0 || q.Last == 0 {
		return 0, 0
	}
	return q.Last - q.Reference, q.Last/q.Reference - 1
}

// decimalsOf is the price hint: cents, but hundredths of a cent for prices
// below a dollar, where a cent is too coarse (SEC rule 612).
func decimalsOf(price float64) uint8 {
	if price < 1 {
		return 4
	}
	return 2
}
