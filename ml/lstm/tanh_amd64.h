// The numbers of tanh and the gates for the assembly.

// SPREAD is a constant that fills a 256-bit register; AVX-512 broadcasts its
// first word. The numbers of tanh are those of portable.go as bits.
#define SPREAD(name, bits) \
	DATA name<>+0(SB)/8, $bits; \
	DATA name<>+8(SB)/8, $bits; \
	DATA name<>+16(SB)/8, $bits; \
	DATA name<>+24(SB)/8, $bits; \
	GLOBL name<>(SB), RODATA|NOPTR, $32

SPREAD(clampHigh, 0x40fcf84f40fcf84f) // 7.905311107635498
SPREAD(clampLow, 0xc0fcf84fc0fcf84f) // -7.905311107635498
SPREAD(half, 0x3f0000003f000000) // 0.5
SPREAD(one, 0x3f8000003f800000) // 1.0
SPREAD(a1, 0x3ba059dc3ba059dc) // 0.00489352455891786
SPREAD(a3, 0x3a270ded3a270ded) // 0.000637261928875436
SPREAD(a5, 0x3779434a3779434a) // 1.48572235717979e-05
SPREAD(a7, 0x335c0041335c0041) // 5.12229709037114e-08
SPREAD(a9, 0xaebd37ffaebd37ff) // -8.60467152213735e-11
SPREAD(a11, 0x2a61337e2a61337e) // 2.00018790482477e-13
SPREAD(a13, 0xa59f25c0a59f25c0) // -2.76076847742355e-16
SPREAD(b0, 0x3ba059dd3ba059dd) // 0.00489352518554385
SPREAD(b2, 0x3b14aa053b14aa05) // 0.002268434632439
SPREAD(b4, 0x38f895d638f895d6) // 0.000118534705686654
SPREAD(b6, 0x35a0d3d835a0d3d8) // 1.19825839466702e-06
