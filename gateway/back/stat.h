#ifndef GATEWAY_BACK_STAT_H
#define GATEWAY_BACK_STAT_H

#include <stdatomic.h>

#include "gateway/back/back.h"

/*
 * The numbers of back_status: written by the relay thread, read by any. The
 * delays are kept in logarithmic buckets (8 an octave: within 9 %), in two
 * windows that take turns each STAT_WINDOW_MS, so what is shown covers the
 * last 30 to 60 s.
 */
#define STAT_WINDOW_MS 30000
#define STAT_BUCKETS 256

struct stat_window {
	_Atomic uint32_t counts[STAT_BUCKETS];
};

struct stats {
	_Atomic uint64_t delivered, deferred, bounced, altered;
	_Atomic uint64_t dsn_sent, dsn_dropped;
	_Atomic uint64_t queued, held_by_rule, held, undecided;
	_Atomic uint64_t scan_waiting, quarantined, cleaned;
	_Atomic int64_t scan_oldest_wall_s;
	_Atomic uint64_t active, connections;
	_Atomic uint64_t lane_connections[LANES];
	_Atomic int64_t oldest_wall_s;
	struct stat_window windows[2];
	_Atomic unsigned window; /* the one being filled */
	int64_t rotated_ms;
};

void stat_delay(struct stats *stats, int64_t delay_ms);
void stat_rotate(struct stats *stats, int64_t now_ms); /* when it is time */
void stat_get(const struct stats *stats, struct back_status *status);

static inline void
stat_add(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static inline void
stat_sub(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_fetch_sub_explicit(counter, n, memory_order_relaxed);
}

/*
 * How old the queue is: recipients counted by the minute they came in, so that
 * the oldest of a million is known without looking at them. What is older than
 * the ring counts in its oldest minute.
 */
#define AGE_MINUTES 8192 /* 5.6 days */

struct age {
	uint32_t counts[AGE_MINUTES];
	int64_t newest; /* minute; 0: nothing came yet */
	int64_t oldest; /* no counted minute is older */
};

void age_add(struct age *age, int64_t wall_s, uint32_t n);
void age_remove(struct age *age, int64_t wall_s, uint32_t n);
int64_t age_oldest_wall_s(struct age *age); /* 0: empty; to the minute */

#endif
