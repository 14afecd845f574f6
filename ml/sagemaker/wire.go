package sagemaker

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"mime"
	"strconv"
	"strings"
)

// The content types.
const (
	// Float32 is rows of numbers as they lie in memory: a header of 16 bytes
	// ("TDF1", then rows, values a row and 0, each as a little-endian uint32),
	// then rows × values little-endian IEEE 754 float32.
	Float32 = "application/vnd.tapedeck.float32"
	// JSON is TensorFlow Serving's: {"instances": [...]} and {"predictions": [...]}.
	JSON = "application/json"
	// CSV is a row a line, as the XGBoost container takes it; an empty field is
	// missing. Answers are a line a row.
	CSV = "text/csv"
)

const (
	float32Magic  = "TDF1"
	float32Header = 16
	maxRows       = 1 << 17
	maxWidth      = 1 << 20
)

// matrix is rows of numbers.
type matrix struct {
	rows, width int
	values      []float32
}

// decode reads a body of a content type. Missing allows NaN.
func decode(contentType string, body []byte, missing bool) (matrix, error) {
	kind, _, err := mime.ParseMediaType(contentType)
	if contentType == "" {
		kind, err = JSON, nil
	}
	if err != nil {
		return matrix{}, fmt.Errorf("%w: content type %.60q: %w", errMediaType, contentType, err)
	}
	var m matrix
	switch kind {
	case Float32:
		m, err = decodeFloat32(body)
	case JSON:
		m, err = decodeJSON(body)
	case CSV:
		m, err = decodeCSV(body)
	default:
		return m, fmt.Errorf("%w: %.60q; one of %s, %s, %s", errMediaType, kind, JSON, CSV, Float32)
	}
	if err != nil {
		return m, err
	}
	for i, v := range m.values {
		if math.IsInf(float64(v), 0) || v != v && !missing {
			return m, fmt.Errorf("%w: value %d of row %d is %g, and only finite numbers are taken", ErrInput, i%m.width, i/m.width, v)
		}
	}
	return m, nil
}

var errMediaType = errors.New("unsupported content type")

func decodeFloat32(body []byte) (matrix, error) {
	if len(body) < float32Header || string(body[:4]) != float32Magic {
		return matrix{}, fmt.Errorf("%w: the body does not begin with %q and its shape", ErrInput, float32Magic)
	}
	rows, width := binary.LittleEndian.Uint32(body[4:]), binary.LittleEndian.Uint32(body[8:])
	if rows > maxRows || width == 0 || width > maxWidth || binary.LittleEndian.Uint32(body[12:]) != 0 {
		return matrix{}, fmt.Errorf("%w: a shape of %d × %d, want at most %d × %d", ErrInput, rows, width, maxRows, maxWidth)
	}
	n := int(rows) * int(width)
	if len(body)-float32Header != 4*n {
		return matrix{}, fmt.Errorf("%w: %d bytes after the header, a shape of %d × %d has %d", ErrInput, len(body)-float32Header, rows, width, 4*n)
	}
	m := matrix{int(rows), int(width), make([]float32, n)}
	for i := range m.values {
		m.values[i] = math.Float32frombits(binary.LittleEndian.Uint32(body[float32Header+4*i:]))
	}
	return m, nil
}

func appendFloat32(dst []byte, m matrix) []byte {
	dst = append(dst, float32Magic...)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(m.rows))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(m.width))
	dst = binary.LittleEndian.AppendUint32(dst, 0)
	for _, v := range m.values {
		dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(v))
	}
	return dst
}

func appendJSON(dst []byte, m matrix) []byte {
	dst = append(dst, `{"predictions": [`...)
	for i := range m.rows {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = append(dst, '[')
		for k, v := range m.values[i*m.width : (i+1)*m.width] {
			if k > 0 {
				dst = append(dst, ", "...)
			}
			dst = appendNumber(dst, v, "null")
		}
		dst = append(dst, ']')
	}
	return append(dst, "]}\n"...)
}

func appendNumber(dst []byte, v float32, none string) []byte {
	if v != v || math.IsInf(float64(v), 0) {
		return append(dst, none...)
	}
	return strconv.AppendFloat(dst, float64(v), 'g', -1, 32)
}

func decodeCSV(body []byte) (matrix, error) {
	var m matrix
	for line := range strings.Lines(string(body)) {
		line = strings.TrimRight(line, "\r\n")
		if line == "" {
			continue
		}
		if m.rows++; m.rows > maxRows {
			return m, fmt.Errorf("%w: more than %d lines", ErrInput, maxRows)
		}
		width := 0
		for field := range strings.SplitSeq(line, ",") {
			v := math.NaN()
			if field = strings.TrimSpace(field); field != "" {
				var err error
				if v, err = strconv.ParseFloat(field, 32); err != nil {
					return m, fmt.Errorf("%w: line %d: %.40q is not a number", ErrInput, m.rows, field)
				}
			}
			m.values = append(m.values, float32(v))
			if width++; width > maxWidth {
				return m, fmt.Errorf("%w: line %d has more than %d fields", ErrInput, m.rows, maxWidth)
			}
		}
		if m.rows == 1 {
			m.width = width
		}
		if width != m.width {
			return m, fmt.Errorf("%w: line %d has %d fields, the first has %d", ErrInput, m.rows, width, m.width)
		}
	}
	return m, nil
}

func appendCSV(dst []byte, m matrix) []byte {
	for i := range m.rows {
		for k, v := range m.values[i*m.width : (i+1)*m.width] {
			if k > 0 {
				dst = append(dst, ',')
			}
			dst = appendNumber(dst, v, "")
		}
		dst = append(dst, '\n')
	}
	return dst
}

// encode writes an answer in the form that accept asks for, else in that of
// the question.
func encode(accept, asked string, m matrix) (body []byte, contentType string) {
	for part := range strings.SplitSeq(accept+","+asked, ",") {
		kind, _, err := mime.ParseMediaType(strings.TrimSpace(part))
		if err != nil {
			continue
		}
		switch kind {
		case Float32:
			return appendFloat32(nil, m), Float32
		case JSON:
			return appendJSON(nil, m), JSON
		case CSV:
			return appendCSV(nil, m), CSV
		}
	}
	return appendJSON(nil, m), JSON
}
