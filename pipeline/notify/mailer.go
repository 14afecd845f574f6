package notify

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"tapedeck/pipeline/market"
)

// MailerConfig says in what manner a target is told.
type MailerConfig struct {
	// Window is how long an alert waits for others of its rule and state, to go
	// out in one message; 0 waits for none.
	Window time.Duration
	Most   int  // alerts in a message at most; 0 is 1,000
	Mixed  bool // alerts of any rules may share a message
	// Rate is messages a second, 0 without limit, and Burst how many may go at
	// once before it holds. What waits is gathered into fewer messages.
	Rate  float64
	Burst int

	FirstPause time.Duration // ceiling of the pause after one failure, doubling; 0 is 1 s
	MostPause  time.Duration // ceiling of the ceiling; 0 is 1 min
	Timeout    time.Duration // of one try; 0 is 15 s

	OnSent   func(m *Message)            // may be nil; must return soon
	OnFailed func(m *Message, err error) // a try failed; may be nil; must return soon
	OnRefuse func(m *Message, err error) // the target will never take it: it was given up; may be nil
}

// tries are how often a message is tried that its target refuses.
const tries = 5

// Mailer takes alerts to one target. Run does the work; Deliver is for any goroutine.
type Mailer struct {
	MailerConfig
	target Target

	recording sync.Mutex // held while answers are recorded; guards order.gone
	mu        sync.Mutex
	queues    map[string]*queue
	order     []*queue // that hold alerts, the one that waits longest first
	waiting   int      // alerts in the queues
	draining  bool
	woken     chan struct{}

	tokens float64
	filled time.Time
}

// queue holds alerts that may share a message.
type queue struct {
	key   string
	since time.Time // of the oldest
	list  []parcel
}

// parcel is an alert on its way.
type parcel struct {
	alert *market.Alert
	order *order
	place int // among the alerts of the order
}

// order is one call of Deliver.
type order struct {
	record    func(answered []int)
	gone      bool // its caller waits no longer, and is told nothing more
	left      int
	abandoned bool // its caller has gone: not to be sent any more
	flying    int  // parcels that are being sent
	done      chan struct{}
	landed    chan struct{} // made by a caller that goes while parcels fly
}

// NewMailer makes a mailer; nothing is sent before Run.
func NewMailer(target Target, c MailerConfig) *Mailer {
	set := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	set(&c.FirstPause, time.Second)
	set(&c.MostPause, time.Minute)
	set(&c.Timeout, 15*time.Second)
	if c.Most <= 0 {
		c.Most = 1000
	}
	c.Burst = max(c.Burst, 1)
	return &Mailer{MailerConfig: c, target: target, queues: map[string]*queue{}, woken: make(chan struct{}, 1),
		tokens: float64(c.Burst), filled: time.Now()}
}

// Deliver returns nil when the target has answered for every alert, or refused
// it for good. When ctx ends first, what is not on its way is taken back, and
// what is gets some seconds to arrive; the error is ctx's where anything is left.
//
// After each answer record is told which of the alerts it was for, by their
// places; nothing else is sent to the target, and Deliver does not return,
// before record has. It is called from another goroutine, never twice at once;
// nil is not called.
func (m *Mailer) Deliver(ctx context.Context, alerts []market.Alert, record func(answered []int)) error {
	if len(alerts) == 0 {
		return nil
	}
	o := &order{record: record, left: len(alerts), done: make(chan struct{})}
	m.mu.Lock()
	for i := range alerts {
		key := ""
		if !m.Mixed {
			key = alerts[i].Rule + "\x00" + alerts[i].State.String()
		}
		q := m.queues[key]
		if q == nil {
			q = &queue{key: key, since: time.Now()}
			m.queues[key] = q
			m.order = append(m.order, q)
		}
		q.list = append(q.list, parcel{&alerts[i], o, i})
	}
	m.waiting += len(alerts)
	m.mu.Unlock()
	m.wake()
	select {
	case <-o.done:
		return nil
	case <-ctx.Done():
	}
	m.mu.Lock()
	o.abandoned = true
	landed := make(chan struct{})
	if o.landed = landed; o.flying == 0 {
		close(landed)
	}
	m.mu.Unlock()
	m.wake()
	select {
	case <-landed:
	case <-o.done:
	case <-time.After(5 * time.Second):
	}
	m.recording.Lock() // a record that is being made is awaited
	o.gone = true
	m.recording.Unlock()
	select {
	case <-o.done:
		return nil
	default:
		return ctx.Err()
	}
}

// Drain says that no more is to be waited for: what is there goes out now.
func (m *Mailer) Drain() {
	m.mu.Lock()
	m.draining = true
	m.mu.Unlock()
	m.wake()
}

// Waiting is how many alerts are not on their way yet.
func (m *Mailer) Waiting() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.waiting
}

func (m *Mailer) wake() {
	select {
	case m.woken <- struct{}{}:
	default:
	}
}

// Run sends until ctx ends. One mailer sends one message at a time.
func (m *Mailer) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		if wait := m.due(time.Now()); wait != 0 {
			m.sleep(ctx, wait)
			continue
		}
		parcels := m.take()
		if len(parcels) == 0 {
			continue
		}
		m.send(ctx, parcels)
	}
	return ctx.Err()
}

// due is how long until a message is to be sent: 0 now, < 0 nobody knows.
func (m *Mailer) due(now time.Time) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.order) == 0 {
		return -1
	}
	q := m.order[0]
	wait := q.since.Add(m.Window).Sub(now)
	if m.draining || m.waiting >= m.Most {
		wait = 0
	}
	if m.Rate > 0 {
		m.tokens = min(float64(m.Burst), m.tokens+now.Sub(m.filled).Seconds()*m.Rate)
		m.filled = now
		if m.tokens < 1 {
			wait = max(wait, time.Duration((1-m.tokens)/m.Rate*float64(time.Second))+time.Microsecond)
		}
	}
	return max(wait, 0)
}

// sleep waits for d (< 0: without end), or until something comes.
func (m *Mailer) sleep(ctx context.Context, d time.Duration) {
	var after <-chan time.Time
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		after = timer.C
	}
	select {
	case <-ctx.Done():
	case <-after:
	case <-m.woken:
	}
}

// take takes what goes into the next message out of its queue.
func (m *Mailer) take() []parcel {
	m.mu.Lock()
	defer m.mu.Unlock()
	q := m.order[0]
	n := min(len(q.list), m.Most)
	var parcels []parcel
	for _, p := range q.list[:n] {
		if !p.order.abandoned {
			p.order.flying++
			parcels = append(parcels, p)
		}
	}
	m.waiting -= n
	if q.list = q.list[n:]; len(q.list) == 0 {
		delete(m.queues, q.key)
		m.order = m.order[1:]
	} else { // its turn comes again after the others'
		m.order = append(m.order[1:], q)
	}
	if len(parcels) > 0 && m.Rate > 0 {
		m.tokens--
	}
	return parcels
}

// send tries until the target has answered, all callers have gone or ctx ends.
func (m *Mailer) send(ctx context.Context, parcels []parcel) {
	var message *Message
	for attempt := 0; ; attempt++ {
		if message == nil || m.forget(&parcels) {
			if len(parcels) == 0 {
				return
			}
			alerts := make([]market.Alert, len(parcels))
			for i := range parcels {
				alerts[i] = *parcels[i].alert
			}
			message = NewMessage(alerts)
		}
		trying, cancel := context.WithTimeout(ctx, m.Timeout)
		err := m.target.Send(trying, message)
		cancel()
		if err == nil {
			if m.OnSent != nil {
				m.OnSent(message)
			}
			m.arrived(parcels)
			return
		}
		if ctx.Err() == nil && m.OnFailed != nil {
			m.OnFailed(message, err)
		}
		if errors.Is(err, ErrRefused) && attempt+1 >= tries {
			if m.OnRefuse != nil {
				m.OnRefuse(message, err)
			}
			m.arrived(parcels)
			return
		}
		until := time.Now().Add(m.pause(attempt))
		for ctx.Err() == nil && time.Now().Before(until) {
			m.sleep(ctx, time.Until(until))
			if m.forget(&parcels) {
				message = nil
				if len(parcels) == 0 {
					return
				}
			}
		}
		if ctx.Err() != nil {
			m.land(parcels)
			return
		}
	}
}

// pause after failures in a row: exponential with full jitter (Amazon
// Builders' Library, "Timeouts, retries and backoff with jitter"), never less
// than a quarter of the first.
func (m *Mailer) pause(attempt int) time.Duration {
	ceiling := m.MostPause
	if attempt < 30 {
		ceiling = min(ceiling, m.FirstPause<<attempt)
	}
	return max(time.Duration(rand.Float64()*float64(ceiling)), m.FirstPause/4)
}

// forget leaves out the parcels whose callers have gone, and says whether there were any.
func (m *Mailer) forget(parcels *[]parcel) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	kept := (*parcels)[:0:0]
	for _, p := range *parcels {
		if !p.order.abandoned {
			kept = append(kept, p)
			continue
		}
		p.order.land()
	}
	changed := len(kept) != len(*parcels)
	*parcels = kept
	return changed
}

// arrived has parcels recorded and counts them as delivered.
func (m *Mailer) arrived(parcels []parcel) {
	m.record(parcels)
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range parcels {
		if p.order.left--; p.order.left == 0 {
			close(p.order.done)
		}
		p.order.land()
	}
}

// record tells every caller that waits which of its alerts were answered for,
// all of them at the same time, and returns when they have taken note.
func (m *Mailer) record(parcels []parcel) {
	m.recording.Lock()
	defer m.recording.Unlock()
	answered := map[*order][]int{}
	for _, p := range parcels {
		if p.order.record != nil && !p.order.gone {
			answered[p.order] = append(answered[p.order], p.place)
		}
	}
	var all sync.WaitGroup
	for o, places := range answered {
		all.Go(func() { o.record(places) })
	}
	all.Wait()
}

// land notes that parcels are no longer on their way, delivered or not.
func (m *Mailer) land(parcels []parcel) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range parcels {
		p.order.land()
	}
}

func (o *order) land() {
	if o.flying--; o.flying == 0 && o.landed != nil {
		close(o.landed)
	}
}
