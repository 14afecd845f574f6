package clean

// Excluded says whether a trade with this condition is left out of bars: it was
// not made at the market's price at that time (average price, derivatively
// priced, late, out of sequence, prior reference price, contingent …). The
// tick itself is kept.
//
// Two vocabularies are known. Hexadecimal flags of a historical vendor: those
// whose omission reproduces that vendor's own minute bars. Letters of the
// consolidated tapes (CTA and UTP participant specifications): the sale
// conditions that update neither high, low nor last.
func Excluded(condition string) bool {
	if condition == "" {
		return false
	}
	switch condition {
	case "20", "20000020", "20040200", "20100000", "20100200", "1000000":
		return true
	}
	for i := 0; i < len(condition); i++ {
		switch c := condition[i]; c {
		case 'B', 'C', 'G', 'H', 'M', 'N', 'P', 'Q', 'R', 'U', 'V', 'W', 'Z', '4', '7', '9':
			if len(condition) > 4 { // a sale condition has at most four letters
				return false
			}
			if c >= '0' && c <= '9' && !letters(condition) {
				return false
			}
			return true
		}
	}
	return false
}

// letters says whether a condition is one of the tapes' rather than a number:
// those hold letters, @ or blanks beside their few digits.
func letters(condition string) bool {
	for i := 0; i < len(condition); i++ {
		if c := condition[i]; c == '@' || c == ' ' || c >= 'A' && c <= 'Z' {
			return true
		}
	}
	return len(condition) == 1
}
