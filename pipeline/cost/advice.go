package cost

import (
	"fmt"
	"slices"
	"time"
)

// Advice is a change that would save money.
type Advice struct {
	Do    string  `json:"do"`    // "archive.flush_age: 60s instead of 20s"
	Price string  `json:"price"` // what one gives for it, in words
	Saves float64 `json:"saves"` // dollars a month
}

// worth is the least saving, in dollars a month, that is worth a line.
const worth = 1.0

// slower are the flush ages that are offered.
var slower = []time.Duration{time.Minute, 2 * time.Minute, 5 * time.Minute}

// advise finds what would save at least worth a month, largest first.
func advise(p *Prices, setup Setup, stored Stored, used Usage, hours float64) []Advice {
	var list []Advice
	add := func(saves float64, do, price string) {
		if saves >= worth {
			list = append(list, Advice{Do: do, Price: price, Saves: saves})
		}
	}
	class := p.class(setup.Class)
	if setup.S3 && setup.FlushAge > 0 {
		month := float64(used.Puts) / hours * hoursAMonth / 1000 * class.Put1000
		for _, age := range slower {
			if age < 2*setup.FlushAge {
				continue
			}
			// A part is written for each flush, so their number falls as the age grows.
			saves := month * (1 - float64(setup.FlushAge)/float64(age))
			add(saves, fmt.Sprintf("archive.flush_age: %s instead of %s", short(age), short(setup.FlushAge)),
				"rows reach the lake that much later; SQL on this box reads them from the log until then")
			break
		}
	}
	if used.ScanCSV > 0 && stored.Raw > 0 && stored.Ticks > 0 && stored.Ticks < stored.Raw {
		share := float64(stored.Ticks) / float64(stored.Raw)
		saves := float64(used.ScanCSV) / hours * hoursAMonth / (1 << 40) * p.Athena.ScannedTB * (1 - share)
		add(saves, "ask ticks instead of ticks_raw",
			fmt.Sprintf("the same rows as Parquet are %.0f %% of the bytes, and fewer still where not every column is read", share*100))
	}
	if setup.S3 && stored.Old > 0 {
		if cold := p.class("GLACIER_IR"); setup.Class == "" || setup.Class == "STANDARD" {
			gb := float64(stored.Old) / (1 << 30)
			add(gb*(class.GBMonth-cold.GBMonth), "a lifecycle rule that moves raw/ and processed/ to GLACIER_IR after 30 days",
				"reading old hours then costs "+Dollars(cold.RetrieveGB)+" a GB; at least 90 days are billed")
		}
	}
	if setup.S3 && stored.Raw > 0 && stored.Days > 30 {
		// The merged ticks hold every row of the raw hours.
		old := float64(stored.Raw) * float64(stored.Days-30) / float64(stored.Days)
		add(old/(1<<30)*class.GBMonth, "tapedeck lake expire raw --older-than 30d --yes",
			"the same ticks stay as Parquet; tapedeck etl can no longer rebuild those days from raw")
	}
	if setup.Endpoint != "" && setup.Endpoints > 0 {
		hour := p.SageMaker[setup.Endpoint] * float64(setup.Endpoints)
		if calls := float64(used.Invocations) / hours; calls < 60 {
			add(hour*hoursAMonth, "take the SageMaker endpoint down, or make it serverless",
				fmt.Sprintf("%.0f requests an hour; tapedeck serves the same model on the box", calls))
		}
	}
	slices.SortStableFunc(list, func(a, b Advice) int {
		switch {
		case a.Saves > b.Saves:
			return -1
		case a.Saves < b.Saves:
			return 1
		}
		return 0
	})
	return list
}

// short writes a duration without the zeros of its lesser units.
func short(d time.Duration) string {
	if d%time.Minute == 0 {
		return fmt.Sprintf("%dm", d/time.Minute)
	}
	return d.String()
}
