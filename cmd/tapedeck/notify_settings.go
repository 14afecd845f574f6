package main

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"tapedeck/pipeline/market"
)

// targetsAllowed says what may stand under notify.targets.
const targetsAllowed = "name: {kind: sns|command|webhook|file, …}; see docs/delivery.md"

// targetSettings are the targets of alerts, in the order of the file.
type targetSettings []targetSetting

// targetSetting is one of them. Which fields count depends on the kind.
type targetSetting struct {
	Name     string
	Kind     string
	Topic    string        // sns: the topic's ARN
	Region   string        // sns: empty is the ARN's
	Endpoint string        // sns: a server other than AWS
	Command  []string      // command: program and arguments
	Timeout  time.Duration // command, webhook: longest time of one try
	URL      string        // webhook
	Secret   string        // webhook: signs what is sent
	Path     string        // file
	Group    time.Duration // how long an alert waits for others; negative: each goes alone
	Rate     float64       // messages a minute
	Severity market.Severity
	Resolved bool
}

// targetFields are the fields of each kind, beside those of all.
var (
	targetKinds  = []string{"sns", "command", "webhook", "file"}
	targetCommon = []string{"kind", "group", "rate", "severity", "resolved"}
	targetFields = map[string][]string{
		"sns":     {"topic", "region", "endpoint"},
		"command": {"command", "timeout"},
		"webhook": {"url", "secret", "timeout"},
		"file":    {"path"},
	}
	targetNeeds = map[string]string{"sns": "topic", "command": "command", "webhook": "url", "file": "path"}
)

// targetError is a mistake and where it stands.
type targetError struct {
	node *yaml.Node
	text string // begins with the target's name
}

// parseTargets reads YAML on one line, as TAPEDECK_NOTIFY_TARGETS and --set have it.
func parseTargets(text string) (targetSettings, error) {
	var root yaml.Node
	if err := yaml.Unmarshal([]byte(text), &root); err != nil {
		return nil, fmt.Errorf("%w; write %s", err, targetsAllowed)
	}
	if len(root.Content) == 0 {
		return nil, nil
	}
	targets, mistakes := readTargets(root.Content[0])
	var errs []error
	for _, m := range mistakes {
		errs = append(errs, errors.New(m.text))
	}
	return targets, errors.Join(errs...)
}

// readTargets reads the mapping of names to targets; all mistakes come back.
func readTargets(node *yaml.Node) (targetSettings, []targetError) {
	if node.Kind == yaml.ScalarNode && node.Tag == "!!null" {
		return nil, nil
	}
	if node.Kind != yaml.MappingNode {
		return nil, []targetError{{node, "expected " + targetsAllowed}}
	}
	var targets targetSettings
	var mistakes []targetError
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		t := targetSetting{Name: key.Value, Group: 2 * time.Second, Rate: 60, Resolved: true}
		refuse := func(node *yaml.Node, format string, args ...any) {
			mistakes = append(mistakes, targetError{node, key.Value + ": " + fmt.Sprintf(format, args...)})
		}
		if key.Value == "" || strings.Trim(key.Value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" {
			refuse(key, "a target's name has letters, digits, dashes and underscores")
		}
		if slices.ContainsFunc(targets, func(other targetSetting) bool { return other.Name == t.Name }) {
			refuse(key, "it stands twice")
		}
		if value.Kind != yaml.MappingNode {
			refuse(value, "expected {kind: …}; one of %s", strings.Join(targetKinds, ", "))
			continue
		}
		for j := 0; j+1 < len(value.Content); j += 2 {
			if value.Content[j].Value == "kind" {
				t.Kind = value.Content[j+1].Value
			}
		}
		if !slices.Contains(targetKinds, t.Kind) {
			refuse(value, "kind %q is not known; one of %s", t.Kind, strings.Join(targetKinds, ", "))
			continue
		}
		if t.Kind == "file" {
			t.Group, t.Rate = 0, 0
		}
		allowed := append(slices.Clone(targetCommon), targetFields[t.Kind]...)
		seen := map[string]bool{}
		for j := 0; j+1 < len(value.Content); j += 2 {
			field, content := value.Content[j], value.Content[j+1]
			switch {
			case seen[field.Value]:
				refuse(field, "%s stands twice", field.Value)
			case !slices.Contains(allowed, field.Value):
				refuse(field, "%s is not a field of a %s; did you mean %s?", field.Value, t.Kind, strings.Join(nearest(field.Value, allowed, 2), " or "))
			default:
				if err := t.set(field.Value, content); err != nil {
					refuse(content, "%s: %v", field.Value, err)
				}
			}
			seen[field.Value] = true
		}
		if need := targetNeeds[t.Kind]; !seen[need] {
			refuse(value, "a %s needs %s", t.Kind, need)
		}
		targets = append(targets, t)
	}
	return targets, mistakes
}

// set reads one field.
func (t *targetSetting) set(field string, node *yaml.Node) error {
	if field == "command" {
		if node.Kind == yaml.ScalarNode {
			t.Command = []string{node.Value}
		} else if err := node.Decode(&t.Command); err != nil {
			return errors.New("a list: the program and its arguments")
		}
		if len(t.Command) == 0 || t.Command[0] == "" {
			return errors.New("a list: the program and its arguments")
		}
		return nil
	}
	if node.Kind != yaml.ScalarNode {
		return errors.New("expected a single value")
	}
	text := node.Value
	duration := func(d *time.Duration, least time.Duration) (err error) {
		if *d, err = time.ParseDuration(text); err != nil || *d < least || *d > time.Hour {
			return fmt.Errorf("%q is not allowed; a duration such as 2s or 1m, at most 1h", text)
		}
		return nil
	}
	switch field {
	case "topic":
		t.Topic = text
	case "region":
		t.Region = text
	case "endpoint":
		t.Endpoint = text
	case "url":
		if !strings.HasPrefix(text, "https://") && !strings.HasPrefix(text, "http://") {
			return fmt.Errorf("%q does not begin with https://", text)
		}
		t.URL = text
	case "secret":
		t.Secret = text
	case "path":
		if text == "" {
			return errors.New("the name of a file")
		}
		t.Path = text
	case "timeout":
		return duration(&t.Timeout, time.Millisecond)
	case "group":
		if text == "off" {
			t.Group = -1
			return nil
		}
		return duration(&t.Group, 0)
	case "rate":
		v, err := strconv.ParseFloat(text, 64)
		if err != nil || !(v >= 0) || v > 1e6 {
			return fmt.Errorf("%q is not allowed; messages a minute, 0 without limit", text)
		}
		t.Rate = v
	case "severity":
		if err := t.Severity.UnmarshalText([]byte(text)); err != nil {
			return err
		}
	case "resolved":
		v, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("%q is not allowed; true or false", text)
		}
		t.Resolved = v
	}
	return nil
}

// text is the targets as YAML on one line; secrets are masked where masked.
func (list targetSettings) text(masked bool) string {
	all := &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
	scalar := func(text string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Value: text} }
	for _, t := range list {
		one := &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
		add := func(field, value string) {
			if value != "" {
				one.Content = append(one.Content, scalar(field), scalar(value))
			}
		}
		add("kind", t.Kind)
		add("topic", t.Topic)
		add("region", t.Region)
		add("endpoint", t.Endpoint)
		if len(t.Command) > 0 {
			argv := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
			for _, word := range t.Command {
				argv.Content = append(argv.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: word, Style: yaml.DoubleQuotedStyle})
			}
			one.Content = append(one.Content, scalar("command"), argv)
		}
		if masked {
			add("url", maskedURL(t.URL))
		} else {
			add("url", t.URL)
		}
		if t.Secret != "" && masked {
			add("secret", "********")
		} else {
			add("secret", t.Secret)
		}
		add("path", t.Path)
		if t.Timeout > 0 {
			add("timeout", t.Timeout.String())
		}
		if t.Group < 0 {
			add("group", "off")
		} else {
			add("group", t.Group.String())
		}
		add("rate", strconv.FormatFloat(t.Rate, 'f', -1, 64))
		add("severity", t.Severity.String())
		add("resolved", strconv.FormatBool(t.Resolved))
		all.Content = append(all.Content, scalar(t.Name), one)
	}
	out, err := yaml.Marshal(all)
	if err != nil {
		return "{}"
	}
	return strings.Join(strings.Fields(string(out)), " ")
}

// maskedURL is an address without what lets one post there: its path, its
// query and its user.
func maskedURL(text string) string {
	if text == "" {
		return ""
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return "********"
	}
	return u.Scheme + "://" + u.Host + "/********"
}
