#include "textflag.h"
#include "go_asm.h"
#include "tanh_amd64.h"

// Kernels for AVX-512F. They compute the numbers of avx2_amd64.s in the same
// order, so both agree bit for bit. Slices of the tiles are read by their first
// word, the pointer; Go checked their lengths.

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
