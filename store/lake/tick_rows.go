package lake

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"strings"

	"tapedeck/pipeline/market"
)

// tickRows reads rows under TickCSVHeader. Rows without quotes, which are nearly
// all, are cut at their commas; the others are read by encoding/csv.
type tickRows struct {
	in     *bufio.Reader
	header bool // was passed over
	long   []byte
	fields []string
	names  market.Names // so that a symbol does not hold its whole row
}

func newTickRows(in io.Reader) *tickRows {
	return &tickRows{in: bufio.NewReaderSize(in, 1<<16), fields: make([]string, 0, 12)}
}

// next reads a row; io.EOF at the end.
func (r *tickRows) next(t *market.Tick) (partition int32, offset int64, err error) {
	for {
		row, quoted, err := r.row()
		if err != nil {
			return 0, 0, err
		}
		if !r.header {
			r.header = true
			continue
		}
		if len(row) == 0 {
			continue
		}
		if err := r.cut(row, quoted); err != nil {
			return 0, 0, err
		}
		partition, offset, err = market.ParseTickCSV(r.fields, t)
		t.Symbol, t.Exchange = r.name(t.Symbol), r.name(t.Exchange)
		t.Condition, t.Source = r.name(t.Condition), r.name(t.Source)
		return partition, offset, err
	}
}

func (r *tickRows) name(s string) string { return r.names.Of([]byte(s)) }

// row is the next row, without its line end: good until the next call. One
// with an open quote goes on in the next line.
func (r *tickRows) row() (row []byte, quoted bool, err error) {
	r.long = r.long[:0]
	quotes := 0
	for {
		line, err := r.in.ReadSlice('\n')
		quotes += bytes.Count(line, []byte{'"'})
		whole := err == nil && quotes%2 == 0
		if whole && len(r.long) == 0 {
			return bytes.TrimRight(line, "\r\n"), quotes > 0, nil
		}
		r.long = append(r.long, line...)
		switch {
		case whole, errors.Is(err, io.EOF) && len(r.long) > 0:
			return bytes.TrimRight(r.long, "\r\n"), quotes > 0, nil
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return nil, false, err
		}
	}
}

// cut parts a row into its fields.
func (r *tickRows) cut(row []byte, quoted bool) (err error) {
	if quoted {
		r.fields, err = csv.NewReader(bytes.NewReader(row)).Read()
		return err
	}
	r.fields = r.fields[:0]
	rest := string(row)
	for {
		field, after, more := strings.Cut(rest, ",")
		r.fields = append(r.fields, field)
		if !more {
			return nil
		}
		rest = after
	}
}

// tickBatch is how many rows are read ahead at a time.
const tickBatch = 2048

// readTicks gives fn the rows under TickCSVHeader. They are read ahead in a
// goroutine of its own, which has ended when readTicks returns.
func readTicks(in io.Reader, produced market.Time, fn func(*RawTick) error) error {
	type batch struct {
		ticks []RawTick
		err   error // after the ticks
	}
	full, used, stop := make(chan batch, 2), make(chan []RawTick, 4), make(chan struct{})
	go func() {
		defer close(full)
		rows := newTickRows(in)
		for {
			var b batch
			select {
			case b.ticks = <-used:
			default:
				b.ticks = make([]RawTick, 0, tickBatch)
			}
			for b.ticks = b.ticks[:0]; len(b.ticks) < tickBatch && b.err == nil; {
				t := RawTick{Produced: produced}
				if t.Partition, t.Offset, b.err = rows.next(&t.Tick); b.err == nil {
					b.ticks = append(b.ticks, t)
				}
			}
			select {
			case full <- b:
			case <-stop:
				return
			}
			if b.err != nil {
				return
			}
		}
	}()
	defer func() {
		close(stop)
		for range full { // until the goroutine has ended
		}
	}()
	for b := range full {
		for i := range b.ticks {
			if err := fn(&b.ticks[i]); err != nil {
				return err
			}
		}
		if errors.Is(b.err, io.EOF) {
			return nil
		}
		if b.err != nil {
			return b.err
		}
		used <- b.ticks
	}
	return nil
}
