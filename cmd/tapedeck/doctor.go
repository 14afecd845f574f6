package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// finding is what the doctor says of one part.
type finding struct {
	part   string
	well   bool
	warn   bool // works, but could be better
	says   string
	remedy string // what to do; empty where it is well
}

func newDoctor(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Check that each part is reachable and well set, and say what to do where it is not",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			out := cmd.OutOrStdout()
			failed := 0
			say := func(f finding) {
				mark := "ok  "
				switch {
				case !f.well:
					mark = "FAIL"
					failed++
				case f.warn:
					mark = "note"
				}
				fmt.Fprintf(out, "%s  %-14s %s\n", mark, f.part, f.says)
				if f.remedy != "" {
					fmt.Fprintf(out, "      %-14s → %s\n", "", f.remedy)
				}
			}
			c, err := o.config()
			if err != nil {
				say(finding{part: "configuration", says: err.Error(), remedy: "mend the line it names; tapedeck config init writes a fresh file"})
				return errors.New("1 part is not well")
			}
			say(finding{part: "configuration", well: true, says: "read and understood"})
			for _, check := range []func(context.Context, Config) finding{
				checkDisk, checkMemory, checkClock, checkTerminal, checkLocale, checkPipeline, checkLog, checkLake, checkSQL,
			} {
				ctx, cancel := context.WithTimeout(cmd.Context(), 20*time.Second)
				say(check(ctx, c))
				cancel()
			}
			if failed > 0 {
				return fmt.Errorf("%d of the parts are not well", failed)
			}
			return nil
		},
	}
}

func checkDisk(_ context.Context, c Config) finding {
	f := finding{part: "disk"}
	data, err := c.dataDir()
	if err != nil {
		f.says, f.remedy = err.Error(), "set --data DIR"
		return f
	}
	if own, guest, err := guestDir(data); err == nil && guest {
		data = own // the rest is for its owner to look at
	}
	if err := os.MkdirAll(data, 0o700); err != nil {
		f.says, f.remedy = err.Error(), "choose a directory that you may write to, with --data DIR"
		return f
	}
	probe := filepath.Join(data, ".doctor")
	err = os.WriteFile(probe, bytes.Repeat([]byte{'x'}, 1<<16), 0o600)
	os.Remove(probe)
	if err != nil {
		f.says, f.remedy = "cannot write to "+data+": "+err.Error(), "free some space, or choose another place with --data DIR"
		return f
	}
	var stat unix.Statfs_t
	if err := unix.Statfs(data, &stat); err != nil {
		f.says, f.remedy = err.Error(), "choose another place with --data DIR"
		return f
	}
	free := stat.Bavail * uint64(stat.Bsize)
	f.well, f.says = true, fmt.Sprintf("%s, %.1f GB free", data, float64(free)/1e9)
	switch {
	case free < 500<<20:
		f.well, f.remedy = false, "less than 0.5 GB: the log fills up within the hour; free some space"
	case free < 20<<30:
		f.warn, f.remedy = true, "a day of 1,000 symbols at 1 Hz takes about 15 GB of log and lake; shorten kafka.retention or move the lake to S3"
	}
	return f
}

func checkMemory(context.Context, Config) finding {
	f := finding{part: "memory", well: true}
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		f.says, f.warn = "cannot be read: "+err.Error(), true
		return f
	}
	total := uint64(info.Totalram) * uint64(info.Unit)
	f.says = fmt.Sprintf("%.1f GB", float64(total)/1e9)
	if total < 1<<30 {
		f.warn, f.remedy = true, "less than 1 GB: lower sql.memory and sim.symbols"
	}
	return f
}

func checkClock(context.Context, Config) finding {
	f := finding{part: "clock", well: true}
	now := time.Now()
	zone, _ := now.Zone()
	f.says = now.UTC().Format("2006-01-02 15:04:05 UTC") + ", local zone " + zone
	if now.Year() < 2025 {
		f.well, f.remedy = false, "the clock is years behind: set it, and run chrony or systemd-timesyncd"
		return f
	}
	var timex unix.Timex
	if state, err := unix.Adjtimex(&timex); err == nil && state == unix.TIME_ERROR {
		f.warn, f.remedy = true, "the kernel says that nothing keeps the clock in step; run chrony or systemd-timesyncd for exact ages"
	}
	return f
}

func checkTerminal(context.Context, Config) finding {
	f := finding{part: "terminal", well: true}
	if !isTerminal(os.Stdout) {
		f.says = "output is not a terminal; the workstation needs one, all other commands do not"
		return f
	}
	size, err := unix.IoctlGetWinsize(int(os.Stdout.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		f.warn, f.says = true, "its size cannot be asked: "+err.Error()
		return f
	}
	colours := "16 colours"
	switch term := os.Getenv("TERM"); {
	case os.Getenv("NO_COLOR") != "":
		colours = "no colours (NO_COLOR)"
	case os.Getenv("COLORTERM") == "truecolor" || os.Getenv("COLORTERM") == "24bit":
		colours = "true colour"
	case strings.Contains(term, "256color"):
		colours = "256 colours"
	case term == "" || term == "dumb":
		f.well, f.says, f.remedy = false, "TERM is "+term, "set TERM to what your terminal is, e.g. xterm-256color"
		return f
	}
	f.says = fmt.Sprintf("%s, %d×%d, %s", os.Getenv("TERM"), size.Col, size.Row, colours)
	if size.Col < 80 || size.Row < 24 {
		f.warn, f.remedy = true, "make it 80×24 or larger for the whole board"
	}
	return f
}

func checkLocale(context.Context, Config) finding {
	f := finding{part: "locale", well: true}
	locale := os.Getenv("LANG")
	for _, name := range []string{"LC_CTYPE", "LC_ALL"} {
		if v := os.Getenv(name); v != "" {
			locale = v
		}
	}
	f.says = locale
	if upper := strings.ToUpper(locale); !strings.Contains(upper, "UTF-8") && !strings.Contains(upper, "UTF8") {
		f.warn = true
		f.says = fmt.Sprintf("%q is not UTF-8", locale)
		f.remedy = "export LANG=C.UTF-8, or set screen.ascii where the terminal cannot draw more"
	}
	return f
}

func checkPipeline(_ context.Context, c Config) finding {
	f := finding{part: "pipeline", well: true}
	p, err := c.place(false)
	if err != nil {
		f.well, f.says, f.remedy = false, err.Error(), "choose the directory of this feed, or another with --data DIR"
		return f
	}
	run, starting, err := p.running()
	switch {
	case err != nil:
		f.well, f.says = false, err.Error()
	case starting:
		f.says = "is starting"
	case run == nil:
		f.says = "none runs on this data directory; tapedeck starts one"
	default:
		f.says = fmt.Sprintf("runs since %s (process %d, version %s), %d screens open",
			run.Started.Format("2006-01-02 15:04"), run.PID, run.Version, p.screens())
		if run.Version != version {
			f.warn, f.remedy = true, "its version differs from this one ("+version+"): tapedeck stop, then start again"
		}
	}
	return f
}
