package market

// Names keeps one string for each symbol, exchange, condition and source that
// a stream brings, so that decoding a tick does not allocate. The zero value
// is ready. It holds at most maxNames texts; beyond that, new ones are
// allocated each time and nothing else changes. Not for concurrent use.
type Names struct {
	byText map[string]string
}

const maxNames = 1 << 17

// Of is the string of text.
func (n *Names) Of(text []byte) string {
	if len(text) == 0 {
		return ""
	}
	if s, ok := n.byText[string(text)]; ok {
		return s
	}
	s := string(text)
	if n.byText == nil {
		n.byText = make(map[string]string)
	}
	if len(n.byText) < maxNames {
		n.byText[s] = s
	}
	return s
}
