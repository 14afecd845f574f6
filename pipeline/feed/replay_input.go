package feed

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"tapedeck/pipeline/market"
)

// replayInput is one recorded file. What stands in its head is the row that
// comes next.
type replayInput struct {
	path  string
	name  string // base name, for messages
	size  int64
	sum   [32]byte // of size, head and tail of the content
	first market.Time
	empty bool // a header without rows
	index int  // place among the inputs

	file  *os.File
	count *countingReader
	zip   io.Closer // the decoder, nil for plain text
	scan  *rowScanner
	parse *rowParser
	key   market.Time // the latest time so far

	tick market.Tick // the row in the head, where bad is nil
	row  []byte      // its bytes
	line int64       // its line in the file, from 1
	bad  error       // why it is no tick
}

// identityChunk is how much of a file's head and tail makes its identity.
const identityChunk = 64 << 10

// rowsToCheck is how many rows may be bad in a row at the beginning before the
// file is taken for something else.
const rowsToCheck = 1000

// checkInput opens a file, judges its header and first rows, and closes it.
func checkInput(path string) (*replayInput, error) {
	in := &replayInput{path: path, name: filepath.Base(path), size: -1}
	if err := in.open(); err != nil {
		return nil, err
	}
	defer in.close()
	var firstBad error
	for range rowsToCheck {
		more, err := in.next()
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", in.line, err)
		}
		if !more {
			break
		}
		if in.bad == nil {
			in.first = in.tick.Time
			return in, in.identify()
		}
		if firstBad == nil {
			firstBad = fmt.Errorf("line %d: %w", in.line, in.bad)
		}
	}
	if firstBad != nil {
		return nil, fmt.Errorf("no row can be read; %w", firstBad)
	}
	in.empty = true
	return in, in.identify()
}

// identify fills in the sum of what makes the content this content.
func (in *replayInput) identify() error {
	h := sha256.New()
	binary.Write(h, binary.BigEndian, in.size)
	for _, from := range []int64{0, max(0, in.size-identityChunk)} {
		if _, err := io.Copy(h, io.NewSectionReader(in.file, from, min(identityChunk, in.size))); err != nil {
			return fmt.Errorf("read: %w", err)
		}
	}
	h.Sum(in.sum[:0])
	return nil
}

// open begins the file at its first row; a later open than the check's finds
// the same content or says that it has changed.
func (in *replayInput) open() (err error) {
	in.file, err = os.Open(in.path)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			in.close()
		}
	}()
	info, err := in.file.Stat()
	if err != nil {
		return err
	}
	if in.size >= 0 {
		if info.Size() < in.size {
			return fmt.Errorf("the file has shrunk from %d to %d bytes since it was opened first", in.size, info.Size())
		}
	} else {
		in.size = info.Size()
	}
	in.line, in.key = 0, 0
	in.count = &countingReader{r: io.LimitReader(in.file, in.size)}
	text, err := in.unpack()
	if err != nil {
		return err
	}
	in.scan = newRowScanner(text)
	if err := in.scan.detect(); err != nil {
		return fmt.Errorf("line 1: %w", err)
	}
	header, err := in.scan.next()
	for err == nil && len(bytes.TrimSpace(header)) == 0 {
		header, err = in.scan.next()
	}
	if err == io.EOF {
		return errors.New("the file is empty; the first line must name the columns time, symbol, price, size")
	}
	if err == nil {
		in.parse, err = newRowParser(header)
	}
	if err != nil {
		return fmt.Errorf("line %d: %w", in.scan.line, err)
	}
	return nil
}

// unpack finds out by the first bytes how a file is packed.
func (in *replayInput) unpack() (io.Reader, error) {
	var magic [6]byte
	n, err := in.file.ReadAt(magic[:], 0)
	if err != nil && err != io.EOF {
		return nil, err
	}
	head := magic[:n]
	switch {
	case bytes.HasPrefix(head, []byte("\x1f\x8b")):
		z, err := gzip.NewReader(in.count)
		if err != nil {
			return nil, fmt.Errorf("unpack gzip: %w", err)
		}
		in.zip = z
		return z, nil
	case bytes.HasPrefix(head, []byte("\x28\xb5\x2f\xfd")):
		z, err := zstd.NewReader(in.count, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(256<<20))
		if err != nil {
			return nil, fmt.Errorf("unpack zstd: %w", err)
		}
		in.zip = z.IOReadCloser()
		return z, nil
	}
	for kind, prefix := range map[string]string{
		"a zip archive": "PK\x03\x04", "a bzip2 file": "BZh", "an xz file": "\xfd7zXZ", "a Parquet file": "PAR1",
	} {
		if bytes.HasPrefix(head, []byte(prefix)) {
			return nil, fmt.Errorf("it is %s; replay reads CSV, plain or packed by gzip or zstd", kind)
		}
	}
	return in.count, nil
}

func (in *replayInput) close() {
	if in.zip != nil {
		in.zip.Close()
		in.zip = nil
	}
	if in.file != nil {
		in.file.Close() // read only: nothing to lose
		in.file = nil
	}
	in.scan = nil
}

// read is how many of the file's bytes have been read.
func (in *replayInput) read() int64 { return in.count.n }

// next brings the next row into the head: a tick, or bytes with the reason why
// they are none. It is false at the end; the error says where that came early.
// Blank lines and a header that is repeated are passed over.
func (in *replayInput) next() (bool, error) {
	for {
		row, err := in.scan.next()
		if row == nil {
			if err == io.EOF {
				err = nil
			}
			return false, err
		}
		in.line = in.scan.line
		if len(row) == 0 {
			continue
		}
		if in.row, in.bad = row, err; err != nil {
			in.tick.Symbol = ""
			return true, nil
		}
		if in.bad = in.parse.parse(row, &in.tick); in.bad == nil {
			in.key = max(in.key, in.tick.Time)
			return true, nil
		}
		if bytes.Equal(row, in.parse.header) || len(bytes.TrimSpace(row)) == 0 {
			continue
		}
		return true, nil
	}
}

// countingReader counts what has been read.
type countingReader struct {
	r io.Reader
	n int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}
