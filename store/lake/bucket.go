package lake

import (
	"context"
	"errors"
	"io"
	"time"
)

// bucket is where the lake's objects lie: a directory or an S3 bucket with a
// prefix. Keys are slash-separated paths without a leading slash. An object
// appears whole or not at all, and a put that returned nil is durable.
type bucket interface {
	// get reads n bytes from offset from (n < 0: to the end); errNotFound.
	get(ctx context.Context, key string, from, n int64) (io.ReadCloser, object, error)
	// put writes a small object; errPrecondition where cond does not hold.
	put(ctx context.Context, key string, cond condition, data []byte) (object, error)
	// upload streams what write writes into an object; nothing of it is seen
	// before write has returned nil. errPrecondition where cond does not hold.
	upload(ctx context.Context, key string, cond condition, write func(io.Writer) error) (object, error)
	head(ctx context.Context, key string) (object, error)
	// list calls fn for every object whose key begins with prefix, in the order of keys.
	list(ctx context.Context, prefix string, fn func(object) error) error
	// remove deletes objects; one that is not there is no error.
	remove(ctx context.Context, keys ...string) error
	// path is the local file of a key, for a bucket that is a directory.
	path(key string) (string, bool)
	String() string
}

// object is what a bucket knows about one of its objects.
type object struct {
	key      string
	etag     string // changes whenever the content does
	size     int64
	modified time.Time
}

// condition says when a put may happen. The zero value is always.
type condition struct {
	absent bool   // only where no such object is
	match  string // only where the object has this etag
}

var (
	errNotFound     = errors.New("no such object")
	errPrecondition = errors.New("the object is not in the expected state")
)

// readAll reads a whole small object.
func readAll(ctx context.Context, b bucket, key string) ([]byte, object, error) {
	r, obj, err := b.get(ctx, key, 0, -1)
	if err != nil {
		return nil, object{}, err
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, object{}, err
	}
	return data, obj, nil
}
