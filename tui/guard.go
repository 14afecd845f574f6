package tui

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// guard gives the terminal back when this process can no longer do it: after
// a panic in any goroutine, a crash of a C library, a kill -9. A small shell
// holds the terminal and waits on a pipe; the pipe's end without a farewell
// is the death of this process. Where there is no shell there is no guard.
type guard struct {
	pipe io.WriteCloser
	cmd  *exec.Cmd
}

// giveBack leaves the alternate screen and every mode that Bubble Tea sets.
const giveBack = `\033[?2026l\033[?2004l\033[?1004l\033[?1000l\033[?1002l\033[?1003l\033[?1006l\033[?2027l\033[>4m\033[<u\033[0m\033[?25h\033[?1049l`

// script: $1 is stty's saved state, $2 the sequences, $3 the sentence.
const guardScript = `trap '' HUP INT QUIT TERM TSTP TTOU TTIN
read -r farewell && exit
stty "$1" <&3 2>/dev/null
printf "$2" >&4
printf '%s\n' "$3" >&4`

func startGuard(in, out *os.File, logPath string) *guard {
	save := exec.Command("stty", "-g")
	save.Stdin = in
	saved, err := save.Output()
	if err != nil {
		return nil
	}
	sentence := "tapedeck's screen ended unexpectedly; the pipeline, if one runs, goes on."
	if logPath != "" {
		sentence += fmt.Sprintf(" The reason should stand at the end of %s.", logPath)
	}
	cmd := exec.Command("sh", "-c", guardScript, "sh", strings.TrimSpace(string(saved)), giveBack, sentence)
	cmd.ExtraFiles = []*os.File{in, out}
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return nil
	}
	if err := cmd.Start(); err != nil {
		return nil
	}
	return &guard{pipe, cmd}
}

// dismiss says farewell: the terminal has been given back in order.
func (g *guard) dismiss() {
	if g == nil {
		return
	}
	_, _ = io.WriteString(g.pipe, "farewell\n")
	_ = g.pipe.Close()
	_ = g.cmd.Wait()
}
