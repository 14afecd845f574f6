package notify

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// Command is a program that gets each message as JSON on its standard input.
// It is started without a shell; an exit status of 0 is its answer.
type Command struct {
	Argv    []string      // program and arguments
	Timeout time.Duration // longest run; 0 is 10 s
}

// Send runs the program once.
func (c *Command) Send(ctx context.Context, m *Message) error {
	timeout := c.Timeout
	if timeout <= 0 {
		timeout = 10 * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.Argv[0], c.Argv[1:]...)
	cmd.Stdin = bytes.NewReader(m.JSON())
	var said tail
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.WaitDelay = time.Second // what it started may hold its output open
	if err := cmd.Run(); err != nil {
		if ctx.Err() == context.DeadlineExceeded {
			err = fmt.Errorf("it did not end within %s", timeout)
		}
		if words := said.String(); words != "" {
			return fmt.Errorf("run %s: %w: %s", c.Argv[0], err, words)
		}
		return fmt.Errorf("run %s: %w", c.Argv[0], err)
	}
	return nil
}

// tail keeps the last words of a program.
type tail struct{ data []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.data = append(t.data, p...)
	if over := len(t.data) - 500; over > 0 {
		t.data = append(t.data[:0], t.data[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	return strings.Join(strings.Fields(strings.ToValidUTF8(string(t.data), "?")), " ")
}
