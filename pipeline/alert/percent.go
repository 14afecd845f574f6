package alert

import "strings"

// percents makes "3%" readable for the parser, which knows % only as the
// remainder: each percent sign that ends a number becomes a blank, so that
// places stay the same, and the offsets (in characters) at which such numbers
// begin are returned.
func percents(source string) (string, map[int]bool) {
	runes := []rune(source)
	var found map[int]bool
	var quote rune
	for i := 0; i < len(runes); i++ {
		r := runes[i]
		switch {
		case quote != 0:
			if r == '\\' && quote != '`' {
				i++
			} else if r == quote {
				quote = 0
			}
		case r == '"' || r == '\'' || r == '`':
			quote = r
		case r == '%':
			start := i
			for start > 0 && (digit(runes[start-1]) || runes[start-1] == '.' || runes[start-1] == '_') {
				start--
			}
			if start == i || start > 0 && letter(runes[start-1]) || operandFollows(runes[i+1:]) {
				continue
			}
			if found == nil {
				found = map[int]bool{}
			}
			found[start] = true
			runes[i] = ' '
		}
	}
	if found == nil {
		return source, nil
	}
	return string(runes), found
}

// operandFollows says whether a number, word, string or group comes next, so
// that % before it is the remainder.
func operandFollows(rest []rune) bool {
	text := strings.TrimLeft(string(rest[:min(len(rest), 64)]), " \t\r\n")
	if text == "" {
		return false
	}
	first := rune(text[0])
	if letter(first) {
		end := 0
		for end < len(text) && letter(rune(text[end])) {
			end++
		}
		switch text[:end] {
		case "and", "or", "not", "in":
			return false
		}
		return true
	}
	return digit(first) || first == '(' || first == '"' || first == '\''
}

func digit(r rune) bool  { return r >= '0' && r <= '9' }
func letter(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '_' }
