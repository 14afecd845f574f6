// Package cost says what a pipeline costs an hour and a month: its own
// counters (S3 requests, bytes stored, bytes that Athena scanned, messages
// sent, hours of machines) multiplied by a dated table of prices, and advice
// where a setting would save money.
//
// It computes and keeps a small ledger file; it asks no billing service. The
// figures are list prices without taxes, discounts, support and free tiers, so
// they are an upper estimate of what the counted things cost, and say nothing
// about anything else in the account.
package cost

import "time"

// Usage is what was used in a span of time. The zero value is nothing.
type Usage struct {
	Puts    int64 `json:"puts,omitempty"`        // S3 PUT, COPY, POST and LIST requests
	Gets    int64 `json:"gets,omitempty"`        // S3 GET, HEAD and all other requests but DELETE, which is free
	Wrote   int64 `json:"wrote,omitempty"`       // bytes sent to S3
	Read    int64 `json:"read,omitempty"`        // bytes received from S3
	Failed  int64 `json:"failed,omitempty"`      // of Puts and Gets: answered with a server's error
	Scans   int64 `json:"scans,omitempty"`       // Athena statements
	Scan    int64 `json:"scanned,omitempty"`     // bytes that Athena bills, at least 10 MB a statement
	ScanCSV int64 `json:"scanned_csv,omitempty"` // of Scan: of the raw CSV table

	Messages    int64 `json:"messages,omitempty"`    // SNS publishes
	Mails       int64 `json:"mails,omitempty"`       // SNS deliveries by e-mail
	Invocations int64 `json:"invocations,omitempty"` // requests to the model endpoint
	Lambda      int64 `json:"lambda,omitempty"`      // invocations of the alert function
}

// Plus is the sum of two usages.
func (u Usage) Plus(v Usage) Usage {
	return Usage{
		Puts: u.Puts + v.Puts, Gets: u.Gets + v.Gets, Wrote: u.Wrote + v.Wrote, Read: u.Read + v.Read, Failed: u.Failed + v.Failed,
		Scans: u.Scans + v.Scans, Scan: u.Scan + v.Scan, ScanCSV: u.ScanCSV + v.ScanCSV,
		Messages: u.Messages + v.Messages, Mails: u.Mails + v.Mails, Invocations: u.Invocations + v.Invocations, Lambda: u.Lambda + v.Lambda,
	}
}

// Minus is what came since v.
func (u Usage) Minus(v Usage) Usage {
	return Usage{
		Puts: u.Puts - v.Puts, Gets: u.Gets - v.Gets, Wrote: u.Wrote - v.Wrote, Read: u.Read - v.Read, Failed: u.Failed - v.Failed,
		Scans: u.Scans - v.Scans, Scan: u.Scan - v.Scan, ScanCSV: u.ScanCSV - v.ScanCSV,
		Messages: u.Messages - v.Messages, Mails: u.Mails - v.Mails, Invocations: u.Invocations - v.Invocations, Lambda: u.Lambda - v.Lambda,
	}
}

// Stored is what lies in the lake.
type Stored struct {
	Objects int64
	Bytes   int64
	Raw     int64 // of Bytes: published hours of CSV
	Ticks   int64 // of Bytes: merged ticks, Parquet
	Old     int64 // of Bytes: published and merged more than 30 days ago
	Days    int   // days that hold anything
	PerDay  int64 // bytes that a day adds, as the newest whole day shows
}

// Setup is how the pipeline is set, as far as money goes.
type Setup struct {
	S3        bool          // the lake lies in S3; else on the machine's own disk
	Class     string        // storage class of new objects; empty is STANDARD
	FlushAge  time.Duration // age at which rows are written to the lake
	Instance  string        // EC2 instance type of the box; empty is none
	Boxes     int           // how many of them
	Disk      float64       // GB of EBS each
	Brokers   int           // brokers of a cluster of their own; 0 is the embedded log or one on the box
	Broker    string        // EC2 instance type of a broker
	LogBytes  int64         // what the log keeps, all copies together
	Endpoint  string        // SageMaker instance type; empty is none
	Endpoints int           // instances behind the endpoint
	PublicIPs int           // public IPv4 addresses
	SQLEngine string        // athena where statements go to the real one
}
