package store

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// limits are macros in front of functions which make one huge value out of a
// small one. DuckDB can neither interrupt them while they do nor counts the
// memory of lists. Lists end where Trino's do, at 10,000 elements: a step of
// DuckDB makes 2,048 of them at once. What remains is regexp_replace over a
// text that is itself huge, which ends by its own size after some seconds.
var limits = []string{
	limitedText("repeat", "value, times", "times"),
	limitedText("lpad", "value, length, fill", "length"),
	limitedText("rpad", "value, length, fill", "length"),
	limitedText("bitstring", "value, length", "length"),
	limitedList("range"),
	limitedList("generate_series"),
	limitedResize("list_resize"),
	limitedResize("array_resize"),
	limitedPair("levenshtein"), limitedPair("editdist3"), limitedPair("damerau_levenshtein"), limitedPair("jaro_similarity"), limitedPair("jaro_winkler_similarity"),
	fmt.Sprintf("CREATE OR REPLACE MACRO limited_pattern(pattern) AS CASE WHEN strlen(pattern) > %[1]d THEN error('a pattern can have at most %[1]d bytes here') ELSE pattern END", maxPattern),
	"CREATE MACRO replace(text, old, new) AS CASE WHEN strlen(text) * (strlen(new) + 1) > 100000000 THEN error('replace: the result could be too large') ELSE system.main.replace(text, old, new) END",
}

var (
	// limitedFunctions must not be reached past their macros.
	limitedFunctions = set("repeat", "lpad", "rpad", "bitstring", "range", "generate_series", "list_resize", "array_resize",
		"replace", "limited_pattern", "levenshtein", "editdist3", "damerau_levenshtein", "jaro_similarity", "jaro_winkler_similarity")
	// expanding functions multiply what a lambda makes.
	expanding = set("repeat", "range", "generate_series", "list_resize", "array_resize")
)

const (
	maxText    = 1_000_000
	maxList    = 10_000
	maxPattern = 2_000 // DuckDB matches LIKE by recursion, a step a wildcard, until its stack ends
)

// patterned are the functions whose second argument is a pattern.
var patterned = set("~~", "!~~", "~~*", "!~~*", "~~~", "like_escape", "not_like_escape", "ilike_escape", "not_ilike_escape",
	"regexp_matches", "regexp_full_match", "regexp_replace", "regexp_extract", "regexp_extract_all", "regexp_split_to_array", "regexp_split_to_table",
	"string_split_regex", "str_split_regex")

// pattern checks the second argument of a function: a text that is written
// out and short, or one that limited_pattern has measured.
func (w *walker) pattern(n map[string]any) error {
	children, _ := n["children"].([]any)
	if len(children) < 2 {
		return nil
	}
	p, _ := children[1].(map[string]any)
	for text(p, "class") == "CAST" {
		p, _ = p["child"].(map[string]any)
	}
	value, _ := p["value"].(map[string]any)
	switch s, constant := value["value"].(string); {
	case text(p, "class") == "CONSTANT" && (!constant || len(s) <= maxPattern):
		return nil
	case text(p, "class") == "CONSTANT":
		return refuse("a pattern can have at most %d bytes here", maxPattern)
	case strings.EqualFold(text(p, "function_name"), "limited_pattern"): // its own macro: see limitedFunctions
		return nil
	}
	return refuse("write the pattern of LIKE or of a regular expression out, or put limited_pattern(…) around it")
}

func limitedPair(function string) string {
	const most = 100_000_000 // steps, which cannot be interrupted
	return fmt.Sprintf("CREATE MACRO %[1]s(a, b) AS CASE WHEN strlen(a) * strlen(b) > %[2]d THEN error('%[1]s: the texts are too long to be compared here') ELSE system.main.%[1]s(a, b) END", function, most)
}

func limitedText(function, parameters, size string) string {
	return fmt.Sprintf("CREATE MACRO %[1]s(%[2]s) AS CASE WHEN %[3]s > %[4]d THEN error('%[1]s: at most %[4]d characters can be made here') ELSE system.main.%[1]s(%[2]s) END",
		function, parameters, size, maxText)
}

func limitedList(function string) string {
	const template = "CASE WHEN COUNT > MAX THEN error('FUNCTION: at most MAX elements can be made here; as a table (FROM FUNCTION(…)) there is no such limit') ELSE system.main.FUNCTION(ARGS) END"
	// Three arguments are whole numbers, or timestamps and an interval.
	const steps = "coalesce((TRY_CAST(stop::VARCHAR AS BIGINT)::DOUBLE - TRY_CAST(start::VARCHAR AS BIGINT)) / TRY_CAST(step::VARCHAR AS BIGINT)," +
		" (epoch(TRY_CAST(stop::VARCHAR AS TIMESTAMPTZ)) - epoch(TRY_CAST(start::VARCHAR AS TIMESTAMPTZ))) / nullif(epoch(TRY_CAST(step::VARCHAR AS INTERVAL)), 0))"
	overload := func(parameters, count string) string {
		body := strings.NewReplacer("COUNT", count, "MAX", strconv.Itoa(maxList), "FUNCTION", function, "ARGS", parameters).Replace(template)
		return "(" + parameters + ") AS " + body
	}
	return "CREATE MACRO " + function + overload("stop", "stop") + ", " +
		overload("start, stop", "stop::DOUBLE - start") + ", " + overload("start, stop, step", steps)
}

func limitedResize(function string) string {
	return fmt.Sprintf("CREATE MACRO %[1]s(list, size) AS CASE WHEN size > %[2]d THEN error('%[1]s: at most %[2]d elements can be made here') ELSE system.main.%[1]s(list, size) END,"+
		" (list, size, value) AS CASE WHEN size > %[2]d THEN error('%[1]s: at most %[2]d elements can be made here') ELSE system.main.%[1]s(list, size, value) END",
		function, maxList)
}

// wideFormat finds a field width that would make a huge text, or one that is
// not known beforehand.
var wideFormat = regexp.MustCompile(`[0-9]{4}|:[^{}]*\{|%[-+ #0-9]*\*`)

// format checks the template of format or printf.
func (w *walker) format(n map[string]any) error {
	children, _ := n["children"].([]any)
	if len(children) == 0 {
		return nil
	}
	template, _ := children[0].(map[string]any)
	value, _ := template["value"].(map[string]any)
	s, constant := value["value"].(string)
	if text(template, "class") != "CONSTANT" || !constant {
		return refuse("the template of %s must be a text constant here", text(n, "function_name"))
	}
	if wideFormat.MatchString(s) {
		return refuse("the template of %s asks for a field of more than 999 characters", text(n, "function_name"))
	}
	return nil
}

// watch stops a query when the process grows far beyond what the database may
// use: what DuckDB does not count, such as lists of lists. It ends with ctx.
func (db *DB) watch(ctx context.Context, stop context.CancelCauseFunc) {
	before := resident()
	if before == 0 || db.memory == 0 {
		return
	}
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if resident() > before+2*db.memory {
				stop(fmt.Errorf("the query needs far more memory than it may have (%s) and was stopped; ask for less, or raise the limit", db.config.MemoryLimit))
				return
			}
		}
	}
}

// resident is the memory of this process in bytes; 0 where that cannot be told.
func resident() int64 {
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(data))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize())
}

// parseSize reads a size as DuckDB does; 0 where it cannot.
func parseSize(s string) int64 {
	s = strings.ToUpper(strings.TrimSpace(s))
	i := strings.IndexFunc(s, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	if i < 0 {
		i = len(s)
	}
	n, err := strconv.ParseFloat(s[:i], 64)
	if err != nil {
		return 0
	}
	unit := map[string]float64{"": 1, "B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12,
		"KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "TIB": 1 << 40}[strings.TrimSpace(s[i:])]
	return int64(n * unit)
}
