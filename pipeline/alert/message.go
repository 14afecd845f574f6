package alert

import (
	"math"
	"strconv"
	"strings"
	"time"

	"tapedeck/pipeline/market"
)

// message says in a line what happened, e.g. "NVDA fell 3.4 % in 5 minutes to 171.20".
func (r *armed) message(s *symbol, state market.AlertState, value, threshold float64) string {
	c, price := r.shows, s.memory[placePrice]
	to := ""
	if price == price && s.name != "" {
		to = ", at " + decimalPrice(price)
	}
	if state == market.Resolved {
		return s.subject() + quoted(r.rule.Name) + " is over" + to
	}
	if c == nil {
		if r.global {
			return "the model endpoint does not answer"
		}
		return s.subject() + quoted(r.rule.Name) + to
	}
	argument := func(i int) string {
		if i < len(c.arguments) {
			return c.arguments[i]
		}
		return ""
	}
	switch c.word {
	case "change", "rises_by", "falls_by", "move":
		span := argument(0)
		if c.word == "rises_by" || c.word == "falls_by" {
			span = argument(1)
		}
		if value != value {
			break
		}
		verb := "rose "
		if value < 0 {
			verb = "fell "
		}
		text := verb + shown(math.Abs(value), c.unit) + " in " + spoken(span)
		if price == price {
			text += " to " + decimalPrice(price)
		}
		return s.subject() + text
	case "change_today":
		verb := "is up "
		if value < 0 {
			verb = "is down "
		}
		return s.subject() + verb + shown(math.Abs(value), fraction) + " today" + to
	case "volume", "trades":
		span := argument(0)
		if span == "" {
			span = "1s"
		}
		what := " shares traded in "
		if c.word == "trades" {
			what = " trades in "
		}
		return s.subject() + grouped(value) + what + spoken(span) + to
	case "volume_ratio":
		return s.subject() + "volume of " + spoken(argument(0)) + " is " + ratio(value) + " times the average of the " + argument(1) + " before" + to
	case "age":
		return s.subject() + "no tick for " + spell(time.Duration(value)*time.Second)
	}
	left := c.leftText
	if c.word == "price" || c.word == "last" {
		left = "price"
	}
	right := shown(threshold, c.unit)
	if !c.rightFixed {
		right = c.rightText + " (" + right + ")"
	}
	middle := map[string]string{"<": " is below ", ">": " is above ", "<=": " is at most ", ">=": " is at least ", "==": " is ", "!=": " is not ",
		"↗": " crossed above ", "↘": " crossed below ", "×": " crossed ", "enters": " entered the channel from ", "leaves": " left the channel from "}[c.operator]
	return s.subject() + left + " " + shown(value, c.unit) + middle + right
}

func (s *symbol) subject() string {
	if s.name == "" {
		return ""
	}
	return s.name + " "
}

func quoted(name string) string { return "“" + name + "”" }

// shown is a number with what it measures.
func shown(v float64, u unit) string {
	if v != v {
		return "unknown"
	}
	switch u {
	case money:
		return decimalPrice(v)
	case shares, count:
		return grouped(v)
	case fraction:
		return strconv.FormatFloat(v*100, 'f', 1, 64) + " %"
	case seconds:
		return decimal(round(v, 0)) + " s"
	}
	return decimal(round(v, 2))
}

// decimalPrice is a price with two places, or four where it is below one.
func decimalPrice(v float64) string {
	if math.Abs(v) < 1 {
		return strconv.FormatFloat(v, 'f', 4, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

func decimal(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

func round(v float64, places int) float64 {
	k := math.Pow(10, float64(places))
	return math.Round(v*k) / k
}

// ratio has a decimal where it is small, and commas where it is large.
func ratio(v float64) string {
	if v < 100 {
		return decimal(round(v, 1))
	}
	return grouped(v)
}

// grouped is a whole number with commas.
func grouped(v float64) string {
	if v != v {
		return "unknown"
	}
	text := strconv.FormatFloat(math.Round(v), 'f', 0, 64)
	start := 0
	if strings.HasPrefix(text, "-") {
		start = 1
	}
	for i := len(text) - 3; i > start; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// spoken is a written length of time in words.
func spoken(span string) string {
	d, err := parseSpan(span)
	if err != nil {
		return span
	}
	return spell(d)
}

// spell is a length of time in words: 5 minutes, 1 minute 30 seconds.
func spell(d time.Duration) string {
	var parts []string
	for _, u := range []struct {
		length time.Duration
		name   string
	}{{24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}, {time.Second, "second"}} {
		if n := int(d / u.length); n > 0 {
			parts = append(parts, strconv.Itoa(n)+" "+u.name+plural(n))
			d -= time.Duration(n) * u.length
		}
	}
	if len(parts) == 0 {
		return "0 seconds"
	}
	return strings.Join(parts, " ")
}
