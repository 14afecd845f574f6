package alert

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"tapedeck/pipeline/market"
)

func TestYAMLThereAndBack(t *testing.T) {
	rules := Defaults()
	rules = append(rules, market.Rule{Name: "all of it", When: "price > 1\n  and volume > 2", Watch: []string{"A*", "!AB"}, For: "10s", KeepFiring: "1m",
		Expires: 1_800_000_000_000_000, Severity: market.Critical, Notify: []string{"sns", "bell"}, Note: "see: the book", Disabled: true})
	var file bytes.Buffer
	groups := []market.Group{{Name: "tech", Symbols: []string{"AAPL", "MSFT"}}, {Name: "query:held", SQL: "SELECT symbol\nFROM bars", Symbols: []string{"KO"}}}
	if err := WriteYAML(&file, File{Rules: rules, Groups: append(groups, market.Group{Name: "gone", Deleted: true})}); err != nil {
		t.Fatal(err)
	}
	for i := range rules { // these belong to the log
		rules[i].Revision, rules[i].EditedBy = 0, ""
	}
	got, err := ReadYAML(&file, World{})
	if err != nil || !reflect.DeepEqual(got, File{rules, groups}) {
		t.Fatalf("%v\n got %+v\nwant %+v", err, got, rules)
	}
}

func TestYAMLRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"version: 0": "version is a number from 1 on",
		"version: 2\nshards: 7\nrules:\n- name: a\n  shard: 3\n": "line 1: version 2 of a file of rules: it was written by a newer tapedeck: install that one",
		"": "empty",
		"groups:\n- name: held\n  sql: SELECT 1\n": "line 2: \"held\" is no name of a group; one with sql is called query:NAME",
		"groups:\n- name: a\n  symbols: [a b]\n":   "line 3: group \"a\": \"a b\" is no symbol",
		"groups:\n- nam: a\n":                      `line 2: a group has no "nam" (did you mean name?)`,
		"groups:\n- name: a\n- name: a\n":          `line 3: the name "a" stands already in line 2`,
		"groups:\n- name: tech\nrules:\n- name: a\n  when: price > 1\n  watch: [group:tec]\n": `line 6: rule "a": watch: there is no group "tec" (did you mean tech?)`,
		"- name: a":   "begins with `rules:`",
		"rule:\n- a":  `line 1: "rule" is not known`,
		"rules: 3":    "rules is a list",
		"rules:\n- 3": "line 2: a rule is written",
		"rules:\n- name: a\n  when: price > 1\n  coldown: 3s\n":                               `line 4: a rule has no "coldown" (did you mean cooldown?)`,
		"rules:\n- name: a\n  when: volum > 1\n":                                              "line 3: rule \"a\": when 1:1: \"volum\" is not known (did you mean volume?)",
		"rules:\n- name: a\n  when: price > 1\n- name: a\n  when: price > 2\n":                "line 4: the name \"a\" stands already in line 2",
		"rules:\n- name: a\n  when: price > 1\n  severity: bad\n":                             "line 4: severity",
		"rules:\n- name: a\n  when: price > 1\n  expires: soon\n":                             "line 4: expires",
		"rules:\n- name: a\n  when: price > 1\n  for: [1]\n":                                  "line 4",
		"rules:\n- name: a\n  name: b\n  when: price > 1\n":                                   "line 3: name is said twice",
		"a: &a [1]\nb: &b [*a,*a]\nc: &c [*b,*b]\nrules: [*c]":                                "is not known",
		"rules:\n- &x\n  name: a\n  when: price > 1\n- <<: *x\n  name: b\n  when: volume > 1": `a rule has no "<<"`,
	} {
		_, err := ReadYAML(strings.NewReader(text), World{Groups: []string{}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v\n  want %s", text, err, want)
		}
	}
}

func FuzzReadYAML(f *testing.F) {
	var file bytes.Buffer
	_ = WriteYAML(&file, File{Rules: Defaults(), Groups: []market.Group{{Name: "query:held", SQL: "SELECT 1", Symbols: []string{"KO"}}}})
	f.Add(file.String())
	f.Add("rules: [{name: a, when: 'price > 1'}]")
	f.Fuzz(func(t *testing.T, text string) {
		rules, err := ReadYAML(strings.NewReader(text), World{})
		if err != nil {
			return
		}
		var out bytes.Buffer
		if err := WriteYAML(&out, rules); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadYAML(&out, World{}); err != nil {
			t.Fatalf("%v in\n%s", err, out.String())
		}
	})
}
