#include "gateway/base/histogram.h"

#include <stdbool.h>
#include <string.h>

#define SUB_BITS 3
#define SUB (1u << SUB_BITS)

static unsigned
bucket_of(uint64_t v)
{
	unsigned octave, bucket;

	if (v < SUB)
		return (unsigned)v;
	octave = 63u - (unsigned)__builtin_clzll(v);
	bucket = ((octave - SUB_BITS + 1) << SUB_BITS) +
		 (unsigned)((v >> (octave - SUB_BITS)) & (SUB - 1));
	return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

/* The largest value of a bucket: a latency is never told too small. */
static uint64_t
bucket_top(unsigned bucket)
{
	unsigned octave;

	if (bucket < SUB)
		return bucket;
	octave = (bucket >> SUB_BITS) + SUB_BITS - 1;
	return (((uint64_t)(bucket & (SUB - 1)) + SUB + 1)
		<< (octave - SUB_BITS)) -
	       1;
}

static void
turn(struct histogram *h, int64_t now_ms)
{
	int64_t began = atomic_load_explicit(&h->half_ms, memory_order_relaxed);
	unsigned half = atomic_load_explicit(&h->half, memory_order_relaxed);
	unsigned i, k;

	if (now_ms - began < HISTOGRAM_HALF_MS)
		return;
	/* after a long silence both halves are stale */
	for (k = now_ms - began < 2 * HISTOGRAM_HALF_MS ? 1 : 0; k < 2; k++)
		for (i = 0; i < HISTOGRAM_BUCKETS; i++)
			atomic_store_explicit(&h->counts[half ^ k][i], 0,
					      memory_order_relaxed);
	atomic_store_explicit(&h->half, half ^ 1u, memory_order_relaxed);
	atomic_store_explicit(&h->half_ms, now_ms, memory_order_relaxed);
}

void
histogram_add(struct histogram *h, uint64_t value_us, int64_t now_ms)
{
	unsigned half;

	turn(h, now_ms);
	half = atomic_load_explicit(&h->half, memory_order_relaxed);
	atomic_fetch_add_explicit(&h->counts[half][bucket_of(value_us)], 1,
				  memory_order_relaxed);
}

/* Adds what is not stale; returns the number of values. */
static uint64_t
collect(struct histogram *h, int64_t now_ms, uint64_t sum[HISTOGRAM_BUCKETS])
{
	int64_t age =
	    now_ms - atomic_load_explicit(&h->half_ms, memory_order_relaxed);
	unsigned half = atomic_load_explicit(&h->half, memory_order_relaxed);
	uint64_t n, total = 0;

	for (unsigned k = 0; k < 2; k++) {
		if (age >= (int64_t)(2 - k) * HISTOGRAM_HALF_MS)
			continue;
		for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
			n = atomic_load_explicit(&h->counts[half ^ k][i],
						 memory_order_relaxed);
			sum[i] += n;
			total += n;
		}
	}
	return total;
}

uint64_t
histogram_quantile_us(struct histogram *const *h, unsigned count,
		      double quantile, int64_t now_ms)
{
	uint64_t sum[HISTOGRAM_BUCKETS], total = 0, seen = 0, rank;
	unsigned i;

	memset(sum, 0, sizeof(sum));
	for (i = 0; i < count; i++)
		total += collect(h[i], now_ms, sum);
	if (total == 0)
		return 0;
	rank = (uint64_t)((double)(total - 1) * quantile);
	for (i = 0; i < HISTOGRAM_BUCKETS - 1; i++) {
		seen += sum[i];
		if (seen > rank)
			break;
	}
	return bucket_top(i);
}
