package prophet

import (
	"strings"
	"testing"
)

// TestFrequency holds times against pandas' date_range.
func TestFrequency(t *testing.T) {
	for _, c := range []struct{ freq, last, want string }{
		{"D", "2024-02-27", "2024-02-28 2024-02-29 2024-03-01"},
		{"2D", "2024-02-27", "2024-02-29 2024-03-02 2024-03-04"},
		{"B", "2024-03-01", "2024-03-04 2024-03-05 2024-03-06"},
		{"NYSE", "2024-03-27", "2024-03-28 2024-04-01 2024-04-02"},
		{"W", "2024-03-01", "2024-03-03 2024-03-10 2024-03-17"},
		{"W-FRI", "2024-03-01", "2024-03-08 2024-03-15 2024-03-22"},
		{"2W-FRI", "2024-03-01", "2024-03-15 2024-03-29 2024-04-12"},
		{"MS", "2024-01-01", "2024-02-01 2024-03-01 2024-04-01"},
		{"2MS", "2024-01-15", "2024-02-01 2024-04-01 2024-06-01"},
		{"2MS", "2024-01-01", "2024-03-01 2024-05-01 2024-07-01"},
		{"ME", "2024-01-15", "2024-01-31 2024-02-29 2024-03-31"},
		{"QS", "2024-01-15", "2024-04-01 2024-07-01 2024-10-01"},
		{"QE", "2024-01-15", "2024-03-31 2024-06-30 2024-09-30"},
		{"YS", "2024-01-01", "2025-01-01 2026-01-01 2027-01-01"},
		{"YE", "2024-01-01", "2024-12-31 2025-12-31 2026-12-31"},
		{"A", "1969-05-05", "1969-12-31 1970-12-31 1971-12-31"},
		{"12h", "2024-01-01", "2024-01-01 12:00:00,2024-01-02,2024-01-02 12:00:00"},
		{"30min", "2024-01-01", "2024-01-01 00:30:00,2024-01-01 01:00:00,2024-01-01 01:30:00"},
	} {
		times, err := mustFrequency(c.freq).After(date(c.last), 3)
		if err != nil {
			t.Fatal(err)
		}
		sep := " "
		if strings.Contains(c.want, ",") {
			sep = ","
		}
		if got := stamp(times[0]) + sep + stamp(times[1]) + sep + stamp(times[2]); got != c.want {
			t.Errorf("%s after %s: %s, not %s", c.freq, c.last, got, c.want)
		}
	}
	for _, bad := range []string{"", "X", "0D", "-1D", "W-FOO", "9999999999D", "D2"} {
		if _, err := ParseFrequency(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	if _, err := mustFrequency("YS").After(date("2024-01-01"), 1000); err == nil || !strings.Contains(err.Error(), "beyond the year") {
		t.Errorf("a thousand years: %v", err)
	}
	if _, err := (Frequency{}).After(0, 1); err == nil {
		t.Error("the zero Frequency gives times")
	}
}

func TestInferFrequency(t *testing.T) {
	for _, freq := range []string{"5min", "1h", "90min", "45s", "D", "W-WED", "MS", "ME", "QS", "QE"} {
		times, err := mustFrequency(freq).After(date("2021-03-05"), 40)
		if err != nil {
			t.Fatal(err)
		}
		if got := InferFrequency(times).String(); got != freq {
			t.Errorf("%s is taken for %s", freq, got)
		}
	}
	for _, freq := range []string{"B", "NYSE", "3D"} {
		times, err := mustFrequency(freq).After(date("2021-03-05"), 40)
		if err != nil {
			t.Fatal(err)
		}
		if got := InferFrequency(times).String(); got != "D" {
			t.Errorf("%s is taken for %s", freq, got)
		}
	}
	if got := InferFrequency(nil).String(); got != "D" {
		t.Errorf("nothing is taken for %s", got)
	}
}

func TestExchangeHolidays(t *testing.T) {
	seen := map[string]string{}
	for _, h := range ExchangeHolidays(date("2024-01-01"), date("2024-12-31")) {
		seen[h.Name] = stamp(h.Date)
	}
	for name, want := range map[string]string{
		"New Year's Day": "2024-01-01", "New Year's Day eve": "2023-12-29", "Good Friday": "2024-03-29", "Good Friday after": "2024-04-01",
		"Thanksgiving Day": "2024-11-28", "Thanksgiving Day after": "2024-11-29", "Christmas Day eve": "2024-12-24", "Juneteenth": "2024-06-19",
		"Martin Luther King Jr. Day": "2024-01-15", "Washington's Birthday": "2024-02-19", "Memorial Day": "2024-05-27",
		"Independence Day": "2024-07-04", "Labor Day": "2024-09-02",
	} {
		if seen[name] != want {
			t.Errorf("%s is %q, not %s", name, seen[name], want)
		}
	}
	if len(seen) != 30 {
		t.Errorf("%d names, not 30", len(seen))
	}
	for _, h := range ExchangeHolidays(date("2026-01-01"), date("2060-12-31")) {
		if strings.HasPrefix(h.Name, "Special") {
			t.Errorf("%s on %s", h.Name, stamp(h.Date))
		}
	}
}
