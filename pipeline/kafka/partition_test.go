package kafka

import "testing"

// TestMurmur2 has the vectors of Kafka's own UtilsTest.testMurmur2.
func TestMurmur2(t *testing.T) {
	for text, want := range map[string]int32{
		"21":                         -973932308,
		"foobar":                     -790332482,
		"a-little-bit-long-string":   -985981536,
		"a-little-bit-longer-string": -1486304829,
		"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
		"abc": 479470107,
	} {
		if got := int32(murmur2([]byte(text))); got != want {
			t.Errorf("murmur2(%q) = %d, want %d", text, got, want)
		}
	}
}

func TestPartitionOf(t *testing.T) {
	for n := range 20 {
		if p := PartitionOf([]byte("AAPL"), n); p < 0 || int(p) >= max(n, 1) {
			t.Errorf("PartitionOf(AAPL, %d) = %d", n, p)
		}
	}
	if p := PartitionOf(nil, 12); p != int32(murmur2(nil)&0x7fffffff)%12 {
		t.Error("an empty key has a partition of its own")
	}
}

func BenchmarkPartitionOf(b *testing.B) {
	key := []byte("AAPL")
	for b.Loop() {
		PartitionOf(key, 12)
	}
}
