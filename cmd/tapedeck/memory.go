package main

/*
#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

// One arena a processor and a low threshold: the defaults of glibc keep what a
// burst in any of a hundred threads once needed.
// It is too late for that in main: by then threads of the Go runtime have arenas.
__attribute__((constructor)) static void few_arenas(void) {
#ifdef __GLIBC__
	mallopt(M_ARENA_MAX, 2);
	mallopt(M_TRIM_THRESHOLD, 1 << 20);
	mallopt(M_MMAP_THRESHOLD, 256 << 10);
#endif
}

static void trim(void) {
#ifdef __GLIBC__
	malloc_trim(0);
#endif
}
*/
import "C"

import (
	"context"
	"os"
	"runtime/debug"
	"time"

	"tapedeck/store"
)

// frugal makes this process give memory back that it no longer uses, on the Go
// side and on that of librdkafka and DuckDB. Many of us share one machine.
func frugal() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50)
	}
}

// trimMemory returns free memory to the system every so often, until ctx is done.
func trimMemory(ctx context.Context, every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			debug.FreeOSMemory()
			store.Trim()
			C.trim()
		}
	}
}
