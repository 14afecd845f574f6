#include "textflag.h"
#include "go_asm.h"
#include "tanh_amd64.h"

// Kernels for AVX2 with FMA: three rows and half a panel at a time, because
// there are half as many registers of half the width as in AVX-512.

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
