package live

// rate counts ticks over the last ten whole seconds.
type rate struct {
	slots [ageSlots + 1]struct {
		second, count int64
	}
}

func (r *rate) add(second, n int64) {
	s := &r.slots[uint64(second)%uint64(len(r.slots))]
	if s.second != second {
		s.second, s.count = second, 0
	}
	s.count += n
}

// read is ticks per second over the whole seconds before this one.
func (r *rate) read(second int64) float64 {
	var sum int64
	oldest := second
	for _, s := range r.slots {
		if s.count > 0 && s.second < second && second-s.second <= ageSlots {
			sum += s.count
			oldest = min(oldest, s.second)
		}
	}
	if oldest == second {
		return 0
	}
	return float64(sum) / float64(second-oldest)
}

// pace counts a tick into the symbol's own rate, an average over about ten seconds.
func (r *row) pace(second int64) {
	if second != r.rateAt {
		gap := second - r.rateAt
		switch {
		case r.rateAt == 0 || gap > 60:
			r.quote.Rate = 0
		case r.quote.Rate == 0: // the first whole second is the best guess there is
			r.quote.Rate = float64(r.rateSeen) / float64(gap)
		default:
			const decay = 0.9
			r.quote.Rate += (float64(r.rateSeen) - r.quote.Rate) * (1 - decay)
			for range gap - 1 {
				r.quote.Rate *= decay
			}
		}
		r.rateAt, r.rateSeen = second, 0
	}
	r.rateSeen++
}
