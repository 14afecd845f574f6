package kafka

// PartitionOf is the partition that key belongs to among n, by Kafka's own
// default partitioner: the murmur2 hash of the key bytes, its sign bit cleared,
// modulo n. librdkafka calls it murmur2_random.
func PartitionOf(key []byte, n int) int32 {
	if n <= 0 {
		return 0
	}
	return int32(int(murmur2(key)&0x7fffffff) % n)
}

// murmur2 is org.apache.kafka.common.utils.Utils.murmur2: 32 bits, seed
// 0x9747b28c, little-endian words.
func murmur2(data []byte) uint32 {
	const (
		m = 0x5bd1e995
		r = 24
	)
	h := uint32(0x9747b28c) ^ uint32(len(data))
	for ; len(data) >= 4; data = data[4:] {
		k := uint32(data[0]) | uint32(data[1])<<8 | uint32(data[2])<<16 | uint32(data[3])<<24
		k *= m
		k ^= k >> r
		k *= m
		h *= m
		h ^= k
	}
	switch len(data) {
	case 3:
		h ^= uint32(data[2]) << 16
		fallthrough
	case 2:
		h ^= uint32(data[1]) << 8
		fallthrough
	case 1:
		h ^= uint32(data[0])
		h *= m
	}
	h ^= h >> 13
	h *= m
	h ^= h >> 15
	return h
}
