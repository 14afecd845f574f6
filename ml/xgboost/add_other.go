//go:build !amd64

package xgboost

// add adds the gradients of rows, whose codes are at column[begin], to the
// bins of a feature. Training spends much of its time here.
func add(own *[256]sums, column []uint8, begin []int, added []sums) {
	addPortable(own, column, begin, added)
}
