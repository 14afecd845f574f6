#include "textflag.h"
#include "go_asm.h"

// Kernels for AVX2 with FMA and for AVX-512F. Both compute the same numbers in
// the same order, so their results agree bit for bit. Slices of the tiles are
// read by their first word, the pointer; Go checked their lengths.

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

// SUMS512 adds A·B to Z0–Z23: gate g of row r is Z(4r+g). Rows of A stand R8
// bytes apart from SI on, R9 = 3·R8, R10 = 5·R8; CX counts the inner index,
// which moves A by R11 bytes and B (DX) by R12.
#define SUMS512(loop) \
loop: \
	VMOVUPS      (DX), Z24; \
	VMOVUPS      64(DX), Z25; \
	VMOVUPS      128(DX), Z26; \
	VMOVUPS      192(DX), Z27; \
	VBROADCASTSS (SI), Z28; \
	VFMADD231PS  Z24, Z28, Z0; \
	VFMADD231PS  Z25, Z28, Z1; \
	VFMADD231PS  Z26, Z28, Z2; \
	VFMADD231PS  Z27, Z28, Z3; \
	VBROADCASTSS (SI)(R8*1), Z29; \
	VFMADD231PS  Z24, Z29, Z4; \
	VFMADD231PS  Z25, Z29, Z5; \
	VFMADD231PS  Z26, Z29, Z6; \
	VFMADD231PS  Z27, Z29, Z7; \
	VBROADCASTSS (SI)(R8*2), Z30; \
	VFMADD231PS  Z24, Z30, Z8; \
	VFMADD231PS  Z25, Z30, Z9; \
	VFMADD231PS  Z26, Z30, Z10; \
	VFMADD231PS  Z27, Z30, Z11; \
	VBROADCASTSS (SI)(R9*1), Z31; \
	VFMADD231PS  Z24, Z31, Z12; \
	VFMADD231PS  Z25, Z31, Z13; \
	VFMADD231PS  Z26, Z31, Z14; \
	VFMADD231PS  Z27, Z31, Z15; \
	VBROADCASTSS (SI)(R8*4), Z28; \
	VFMADD231PS  Z24, Z28, Z16; \
	VFMADD231PS  Z25, Z28, Z17; \
	VFMADD231PS  Z26, Z28, Z18; \
	VFMADD231PS  Z27, Z28, Z19; \
	VBROADCASTSS (SI)(R10*1), Z29; \
	VFMADD231PS  Z24, Z29, Z20; \
	VFMADD231PS  Z25, Z29, Z21; \
	VFMADD231PS  Z26, Z29, Z22; \
	VFMADD231PS  Z27, Z29, Z23; \
	ADDQ         R11, SI; \
	ADDQ         R12, DX; \
	DECQ         CX; \
	JNZ          loop

// CLEAR512 sets Z0–Z23 to zero.
#define CLEAR512 \
	VPXORQ Z0, Z0, Z0; \
	VPXORQ Z1, Z1, Z1; \
	VPXORQ Z2, Z2, Z2; \
	VPXORQ Z3, Z3, Z3; \
	VPXORQ Z4, Z4, Z4; \
	VPXORQ Z5, Z5, Z5; \
	VPXORQ Z6, Z6, Z6; \
	VPXORQ Z7, Z7, Z7; \
	VPXORQ Z8, Z8, Z8; \
	VPXORQ Z9, Z9, Z9; \
	VPXORQ Z10, Z10, Z10; \
	VPXORQ Z11, Z11, Z11; \
	VPXORQ Z12, Z12, Z12; \
	VPXORQ Z13, Z13, Z13; \
	VPXORQ Z14, Z14, Z14; \
	VPXORQ Z15, Z15, Z15; \
	VPXORQ Z16, Z16, Z16; \
	VPXORQ Z17, Z17, Z17; \
	VPXORQ Z18, Z18, Z18; \
	VPXORQ Z19, Z19, Z19; \
	VPXORQ Z20, Z20, Z20; \
	VPXORQ Z21, Z21, Z21; \
	VPXORQ Z22, Z22, Z22; \
	VPXORQ Z23, Z23, Z23

// TANH512 makes x and y their tanh, with Z24–Z27 in between. The bound is the
// first source of the minimum, so that NaN stays NaN.
#define TANH512(x, y) \
	VBROADCASTSS clampHigh<>(SB), Z24; \
	VBROADCASTSS clampLow<>(SB), Z25; \
	VMINPS       x, Z24, x; \
	VMINPS       y, Z24, y; \
	VMAXPS       x, Z25, x; \
	VMAXPS       y, Z25, y; \
	VMULPS       x, x, Z24; \
	VMULPS       y, y, Z25; \
	VBROADCASTSS a13<>(SB), Z26; \
	VMOVAPS      Z26, Z27; \
	VFMADD213PS.BCST a11<>(SB), Z24, Z26; \
	VFMADD213PS.BCST a11<>(SB), Z25, Z27; \
	VFMADD213PS.BCST a9<>(SB), Z24, Z26; \
	VFMADD213PS.BCST a9<>(SB), Z25, Z27; \
	VFMADD213PS.BCST a7<>(SB), Z24, Z26; \
	VFMADD213PS.BCST a7<>(SB), Z25, Z27; \
	VFMADD213PS.BCST a5<>(SB), Z24, Z26; \
	VFMADD213PS.BCST a5<>(SB), Z25, Z27; \
	VFMADD213PS.BCST a3<>(SB), Z24, Z26; \
	VFMADD213PS.BCST a3<>(SB), Z25, Z27; \
	VFMADD213PS.BCST a1<>(SB), Z24, Z26; \
	VFMADD213PS.BCST a1<>(SB), Z25, Z27; \
	VMULPS       Z26, x, x; \
	VMULPS       Z27, y, y; \
	VBROADCASTSS b6<>(SB), Z26; \
	VMOVAPS      Z26, Z27; \
	VFMADD213PS.BCST b4<>(SB), Z24, Z26; \
	VFMADD213PS.BCST b4<>(SB), Z25, Z27; \
	VFMADD213PS.BCST b2<>(SB), Z24, Z26; \
	VFMADD213PS.BCST b2<>(SB), Z25, Z27; \
	VFMADD213PS.BCST b0<>(SB), Z24, Z26; \
	VFMADD213PS.BCST b0<>(SB), Z25, Z27; \
	VDIVPS       Z26, x, x; \
	VDIVPS       Z27, y, y

// CELL512 activates the sums of a row; Z31 is one half.
#define CELL512(i, f, g, o) \
	VMULPS      Z31, i, i; \
	VMULPS      Z31, f, f; \
	VMULPS      Z31, o, o; \
	TANH512(i, f); \
	TANH512(g, o); \
	VFMADD213PS Z31, Z31, i; \
	VFMADD213PS Z31, Z31, f; \
	VFMADD213PS Z31, Z31, o

// STATE512 leaves a row's cell state in i. R13 points at the state before, DI at
// that after; R14 is their stride in bytes.
#define STATE512(i, f, g) \
	VMULPS      (R13), f, Z24; \
	VFMADD231PS g, i, Z24; \
	VMOVAPS     Z24, i; \
	VMOVUPS     i, (DI); \
	ADDQ        R14, R13; \
	ADDQ        R14, DI

#define KEEP512(i, f, g, o) \
	VMOVUPS i, (R15); \
	VMOVUPS f, 64(R15); \
	VMOVUPS g, 128(R15); \
	VMOVUPS o, 192(R15); \
	ADDQ    BX, R15

// func cellAVX512(t *cellTile)
TEXT ·cellAVX512(SB), NOSPLIT, $0-8
	MOVQ t+0(FP), AX
	MOVQ cellTile_a(AX), SI
	MOVQ cellTile_aStride(AX), R8
	SHLQ $2, R8
	LEAQ (R8)(R8*2), R9
	LEAQ (R8)(R8*4), R10
	MOVQ cellTile_w(AX), DX
	MOVQ cellTile_inner(AX), CX
	MOVQ $4, R11
	MOVQ $256, R12
	CLEAR512
	SUMS512(sums)

	MOVQ         cellTile_before(AX), R13
	MOVQ         cellTile_cell(AX), DI
	MOVQ         cellTile_cStride(AX), R14
	SHLQ         $2, R14
	MOVQ         cellTile_gates(AX), R15
	MOVQ         cellTile_gStride(AX), BX
	SHLQ         $2, BX
	MOVQ         R15, R12
	VBROADCASTSS half<>(SB), Z31
	CELL512(Z0, Z1, Z2, Z3)
	CELL512(Z4, Z5, Z6, Z7)
	CELL512(Z8, Z9, Z10, Z11)
	CELL512(Z12, Z13, Z14, Z15)
	CELL512(Z16, Z17, Z18, Z19)
	CELL512(Z20, Z21, Z22, Z23)
	TESTQ R12, R12
	JZ    state
	KEEP512(Z0, Z1, Z2, Z3)
	KEEP512(Z4, Z5, Z6, Z7)
	KEEP512(Z8, Z9, Z10, Z11)
	KEEP512(Z12, Z13, Z14, Z15)
	KEEP512(Z16, Z17, Z18, Z19)
	KEEP512(Z20, Z21, Z22, Z23)

state:
	STATE512(Z0, Z1, Z2)
	STATE512(Z4, Z5, Z6)
	STATE512(Z8, Z9, Z10)
	STATE512(Z12, Z13, Z14)
	STATE512(Z16, Z17, Z18)
	STATE512(Z20, Z21, Z22)
	TANH512(Z0, Z4)
	TANH512(Z8, Z12)
	TANH512(Z16, Z20)
	TESTQ R12, R12
	JZ    output
	MOVQ  cellTile_tanh(AX), DI
	VMOVUPS Z0, (DI)
	ADDQ R14, DI
	VMOVUPS Z4, (DI)
	ADDQ R14, DI
	VMOVUPS Z8, (DI)
	ADDQ R14, DI
	VMOVUPS Z12, (DI)
	ADDQ R14, DI
	VMOVUPS Z16, (DI)
	ADDQ R14, DI
	VMOVUPS Z20, (DI)

output:
	MOVQ cellTile_h(AX), DI
	MOVQ cellTile_hStride(AX), R8
	SHLQ $2, R8
	VMULPS  Z3, Z0, Z0
	VMOVUPS Z0, (DI)
	ADDQ R8, DI
	VMULPS  Z7, Z4, Z4
	VMOVUPS Z4, (DI)
	ADDQ R8, DI
	VMULPS  Z11, Z8, Z8
	VMOVUPS Z8, (DI)
	ADDQ R8, DI
	VMULPS  Z15, Z12, Z12
	VMOVUPS Z12, (DI)
	ADDQ R8, DI
	VMULPS  Z19, Z16, Z16
	VMOVUPS Z16, (DI)
	ADDQ R8, DI
	VMULPS  Z23, Z20, Z20
	VMOVUPS Z20, (DI)
	VZEROUPPER
	RET

// func productAVX512(t *productTile)
TEXT ·productAVX512(SB), NOSPLIT, $0-8
	MOVQ t+0(FP), AX
	MOVQ productTile_a(AX), SI
	MOVQ productTile_aRow(AX), R8
	SHLQ $2, R8
	LEAQ (R8)(R8*2), R9
	LEAQ (R8)(R8*4), R10
	MOVQ productTile_aStep(AX), R11
	SHLQ $2, R11
	MOVQ productTile_b(AX), DX
	MOVQ productTile_bStep(AX), R12
	SHLQ $2, R12
	MOVQ productTile_inner(AX), CX
	CLEAR512
	SUMS512(sums)
	MOVQ productTile_c(AX), DI
	MOVQ productTile_cStride(AX), R8
	SHLQ $2, R8
	VADDPS  (DI), Z0, Z0
	VMOVUPS Z0, (DI)
	VADDPS  64(DI), Z1, Z1
	VMOVUPS Z1, 64(DI)
	VADDPS  128(DI), Z2, Z2
	VMOVUPS Z2, 128(DI)
	VADDPS  192(DI), Z3, Z3
	VMOVUPS Z3, 192(DI)
	ADDQ    R8, DI
	VADDPS  (DI), Z4, Z4
	VMOVUPS Z4, (DI)
	VADDPS  64(DI), Z5, Z5
	VMOVUPS Z5, 64(DI)
	VADDPS  128(DI), Z6, Z6
	VMOVUPS Z6, 128(DI)
	VADDPS  192(DI), Z7, Z7
	VMOVUPS Z7, 192(DI)
	ADDQ    R8, DI
	VADDPS  (DI), Z8, Z8
	VMOVUPS Z8, (DI)
	VADDPS  64(DI), Z9, Z9
	VMOVUPS Z9, 64(DI)
	VADDPS  128(DI), Z10, Z10
	VMOVUPS Z10, 128(DI)
	VADDPS  192(DI), Z11, Z11
	VMOVUPS Z11, 192(DI)
	ADDQ    R8, DI
	VADDPS  (DI), Z12, Z12
	VMOVUPS Z12, (DI)
	VADDPS  64(DI), Z13, Z13
	VMOVUPS Z13, 64(DI)
	VADDPS  128(DI), Z14, Z14
	VMOVUPS Z14, 128(DI)
	VADDPS  192(DI), Z15, Z15
	VMOVUPS Z15, 192(DI)
	ADDQ    R8, DI
	VADDPS  (DI), Z16, Z16
	VMOVUPS Z16, (DI)
	VADDPS  64(DI), Z17, Z17
	VMOVUPS Z17, 64(DI)
	VADDPS  128(DI), Z18, Z18
	VMOVUPS Z18, 128(DI)
	VADDPS  192(DI), Z19, Z19
	VMOVUPS Z19, 192(DI)
	ADDQ    R8, DI
	VADDPS  (DI), Z20, Z20
	VMOVUPS Z20, (DI)
	VADDPS  64(DI), Z21, Z21
	VMOVUPS Z21, 64(DI)
	VADDPS  128(DI), Z22, Z22
	VMOVUPS Z22, 128(DI)
	VADDPS  192(DI), Z23, Z23
	VMOVUPS Z23, 192(DI)
	VZEROUPPER
	RET

// func gradientAVX512(t *cellGradient)
TEXT ·gradientAVX512(SB), NOSPLIT, $0-8
	MOVQ t+0(FP), AX
	MOVQ cellGradient_gates(AX), SI
	MOVQ cellGradient_tanh(AX), DI
	MOVQ cellGradient_before(AX), R8
	MOVQ cellGradient_dh(AX), R9
	MOVQ cellGradient_dc(AX), R10
	MOVQ cellGradient_panels(AX), CX
	VBROADCASTSS one<>(SB), Z15

panel:
	VMOVUPS      (SI), Z0 // i
	VMOVUPS      64(SI), Z1 // f
	VMOVUPS      128(SI), Z2 // c
	VMOVUPS      192(SI), Z3 // o
	VMOVUPS      (DI), Z4 // tanh
	VMOVUPS      (R9), Z5 // dh
	VMOVAPS      Z15, Z6
	VFNMADD231PS Z4, Z4, Z6 // 1 − tanh²
	VMULPS       Z3, Z5, Z7
	VFMADD213PS  (R10), Z6, Z7 // dc
	VMULPS       Z4, Z5, Z4
	VMOVAPS      Z3, Z8
	VFNMADD231PS Z3, Z3, Z8 // o − o²
	VMULPS       Z8, Z4, Z4 // gradient before o
	VMULPS       Z2, Z7, Z9
	VMOVAPS      Z0, Z10
	VFNMADD231PS Z0, Z0, Z10
	VMULPS       Z10, Z9, Z9 // before i
	VMULPS       (R8), Z7, Z11
	VMOVAPS      Z1, Z12
	VFNMADD231PS Z1, Z1, Z12
	VMULPS       Z12, Z11, Z11 // before f
	VMULPS       Z0, Z7, Z13
	VMOVAPS      Z15, Z14
	VFNMADD231PS Z2, Z2, Z14
	VMULPS       Z14, Z13, Z13 // before c
	VMULPS       Z1, Z7, Z7
	VMOVUPS      Z9, (SI)
	VMOVUPS      Z11, 64(SI)
	VMOVUPS      Z13, 128(SI)
	VMOVUPS      Z4, 192(SI)
	VMOVUPS      Z7, (R10)
	ADDQ         $256, SI
	ADDQ         $64, DI
	ADDQ         $64, R8
	ADDQ         $64, R9
	ADDQ         $64, R10
	DECQ         CX
	JNZ          panel
	VZEROUPPER
	RET

// SUMS256 adds A·B to Y0–Y11 for three rows and half a panel: gate g of row r is
// Y(4r+g). Registers are those of SUMS512.
#define SUMS256(loop) \
loop: \
	VBROADCASTSS (SI), Y12; \
	VBROADCASTSS (SI)(R8*1), Y13; \
	VBROADCASTSS (SI)(R8*2), Y14; \
	VMOVUPS      (DX), Y15; \
	VFMADD231PS  Y15, Y12, Y0; \
	VFMADD231PS  Y15, Y13, Y4; \
	VFMADD231PS  Y15, Y14, Y8; \
	VMOVUPS      64(DX), Y15; \
	VFMADD231PS  Y15, Y12, Y1; \
	VFMADD231PS  Y15, Y13, Y5; \
	VFMADD231PS  Y15, Y14, Y9; \
	VMOVUPS      128(DX), Y15; \
	VFMADD231PS  Y15, Y12, Y2; \
	VFMADD231PS  Y15, Y13, Y6; \
	VFMADD231PS  Y15, Y14, Y10; \
	VMOVUPS      192(DX), Y15; \
	VFMADD231PS  Y15, Y12, Y3; \
	VFMADD231PS  Y15, Y13, Y7; \
	VFMADD231PS  Y15, Y14, Y11; \
	ADDQ         R11, SI; \
	ADDQ         R12, DX; \
	DECQ         CX; \
	JNZ          loop

#define CLEAR256 \
	VXORPS Y0, Y0, Y0; \
	VXORPS Y1, Y1, Y1; \
	VXORPS Y2, Y2, Y2; \
	VXORPS Y3, Y3, Y3; \
	VXORPS Y4, Y4, Y4; \
	VXORPS Y5, Y5, Y5; \
	VXORPS Y6, Y6, Y6; \
	VXORPS Y7, Y7, Y7; \
	VXORPS Y8, Y8, Y8; \
	VXORPS Y9, Y9, Y9; \
	VXORPS Y10, Y10, Y10; \
	VXORPS Y11, Y11, Y11

#define TANH256(x, y) \
	VMOVUPS     clampHigh<>(SB), Y12; \
	VMOVUPS     clampLow<>(SB), Y13; \
	VMINPS      x, Y12, x; \
	VMINPS      y, Y12, y; \
	VMAXPS      x, Y13, x; \
	VMAXPS      y, Y13, y; \
	VMULPS      x, x, Y12; \
	VMULPS      y, y, Y13; \
	VMOVUPS     a13<>(SB), Y14; \
	VMOVAPS     Y14, Y15; \
	VFMADD213PS a11<>(SB), Y12, Y14; \
	VFMADD213PS a11<>(SB), Y13, Y15; \
	VFMADD213PS a9<>(SB), Y12, Y14; \
	VFMADD213PS a9<>(SB), Y13, Y15; \
	VFMADD213PS a7<>(SB), Y12, Y14; \
	VFMADD213PS a7<>(SB), Y13, Y15; \
	VFMADD213PS a5<>(SB), Y12, Y14; \
	VFMADD213PS a5<>(SB), Y13, Y15; \
	VFMADD213PS a3<>(SB), Y12, Y14; \
	VFMADD213PS a3<>(SB), Y13, Y15; \
	VFMADD213PS a1<>(SB), Y12, Y14; \
	VFMADD213PS a1<>(SB), Y13, Y15; \
	VMULPS      Y14, x, x; \
	VMULPS      Y15, y, y; \
	VMOVUPS     b6<>(SB), Y14; \
	VMOVAPS     Y14, Y15; \
	VFMADD213PS b4<>(SB), Y12, Y14; \
	VFMADD213PS b4<>(SB), Y13, Y15; \
	VFMADD213PS b2<>(SB), Y12, Y14; \
	VFMADD213PS b2<>(SB), Y13, Y15; \
	VFMADD213PS b0<>(SB), Y12, Y14; \
	VFMADD213PS b0<>(SB), Y13, Y15; \
	VDIVPS      Y14, x, x; \
	VDIVPS      Y15, y, y

#define CELL256(i, f, g, o) \
	VMOVUPS     half<>(SB), Y12; \
	VMULPS      Y12, i, i; \
	VMULPS      Y12, f, f; \
	VMULPS      Y12, o, o; \
	TANH256(i, f); \
	TANH256(g, o); \
	VMOVUPS     half<>(SB), Y12; \
	VFMADD213PS Y12, Y12, i; \
	VFMADD213PS Y12, Y12, f; \
	VFMADD213PS Y12, Y12, o

#define STATE256(i, f, g) \
	VMULPS      (R13), f, Y12; \
	VFMADD231PS g, i, Y12; \
	VMOVAPS     Y12, i; \
	VMOVUPS     i, (DI); \
	ADDQ        R14, R13; \
	ADDQ        R14, DI

#define KEEP256(i, f, g, o) \
	VMOVUPS i, (R15); \
	VMOVUPS f, 64(R15); \
	VMOVUPS g, 128(R15); \
	VMOVUPS o, 192(R15); \
	ADDQ    BX, R15

// func cellAVX2(t *cellTile, row, half int)
// row is 0 or 3, half 0 or 1.
TEXT ·cellAVX2(SB), NOSPLIT, $0-24
	MOVQ  t+0(FP), AX
	MOVQ  half+16(FP), R10
	SHLQ  $5, R10
	MOVQ  cellTile_a(AX), SI
	MOVQ  cellTile_aStride(AX), R8
	SHLQ  $2, R8
	MOVQ  row+8(FP), R11
	IMULQ R8, R11
	ADDQ  R11, SI
	MOVQ  cellTile_w(AX), DX
	ADDQ  R10, DX
	MOVQ  cellTile_inner(AX), CX
	MOVQ  $4, R11
	MOVQ  $256, R12
	CLEAR256
	SUMS256(sums)

	MOVQ  cellTile_cStride(AX), R14
	SHLQ  $2, R14
	MOVQ  row+8(FP), R9
	IMULQ R14, R9
	ADDQ  R10, R9
	MOVQ  cellTile_before(AX), R13
	ADDQ  R9, R13
	MOVQ  cellTile_cell(AX), DI
	ADDQ  R9, DI
	MOVQ  cellTile_gStride(AX), BX
	SHLQ  $2, BX
	CELL256(Y0, Y1, Y2, Y3)
	CELL256(Y4, Y5, Y6, Y7)
	CELL256(Y8, Y9, Y10, Y11)
	MOVQ  cellTile_gates(AX), R12
	TESTQ R12, R12
	JZ    state
	MOVQ  row+8(FP), R15
	IMULQ BX, R15
	ADDQ  R12, R15
	ADDQ  R10, R15
	KEEP256(Y0, Y1, Y2, Y3)
	KEEP256(Y4, Y5, Y6, Y7)
	KEEP256(Y8, Y9, Y10, Y11)

state:
	STATE256(Y0, Y1, Y2)
	STATE256(Y4, Y5, Y6)
	STATE256(Y8, Y9, Y10)
	TANH256(Y0, Y4)
	TANH256(Y8, Y9) // Y9 only fills the pair
	TESTQ   R12, R12
	JZ      output
	MOVQ    cellTile_tanh(AX), DI
	ADDQ    R9, DI
	VMOVUPS Y0, (DI)
	VMOVUPS Y4, (DI)(R14*1)
	VMOVUPS Y8, (DI)(R14*2)

output:
	MOVQ    cellTile_h(AX), DI
	ADDQ    R10, DI
	MOVQ    cellTile_hStride(AX), R8
	SHLQ    $2, R8
	MOVQ    row+8(FP), R9
	IMULQ   R8, R9
	ADDQ    R9, DI
	VMULPS  Y3, Y0, Y0
	VMULPS  Y7, Y4, Y4
	VMULPS  Y11, Y8, Y8
	VMOVUPS Y0, (DI)
	VMOVUPS Y4, (DI)(R8*1)
	VMOVUPS Y8, (DI)(R8*2)
	VZEROUPPER
	RET

// func productAVX2(t *productTile, row, half int)
TEXT ·productAVX2(SB), NOSPLIT, $0-24
	MOVQ  t+0(FP), AX
	MOVQ  half+16(FP), R10
	SHLQ  $5, R10
	MOVQ  productTile_a(AX), SI
	MOVQ  productTile_aRow(AX), R8
	SHLQ  $2, R8
	MOVQ  row+8(FP), R11
	IMULQ R8, R11
	ADDQ  R11, SI
	MOVQ  productTile_aStep(AX), R11
	SHLQ  $2, R11
	MOVQ  productTile_b(AX), DX
	ADDQ  R10, DX
	MOVQ  productTile_bStep(AX), R12
	SHLQ  $2, R12
	MOVQ  productTile_inner(AX), CX
	CLEAR256
	SUMS256(sums)
	MOVQ  productTile_c(AX), DI
	ADDQ  R10, DI
	MOVQ  productTile_cStride(AX), R8
	SHLQ  $2, R8
	MOVQ  row+8(FP), R9
	IMULQ R8, R9
	ADDQ  R9, DI
	VADDPS  (DI), Y0, Y0
	VMOVUPS Y0, (DI)
	VADDPS  64(DI), Y1, Y1
	VMOVUPS Y1, 64(DI)
	VADDPS  128(DI), Y2, Y2
	VMOVUPS Y2, 128(DI)
	VADDPS  192(DI), Y3, Y3
	VMOVUPS Y3, 192(DI)
	ADDQ    R8, DI
	VADDPS  (DI), Y4, Y4
	VMOVUPS Y4, (DI)
	VADDPS  64(DI), Y5, Y5
	VMOVUPS Y5, 64(DI)
	VADDPS  128(DI), Y6, Y6
	VMOVUPS Y6, 128(DI)
	VADDPS  192(DI), Y7, Y7
	VMOVUPS Y7, 192(DI)
	ADDQ    R8, DI
	VADDPS  (DI), Y8, Y8
	VMOVUPS Y8, (DI)
	VADDPS  64(DI), Y9, Y9
	VMOVUPS Y9, 64(DI)
	VADDPS  128(DI), Y10, Y10
	VMOVUPS Y10, 128(DI)
	VADDPS  192(DI), Y11, Y11
	VMOVUPS Y11, 192(DI)
	VZEROUPPER
	RET

// func gradientAVX2(t *cellGradient)
TEXT ·gradientAVX2(SB), NOSPLIT, $0-8
	MOVQ t+0(FP), AX
	MOVQ cellGradient_gates(AX), SI
	MOVQ cellGradient_tanh(AX), DI
	MOVQ cellGradient_before(AX), R8
	MOVQ cellGradient_dh(AX), R9
	MOVQ cellGradient_dc(AX), R10
	MOVQ cellGradient_panels(AX), CX
	VMOVUPS one<>(SB), Y15

panel:
	VMOVUPS      (SI), Y0 // i
	VMOVUPS      64(SI), Y1 // f
	VMOVUPS      128(SI), Y2 // c
	VMOVUPS      192(SI), Y3 // o
	VMOVUPS      (DI), Y4 // tanh
	VMOVUPS      (R9), Y5 // dh
	VMOVAPS      Y15, Y6
	VFNMADD231PS Y4, Y4, Y6 // 1 − tanh²
	VMULPS       Y3, Y5, Y7
	VFMADD213PS  (R10), Y6, Y7 // dc
	VMULPS       Y4, Y5, Y4
	VMOVAPS      Y3, Y8
	VFNMADD231PS Y3, Y3, Y8 // o − o²
	VMULPS       Y8, Y4, Y4 // gradient before o
	VMULPS       Y2, Y7, Y9
	VMOVAPS      Y0, Y10
	VFNMADD231PS Y0, Y0, Y10
	VMULPS       Y10, Y9, Y9 // before i
	VMULPS       (R8), Y7, Y11
	VMOVAPS      Y1, Y12
	VFNMADD231PS Y1, Y1, Y12
	VMULPS       Y12, Y11, Y11 // before f
	VMULPS       Y0, Y7, Y13
	VMOVAPS      Y15, Y14
	VFNMADD231PS Y2, Y2, Y14
	VMULPS       Y14, Y13, Y13 // before c
	VMULPS       Y1, Y7, Y7
	VMOVUPS      Y9, (SI)
	VMOVUPS      Y11, 64(SI)
	VMOVUPS      Y13, 128(SI)
	VMOVUPS      Y4, 192(SI)
	VMOVUPS      Y7, (R10)
	VMOVUPS      32(SI), Y0 // i
	VMOVUPS      96(SI), Y1 // f
	VMOVUPS      160(SI), Y2 // c
	VMOVUPS      224(SI), Y3 // o
	VMOVUPS      32(DI), Y4 // tanh
	VMOVUPS      32(R9), Y5 // dh
	VMOVAPS      Y15, Y6
	VFNMADD231PS Y4, Y4, Y6 // 1 − tanh²
	VMULPS       Y3, Y5, Y7
	VFMADD213PS  32(R10), Y6, Y7 // dc
	VMULPS       Y4, Y5, Y4
	VMOVAPS      Y3, Y8
	VFNMADD231PS Y3, Y3, Y8 // o − o²
	VMULPS       Y8, Y4, Y4 // gradient before o
	VMULPS       Y2, Y7, Y9
	VMOVAPS      Y0, Y10
	VFNMADD231PS Y0, Y0, Y10
	VMULPS       Y10, Y9, Y9 // before i
	VMULPS       32(R8), Y7, Y11
	VMOVAPS      Y1, Y12
	VFNMADD231PS Y1, Y1, Y12
	VMULPS       Y12, Y11, Y11 // before f
	VMULPS       Y0, Y7, Y13
	VMOVAPS      Y15, Y14
	VFNMADD231PS Y2, Y2, Y14
	VMULPS       Y14, Y13, Y13 // before c
	VMULPS       Y1, Y7, Y7
	VMOVUPS      Y9, 32(SI)
	VMOVUPS      Y11, 96(SI)
	VMOVUPS      Y13, 160(SI)
	VMOVUPS      Y4, 224(SI)
	VMOVUPS      Y7, 32(R10)
	ADDQ         $256, SI
	ADDQ         $64, DI
	ADDQ         $64, R8
	ADDQ         $64, R9
	ADDQ         $64, R10
	DECQ         CX
	JNZ          panel
	VZEROUPPER
	RET
