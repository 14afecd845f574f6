package alert

import (
	"errors"
	"fmt"
	"io"

	"gopkg.in/yaml.v3"

	"tapedeck/pipeline/market"
)

// maxRules bounds how many rules a file may hold.
const maxRules = 10_000

// ruleFile is the form of a file of rules.
type ruleFile struct {
	Version int        `yaml:"version,omitempty"` // market.RuleVersion; absent is the first
	Rules   []ruleText `yaml:"rules"`
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

// WriteYAML writes rules as a file that ReadYAML reads. Deleted rules are left out.
func WriteYAML(w io.Writer, rules []market.Rule) error {
	file := ruleFile{Version: market.RuleVersion, Rules: []ruleText{}}
	for _, r := range rules {
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
// rule that does not compile or a name that comes twice is an error that names
// the line; nothing is returned then.
func ReadYAML(r io.Reader, world World) ([]market.Rule, error) {
	var root yaml.Node
	if err := yaml.NewDecoder(io.LimitReader(r, 16<<20)).Decode(&root); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, errors.New("read rules: the file is empty")
		}
		return nil, fmt.Errorf("read rules: %w", err)
	}
	list, err := ruleNodes(&root)
	if err != nil {
		return nil, fmt.Errorf("read rules: %w", err)
	}
	var rules []market.Rule
	lines := map[string]int{}
	for _, n := range list {
		rule, err := readRule(n, world)
		if err != nil {
			return nil, fmt.Errorf("read rules: %w", err)
		}
		if before, ok := lines[rule.Name]; ok {
			return nil, fmt.Errorf("read rules: line %d: the name %q stands already in line %d", n.Line, rule.Name, before)
		}
		lines[rule.Name] = n.Line
		rules = append(rules, rule)
	}
	return rules, nil
}

// ruleNodes finds the list under the only key, rules.
func ruleNodes(root *yaml.Node) ([]*yaml.Node, error) {
	if root.Kind != yaml.DocumentNode || len(root.Content) != 1 || root.Content[0].Kind != yaml.MappingNode {
		return nil, errors.New("line 1: a file of rules begins with `rules:`")
	}
	top := root.Content[0]
	var list []*yaml.Node
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
		case key.Value != "rules":
			return nil, fmt.Errorf("line %d: %q is not known; a file of rules has the keys version and rules", key.Line, clip(key.Value, 40))
		case value.Kind != yaml.SequenceNode:
			return nil, fmt.Errorf("line %d: rules is a list; begin each rule with `- name:`", value.Line)
		}
		list = append(list, value.Content...)
	}
	if len(list) > maxRules {
		return nil, fmt.Errorf("more than %d rules", maxRules)
	}
	return list, nil
}

var ruleKeys = []string{"name", "description", "watch", "when", "for", "repeat", "cooldown", "keep_firing", "expires", "severity", "notify", "note", "disabled"}

func readRule(n *yaml.Node, world World) (market.Rule, error) {
	var rule market.Rule
	if n.Kind != yaml.MappingNode {
		return rule, fmt.Errorf("line %d: a rule is written as `- name: …`", n.Line)
	}
	lines := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if !contains(ruleKeys, key.Value) {
			reason := fmt.Errorf("line %d: a rule has no %q", key.Line, clip(key.Value, 40))
			if near := nearest(key.Value, ruleKeys); near != "" {
				reason = fmt.Errorf("%w (did you mean %s?)", reason, near)
			}
			return rule, reason
		}
		if _, twice := lines[key.Value]; twice {
			return rule, fmt.Errorf("line %d: %s is said twice", key.Line, key.Value)
		}
		lines[key.Value] = n.Content[i+1].Line
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
