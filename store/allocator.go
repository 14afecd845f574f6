package store

/*
#include <stddef.h>

// DuckDB brings jemalloc on Linux. It keeps what a query freed until the next
// one asks, which for a screen may be never.
extern int duckdb_je_mallctl(const char *name, void *oldp, size_t *oldlenp, void *newp, size_t newlen) __attribute__((weak));

static void purge(void) {
	if (duckdb_je_mallctl)
		duckdb_je_mallctl("arena.4096.purge", NULL, NULL, NULL, 0); // 4096: MALLCTL_ARENAS_ALL
}
*/
import "C"

// Trim gives memory that DuckDB has freed back to the system, of all that this
// process has open.
func Trim() { C.purge() }
