package cost

import (
	"errors"
	"fmt"
	"time"
)

// Line is one thing that is paid for.
type Line struct {
	What  string  `json:"what"`  // "S3 writes"
	How   string  `json:"how"`   // "8,640 requests/h at 0.005 a thousand"
	Hour  float64 `json:"hour"`  // dollars an hour
	Month float64 `json:"month"` // dollars a month of 730 hours
}

// Summary is a bill: what the pipeline costs when it goes on as it did.
type Summary struct {
	Lines  []Line        `json:"lines"`
	Hour   float64       `json:"hour"`
	Month  float64       `json:"month"`
	Over   time.Duration `json:"over"`   // the time that was counted; 0 is none yet
	Growth float64       `json:"growth"` // dollars by which a month's storage is dearer than the month before
	Prices string        `json:"prices"` // the table's date and region, for people
	Advice []Advice      `json:"advice,omitempty"`
}

// Text is the bill on one line, as a screen shows it.
func (s *Summary) Text() string {
	return fmt.Sprintf("%s an hour · %s a month", Dollars(s.Hour), Dollars(s.Month))
}

// Dollars writes an amount: 0.0031, 0.42, 31.10, 1,234.
func Dollars(v float64) string {
	switch {
	case v == 0:
		return "$0"
	case v < 0.01:
		return fmt.Sprintf("$%.4f", v)
	case v < 1000:
		return fmt.Sprintf("$%.2f", v)
	}
	return "$" + count(int64(v+0.5))
}

// Bill multiplies; used is what was counted in the span over. A span under a
// minute says nothing about an hour, and its counters are left out.
func Bill(p *Prices, setup Setup, stored Stored, used Usage, over time.Duration) (Summary, error) {
	s := Summary{Over: over, Prices: p.Date + ", " + p.Region}
	hours := over.Hours()
	if over < time.Minute {
		s.Over, used, hours = 0, Usage{}, 1
	}
	add := func(what, how string, hour float64) {
		s.Lines = append(s.Lines, Line{What: what, How: how, Hour: hour, Month: hour * hoursAMonth})
	}
	var errs []error
	machines := func(what, kind string, table map[string]float64, name string, n int) {
		if name == "" || n == 0 {
			return
		}
		price, err := instance(table, kind, name)
		if err != nil {
			errs = append(errs, err)
			return
		}
		add(what, fmt.Sprintf("%d × %s at %s an hour", n, name, Dollars(price)), float64(n)*price)
	}
	machines("EC2, the box", "EC2", p.EC2, setup.Instance, setup.Boxes)
	machines("EC2, brokers", "EC2", p.EC2, setup.Broker, setup.Brokers)
	machines("SageMaker", "SageMaker", p.SageMaker, setup.Endpoint, setup.Endpoints)
	if gb := setup.Disk * float64(setup.Boxes); gb > 0 {
		add("EBS", fmt.Sprintf("%.0f GB at %s a month", gb, Dollars(p.EBS.GBMonth)), gb*p.EBS.GBMonth/hoursAMonth)
	}
	if gb := float64(setup.LogBytes) / 1e9; setup.Brokers > 0 && gb > 0 {
		// Disks of brokers are bought ahead of what they hold: half as much again.
		add("Kafka storage", fmt.Sprintf("%.1f GB, all copies, on disks half as large again", gb), 1.5*gb*p.EBS.GBMonth/hoursAMonth)
	}
	if setup.PublicIPs > 0 {
		add("public IPv4", fmt.Sprintf("%d × %s an hour", setup.PublicIPs, Dollars(p.PublicIPHour)), float64(setup.PublicIPs)*p.PublicIPHour)
	}
	class := p.class(setup.Class)
	if setup.S3 {
		puts, gets := float64(used.Puts)/hours, float64(used.Gets)/hours
		add("S3 writes", fmt.Sprintf("%s PUT and LIST an hour at %s a thousand", count(int64(puts+0.5)), Dollars(class.Put1000)), puts/1000*class.Put1000)
		add("S3 reads", fmt.Sprintf("%s GET an hour at %s a thousand", count(int64(gets+0.5)), Dollars(class.Get1000)), gets/1000*class.Get1000)
		gb := float64(stored.Bytes) / (1 << 30)
		add("S3 storage", fmt.Sprintf("%.2f GB at %s a month", gb, Dollars(class.GBMonth)),
			(gb*class.GBMonth+float64(stored.Objects)/1000*class.ObjectMonth1000)/hoursAMonth)
		s.Growth = float64(stored.PerDay) * hoursAMonth / 24 / (1 << 30) * class.GBMonth
		if class.RetrieveGB > 0 {
			read := float64(used.Read) / hours / (1 << 30)
			add("S3 retrieval", fmt.Sprintf("%.2f GB an hour at %s", read, Dollars(class.RetrieveGB)), read*class.RetrieveGB)
		}
	}
	if used.Scans > 0 || setup.SQLEngine == "athena" {
		tb := float64(used.Scan) / hours / (1 << 40)
		add("Athena", fmt.Sprintf("%.1f statements and %.2f GB an hour at %s a TB", float64(used.Scans)/hours, tb*1024, Dollars(p.Athena.ScannedTB)), tb*p.Athena.ScannedTB)
	}
	if used.Messages > 0 || used.Mails > 0 {
		messages, mails := float64(used.Messages)/hours, float64(used.Mails)/hours
		add("SNS", fmt.Sprintf("%.1f messages and %.1f e-mails an hour", messages, mails),
			messages/1e6*p.SNS.PublishMillion+mails/1e5*p.SNS.Mail100000)
	}
	if used.Lambda > 0 {
		n := float64(used.Lambda) / hours
		add("Lambda", fmt.Sprintf("%s invocations an hour", count(int64(n+0.5))),
			n/1e6*p.Lambda.InvokeMillion+n*p.Lambda.GB*p.Lambda.Seconds*p.Lambda.GBSecond)
	}
	for _, line := range s.Lines {
		s.Hour += line.Hour
		s.Month += line.Month
	}
	s.Advice = advise(p, setup, stored, used, hours)
	return s, errors.Join(errs...)
}

// count writes 1234567 as 1,234,567.
func count(v int64) string {
	text := fmt.Sprint(v)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
