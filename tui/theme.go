package tui

import (
	"fmt"
	"image/color"
	"strconv"
	"strings"

	"charm.land/lipgloss/v2"
)

// ColorMode is how many colours the terminal shows.
type ColorMode uint8

// The colour modes. Auto asks the terminal and the environment.
const (
	Auto ColorMode = iota
	NoColor
	Color16
	Color256
	TrueColor
)

// Role is what a colour means. Colour has a meaning or is absent.
type Role uint8

// The roles.
const (
	Text     Role = iota
	Muted         // what is always the same
	Hairline      // rules and guide lines
	Up
	Down
	UpDim // for large areas: spark lines, volume
	DownDim
	Accent  // keys, and the place where you are
	Predict // what has not happened yet
	Band    // its interval
	Warn
	Study1 // overlays and oscillators of charts
	Study2
	Study3
	Study4
	roles
)

// Ground is the background of a text.
type Ground uint8

// The grounds.
const (
	Plain     Ground = iota // the terminal's own
	Bar                     // header and footer
	Selection               // the row under the cursor, pop-ups
	Caret                   // the cell under the text cursor
	Rise                    // of the heat map
	RiseFar
	Fall
	FallFar
	grounds
)

// Ink is a role on a ground, perhaps bold.
type Ink uint8

const boldBit = 0x80

// On puts the role on a ground.
func (r Role) On(g Ground) Ink { return Ink(r) | Ink(g)<<4 }

// Bold is the role in bold on the terminal's own background.
func (r Role) Bold() Ink { return Ink(r) | boldBit }

// Bold is the ink in bold.
func (i Ink) Bold() Ink { return i | boldBit }

// On is the ink on another ground.
func (i Ink) On(g Ground) Ink { return i&^(7<<4) | Ink(g)<<4 }

// shade is one colour in each of the modes: hand-picked, since automatic
// conversion turns the hairline teal, the band grey, and at 16 the accent
// into the red of Down. 16-colour values are 0–15; plain is the terminal's own.
type shade struct {
	rgb       uint32
	c256, c16 int16
}

const plain int16 = -1

// palette has the colours of the roles and of the grounds Bar and Selection.
type palette struct {
	ink    [roles]shade
	ground [grounds]shade
}

var noShade = shade{c256: plain, c16: plain}

func darkPalette() palette {
	return palette{
		ink: [roles]shade{
			Text:     {0xc9d1d9, 252, plain},
			Muted:    {0x6b7480, 243, 8},
			Hairline: {0x2b323b, 237, 8},
			Up:       {0x3fb68b, 72, 2},
			Down:     {0xef6461, 203, 9},
			UpDim:    {0x2c7a5e, 29, 2},
			DownDim:  {0x8a4143, 95, 1},
			Accent:   {0xe0af68, 179, 3},
			Predict:  {0x7aa2f7, 111, 12},
			Band:     {0x33496f, 60, 4},
			Warn:     {0xe5c07b, 222, 11},
			Study1:   {0xb08850, 137, 3},
			Study2:   {0x9a86c8, 104, 5},
			Study3:   {0x5a8ab0, 67, 6},
			Study4:   {0xa8718f, 132, 13},
		},
		ground: [grounds]shade{noShade, {0x161b22, 234, plain}, {0x1b222c, 235, plain}, noShade,
			{0x15332a, 236, plain}, {0x1f5f49, 22, plain}, {0x3a2224, 236, plain}, {0x73363a, 52, plain}},
	}
}

func lightPalette() palette {
	return palette{
		ink: [roles]shade{
			Text:     {0x24292f, 235, plain},
			Muted:    {0x6e7781, 243, 8},
			Hairline: {0xd0d7de, 252, 7},
			Up:       {0x1a7f5a, 29, 2},
			Down:     {0xc93c37, 160, 1},
			UpDim:    {0x8fcab2, 115, 2},
			DownDim:  {0xe8a9a6, 217, 1},
			Accent:   {0x9a6700, 94, 5},
			Predict:  {0x2f5fd0, 26, 4},
			Band:     {0xc5d4f5, 189, 12},
			Warn:     {0xb35900, 130, 3},
			Study1:   {0xa8823c, 136, 3},
			Study2:   {0x7d63b8, 97, 5},
			Study3:   {0x2f7fa0, 31, 6},
			Study4:   {0xa8557f, 126, 13},
		},
		ground: [grounds]shade{noShade, {0xf0f3f6, 255, plain}, {0xe4ebf3, 254, plain}, noShade,
			{0xdff3ea, 194, plain}, {0xaee0cb, 151, plain}, {0xfae3e2, 224, plain}, {0xf2bcb9, 217, plain}},
	}
}

// colourBlind swaps green and red for blue and orange, which all common kinds
// of colour blindness tell apart, and moves the predictions out of the way.
func (p *palette) colourBlind(light bool) {
	if light {
		p.ink[Up], p.ink[UpDim] = shade{0x0a5fc2, 25, 4}, shade{0x9cc4f0, 153, 12}
		p.ink[Down], p.ink[DownDim] = shade{0xb85c00, 130, 3}, shade{0xf0c08f, 223, 3}
		p.ink[Predict], p.ink[Band] = shade{0x7a3fbf, 91, 5}, shade{0xdccbf0, 183, 13}
		p.ink[Warn] = shade{0x8a6d00, 58, 3}
		p.ink[Accent] = shade{0x57606a, 240, 6}
		p.ground[Rise], p.ground[RiseFar] = shade{0xdfecfa, 195, plain}, shade{0xb4d3f4, 153, plain}
		p.ground[Fall], p.ground[FallFar] = shade{0xf8e8d6, 230, plain}, shade{0xf2cda4, 223, plain}
		return
	}
	p.ink[Up], p.ink[UpDim] = shade{0x58a6ff, 75, 12}, shade{0x2a5a94, 25, 4}
	p.ink[Down], p.ink[DownDim] = shade{0xf0883e, 208, 3}, shade{0x8f5426, 130, 3}
	p.ink[Predict], p.ink[Band] = shade{0xb392f0, 141, 13}, shade{0x4a3a6b, 60, 5}
	p.ink[Accent] = shade{0xe6d9b8, 187, 14}
	p.ground[Rise], p.ground[RiseFar] = shade{0x17293f, 236, plain}, shade{0x254b7a, 24, plain}
	p.ground[Fall], p.ground[FallFar] = shade{0x3a2a1a, 236, plain}, shade{0x7a4a22, 58, plain}
	p.ink[Warn] = shade{0xf2e27a, 228, 11}
}

// Look is what of the theme the analyst decides.
type Look struct {
	Mode        ColorMode // not Auto
	Light       bool
	ColourBlind bool
	RedUp       bool // red is up, as in East Asia
	ASCII       bool // no glyph beyond ASCII
}

// Theme turns inks into terminal sequences. It is made once per look and
// never changes.
type Theme struct {
	Look
	sgr     [256]string
	palette palette
}

// NewTheme makes the theme of a look.
func NewTheme(l Look) *Theme {
	t := &Theme{Look: l, palette: darkPalette()}
	if l.Light {
		t.palette = lightPalette()
	}
	if l.ColourBlind {
		t.palette.colourBlind(l.Light)
	}
	if l.RedUp {
		ink := &t.palette.ink
		ink[Up], ink[Down] = ink[Down], ink[Up]
		ink[UpDim], ink[DownDim] = ink[DownDim], ink[UpDim]
		ground := &t.palette.ground
		ground[Rise], ground[Fall] = ground[Fall], ground[Rise]
		ground[RiseFar], ground[FallFar] = ground[FallFar], ground[RiseFar]
	}
	for g := range grounds {
		for r := range roles {
			for _, bold := range [...]Ink{0, boldBit} {
				t.sgr[r.On(g)|bold] = t.make(r, g, bold != 0)
			}
		}
	}
	return t
}

// make lets Lip Gloss write the style of an ink. It is kept as the sequence that
// switches to it from any other, since a row changes inks many times.
func (t *Theme) make(r Role, g Ground, bold bool) string {
	quiet := t.palette.ground[g].color(t.Mode)
	// Where no quiet background exists, the selected row is bold.
	bold = bold || g == Selection && quiet == nil && t.Mode <= Color16 && r == Text
	style := lipgloss.NewStyle().Bold(bold)
	switch {
	case g == Caret && t.Mode == NoColor:
		style = style.Reverse(true)
	case g == Caret:
		paper := shade{0x0d1117, 16, 0}
		if t.Light {
			paper = shade{0xffffff, 231, 15}
		}
		style = style.Foreground(paper.color(t.Mode)).Background(t.palette.ink[Accent].color(t.Mode))
	default:
		if ink := t.palette.ink[r].color(t.Mode); ink != nil {
			style = style.Foreground(ink)
		}
		if quiet != nil {
			style = style.Background(quiet)
		}
	}
	sequence, _, _ := strings.Cut(style.Render("x"), "x")
	if sequence == "" {
		return reset
	}
	return "\x1b[0;" + strings.TrimPrefix(sequence, "\x1b[")
}

// color is the shade as the mode has it; nil is the terminal's own.
func (s shade) color(m ColorMode) color.Color {
	switch {
	case m == TrueColor && (s.rgb != 0 || s.c256 != plain):
		return lipgloss.Color(fmt.Sprintf("#%06x", s.rgb))
	case m == Color256 && s.c256 != plain:
		return lipgloss.Color(strconv.Itoa(int(s.c256)))
	case m == Color16 && s.c16 != plain:
		return lipgloss.Color(strconv.Itoa(int(s.c16)))
	}
	return nil
}

// SGR is the sequence that switches to an ink, whatever was before. Without
// colours it still carries bold.
func (t *Theme) SGR(i Ink) string { return t.sgr[i] }

// Reset ends all inks.
const reset = "\x1b[0m"

// Direction is the role of a change, or of none: Up, Down, Muted.
func Direction(v float64) Role {
	switch {
	case v > 0:
		return Up
	case v < 0:
		return Down
	}
	return Muted
}

// arrow carries the direction without colour.
func arrow(v float64) string {
	switch {
	case v > 0:
		return "▲"
	case v < 0:
		return "▼"
	}
	return " "
}
