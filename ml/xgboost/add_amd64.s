#include "textflag.h"

// func addCodes(own *[256]sums, column *uint8, begin *int, added *sums, n int)
//
// Both sums of a bin are added in one instruction. The next row's bin is read
// after this one's is written: it may be the same.
TEXT ·addCodes(SB), NOSPLIT, $0-40
	MOVQ own+0(FP), DI
	MOVQ column+8(FP), SI
	MOVQ begin+16(FP), R8
	MOVQ added+24(FP), R9
	MOVQ n+32(FP), CX

four:
	CMPQ CX, $4
	JLT  one
	MOVQ (R8), AX
	MOVQ 8(R8), BX
	MOVQ 16(R8), DX
	MOVQ 24(R8), R10
	MOVBQZX (SI)(AX*1), AX
	MOVBQZX (SI)(BX*1), BX
	MOVBQZX (SI)(DX*1), DX
	MOVBQZX (SI)(R10*1), R10
	SHLQ $4, AX
	SHLQ $4, BX
	SHLQ $4, DX
	SHLQ $4, R10
	MOVOU (R9), X1
	MOVOU 16(R9), X3
	MOVOU 32(R9), X5
	MOVOU 48(R9), X7
	MOVOU (DI)(AX*1), X0
	PADDQ X1, X0
	MOVOU X0, (DI)(AX*1)
	MOVOU (DI)(BX*1), X2
	PADDQ X3, X2
	MOVOU X2, (DI)(BX*1)
	MOVOU (DI)(DX*1), X4
	PADDQ X5, X4
	MOVOU X4, (DI)(DX*1)
	MOVOU (DI)(R10*1), X6
	PADDQ X7, X6
	MOVOU X6, (DI)(R10*1)
	ADDQ $32, R8
	ADDQ $64, R9
	SUBQ $4, CX
	JMP  four

one:
	TESTQ CX, CX
	JZ    done
	MOVQ  (R8), AX
	MOVBQZX (SI)(AX*1), AX
	SHLQ  $4, AX
	MOVOU (R9), X1
	MOVOU (DI)(AX*1), X0
	PADDQ X1, X0
	MOVOU X0, (DI)(AX*1)
	ADDQ  $8, R8
	ADDQ  $16, R9
	DECQ  CX
	JMP   one

done:
	RET
