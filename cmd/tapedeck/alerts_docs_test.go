package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"tapedeck/pipeline/alert"
	"tapedeck/pipeline/market"
)

const alertsManual = "../../docs/alerts.md"

// The language in the manual is generated from the code:
// go test ./cmd/tapedeck -run AlertManual -update
func TestAlertManualHasTheLanguage(t *testing.T) {
	const begin, end = "<!-- language: generated from the code -->\n", "<!-- end of language -->\n"
	data, err := os.ReadFile(alertsManual)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(data), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatal("the markers of the generated language are missing")
	}
	var language strings.Builder
	if err := alert.WriteReference(&language); err != nil {
		t.Fatal(err)
	}
	want := before + begin + "\n" + language.String() + "\n" + end + after
	if *update {
		if err := os.WriteFile(alertsManual, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if want != string(data) {
		t.Error("docs/alerts.md is out of date: go test ./cmd/tapedeck -run AlertManual -update")
	}
}

// Every recipe of the manual is a rule that compiles, with its manners.
func TestAlertManualRecipes(t *testing.T) {
	data, err := os.ReadFile(alertsManual)
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(data), "## Recipes\n")
	text, _, _ = strings.Cut(text, "\n## ")
	code := regexp.MustCompile("`([^`]+)`")
	recipes := 0
	for line := range strings.Lines(text) {
		cells := strings.Split(strings.ReplaceAll(line, `\|`, "¦"), "|")
		if len(cells) < 5 {
			continue
		}
		condition := code.FindStringSubmatch(cells[2])
		if condition == nil {
			continue
		}
		recipes++
		rule := market.Rule{Name: "recipe", When: condition[1]}
		for _, manner := range code.FindAllStringSubmatch(cells[3], -1) {
			field, value, _ := strings.Cut(manner[1], ": ")
			switch field {
			case "for":
				rule.For = value
			case "cooldown":
				rule.Cooldown = value
			case "keep_firing":
				rule.KeepFiring = value
			case "repeat":
				rule.Repeat = value
			case "notify":
			default:
				t.Errorf("%s: what is %s?", condition[1], field)
			}
		}
		if _, err := alert.Compile(rule, alert.World{}); err != nil {
			t.Errorf("%s: %v", condition[1], err)
		}
	}
	if recipes < 12 {
		t.Errorf("%d recipes", recipes)
	}
}

// What the manual says of wrong rules is what happens.
func TestAlertManualRefusals(t *testing.T) {
	if _, err := alert.Compile(market.Rule{Name: "x", When: "price > 3%"}, alert.World{}); err == nil {
		t.Error("price > 3% compiles")
	}
	rule := market.Rule{Name: "x", When: `crosses_above(prise, sma("1m", 5))`}
	_, err := alert.Compile(rule, alert.World{})
	data, readErr := os.ReadFile(alertsManual)
	if readErr != nil {
		t.Fatal(readErr)
	}
	if text := "tapedeck: " + ruleError(rule, err).Error(); !strings.Contains(string(data), text) {
		t.Errorf("the manual does not show\n%s", text)
	}
}

func TestExampleRulesCompile(t *testing.T) {
	files, err := filepath.Glob("../../examples/rules/*.yaml")
	if err != nil || len(files) < 4 {
		t.Fatal(files, err)
	}
	names := map[string]string{}
	for _, file := range files {
		rules, err := readRules(file, nil)
		if err != nil {
			t.Error(err)
		}
		for _, r := range rules.Rules {
			if names[r.Name] != "" {
				t.Errorf("%q stands in %s and %s", r.Name, names[r.Name], file)
			}
			names[r.Name] = file
		}
	}
}
