package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"tapedeck/pipeline/market"
	"tapedeck/pipeline/notify"
)

func TestTargetsAreReadStrictly(t *testing.T) {
	c := DefaultConfig()
	err := c.readYAML("c.yaml", []byte(`notify:
  targets:
    pager: {kind: command, command: [page, "-q"], timeout: 5s, severity: critical, resolved: false}
    mail: {kind: sns, topic: "arn:aws:sns:eu-central-1:1:alerts.fifo", group: off}
    hook: {kind: webhook, url: https://example.com/x, secret: hush, rate: 6}
`))
	if err != nil {
		t.Fatal(err)
	}
	list := c.Notify.Targets
	if len(list) != 3 || list[0].Timeout != 5*time.Second || list[0].Severity != market.Critical || list[0].Resolved || list[1].Group != -1 || list[2].Rate != 6 {
		t.Errorf("%+v", list)
	}
	again, err := parseTargets(list.text(false))
	if err != nil || again.text(false) != list.text(false) {
		t.Errorf("%v\n%s\n%s", err, again.text(false), list.text(false))
	}
	if strings.Contains(list.text(true), "hush") {
		t.Error("the secret is shown")
	}
	for text, want := range map[string]string{
		"a: {kind: sms}":                                    `kind "sms" is not known`,
		"a: {kind: file}":                                   "a file needs path",
		"a: {kind: file, pat: x}":                           "did you mean path",
		"a: {kind: webhook, url: ftp://x}":                  "https://",
		"a: {kind: file, path: x, group: long}":             "a duration",
		"a: {kind: file, path: x, path: y}":                 "path stands twice",
		"a b: {kind: file, path: x}":                        "name has letters",
		"a: {kind: file, path: x, severity: bad}":           "severity",
		"a: {kind: file, path: x}\nb: {kind: sns, topic: }": "",
		"[a]": "expected name:",
	} {
		if _, err := parseTargets(text); want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if all := allTargets(c); len(all) != 4 || all[0].Name != "log" {
		t.Errorf("%+v", all)
	}
}

func FuzzParseTargets(f *testing.F) {
	f.Add("a: {kind: file, path: x}")
	f.Add("a: {kind: command, command: [x, y], timeout: 1s}")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := parseTargets(text)
		if err != nil {
			return
		}
		again, err := parseTargets(list.text(false))
		if err != nil || again.text(false) != list.text(false) {
			t.Fatalf("%v\n%s\n%s", err, list.text(false), again.text(false))
		}
	})
}

func TestNotifyTestSends(t *testing.T) {
	dir := t.TempDir()
	var out, errs bytes.Buffer
	if code := run([]string{"notify", "test", "log", "--data", dir}, nil, &out, &errs); code != exitOK || !strings.Contains(out.String(), "log took the message") {
		t.Errorf("%d %s %s", code, out.String(), errs.String())
	}
	if code := run([]string{"notify", "test", "mail", "--data", dir}, nil, &out, &errs); code != exitUsage || !strings.Contains(errs.String(), "one of log") {
		t.Errorf("%d %s", code, errs.String())
	}
	out.Reset()
	if code := run([]string{"notify", "ls", "--data", dir}, nil, &out, &errs); code != exitOK || !strings.Contains(out.String(), "alerts.log") {
		t.Errorf("%d %s %s", code, out.String(), errs.String())
	}
}

func TestSilencesAreListed(t *testing.T) {
	var out bytes.Buffer
	list := []notify.Silence{{ID: "a", Match: map[string]string{"symbol": "NV*", "rule": "r"}, Until: 2000000, By: "ann"}, {ID: "b", Until: 2000000, Removed: true}}
	if err := writeSilences(&out, list, false, 1); err != nil || !strings.Contains(out.String(), "rule=r symbol=NV*") || strings.Contains(out.String(), "removed") {
		t.Errorf("%v\n%s", err, out.String())
	}
}
