package main

import (
	"errors"
	"fmt"
	"reflect"
	"sort"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// Size is a number of bytes, written as 512MB or 1GB.
type Size int64

func (s Size) String() string {
	for _, unit := range sizeUnits {
		if int64(s) >= unit.bytes && int64(s)%unit.bytes == 0 {
			return strconv.FormatInt(int64(s)/unit.bytes, 10) + unit.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

var sizeUnits = []struct {
	name  string
	bytes int64
}{{"TB", 1 << 40}, {"GB", 1 << 30}, {"MB", 1 << 20}, {"KB", 1 << 10}, {"B", 1}}

func parseSize(text string) (Size, error) {
	for _, unit := range sizeUnits {
		if number, ok := strings.CutSuffix(strings.ToUpper(strings.TrimSpace(text)), unit.name); ok {
			v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
			if err != nil || v < 0 || v*float64(unit.bytes) > 1<<60 {
				break
			}
			return Size(v * float64(unit.bytes)), nil
		}
	}
	if v, err := strconv.ParseInt(text, 10, 64); err == nil && v >= 0 {
		return Size(v), nil
	}
	return 0, errors.New("write a size such as 512MB or 2GB")
}

// setting is one leaf of Config.
type setting struct {
	path  string // kafka.brokers
	tag   reflect.StructTag
	value reflect.Value
}

// settings lists the leaves of c in the order of the struct.
func (c *Config) settings() []setting {
	var all []setting
	var walk func(v reflect.Value, prefix string)
	walk = func(v reflect.Value, prefix string) {
		for i := range v.NumField() {
			field := v.Type().Field(i)
			path := prefix + field.Tag.Get("yaml")
			if field.Type.Kind() == reflect.Struct {
				walk(v.Field(i), path+".")
				continue
			}
			all = append(all, setting{path, field.Tag, v.Field(i)})
		}
	}
	walk(reflect.ValueOf(c).Elem(), "")
	return all
}

// env is the variable that sets it: kafka.brokers is TAPEDECK_KAFKA_BROKERS.
func (s setting) env() string {
	return "TAPEDECK_" + strings.ToUpper(strings.ReplaceAll(s.path, ".", "_"))
}

// allowed says in words what may stand there.
func (s setting) allowed() string {
	if list := s.tag.Get("oneof"); list != "" {
		return "one of " + strings.Join(strings.Fields(list), ", ")
	}
	var kind string
	switch s.value.Interface().(type) {
	case bool:
		return "true or false"
	case time.Duration:
		kind = "a duration such as 500ms, 10s or 5m"
	case Size:
		kind = "a size such as 512MB or 2GB"
	case int:
		kind = "a whole number"
	case float64:
		kind = "a number"
	case []string:
		return "a list of texts"
	case targetSettings:
		return targetsAllowed
	default:
		return "a text"
	}
	lowest, highest := s.tag.Get("min"), s.tag.Get("max")
	zero := ""
	if text := s.tag.Get("zero"); text != "" {
		zero = "; 0 is " + text
	}
	switch {
	case lowest != "" && highest != "":
		return kind + ", " + lowest + " to " + highest + zero
	case lowest != "":
		return kind + ", at least " + lowest + zero
	case highest != "":
		return kind + ", at most " + highest + zero
	}
	return kind
}

// set parses text into the setting.
func (s setting) set(text string) error {
	refuse := func() error { return fmt.Errorf("%s: %q is not allowed; %s", s.path, text, s.allowed()) }
	if list := s.tag.Get("oneof"); list != "" {
		for _, word := range strings.Fields(list) {
			if strings.EqualFold(word, text) {
				s.value.SetString(word)
				return nil
			}
		}
		return refuse()
	}
	var err error
	switch s.value.Interface().(type) {
	case string:
		s.value.SetString(text)
	case bool:
		var v bool
		v, err = strconv.ParseBool(text)
		s.value.SetBool(v)
	case time.Duration:
		var v time.Duration
		v, err = time.ParseDuration(text)
		s.value.SetInt(int64(v))
	case Size:
		var v Size
		v, err = parseSize(text)
		s.value.SetInt(int64(v))
	case int:
		var v int
		v, err = strconv.Atoi(strings.ReplaceAll(text, "_", ""))
		s.value.SetInt(int64(v))
	case float64:
		var v float64
		v, err = strconv.ParseFloat(text, 64)
		s.value.SetFloat(v)
	case targetSettings:
		var targets targetSettings
		if targets, err = parseTargets(text); err != nil {
			return fmt.Errorf("%s: %w", s.path, err)
		}
		s.value.Set(reflect.ValueOf(targets))
	case []string:
		var list []string
		for _, item := range strings.Split(text, ",") {
			if item = strings.TrimSpace(item); item != "" {
				list = append(list, item)
			}
		}
		s.value.Set(reflect.ValueOf(list))
	}
	if err != nil || !s.inRange() {
		return refuse()
	}
	return nil
}

// inRange compares the value with the min and max tags; the tag zero allows 0.
func (s setting) inRange() bool {
	number := func(text string) float64 {
		switch s.value.Interface().(type) {
		case time.Duration:
			d, _ := time.ParseDuration(text)
			return float64(d)
		case Size:
			v, _ := parseSize(text)
			return float64(v)
		}
		v, _ := strconv.ParseFloat(text, 64)
		return v
	}
	var v float64
	switch s.value.Kind() {
	case reflect.Int, reflect.Int64:
		v = float64(s.value.Int())
	case reflect.Float64:
		v = s.value.Float()
	default:
		return true
	}
	if v == 0 && s.tag.Get("zero") != "" {
		return true
	}
	if text := s.tag.Get("min"); text != "" && !(v >= number(text)) {
		return false
	}
	if text := s.tag.Get("max"); text != "" && !(v <= number(text)) {
		return false
	}
	return true
}

// text is the value as set reads it; a secret is masked.
func (s setting) text(masked bool) string {
	switch v := s.value.Interface().(type) {
	case []string:
		return strings.Join(v, ",")
	case targetSettings:
		return v.text(masked)
	case string:
		if masked && v != "" && s.tag.Get("secret") != "" {
			return "********"
		}
		return v
	default:
		return fmt.Sprint(v)
	}
}

// readYAML sets what the file sets. Errors name file, line, key and what is allowed; all are reported at once.
func (c *Config) readYAML(name string, data []byte) error {
	var root yaml.Node
	if err := yaml.Unmarshal(data, &root); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if len(root.Content) == 0 {
		return nil // an empty file
	}
	byPath := map[string]setting{}
	sections := map[string]bool{}
	var names []string
	for _, s := range c.settings() {
		byPath[s.path] = s
		names = append(names, s.path)
		for i, c := range s.path {
			if c == '.' {
				sections[s.path[:i]] = true
			}
		}
	}
	var failures []error
	fail := func(node *yaml.Node, format string, args ...any) {
		failures = append(failures, fmt.Errorf("%s:%d: %s", name, node.Line, fmt.Sprintf(format, args...)))
	}
	seen := map[string]bool{}
	var walk func(node *yaml.Node, prefix string)
	walk = func(node *yaml.Node, prefix string) {
		if node.Kind == yaml.AliasNode || node.Kind != yaml.MappingNode {
			fail(node, "expected keys such as %s", strings.Join(nearest(prefix, names, 3), ", "))
			return
		}
		for i := 0; i+1 < len(node.Content); i += 2 {
			key, value := node.Content[i], node.Content[i+1]
			path := prefix + key.Value
			if seen[path] {
				fail(key, "%s stands twice", path)
				continue
			}
			seen[path] = true
			s, known := byPath[path]
			switch {
			case sections[path] && !known:
				if value.Kind == yaml.ScalarNode && value.Tag == "!!null" {
					continue
				}
				walk(value, path+".")
			case !known:
				fail(key, "%s is not a setting; did you mean %s?", path, strings.Join(nearest(path, names, 3), " or "))
			case s.value.Type() == reflect.TypeFor[targetSettings]():
				targets, errs := readTargets(value)
				for _, err := range errs {
					fail(err.node, "%s.%s", path, err.text)
				}
				s.value.Set(reflect.ValueOf(targets))
			case value.Kind == yaml.SequenceNode && s.value.Kind() == reflect.Slice:
				var list []string
				for _, item := range value.Content {
					if item.Kind != yaml.ScalarNode {
						fail(item, "%s: expected %s", path, s.allowed())
						continue
					}
					list = append(list, item.Value)
				}
				s.value.Set(reflect.ValueOf(list))
			case value.Kind != yaml.ScalarNode:
				fail(value, "%s: expected %s", path, s.allowed())
			case value.Tag == "!!null": // keeps the default
			default:
				if err := s.set(value.Value); err != nil {
					fail(value, "%v", err)
				}
			}
		}
	}
	walk(root.Content[0], "")
	return errors.Join(failures...)
}

// readEnvironment sets what TAPEDECK_* variables set; an unknown one is an error.
func (c *Config) readEnvironment(environ []string) error {
	byName := map[string]setting{}
	var names []string
	for _, s := range c.settings() {
		byName[s.env()] = s
		names = append(names, s.env())
	}
	var failures []error
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, "TAPEDECK_") || reservedEnv(name) {
			continue
		}
		s, ok := byName[name]
		if !ok {
			failures = append(failures, fmt.Errorf("environment: %s is not a setting; did you mean %s?", name, strings.Join(nearest(name, names, 2), " or ")))
			continue
		}
		if err := s.set(value); err != nil {
			failures = append(failures, fmt.Errorf("environment: %s: %w", name, err))
		}
	}
	return errors.Join(failures...)
}

// reservedEnv are variables that are no settings: the file's place, and what tests use.
func reservedEnv(name string) bool {
	return name == "TAPEDECK_CONFIG" || name == "TAPEDECK_BIN" || name == roleVariable || strings.HasPrefix(name, "TAPEDECK_TEST_") || name == "TAPEDECK_DEMO"
}

// nearest are the n names with the smallest edit distance to word.
func nearest(word string, names []string, n int) []string {
	sorted := append([]string(nil), names...)
	sort.SliceStable(sorted, func(i, j int) bool { return editDistance(word, sorted[i]) < editDistance(word, sorted[j]) })
	return sorted[:min(n, len(sorted))]
}

// editDistance is Levenshtein's.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}

// yamlText is the configuration as a file: with every setting's meaning, or
// (comments false) only keys and values. Secrets are masked where masked.
func (c *Config) yamlText(comments, masked bool) string {
	var b strings.Builder
	var open []string // the sections that stand above
	for _, s := range c.settings() {
		parts := strings.Split(s.path, ".")
		sections, key := parts[:len(parts)-1], parts[len(parts)-1]
		same := 0
		for same < min(len(open), len(sections)) && open[same] == sections[same] {
			same++
		}
		for i := same; i < len(sections); i++ {
			if comments && i == 0 {
				b.WriteString("\n")
			}
			fmt.Fprintf(&b, "%s%s:\n", strings.Repeat("  ", i), sections[i])
		}
		open = sections
		indent := strings.Repeat("  ", len(sections))
		if comments {
			fmt.Fprintf(&b, "%s# %s (%s)\n", indent, s.tag.Get("help"), s.allowed())
		}
		fmt.Fprintf(&b, "%s%s: %s\n", indent, key, s.yamlValue(masked))
	}
	return b.String()
}

func (s setting) yamlValue(masked bool) string {
	value := any(s.text(masked))
	if list, ok := s.value.Interface().([]string); ok {
		if len(list) == 0 {
			return "[]"
		}
		value = list
	} else if s.value.Kind() != reflect.String {
		return s.text(masked)
	}
	var node yaml.Node
	if err := node.Encode(value); err != nil {
		return `""`
	}
	node.Style = yaml.FlowStyle
	out, err := yaml.Marshal(&node)
	if err != nil {
		return `""`
	}
	return strings.TrimSpace(string(out))
}
