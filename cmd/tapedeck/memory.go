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
	"runtime"
	"runtime/debug"
	"sync"
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

// cores lends a screen the machine's cores for one long computation at a time
// or more. Else it keeps to one: what it draws does not need two, and Go's
// scheduler spends more on handing small work to and fro than the work takes.
type cores struct {
	mu   sync.Mutex
	all  int
	lent int
}

// keepToOne makes this process's Go code run on one core.
func (c *cores) keepToOne() {
	if os.Getenv("GOMAXPROCS") == "" {
		c.all = runtime.GOMAXPROCS(1)
	}
}

// lend gives the cores until giveBack is called.
func (c *cores) lend() (giveBack func()) {
	c.add(1)
	return func() { c.add(-1) }
}

func (c *cores) add(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lent += n
	switch {
	case c.all == 0: // not kept to one
	case n > 0 && c.lent == 1:
		runtime.GOMAXPROCS(c.all)
	case c.lent == 0:
		runtime.GOMAXPROCS(1)
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
