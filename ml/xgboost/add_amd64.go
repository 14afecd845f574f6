package xgboost

// addCodes is addPortable for n rows. The caller sees to it that begin and
// added are n long and that column reaches as far as begin points.
//
//go:noescape
func addCodes(own *[256]sums, column *uint8, begin *int, added *sums, n int)

// add adds the gradients of rows, whose codes are at column[begin], to the
// bins of a feature. Training spends much of its time here.
func add(own *[256]sums, column []uint8, begin []int, added []sums) {
	if len(begin) == 0 || len(begin) != len(added) {
		return
	}
	addCodes(own, &column[0], &begin[0], &added[0], len(begin))
}
