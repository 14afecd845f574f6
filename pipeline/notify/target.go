package notify

import (
	"context"
	"errors"
)

// Target is where messages go.
type Target interface {
	// Send hands a message over and returns when the other side has taken it.
	// An error that is ErrRefused says that this message will never be taken;
	// any other is worth another try.
	Send(ctx context.Context, m *Message) error
}

// ErrRefused marks the error of a message that its target will never take,
// however often it is tried: too large, malformed.
var ErrRefused = errors.New("refused")
