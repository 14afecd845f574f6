package athena

import "strings"

// reading are the words that begin a statement which only reads.
var reading = map[string]bool{"SELECT": true, "WITH": true, "VALUES": true, "TABLE": true, "SHOW": true, "DESCRIBE": true, "DESC": true, "(": true}

// tableFunctions only compute; others hand a text to another database, which
// may do anything with it.
var tableFunctions = map[string]bool{"SEQUENCE": true, "EXCLUDE_COLUMNS": true}

// ReadOnly returns nil for one statement that only asks, and else an *Error
// that says what is refused. It is for engines elsewhere, which would take
// everything: it does not judge whether the statement is right otherwise.
func ReadOnly(sql string) error {
	tokens, err := scan(sql)
	if err == nil {
		err = onlyReads(tokens)
	}
	if f, ok := err.(*fault); ok {
		return place(sql, f)
	}
	return err
}

func onlyReads(tokens []token) error {
	is := func(i int, keys ...string) bool {
		if i < 0 || i >= len(tokens) || tokens[i].kind != word && tokens[i].kind != symbol {
			return false
		}
		for _, k := range keys {
			if strings.EqualFold(tokens[i].text, k) {
				return true
			}
		}
		return false
	}
	for len(tokens) > 0 && (tokens[len(tokens)-1].kind == end || is(len(tokens)-1, ";")) {
		tokens = tokens[:len(tokens)-1]
	}
	if len(tokens) == 0 {
		return failAt(0, "the statement is empty")
	}
	for i, t := range tokens {
		if is(i, ";") {
			return failAt(t.at, "one statement at a time")
		}
	}
	i := 0
	if is(0, "EXPLAIN") {
		i++
		if is(i, "ANALYZE") {
			i++
		}
		if is(i, "VERBOSE") {
			i++
		}
		if is(i, "(") && is(i+1, "TYPE", "FORMAT") {
			for i < len(tokens) && !is(i, ")") {
				i++
			}
			i++
		}
	}
	if i == len(tokens) {
		return failAt(tokens[0].at, "EXPLAIN needs a statement")
	}
	if first := tokens[i]; !reading[strings.ToUpper(first.text)] || first.kind != word && first.kind != symbol {
		return failAt(first.at, "%s is refused: only questions can be asked here (SELECT, WITH, VALUES, SHOW, DESCRIBE, EXPLAIN)", strings.ToUpper(first.text))
	}
	for i := range tokens {
		if !is(i, "TABLE") || !is(i+1, "(") {
			continue
		}
		name := i + 2 // TABLE(catalog.schema.function(…))
		for is(name+1, ".") {
			name += 2
		}
		if is(name, "SELECT", "WITH", "VALUES", "TABLE") && !is(name+1, "(") { // an argument: TABLE(SELECT …)
			continue
		}
		if name < len(tokens) && is(name+1, "(") && !tableFunctions[strings.ToUpper(tokens[name].text)] {
			return failAt(tokens[name].at, "the table function %s is refused: it may hand the statement on to a database that writes", tokens[name].text)
		}
	}
	return nil
}
