package tui

import (
	"bytes"
	"testing"
	"time"

	"github.com/charmbracelet/colorprofile"
	uv "github.com/charmbracelet/ultraviolet"
)

// BenchmarkFrame is the cost of one frame at 200×50 with 1,000 symbols that
// all ticked since the last: taking the snapshot and drawing; and the bytes
// that Bubble Tea's renderer then sends.
func BenchmarkFrame(b *testing.B) {
	m, d := demoModel(b, 1000, 200, 50)
	b.Run("draw", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			b.StopTimer()
			d.now = d.now.Add(125 * time.Millisecond)
			d.ticks()
			b.StartTimer()
			m.sample()
			m.draw()
		}
	})
	b.Run("bytes", func(b *testing.B) {
		var out bytes.Buffer
		scr := uv.NewTerminalRenderer(&out, []string{"TERM=xterm-256color"})
		scr.SetColorProfile(colorprofile.ANSI256)
		scr.SetFullscreen(true)
		buf := uv.NewScreenBuffer(200, 50)
		total, frames := 0, 0
		for b.Loop() {
			d.now = d.now.Add(125 * time.Millisecond)
			d.ticks()
			m.sample()
			buf.Clear()
			uv.NewStyledString(m.draw()).Draw(buf, buf.Bounds())
			scr.Render(buf.RenderBuffer)
			_ = scr.Flush()
			if frames > 0 {
				total += out.Len()
			}
			frames++
			out.Reset()
		}
		b.ReportMetric(float64(total)/float64(max(frames-1, 1)), "bytes/frame")
	})
}

// BenchmarkIdle is what a sample costs when nothing moved.
func BenchmarkIdle(b *testing.B) {
	m, _ := demoModel(b, 1000, 200, 50)
	m.View()
	for b.Loop() {
		m.sample()
		m.View()
	}
}

// BenchmarkKey is a key's way until it stands on the screen.
func BenchmarkKey(b *testing.B) {
	m, _ := demoModel(b, 10_000, 200, 50)
	for b.Loop() {
		press(m, "j")
		m.View()
	}
}
