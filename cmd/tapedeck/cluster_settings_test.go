package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestClusterSettings speaks SASL/SCRAM over TLS to three brokers with a
// certificate of their own: a file goes through to SQL; a wrong password and an
// unknown certificate are refused and said in words; and topics apply changes
// how long a topic that is there keeps its records.
func TestClusterSettings(t *testing.T) {
	if needCluster(t) {
		t.Skip("not in the short form")
	}
	c := newCluster(t)
	settings := strings.Split(c.must("secure"), "\n")
	with := func(b *box, more ...string) {
		b.env = slices.Concat(b.env, []string{"TAPEDECK_KAFKA_REPLICATION=3"}, settings, more)
	}
	const rows = 20_000
	b := newBox(t)
	with(b, "TAPEDECK_KAFKA_MECHANISM=SCRAM-SHA-512")
	file, good, _ := b.recording(rows)
	b.must("run", "--feed", "replay", "--input", file, "--speed", "max", "--once")
	if got := b.sql("SELECT count(*) FROM ticks")[0][0]; got != strconv.Itoa(good) {
		t.Errorf("%s ticks in SQL, the file has %d", got, good)
	}

	says := func(b *box, code int, words string, args ...string) {
		t.Helper()
		out, errs, got := b.tapedeck(append(args, "--feed", "replay")...)
		if got != code || !strings.Contains(out+errs, words) {
			t.Errorf("tapedeck %s: exit %d, want %d and %q\n%s%s", strings.Join(args, " "), got, code, words, out, errs)
		}
	}
	says(b, 0, "every topic is as the configuration wants it", "topics", "plan")
	longer := []string{"--set", "kafka.retention=48h"}
	says(b, 2, "172800000", append(longer, "topics", "plan")...)
	says(b, 0, "corrected", append(longer, "topics", "apply", "--yes")...)
	says(b, 0, "every topic is as the configuration wants it", append(longer, "topics", "plan")...)
	says(b, 2, "604800000", "topics", "plan") // what a screen with the old setting would say

	other := newBox(t)
	with(other, "TAPEDECK_KAFKA_MECHANISM=SCRAM-SHA-256")
	says(other, 2, "retention.ms", "topics", "plan")
	wrong := newBox(t)
	with(wrong, "TAPEDECK_KAFKA_MECHANISM=SCRAM-SHA-512", "TAPEDECK_KAFKA_PASSWORD=not-this-one")
	says(wrong, 1, "refuses the credentials", "topics", "plan")
	stranger := newBox(t)
	ca := filepath.Join(stranger.dir, "ca.pem")
	if err := os.WriteFile(ca, []byte(anotherCA(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	with(stranger, "TAPEDECK_KAFKA_MECHANISM=SCRAM-SHA-512", "TAPEDECK_KAFKA_CA="+ca)
	says(stranger, 1, "no secure connection", "topics", "plan")
}

// anotherCA is a certificate that nobody's brokers have.
func anotherCA(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	about := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, about, about, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}
