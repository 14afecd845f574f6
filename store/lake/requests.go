package lake

import (
	"io"
	"net/http"
	"sync/atomic"
)

// Requests is what was asked of S3 since the lake was opened: each try
// counts, as it is billed.
type Requests struct {
	Puts   int64 // PUT, COPY, POST and LIST, the dear class
	Gets   int64 // GET, HEAD and all others, the cheap class; DELETE is free and not counted
	Failed int64 // of both: no answer, or one from 500 up
	Sent   int64 // bytes of bodies
	Read   int64 // bytes of bodies
}

// Requests counts what was asked of S3; of a directory there is nothing to count.
func (l *Lake) Requests() Requests {
	if l.asked == nil {
		return Requests{}
	}
	return Requests{Puts: l.asked.puts.Load(), Gets: l.asked.gets.Load(), Failed: l.asked.failed.Load(),
		Sent: l.asked.sent.Load(), Read: l.asked.read.Load()}
}

// counting is a transport that counts.
type counting struct {
	next interface {
		Do(*http.Request) (*http.Response, error)
	}
	puts, gets, failed, sent, read atomic.Int64
}

// Do sends a request.
func (c *counting) Do(r *http.Request) (*http.Response, error) {
	query := r.URL.Query()
	switch {
	case r.Method == http.MethodDelete:
	case r.Method == http.MethodPut, r.Method == http.MethodPost, query.Has("list-type"), r.Method == http.MethodGet && query.Has("uploads"):
		c.puts.Add(1)
		c.sent.Add(max(0, r.ContentLength))
	default:
		c.gets.Add(1)
	}
	response, err := c.next.Do(r)
	if err != nil || response.StatusCode >= http.StatusInternalServerError {
		c.failed.Add(1)
	}
	if err == nil && response.Body != nil {
		response.Body = &countedBody{response.Body, &c.read}
	}
	return response, err
}

type countedBody struct {
	io.ReadCloser
	n *atomic.Int64
}

// Read reads on.
func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.n.Add(int64(n))
	return n, err
}
