#include "gateway/back/stat.h"

#include <string.h>

/* Below 8 ms exact, then 8 steps an octave. */
static unsigned
bucket_of(int64_t delay_ms)
{
	uint64_t v = delay_ms < 0 ? 0 : (uint64_t)delay_ms;
	unsigned octave, bucket;

	if (v < 8)
		return (unsigned)v;
	octave = 63 - (unsigned)__builtin_clzll(v);
	bucket = (octave - 2) * 8 + (unsigned)((v >> (octave - 3)) & 7);
	return bucket < STAT_BUCKETS ? bucket : STAT_BUCKETS - 1;
}

/* The middle of a bucket. */
static double
bucket_ms(unsigned bucket)
{
	unsigned octave = bucket / 8 + 2;
	double step;

	if (bucket < 8)
		return bucket;
	step = (double)(UINT64_C(1) << (octave - 3));
	return (8 + bucket % 8) * step + (step - 1) / 2;
}

void
stat_delay(struct stats *stats, int64_t delay_ms)
{
	unsigned window =
	    atomic_load_explicit(&stats->window, memory_order_relaxed);

	atomic_fetch_add_explicit(
	    &stats->windows[window].counts[bucket_of(delay_ms)], 1,
	    memory_order_relaxed);
}

void
stat_rotate(struct stats *stats, int64_t now_ms)
{
	unsigned next;

	if (now_ms - stats->rotated_ms < STAT_WINDOW_MS)
		return;
	stats->rotated_ms = now_ms;
	next = 1 - atomic_load_explicit(&stats->window, memory_order_relaxed);
	for (unsigned i = 0; i < STAT_BUCKETS; i++)
		atomic_store_explicit(&stats->windows[next].counts[i], 0,
				      memory_order_relaxed);
	atomic_store_explicit(&stats->window, next, memory_order_relaxed);
}

static double
quantile_s(const uint64_t counts[STAT_BUCKETS], uint64_t total, double q)
{
	uint64_t rank = (uint64_t)(q * (double)total), seen = 0;

	if (rank >= total)
		rank = total - 1;
	for (unsigned i = 0; i < STAT_BUCKETS; i++) {
		seen += counts[i];
		if (seen > rank)
			return bucket_ms(i) / 1000;
	}
	return 0;
}

void
stat_get(const struct stats *stats, struct back_status *status)
{
	uint64_t counts[STAT_BUCKETS], total = 0;

	memset(status, 0, sizeof(*status));
	status->delivered = atomic_load(&stats->delivered);
	status->deferred = atomic_load(&stats->deferred);
	status->bounced = atomic_load(&stats->bounced);
	status->altered = atomic_load(&stats->altered);
	status->dsn_sent = atomic_load(&stats->dsn_sent);
	status->dsn_dropped = atomic_load(&stats->dsn_dropped);
	status->queued = atomic_load(&stats->queued);
	status->held_by_rule = atomic_load(&stats->held_by_rule);
	status->held = atomic_load(&stats->held);
	status->undecided = atomic_load(&stats->undecided);
	status->scan_waiting = atomic_load(&stats->scan_waiting);
	status->quarantined = atomic_load(&stats->quarantined);
	status->cleaned = atomic_load(&stats->cleaned);
	if (status->scan_waiting > 0)
		status->scan_oldest_wall_s =
		    atomic_load(&stats->scan_oldest_wall_s);
	status->active = atomic_load(&stats->active);
	status->connections = atomic_load(&stats->connections);
	for (int i = 0; i < LANES; i++)
		status->lane_connections[i] =
		    atomic_load(&stats->lane_connections[i]);
	/* Counted once a tick: the last one may have left since. */
	if (status->queued > 0)
		status->oldest_wall_s = atomic_load(&stats->oldest_wall_s);
	for (unsigned i = 0; i < STAT_BUCKETS; i++) {
		counts[i] = atomic_load(&stats->windows[0].counts[i]) +
			    (uint64_t)atomic_load(&stats->windows[1].counts[i]);
		total += counts[i];
	}
	if (total == 0)
		return;
	status->delay_p50_s = quantile_s(counts, total, 0.50);
	status->delay_p99_s = quantile_s(counts, total, 0.99);
}

static uint32_t *
age_slot(struct age *age, int64_t wall_s)
{
	int64_t minute = wall_s / 60;

	if (minute < age->newest - AGE_MINUTES + 1)
		minute = age->newest - AGE_MINUTES + 1;
	return &age->counts[(uint64_t)minute % AGE_MINUTES];
}

/* The ring moves on: what falls off its end joins its oldest minute. */
static void
age_advance(struct age *age, int64_t minute)
{
	if (minute - age->newest >= AGE_MINUTES) {
		uint32_t all = 0;

		for (size_t i = 0; i < AGE_MINUTES; i++)
			all += age->counts[i];
		memset(age->counts, 0, sizeof(age->counts));
		age->counts[(uint64_t)(minute + 1) % AGE_MINUTES] = all;
		age->newest = minute;
	}
	while (age->newest < minute) {
		uint32_t *gone, fallen;

		age->newest++;
		gone = &age->counts[(uint64_t)age->newest % AGE_MINUTES];
		fallen = *gone;
		*gone = 0;
		age->counts[(uint64_t)(age->newest + 1) % AGE_MINUTES] +=
		    fallen;
	}
	if (age->oldest < age->newest - AGE_MINUTES + 1)
		age->oldest = age->newest - AGE_MINUTES + 1;
}

void
age_add(struct age *age, int64_t wall_s, uint32_t n)
{
	int64_t minute = wall_s / 60;

	if (age->newest == 0) {
		age->newest = minute;
		age->oldest = minute;
	}
	if (minute > age->newest)
		age_advance(age, minute);
	if (minute < age->oldest)
		age->oldest = minute;
	if (age->oldest < age->newest - AGE_MINUTES + 1)
		age->oldest = age->newest - AGE_MINUTES + 1;
	*age_slot(age, wall_s) += n;
}

void
age_remove(struct age *age, int64_t wall_s, uint32_t n)
{
	uint32_t *slot = age_slot(age, wall_s);

	*slot -= n < *slot ? n : *slot;
}

int64_t
age_oldest_wall_s(struct age *age)
{
	while (age->oldest <= age->newest) {
		if (age->counts[(uint64_t)age->oldest % AGE_MINUTES] > 0)
			return age->oldest * 60;
		age->oldest++;
	}
	age->oldest = age->newest; /* empty: what comes next is counted */
	return 0;
}
