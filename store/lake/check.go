package lake

import (
	"encoding/hex"
	"fmt"
	"hash"
	"io"
)

// checkReader verifies a part's body against its head while it is read: in
// place of io.EOF it returns an error where length or checksum differ.
type checkReader struct {
	r    io.Reader
	hash hash.Hash
	n    int64
	key  string
	head *partHead
}

func (c *checkReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.hash.Write(p[:n])
	c.n += int64(n)
	if err == io.EOF && (c.n != c.head.Bytes || hex.EncodeToString(c.hash.Sum(nil)) != c.head.Sum) {
		return n, fmt.Errorf("read %s: %w: %d bytes whose checksum is not the recorded one", c.key, errTorn, c.n)
	}
	return n, err
}
