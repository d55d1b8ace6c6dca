#ifndef DNS_STATS_H
#define DNS_STATS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/histogram.h"

/*
 * How well the resolvers answer: written by the loops as questions end, read
 * by any thread. The shared cache embeds one; zeroed is a valid beginning. No
 * locks: a look-up on the RCPT path may ask whether the resolver fails.
 */
#define DNS_STATS_LOOPS 32   /* more than that share */
#define DNS_STATS_SECONDS 16 /* a power of two, over DNS_FAILING_S */

/* "Failing": this many questions ended in the last seconds, and not one of
 * them with something usable (records, NXDOMAIN, no such record). */
#define DNS_FAILING_S 10
#define DNS_FAILING_QUESTIONS 5

struct dns_stats_loop { /* written by one loop */
	_Atomic bool taken;
	_Atomic uint64_t asked, timeouts, failures, busy, shared;
	_Atomic uint32_t fast, slow; /* on the wire now */
	struct histogram latency;
};

struct dns_stats {
	struct dns_stats_loop loops[DNS_STATS_LOOPS];
	/* second (32 bits), ended (16), usable (16); see stats.c */
	_Atomic uint64_t seconds[DNS_STATS_SECONDS];
	_Atomic bool failing;
};

struct dns_cache;
/* Its part; lives as long as the cache. In dns/cache.c. */
struct dns_stats *dns_cache_stats(struct dns_cache *cache);

/* A place to write in for one loop, and back. */
struct dns_stats_loop *dns_stats_join(struct dns_stats *stats);
void dns_stats_leave(struct dns_stats_loop **loop);

/* A question to the resolvers has ended, after so long. Questions to the
 * second ones say nothing about failing. */
enum dns_outcome {
	DNS_OUTCOME_USABLE,
	DNS_OUTCOME_FAILED, /* SERVFAIL, REFUSED, nobody there ... */
	DNS_OUTCOME_TIMEOUT,
	DNS_OUTCOME_BUSY, /* given up for others: nobody's failure */
};
void dns_stats_ended(struct dns_stats *stats, struct dns_stats_loop *loop,
		     enum dns_outcome outcome, bool second, uint64_t took_us,
		     int64_t now_ms);
/* Finds out anew whether they fail: the loops do it each 5 s while they ask,
 * and as each question ends. */
void dns_stats_refresh(struct dns_stats *stats, int64_t now_ms);
/* One load: for every RCPT. */
bool dns_stats_failing(const struct dns_stats *stats);

/* All loops together. */
struct dns_stats_sum {
	uint64_t asked, timeouts, failures, busy, shared;
	uint64_t fast, slow;
	double latency_p50_ms, latency_p99_ms;
};
void dns_stats_sum(struct dns_stats *stats, int64_t now_ms,
		   struct dns_stats_sum *sum);

#endif
