package athena

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"database/sql/driver"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"hash/crc32"
	"math"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

type pattern = regexp.Regexp

func addTexts(m map[string]runner) {
	m["trino_reverse(text) text"] = func(a []driver.Value) (any, error) {
		r := []rune(a[0].(string))
		slices.Reverse(r)
		return string(r), nil
	}
	m["trino_reverse_binary(bytes) bytes"] = func(a []driver.Value) (any, error) {
		b := bytes.Clone(a[0].([]byte))
		slices.Reverse(b)
		return b, nil
	}
	m["trino_binary_substr(bytes, int, int) bytes"] = func(a []driver.Value) (any, error) {
		b, start, n := a[0].([]byte), a[1].(int64), a[2].(int64)
		if start < 0 {
			start += int64(len(b)) + 1
		}
		if start < 1 || start > int64(len(b)) || n <= 0 {
			return []byte{}, nil
		}
		return b[start-1 : min(int64(len(b)), start-1+n)], nil
	}
	m["trino_interleave(text, text) text"] = func(a []driver.Value) (any, error) {
		s, with := a[0].(string), a[1].(string)
		if (len(s)+1)*len(with) > maxResult {
			return nil, fmt.Errorf("replace: the result is too large")
		}
		return with + strings.Join(strings.Split(s, ""), with) + map[bool]string{true: with}[s != ""], nil
	}
	m["trino_strpos(text, text, int) int"] = func(a []driver.Value) (any, error) {
		return nthPosition(a[0].(string), a[1].(string), a[2].(int64))
	}
	m["trino_split(text, text, int) text[]"] = func(a []driver.Value) (any, error) {
		if a[1].(string) == "" {
			return nil, fmt.Errorf("The delimiter may not be the empty string")
		}
		if a[2].(int64) <= 0 {
			return nil, fmt.Errorf("Limit must be positive")
		}
		out := []any{}
		for _, s := range strings.SplitN(a[0].(string), a[1].(string), int(min(a[2].(int64), math.MaxInt32))) {
			out = append(out, s)
		}
		return out, nil
	}
	m["trino_split_part(text, text, int) text"] = func(a []driver.Value) (any, error) {
		n := a[2].(int64)
		if n <= 0 {
			return nil, fmt.Errorf("Index must be greater than zero")
		}
		var parts []string
		if a[1].(string) == "" {
			parts = strings.Split(a[0].(string), "")
		} else {
			parts = strings.Split(a[0].(string), a[1].(string))
		}
		if n > int64(len(parts)) {
			return nil, nil
		}
		return parts[n-1], nil
	}
	m["trino_split_pairs(text, text, text) text[]"] = func(a []driver.Value) (any, error) {
		entry, pair := a[1].(string), a[2].(string)
		if entry == "" || pair == "" || entry == pair {
			return nil, fmt.Errorf("entryDelimiter and keyValueDelimiter must be texts of their own")
		}
		out := []any{}
		if a[0].(string) == "" {
			return out, nil
		}
		for _, e := range strings.Split(a[0].(string), entry) {
			k, v, ok := strings.Cut(e, pair)
			if !ok || strings.Contains(v, pair) {
				return nil, fmt.Errorf("Key-value delimiter must appear exactly once in each entry. Bad input: '%s'", clip(e))
			}
			out = append(out, k, v)
		}
		return out, nil
	}
	m["trino_soundex(text) text"] = func(a []driver.Value) (any, error) { return soundex(a[0].(string)) }
	m["trino_luhn(text) bool"] = func(a []driver.Value) (any, error) { return luhn(a[0].(string)) }
	m["trino_from_utf8(bytes) text"] = func(a []driver.Value) (any, error) { return strings.ToValidUTF8(string(a[0].([]byte)), "\uFFFD"), nil }
	m["trino_from_hex(text) bytes"] = func(a []driver.Value) (any, error) { return hex.DecodeString(a[0].(string)) }
	decode := func(e *base64.Encoding) runner {
		return func(a []driver.Value) (any, error) {
			b, err := e.DecodeString(strings.TrimRight(a[0].(string), "="))
			if err != nil {
				return nil, fmt.Errorf("'%s' is not base64", clip(a[0].(string)))
			}
			return b, nil
		}
	}
	m["trino_from_base64(text) bytes"] = decode(base64.RawStdEncoding)
	m["trino_from_base64url(text) bytes"] = decode(base64.RawURLEncoding)
	m["trino_to_base64url(bytes) text"] = func(a []driver.Value) (any, error) { return base64.URLEncoding.EncodeToString(a[0].([]byte)), nil }
	m["trino_to_base32(bytes) text"] = func(a []driver.Value) (any, error) { return base32.StdEncoding.EncodeToString(a[0].([]byte)), nil }
	m["trino_from_base32(text) bytes"] = func(a []driver.Value) (any, error) {
		return base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.TrimRight(a[0].(string), "="))
	}
	hashes := map[string]func() hash.Hash{"md5": md5.New, "sha1": sha1.New, "sha256": sha256.New, "sha512": sha512.New}
	m["trino_digest(text, bytes) bytes"] = func(a []driver.Value) (any, error) {
		h := hashes[a[0].(string)]()
		h.Write(a[1].([]byte))
		return h.Sum(nil), nil
	}
	m["trino_hmac(text, bytes, bytes) bytes"] = func(a []driver.Value) (any, error) {
		h := hmac.New(hashes[a[0].(string)], a[2].([]byte))
		h.Write(a[1].([]byte))
		return h.Sum(nil), nil
	}
	m["trino_crc32(bytes) int"] = func(a []driver.Value) (any, error) { return int64(crc32.ChecksumIEEE(a[0].([]byte))), nil }
	m["trino_to_big_endian(int, int) bytes"] = func(a []driver.Value) (any, error) {
		b := binary.BigEndian.AppendUint64(nil, uint64(a[0].(int64)))
		return b[8-a[1].(int64):], nil
	}
	m["trino_from_big_endian(bytes, int) int"] = func(a []driver.Value) (any, error) {
		b := a[0].([]byte)
		if int64(len(b)) != a[1].(int64) {
			return nil, fmt.Errorf("expected %d-byte input, but got instead: %d", a[1], len(b))
		}
		if len(b) == 4 {
			return int64(int32(binary.BigEndian.Uint32(b))), nil
		}
		return int64(binary.BigEndian.Uint64(b)), nil
	}
	m["trino_to_ieee(double, int) bytes"] = func(a []driver.Value) (any, error) {
		if a[1].(int64) == 4 {
			return binary.BigEndian.AppendUint32(nil, math.Float32bits(float32(a[0].(float64)))), nil
		}
		return binary.BigEndian.AppendUint64(nil, math.Float64bits(a[0].(float64))), nil
	}
	m["trino_from_ieee(bytes, int) double"] = func(a []driver.Value) (any, error) {
		b := a[0].([]byte)
		if int64(len(b)) != a[1].(int64) {
			return nil, fmt.Errorf("Input floating-point value must be exactly %d bytes long", a[1])
		}
		if len(b) == 4 {
			return float64(math.Float32frombits(binary.BigEndian.Uint32(b))), nil
		}
		return math.Float64frombits(binary.BigEndian.Uint64(b)), nil
	}
	m["trino_url(text, text) text"] = func(a []driver.Value) (any, error) { return urlPart(a[0].(string), a[1].(string)), nil }
	m["trino_url_parameter(text, text) text"] = func(a []driver.Value) (any, error) { return urlParameter(a[0].(string), a[1].(string)), nil }
	m["trino_url_encode(text) text"] = func(a []driver.Value) (any, error) { return urlEncode(a[0].(string)), nil }
	m["trino_url_decode(text) text"] = func(a []driver.Value) (any, error) { return url.QueryUnescape(a[0].(string)) }
	m["trino_ip(text) text"] = func(a []driver.Value) (any, error) {
		ip, err := netip.ParseAddr(a[0].(string))
		if err != nil {
			return nil, fmt.Errorf("Cannot cast value to IPADDRESS: %s", clip(a[0].(string)))
		}
		return ip.Unmap().String(), nil
	}
	m["trino_ip_contains(text, text) bool"] = func(a []driver.Value) (any, error) {
		network, err := netip.ParsePrefix(a[0].(string))
		if err != nil {
			return nil, fmt.Errorf("Invalid CIDR: %s", clip(a[0].(string)))
		}
		ip, err := netip.ParseAddr(a[1].(string))
		return network.Contains(ip), err
	}
}

func nthPosition(s, sub string, n int64) (any, error) {
	if n == 0 {
		return nil, fmt.Errorf("'instance' must be a positive or negative number.")
	}
	if sub == "" {
		return int64(1), nil
	}
	at := -1
	if n > 0 {
		from := 0
		for ; n > 0; n-- {
			i := strings.Index(s[from:], sub)
			if i < 0 {
				return int64(0), nil
			}
			at = from + i
			_, size := utf8.DecodeRuneInString(s[at:])
			from = at + size
		}
	} else {
		to := len(s)
		for ; n < 0; n++ {
			i := strings.LastIndex(s[:to], sub)
			if i < 0 {
				return int64(0), nil
			}
			at, to = i, min(len(s), i+len(sub)-1)
		}
	}
	return int64(utf8.RuneCountInString(s[:at])) + 1, nil
}

func soundex(s string) (any, error) {
	codes := "01230120022455012623010202"
	var out []byte
	last := byte('0')
	for _, r := range strings.ToUpper(s) {
		if r < 'A' || r > 'Z' {
			if r > 0x7f {
				return nil, fmt.Errorf("soundex takes ASCII letters: '%s'", clip(s))
			}
			continue
		}
		code := codes[r-'A']
		switch {
		case len(out) == 0:
			out = append(out, byte(r))
		case code != '0' && code != last:
			out = append(out, code)
		}
		if r != 'H' && r != 'W' {
			last = code
		}
	}
	if len(out) == 0 {
		return "", nil
	}
	for len(out) < 4 {
		out = append(out, '0')
	}
	return string(out[:4]), nil
}

func luhn(s string) (any, error) {
	if s == "" {
		return false, nil
	}
	sum, double := 0, false
	for i := len(s) - 1; i >= 0; i-- {
		if !isDigit(s[i]) {
			return nil, fmt.Errorf("luhn_check takes digits")
		}
		n := int(s[i] - '0')
		if double {
			if n *= 2; n > 9 {
				n -= 9
			}
		}
		sum += n
		double = !double
	}
	return sum%10 == 0, nil
}

func urlPart(s, part string) any {
	u, err := url.Parse(s)
	if err != nil {
		return nil
	}
	switch part {
	case "host":
		return orNil(u.Hostname())
	case "path":
		return u.Path
	case "protocol":
		return u.Scheme
	case "query":
		return u.RawQuery
	case "fragment":
		return u.Fragment
	case "port":
		return orNil(u.Port())
	}
	return nil
}

func orNil(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func urlParameter(s, name string) any {
	u, err := url.Parse(s)
	if err != nil {
		return nil
	}
	for _, p := range strings.Split(u.RawQuery, "&") {
		k, v, _ := strings.Cut(p, "=")
		if key, err := url.QueryUnescape(k); err == nil && key == name {
			if text, err := url.QueryUnescape(v); err == nil {
				return text
			}
		}
	}
	return nil
}

func urlEncode(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || isDigit(c) || strings.IndexByte("*-_.", c) >= 0:
			b.WriteByte(c)
		case c == ' ':
			b.WriteByte('+')
		default:
			b.WriteString("%" + strings.ToUpper(strconv.FormatInt(int64(c)+256, 16)[1:]))
		}
	}
	return b.String()
}
