package main

import (
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tapedeck/pipeline/alert"
	"tapedeck/pipeline/market"
)

func TestRulesCommand(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	place := []string{"--data", filepath.Join(b.dir, "data"), "--feed", "replay"}
	rules := func(args ...string) string {
		t.Helper()
		return b.must(append(append([]string{"rules"}, args...), place...)...)
	}
	if out := rules("ls"); !strings.Contains(out, "price drop") {
		t.Errorf("before anything was recorded: %s", out)
	}
	rules("set", "weak", `rsi("1m", 14) < 30`, "--symbols", "A*,!AAPL", "--for", "10s", "--severity", "critical", "--notify", "desk", "--note", "first")
	rules("set", "weak", "--for", "20s")
	rules("disable", "weak", "price drop")
	out := rules("show", "weak")
	for _, want := range []string{"revision 3", "for: 20s", "watch: [A*, '!AAPL']", "severity: critical", "disabled: true", "notify: [desk]"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in %s", want, out)
		}
	}
	rules("enable", "weak")
	if out := rules("enable", "weak"); !strings.Contains(out, "already") {
		t.Error(out)
	}
	rows, err := csv.NewReader(strings.NewReader(rules("history", "weak", "--format", "csv"))).ReadAll()
	if err != nil || len(rows) != 5 || rows[1][3] != "enabled" || rows[3][3] != "for" || rows[4][3] != "made" {
		t.Errorf("%v %v", rows, err)
	}
	rules("undo", "weak", "--to", "1")
	exported := rules("export", "weak")
	rules("rm", "weak")
	if out := rules("ls", "--format", "json"); strings.Contains(out, "weak") || !json.Valid([]byte(strings.Split(out, "\n")[0])) {
		t.Error(out)
	}
	file := filepath.Join(b.dir, "weak.yaml")
	if err := os.WriteFile(file, []byte(exported), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := rules("import", "--dry-run", file); !strings.Contains(out, "1 rules: would be 1 made") {
		t.Error(out)
	}
	if out := rules("set", "--file", file); !strings.Contains(out, "1 rules: 1 made") {
		t.Error(out)
	}
	if out := rules("import", file); !strings.Contains(out, "1 are so already") {
		t.Error(out)
	}
	if again := rules("export", "weak"); again != exported {
		t.Errorf("%s\nis imported as\n%s", exported, again)
	}
	all := rules("export")
	list, err := alert.ReadYAML(strings.NewReader(all), ruleWorld())
	if err != nil || len(list.Rules) != len(alert.Defaults())+1 {
		t.Error(len(list.Rules), err)
	}
	if out := b.must(append([]string{"alerts"}, place...)...); out != "no alerts\n" {
		t.Error(out)
	}

	broken := filepath.Join(b.dir, "broken.yaml")
	if err := os.WriteFile(broken, []byte("rules:\n  - name: fine\n    when: price > 1\n  - name: not\n    wen: price > 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		want string
		args []string
	}{
		{"                ^ \"prise\" is not known; did you mean price?", []string{"rules", "set", "x", `crosses_above(prise, sma("1m", 5))`}},
		{`there is no model "xgbost"; did you mean xgboost?`, []string{"rules", "set", "x", `prediction("xgbost").low > price`}},
		{"in line 2", []string{"rules", "set", "x", "price > 1 and\n  prize > 2"}},
		{"a new rule needs its condition", []string{"rules", "set", "x"}},
		{"did you mean \"price drop\"", []string{"rules", "rm", "prise drop"}},
		{"is none of info, warning, critical", []string{"rules", "set", "price drop", "--severity", "bad"}},
		{"is not a length of time", []string{"rules", "set", "price drop", "--for", "ten"}},
		{"did you mean once per bar?", []string{"rules", "set", "price drop", "--keep-firing", "", "--repeat", "once per ba"}},
		{"there is no sector", []string{"rules", "set", "price drop", "--symbols", "sector:enrgy"}},
		{`there is no group "mine"`, []string{"rules", "set", "price drop", "--symbols", "group:mine"}},
		{`there is no saved query "mine"`, []string{"rules", "set", "price drop", "--symbols", "query:mine"}},
		{"without / and control characters", []string{"rules", "set", "a/b", "price > 1"}},
		{"did you mean when?", []string{"rules", "import", broken}},
		{"no such file", []string{"rules", "import", filepath.Join(b.dir, "none.yaml")}},
		{"one of table, csv, json", []string{"rules", "ls", "--format", "xml"}},
		{"no revision 77", []string{"rules", "undo", "weak", "--to", "77"}},
		{"nothing is recorded", []string{"rules", "backtest", "price drop"}},
	} {
		out, errs, code := b.tapedeck(append(c.args, place...)...)
		if code == 0 || !strings.Contains(errs, c.want) {
			t.Errorf("%q: exit %d, %q; wanted %q", c.args, code, out+errs, c.want)
		}
	}
	if out := rules("export"); out != all {
		t.Error("a wrong edit has changed something")
	}
}

func TestPastTime(t *testing.T) {
	newest, _ := market.ParseTime("2026-11-20T15:00:00Z")
	for text, want := range map[string]string{
		"2h": "2026-11-20T13:00:00", "3d": "2026-11-17T15:00:00", "2026-11-19T10:30": "2026-11-19T10:30:00",
	} {
		got, err := pastTime(text, newest)
		if err != nil || !strings.HasPrefix(got.String(), want) {
			t.Errorf("%s is %s, %v", text, got, err)
		}
	}
	for _, text := range []string{"yesterday", "-3h", "0d", "1xd", "d"} {
		if got, err := pastTime(text, newest); err == nil {
			t.Errorf("%s is %s", text, got)
		}
	}
}

func TestGridForms(t *testing.T) {
	g := grid{names: []string{"name", "n", "at"}}
	g.add("a\x1b[31m", int64(1234567), market.At(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)))
	g.add("b,c", int64(5), market.Time(0))
	for format, want := range map[string]string{
		"table": "name            n  at\na·[31m  1,234,567  2026-01-02 03:04:05\nb,c             5  -\n",
		"csv":   "name,n,at\na\x1b[31m,1234567,2026-01-02T03:04:05.000Z\n\"b,c\",5,\n",
		"json":  "{\"name\":\"a\\u001b[31m\",\"n\":1234567,\"at\":\"2026-01-02T03:04:05.000Z\"}\n{\"name\":\"b,c\",\"n\":5,\"at\":null}\n",
	} {
		var out strings.Builder
		if err := g.write(&out, format); err != nil || out.String() != want {
			t.Errorf("%s: %v\n%q, not\n%q", format, err, out.String(), want)
		}
	}
}
