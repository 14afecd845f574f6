package feed

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// Limits of one row, so that memory stays flat whatever a file holds.
const (
	maxRow    = 256 << 10 // bytes; a longer one comes in pieces, each a bad row
	maxQuoted = 64 << 10  // bytes up to which a quoted field may run over line ends
	scanChunk = 256 << 10 // bytes asked of the reader at a time
)

var (
	errRowLong  = fmt.Errorf("the row is longer than %d bytes", maxRow)
	errRowQuote = errors.New("a quote is opened and not closed")
)

// rowScanner cuts a stream into CSV rows. A row ends with LF, CRLF or, in a
// file that begins so, a lone CR; inside quotes an end of line belongs to the
// field. A quote that is never closed costs its own line only, never what
// follows. The bytes of every row are handed out exactly once, in order.
type rowScanner struct {
	r          io.Reader
	buf        []byte
	start, end int   // unread bytes of buf
	err        error // what ended the stream: io.EOF or trouble
	eol        byte  // '\n', or '\r' in a file of lone CRs
	line       int64 // number of the line on which the newest row begins, from 1
	lines      int64 // lines that the newest row spans
	long       bool  // inside a row that is too long
}

func newRowScanner(r io.Reader) *rowScanner {
	return &rowScanner{r: r, eol: '\n', buf: make([]byte, 0, scanChunk), line: 1}
}

// fill reads more, moving what is unread to the front; false at the end.
func (s *rowScanner) fill() bool {
	if s.err != nil {
		return false
	}
	if s.start > 0 {
		s.end = copy(s.buf[:cap(s.buf)], s.buf[s.start:s.end])
		s.start = 0
	}
	if s.end == cap(s.buf) {
		grown := make([]byte, 2*cap(s.buf))
		copy(grown, s.buf[:s.end])
		s.buf = grown
	}
	s.buf = s.buf[:cap(s.buf)]
	for tries := 0; tries < 100; tries++ {
		n, err := s.r.Read(s.buf[s.end:])
		s.end += n
		s.err = err
		if n > 0 || err != nil {
			return n > 0
		}
	}
	s.err = io.ErrNoProgress
	return false
}

// detect finds out how lines end and drops a byte order mark; it is called
// once, before the first row.
func (s *rowScanner) detect() error {
	for s.end-s.start < 4 && s.fill() {
	}
	head := s.buf[s.start:s.end]
	switch {
	case bytes.HasPrefix(head, []byte("\xef\xbb\xbf")):
		s.start += 3
	case bytes.HasPrefix(head, []byte("\xff\xfe")), bytes.HasPrefix(head, []byte("\xfe\xff")):
		return errors.New("the text is UTF-16; save it as UTF-8")
	}
	for from := s.start; ; {
		if i := bytes.IndexAny(s.buf[from:s.end], "\r\n"); i >= 0 {
			at := from + i
			if s.buf[at] == '\n' {
				return nil
			}
			if at+1 == s.end {
				off := at - s.start
				s.fill()
				at = s.start + off
			}
			if at+1 < s.end && s.buf[at+1] != '\n' {
				s.eol = '\r'
			}
			return nil
		}
		if s.end-s.start > maxRow {
			return errRowLong
		}
		read := s.end - s.start
		if !s.fill() {
			return nil
		}
		from = s.start + read
	}
}

// next is the next row without its end of line. The slice is good until the
// next call. A bad row comes with its bytes and the reason; io.EOF or the
// reader's own trouble comes alone, after the last row.
func (s *rowScanner) next() ([]byte, error) {
	s.line += s.lines
	s.lines = 0
	for {
		row, ok := s.cut(0)
		if !ok {
			if s.end-s.start > maxRow {
				return s.piece(), errRowLong
			}
			if s.fill() {
				continue
			}
			if s.start == s.end {
				return nil, s.err
			}
			row = s.end - s.start
			if s.err != io.EOF { // what broke off is not a whole row
				return s.take(row), fmt.Errorf("the file breaks off within this row: %w", s.err)
			}
		}
		switch {
		case row > maxRow:
			return s.piece(), errRowLong
		case s.long:
			s.long = false
			return s.take(row), errRowLong
		case bytes.IndexByte(s.buf[s.start:s.start+row], '"') >= 0:
			return s.quoted(row)
		}
		return s.take(row), nil
	}
}

// cut finds the end of line at or after offset from the row's start; false
// where it is not in the buffer yet.
func (s *rowScanner) cut(offset int) (int, bool) {
	if s.start+offset > s.end {
		return 0, false
	}
	i := bytes.IndexByte(s.buf[s.start+offset:s.end], s.eol)
	return offset + i, i >= 0
}

// quoted widens a row of n bytes, which holds a quote, to where its quotes are
// closed.
func (s *rowScanner) quoted(n int) ([]byte, error) {
	first := n
	for quotesOpen(s.buf[s.start : s.start+n]) {
		if n > maxQuoted {
			return s.take(first), errRowQuote
		}
		from := n + 1
		for {
			wider, ok := s.cut(from)
			if ok {
				n = wider
				break
			}
			if s.end-s.start > maxQuoted+scanChunk {
				return s.take(first), errRowQuote
			}
			if !s.fill() {
				if wider = s.end - s.start; wider <= n {
					return s.take(first), errRowQuote
				}
				n = wider
				break
			}
		}
	}
	if n > maxRow || n > first && !quotesWell(s.buf[s.start:s.start+n]) {
		return s.take(first), errRowQuote // such as two stray quotes, lines apart
	}
	return s.take(n), nil
}

// quotesOpen says whether a row ends inside quotes.
func quotesOpen(row []byte) bool {
	return bytes.Count(row, []byte{'"'})%2 == 1
}

// quotesWell says whether every quote of a row opens or closes a whole field,
// or is doubled inside one. The separator is any byte that is no letter or digit.
func quotesWell(row []byte) bool {
	in := false
	for i := 0; i < len(row); i++ {
		if row[i] != '"' {
			continue
		}
		switch {
		case !in:
			if i > 0 && !isSeparator(row[i-1]) {
				return false
			}
			in = true
		case i+1 < len(row) && row[i+1] == '"':
			i++
		default:
			if i+1 < len(row) && !isSeparator(row[i+1]) {
				return false
			}
			in = false
		}
	}
	return !in
}

func isSeparator(c byte) bool {
	return c == ',' || c == ';' || c == '\t' || c == '\r' || c == '\n'
}

// take consumes a row of n bytes and its end of line.
func (s *rowScanner) take(n int) []byte {
	row := s.buf[s.start : s.start+n]
	s.lines = 1
	if bytes.IndexByte(row, '"') >= 0 {
		s.lines += int64(bytes.Count(row, []byte{s.eol}))
	}
	s.start += n
	if s.start < s.end {
		s.start++ // the end of line itself
	}
	if s.eol == '\n' {
		if n > 0 && row[n-1] == '\r' {
			row = row[:n-1]
		}
	} else if n > 0 && row[0] == '\n' {
		row = row[1:]
	}
	return row
}

// piece consumes maxRow bytes of a row that is too long.
func (s *rowScanner) piece() []byte {
	row := s.buf[s.start : s.start+maxRow]
	s.start += maxRow
	s.long = true
	return row
}

// splitRow appends the fields of a row to dst. Quoted fields lose their quotes
// in place, so row is changed where it has any.
func splitRow(dst [][]byte, row []byte, sep byte) ([][]byte, error) {
	if bytes.IndexByte(row, '"') >= 0 {
		return splitQuoted(dst, row, sep)
	}
	from := 0
	for i, c := range row {
		if c == sep {
			dst = append(dst, row[from:i])
			from = i + 1
		}
	}
	return append(dst, row[from:]), nil
}

func splitQuoted(dst [][]byte, row []byte, sep byte) ([][]byte, error) {
	for {
		if len(row) == 0 || row[0] != '"' {
			i := bytes.IndexByte(row, sep)
			if i < 0 {
				return append(dst, row), nil
			}
			dst = append(dst, row[:i])
			row = row[i+1:]
			continue
		}
		out, i, closed := row[1:1], 1, false
		for i < len(row) {
			if row[i] == '"' {
				if i+1 >= len(row) || row[i+1] != '"' {
					closed = true
					i++
					break
				}
				i++
			}
			out = append(out, row[i])
			i++
		}
		if !closed {
			return dst, errRowQuote
		}
		dst = append(dst, out)
		if i == len(row) {
			return dst, nil
		}
		if row[i] != sep {
			return dst, errors.New("a closing quote is followed by more text")
		}
		row = row[i+1:]
	}
}
