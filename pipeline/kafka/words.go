package kafka

import (
	"fmt"
	"slices"
	"strings"
)

// Sentence is the cluster in words: its brokers, how many partitions each
// leads, and how many copies are in step.
func (c Cluster) Sentence() string {
	leads := make(map[int32]int)
	parts, short := 0, 0
	for _, t := range c.Topics {
		for _, p := range t.Parts {
			parts++
			leads[p.Leader]++
			if p.UnderReplicated() {
				short++
			}
		}
	}
	var each []string
	for _, b := range c.Brokers {
		words := fmt.Sprintf("%d leads %d", b.ID, leads[b.ID])
		if b.Away {
			words = fmt.Sprintf("%d is away", b.ID)
		}
		each = append(each, words)
	}
	step := "all copies in step"
	if short > 0 {
		step = fmt.Sprintf("%d with too few copies in step", short)
	}
	return fmt.Sprintf("%s (%s), %s, %s", count(len(c.Brokers), "broker"), strings.Join(each, ", "), count(parts, "partition"), step)
}

// Trouble says what is wrong with the cluster, the worst first; empty when
// nothing is.
func (c Cluster) Trouble() string {
	var away []string
	for _, b := range c.Brokers {
		if b.Away {
			away = append(away, strings.TrimSpace(fmt.Sprintf("%d %s", b.ID, b.Rack)))
		}
	}
	parts, leaderless, unwritable, short := 0, 0, 0, 0
	var behind []string
	for _, t := range c.Topics {
		for _, p := range t.Parts {
			parts++
			switch {
			case p.Leader < 0:
				leaderless++
			case len(p.InSync) < c.MinInSync:
				unwritable++
			case p.UnderReplicated():
				short++
				for _, id := range p.Replicas {
					if name := fmt.Sprint(id); !slices.Contains(p.InSync, id) && !slices.Contains(behind, name) {
						behind = append(behind, name)
					}
				}
			}
		}
	}
	var all []string
	if len(away) > 0 {
		all = append(all, brokersAre(away)+" away")
	}
	if leaderless > 0 {
		all = append(all, fmt.Sprintf("no leader for %d of %d partitions: they can be neither read nor written", leaderless, parts))
	}
	if unwritable > 0 {
		all = append(all, fmt.Sprintf("not enough copies in step to write to %d of %d partitions: feeds wait", unwritable, parts))
	}
	if short > 0 {
		slices.Sort(behind)
		who := ""
		if len(away) == 0 {
			who = ", " + brokersAre(behind) + " catching up"
		}
		all = append(all, fmt.Sprintf("fewer copies in step than there should be of %d of %d partitions, which go on%s", short, parts, who))
	}
	return strings.Join(all, "; ")
}

// brokersAre begins a sentence about brokers.
func brokersAre(names []string) string {
	if len(names) == 1 {
		return "broker " + names[0] + " is"
	}
	return "brokers " + strings.Join(names, " and ") + " are"
}

// count is a number of things.
func count(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}
