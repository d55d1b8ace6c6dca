#ifndef GATEWAY_BASE_HISTOGRAM_H
#define GATEWAY_BASE_HISTOGRAM_H

#include <stdatomic.h>
#include <stdint.h>

/*
 * Latencies of the last minute or so, for a status line: eight buckets an
 * octave (within 9 %), two halves of HISTOGRAM_HALF_MS that take turns. One
 * thread adds, any thread reads; a reader may miss what is being added.
 */
#define HISTOGRAM_BUCKETS 256
#define HISTOGRAM_HALF_MS 30000

struct histogram {
	_Atomic uint32_t counts[2][HISTOGRAM_BUCKETS];
	_Atomic int64_t half_ms; /* when the current half began */
	_Atomic unsigned half;
};

void histogram_add(struct histogram *h, uint64_t value_us, int64_t now_ms);

/* Several of them (one a thread) as one. 0 <= quantile <= 1; 0 when empty. */
uint64_t histogram_quantile_us(struct histogram *const *h, unsigned count,
			       double quantile, int64_t now_ms);

#endif
