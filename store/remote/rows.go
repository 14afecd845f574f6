package remote

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"time"

	"tapedeck/store"
)

// Options are one question's wishes.
type Options struct {
	Limit    int                 // how many rows are given at most; 0 is all
	Progress func(share float64) // told how far the engine is, 0 … 1, where it says so; may be nil
}

// ErrUnknownTotal says that an engine does not tell how many rows there are
// beyond those that were asked for; counting them would cost a question more.
var ErrUnknownTotal = errors.New("the engine does not count the rows that were left out")

// Rows are an engine's answer, read in order once; a store.Cursor. Not for
// concurrent use.
type Rows struct {
	source  source
	columns []store.Column
	values  []driver.Value
	limit   int
	given   int
	more    bool
	done    bool
	err     error
	elapsed time.Duration
}

// source hands on an engine's rows.
type source interface {
	// next is the next row; io.EOF after the last.
	next() ([]driver.Value, error)
	// scanned is how many bytes the engine has read; -1 is unknown.
	scanned() int64
	// price is what that costs, in dollars; -1 where nobody is billed by it.
	price() float64
	// close ends the question, if need be by stopping it.
	close() error
}

// Columns are the result's columns. Types are named as package store names
// them: BIGINT, DOUBLE, TIMESTAMP; those without a counterpart by the engine's word.
func (r *Rows) Columns() []store.Column { return r.columns }

// Next steps to the next row; false at the end or on an error, see Err.
func (r *Rows) Next() bool {
	if r.done || r.err != nil {
		return false
	}
	values, err := r.source.next()
	switch {
	case err == io.EOF:
		r.done = true
	case err != nil:
		r.err = err
	case r.limit > 0 && r.given == r.limit:
		r.more, r.done = true, true
	default:
		r.given++
		r.values = values
		return true
	}
	return false
}

// Values are the row's values, valid until the next call of Next.
func (r *Rows) Values() []driver.Value { return r.values }

// Err is why Next ended early; nil at the end.
func (r *Rows) Err() error { return r.err }

// More says, after Next has returned false, that Limit left rows out.
func (r *Rows) More() bool { return r.more }

// Elapsed is how long it took until the first rows.
func (r *Rows) Elapsed() time.Duration { return r.elapsed }

// Scanned is how many bytes the engine has read; 0 is unknown.
func (r *Rows) Scanned() int64 { return max(r.source.scanned(), 0) }

// Warnings say in words what the answer lacks.
func (r *Rows) Warnings() []string { return nil }

// Total is how many rows there are, once all have been read; else ErrUnknownTotal.
func (r *Rows) Total(context.Context) (int64, error) {
	if r.done && !r.more {
		return int64(r.given), nil
	}
	return 0, ErrUnknownTotal
}

// Cost is what the question was, in words: "12.3 MB scanned, $0.00006"; empty
// where it is not known.
func (r *Rows) Cost() string {
	n := r.source.scanned()
	if n < 0 {
		return ""
	}
	text := bytesize(n) + " scanned"
	if p := r.source.price(); p >= 0 {
		text += ", " + dollars(p)
	}
	return text
}

// Close ends the question, if need be by stopping it.
func (r *Rows) Close() error { return r.source.close() }

// dollars writes an amount with as many digits as tell something.
func dollars(v float64) string {
	switch {
	case v == 0:
		return "free"
	case v < 0.01:
		return fmt.Sprintf("$%.5f", v)
	default:
		return fmt.Sprintf("$%.2f", v)
	}
}

func bytesize(n int64) string {
	v := float64(n)
	for _, unit := range []string{"B", "kB", "MB", "GB"} {
		if v < 1000 {
			if unit == "B" {
				return fmt.Sprintf("%d B", n)
			}
			return fmt.Sprintf("%.1f %s", v, unit)
		}
		v /= 1000
	}
	return fmt.Sprintf("%.1f TB", v)
}
