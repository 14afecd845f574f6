package alert

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"gopkg.in/yaml.v3"

	"tapedeck/pipeline/market"
)

// File is what a file of rules holds: rules, and the groups that they watch.
type File struct {
	Rules  []market.Rule
	Groups []market.Group // a saved query has its statement and what it gave
}

// maxRules bounds how many rules, and how many groups, a file may hold.
const maxRules = 10_000

// fileText is the form of a file of rules.
type fileText struct {
	Version int         `yaml:"version,omitempty"` // market.RuleVersion; absent is the first
	Groups  []groupText `yaml:"groups,omitempty"`
	Rules   []ruleText  `yaml:"rules"`
}

// groupText is a group as it stands in a file.
type groupText struct {
	Name    string   `yaml:"name"`
	SQL     string   `yaml:"sql,omitempty"`
	Symbols []string `yaml:"symbols,omitempty,flow"`
}

// ruleText is a rule as its author writes it. Who edited it, and which
// revision it is, belong to the log and not to the file.
type ruleText struct {
	Name        string   `yaml:"name"`
	Description string   `yaml:"description,omitempty"`
	Watch       []string `yaml:"watch,omitempty,flow"`
	When        string   `yaml:"when"`
	For         string   `yaml:"for,omitempty"`
	Repeat      string   `yaml:"repeat,omitempty"`
	Cooldown    string   `yaml:"cooldown,omitempty"`
	KeepFiring  string   `yaml:"keep_firing,omitempty"`
	Expires     string   `yaml:"expires,omitempty"`
	Severity    string   `yaml:"severity,omitempty"`
	Notify      []string `yaml:"notify,omitempty,flow"`
	Note        string   `yaml:"note,omitempty"`
	Disabled    bool     `yaml:"disabled,omitempty"`
}

// WriteYAML writes a file that ReadYAML reads. What is deleted is left out.
func WriteYAML(w io.Writer, f File) error {
	file := fileText{Version: market.RuleVersion, Rules: []ruleText{}}
	for _, g := range f.Groups {
		if !g.Deleted {
			file.Groups = append(file.Groups, groupText{g.Name, g.SQL, g.Symbols})
		}
	}
	for _, r := range f.Rules {
		if r.Deleted {
			continue
		}
		file.Rules = append(file.Rules, ruleText{r.Name, r.Description, r.Watch, r.When, r.For, r.Repeat, r.Cooldown, r.KeepFiring,
			r.Expires.String(), r.Severity.String(), r.Notify, r.Note, r.Disabled})
	}
	e := yaml.NewEncoder(w)
	e.SetIndent(2)
	if err := e.Encode(file); err != nil {
		return fmt.Errorf("write rules: %w", err)
	}
	if err := e.Close(); err != nil {
		return fmt.Errorf("write rules: %w", err)
	}
	return nil
}

// ReadYAML reads a file of rules and checks each of them. An unknown key, a
// rule that does not compile, a group that nobody could be in, or a name that
// comes twice is an error that names the line; nothing is returned then.
// Groups of the file count as known.
func ReadYAML(r io.Reader, world World) (File, error) {
	f, err := readYAML(r, world)
	if err != nil {
		return File{}, fmt.Errorf("read rules: %w", err)
	}
	return f, nil
}

func readYAML(r io.Reader, world World) (f File, err error) {
	var root yaml.Node
	if err := yaml.NewDecoder(io.LimitReader(r, 16<<20)).Decode(&root); err != nil {
		if errors.Is(err, io.EOF) {
			return f, errors.New("the file is empty")
		}
		return f, err
	}
	nodes, err := fileNodes(&root)
	if err != nil {
		return f, err
	}
	lines := map[string]int{}
	once := func(what, name string, line int) error {
		key := what + " " + name
		if before, ok := lines[key]; ok {
			return fmt.Errorf("line %d: the name %q stands already in line %d", line, name, before)
		}
		lines[key] = line
		return nil
	}
	for _, n := range nodes["groups"] {
		group, err := readGroup(n)
		if err == nil {
			err = once("group", group.Name, n.Line)
		}
		if err != nil {
			return f, err
		}
		f.Groups = append(f.Groups, group)
		if world.Groups != nil {
			world.Groups = append(world.Groups[:len(world.Groups):len(world.Groups)], group.Name)
		}
	}
	for _, n := range nodes["rules"] {
		rule, err := readRule(n, world)
		if err == nil {
			err = once("rule", rule.Name, n.Line)
		}
		if err != nil {
			return f, err
		}
		f.Rules = append(f.Rules, rule)
	}
	return f, nil
}

// fileNodes finds the lists under the keys rules and groups.
func fileNodes(root *yaml.Node) (map[string][]*yaml.Node, error) {
	if root.Kind != yaml.DocumentNode || len(root.Content) != 1 || root.Content[0].Kind != yaml.MappingNode {
		return nil, errors.New("line 1: a file of rules begins with `rules:`")
	}
	top := root.Content[0]
	lists := map[string][]*yaml.Node{}
	for i := 0; i+1 < len(top.Content); i += 2 {
		key, value := top.Content[i], top.Content[i+1]
		switch {
		case key.Value == "version":
			form := 0
			if err := value.Decode(&form); err != nil || form < 1 {
				return nil, fmt.Errorf("line %d: version is a number from 1 on", value.Line)
			}
			if form > market.RuleVersion {
				return nil, fmt.Errorf("line %d: version %d of a file of rules: %w", value.Line, form, market.ErrNewer)
			}
			continue
		case key.Value != "rules" && key.Value != "groups":
			return nil, fmt.Errorf("line %d: %q is not known; a file of rules has the keys version, rules and groups", key.Line, clip(key.Value, 40))
		case value.Kind != yaml.SequenceNode:
			return nil, fmt.Errorf("line %d: %s is a list; begin each with `- name:`", value.Line, key.Value)
		}
		lists[key.Value] = append(lists[key.Value], value.Content...)
		if len(lists[key.Value]) > maxRules {
			return nil, fmt.Errorf("more than %d %s", maxRules, key.Value)
		}
	}
	return lists, nil
}

// keysOf says that a mapping has no key but these, each once, and gives the
// lines of their values.
func keysOf(n *yaml.Node, what string, keys []string) (map[string]int, error) {
	if n.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("line %d: a %s is written as `- name: …`", n.Line, what)
	}
	lines := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if !contains(keys, key.Value) {
			reason := fmt.Errorf("line %d: a %s has no %q", key.Line, what, clip(key.Value, 40))
			if near := nearest(key.Value, keys); near != "" {
				reason = fmt.Errorf("%w (did you mean %s?)", reason, near)
			}
			return nil, reason
		}
		if _, twice := lines[key.Value]; twice {
			return nil, fmt.Errorf("line %d: %s is said twice", key.Line, key.Value)
		}
		lines[key.Value] = n.Content[i+1].Line
	}
	return lines, nil
}

var groupKeys = []string{"name", "sql", "symbols"}

func readGroup(n *yaml.Node) (market.Group, error) {
	lines, err := keysOf(n, "group", groupKeys)
	if err != nil {
		return market.Group{}, err
	}
	var text groupText
	if err := n.Decode(&text); err != nil {
		return market.Group{}, err
	}
	group := market.Group{Name: text.Name, SQL: text.SQL}
	if isQuery := strings.HasPrefix(text.Name, market.QueryGroup); !market.ValidGroup(text.Name) || isQuery != (text.SQL != "") {
		return group, fmt.Errorf("line %d: %q is no name of a group; one with sql is called query:NAME", max(lines["name"], n.Line), clip(text.Name, 40))
	}
	if err := group.SetSymbols(text.Symbols); err != nil {
		return group, fmt.Errorf("line %d: %w", max(lines["symbols"], n.Line), err)
	}
	return group, nil
}

var ruleKeys = []string{"name", "description", "watch", "when", "for", "repeat", "cooldown", "keep_firing", "expires", "severity", "notify", "note", "disabled"}

func readRule(n *yaml.Node, world World) (market.Rule, error) {
	var rule market.Rule
	lines, err := keysOf(n, "rule", ruleKeys)
	if err != nil {
		return rule, err
	}
	var text ruleText
	if err := n.Decode(&text); err != nil {
		return rule, err
	}
	rule = market.Rule{Name: text.Name, Description: text.Description, Watch: text.Watch, When: text.When, For: text.For, Repeat: text.Repeat,
		Cooldown: text.Cooldown, KeepFiring: text.KeepFiring, Notify: text.Notify, Note: text.Note, Disabled: text.Disabled}
	if text.Expires != "" {
		t, err := market.ParseTime(text.Expires)
		if err != nil {
			return rule, fmt.Errorf("line %d: expires: %w", lines["expires"], err)
		}
		rule.Expires = t
	}
	if text.Severity != "" {
		if err := rule.Severity.UnmarshalText([]byte(text.Severity)); err != nil {
			return rule, fmt.Errorf("line %d: severity: %w", lines["severity"], err)
		}
	}
	if _, err := Compile(rule, world); err != nil {
		line := n.Line
		var p *Problem
		if errors.As(err, &p) && lines[p.Field] > 0 {
			line = lines[p.Field]
		}
		return rule, fmt.Errorf("line %d: rule %q: %w", line, clip(rule.Name, 60), err)
	}
	return rule, nil
}
