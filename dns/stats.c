/*
 * Counters of questions, and whether the resolver fails.
 *
 * Each second has one word: its number, how many questions ended in it, how
 * many of them usably. One word, so that a thread which begins a new second
 * and one that counts into it cannot mix two seconds up; counts stop at their
 * 16 bits. The flag is worked out by those who write, so that readers need
 * neither the time nor the words.
 */
#include "dns/stats.h"

#include <string.h>

#define RELAXED memory_order_relaxed
#define COUNT_MAX 0xffffu

static uint32_t
word_second(uint64_t word)
{
	return (uint32_t)(word >> 32);
}

static uint32_t
word_ended(uint64_t word)
{
	return (uint32_t)(word >> 16) & COUNT_MAX;
}

static uint32_t
word_usable(uint64_t word)
{
	return (uint32_t)word & COUNT_MAX;
}

static uint64_t
word_of(uint32_t second, uint32_t ended, uint32_t usable)
{
	return (uint64_t)second << 32 | (uint64_t)ended << 16 | usable;
}

/* From 1, so that a zeroed word is of no second. */
static uint32_t
second_of(int64_t now_ms)
{
	return (uint32_t)(now_ms / 1000) + 1;
}

struct dns_stats_loop *
dns_stats_join(struct dns_stats *stats)
{
	for (int i = 0; i < DNS_STATS_LOOPS; i++) {
		if (!atomic_exchange(&stats->loops[i].taken, true))
			return &stats->loops[i];
	}
	return &stats->loops[0];
}

void
dns_stats_leave(struct dns_stats_loop **loop)
{
	if (*loop == NULL)
		return;
	/* the counters stay: they only ever grow */
	atomic_store_explicit(&(*loop)->fast, 0, RELAXED);
	atomic_store_explicit(&(*loop)->slow, 0, RELAXED);
	atomic_store(&(*loop)->taken, false);
	*loop = NULL;
}

static void
second_add(struct dns_stats *stats, bool usable, uint32_t second)
{
	_Atomic uint64_t *at = &stats->seconds[second % DNS_STATS_SECONDS];
	uint64_t old = atomic_load_explicit(at, RELAXED), new;

	do {
		bool mine = word_second(old) == second;
		uint32_t ended = mine ? word_ended(old) : 0;
		uint32_t good = mine ? word_usable(old) : 0;

		/* another thread is a second ahead of us */
		if (word_second(old) > second)
			return;
		ended += ended < COUNT_MAX;
		good += usable && good < COUNT_MAX;
		new = word_of(second, ended, good);
	} while (!atomic_compare_exchange_weak_explicit(at, &old, new, RELAXED,
							RELAXED));
}

void
dns_stats_refresh(struct dns_stats *stats, int64_t now_ms)
{
	uint32_t second = second_of(now_ms), ended = 0, usable = 0;
	bool failing;

	for (int i = 0; i < DNS_STATS_SECONDS; i++) {
		uint64_t word =
		    atomic_load_explicit(&stats->seconds[i], RELAXED);

		if (word_second(word) == 0 ||
		    second - word_second(word) >= DNS_FAILING_S)
			continue;
		ended += word_ended(word);
		usable += word_usable(word);
	}
	failing = ended >= DNS_FAILING_QUESTIONS && usable == 0;
	/* written only when it changes: every RCPT reads that line */
	if (atomic_load_explicit(&stats->failing, RELAXED) != failing)
		atomic_store_explicit(&stats->failing, failing, RELAXED);
}

bool
dns_stats_failing(const struct dns_stats *stats)
{
	return atomic_load_explicit(&stats->failing, RELAXED);
}

void
dns_stats_ended(struct dns_stats *stats, struct dns_stats_loop *loop,
		enum dns_outcome outcome, bool second, uint64_t took_us,
		int64_t now_ms)
{
	histogram_add(&loop->latency, took_us, now_ms);
	switch (outcome) {
	case DNS_OUTCOME_USABLE:
		break;
	case DNS_OUTCOME_FAILED:
		atomic_fetch_add_explicit(&loop->failures, 1, RELAXED);
		break;
	case DNS_OUTCOME_TIMEOUT:
		atomic_fetch_add_explicit(&loop->timeouts, 1, RELAXED);
		break;
	case DNS_OUTCOME_BUSY:
		atomic_fetch_add_explicit(&loop->busy, 1, RELAXED);
		return;
	}
	if (second)
		return;
	second_add(stats, outcome == DNS_OUTCOME_USABLE, second_of(now_ms));
	if (outcome != DNS_OUTCOME_USABLE || dns_stats_failing(stats))
		dns_stats_refresh(stats, now_ms);
}

void
dns_stats_sum(struct dns_stats *stats, int64_t now_ms,
	      struct dns_stats_sum *sum)
{
	struct histogram *latency[DNS_STATS_LOOPS];

	memset(sum, 0, sizeof(*sum));
	for (int i = 0; i < DNS_STATS_LOOPS; i++) {
		struct dns_stats_loop *l = &stats->loops[i];

		latency[i] = &l->latency;
		sum->asked += atomic_load_explicit(&l->asked, RELAXED);
		sum->timeouts += atomic_load_explicit(&l->timeouts, RELAXED);
		sum->failures += atomic_load_explicit(&l->failures, RELAXED);
		sum->busy += atomic_load_explicit(&l->busy, RELAXED);
		sum->shared += atomic_load_explicit(&l->shared, RELAXED);
		sum->fast += atomic_load_explicit(&l->fast, RELAXED);
		sum->slow += atomic_load_explicit(&l->slow, RELAXED);
	}
	sum->latency_p50_ms = (double)histogram_quantile_us(
				  latency, DNS_STATS_LOOPS, 0.5, now_ms) /
			      1000;
	sum->latency_p99_ms = (double)histogram_quantile_us(
				  latency, DNS_STATS_LOOPS, 0.99, now_ms) /
			      1000;
}
