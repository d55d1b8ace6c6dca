#ifndef RATELIMIT_RATE_H
#define RATELIMIT_RATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/slice.h"

/*
 * The keyed table of limiters. It knows keys, rules and amounts; what a key
 * stands for and what happens over a limit is policy's. Shared by all threads:
 * sharded locks, always taken in order. Time is an argument: microseconds of
 * "rate time", which is wall time at the start of the process and from then on
 * monotonic, so that what is on disk can be compared with it.
 */
struct rate_table;

enum rate_kind {
	RATE_WINDOW, /* at most `limit` units in any `period_us` */
	RATE_GCRA,   /* one unit each `period_us`, `limit` of them at once */
	RATE_LEVEL,  /* `limit` at once, until they are refunded; no time */
};

struct rate_rule {
	uint32_t id; /* the same over reloads and restarts; 0 is none */
	enum rate_kind kind;
	uint64_t limit;
	int64_t period_us;
	/* Over 100: what is over the limit is charged at the time when it is
	 * admitted, up to this share of the limit in all. Else 0. */
	uint16_t pace_percent;
	bool observe; /* counts past its limit */
};

/* A keyed hash (128 bits, key of the process) of the bytes that name the key
 * on disk. */
struct rate_key {
	uint64_t h[2];
};
struct rate_key rate_key_of(struct slice name);

enum rate_mode {
	RATE_ENFORCE, /* over: the whole call charges nothing */
	RATE_PASS,    /* over: this charge is left out, the others go on */
	RATE_OBSERVE, /* over: charged all the same; GCRA: as far as full */
};

enum rate_result {
	RATE_FITS,
	RATE_PACED, /* charged later, at at_us */
	RATE_OVER,  /* now; would fit at frees_us */
	RATE_NEVER, /* the amount is larger than the limit itself */
};

struct rate_back {
	uint64_t amount;
	int64_t at_us; /* where it was charged */
};

struct rate_charge {
	/* in */
	struct rate_key key;
	const struct rate_rule *rule;
	uint64_t limit; /* in force now: the rule's and what was granted */
	uint64_t amount;
	enum rate_mode mode;
	/* RATE_GCRA: charges of this key and rule which this one replaces: all
	 * of them are given back in the moment in which it is charged. */
	const struct rate_back *back;
	size_t back_count;
	/* out */
	enum rate_result result;
	bool charged;
	uint64_t used;	  /* before this charge, units, without paced ones */
	uint64_t paced;	  /* before this charge, units whose time is to come */
	int64_t at_us;	  /* where it was charged; what a refund needs */
	int64_t frees_us; /* RATE_OVER: when so much would fit; 0: unknown */
	int64_t tat_us;	  /* RATE_GCRA: what rate_cell_of keeps */
};

struct rate_opts {
	uint64_t key_max; /* 0: 4 million; then idle keys go, fullest last */
};

struct rate_table *rate_create(const struct rate_opts *opts);
void rate_destroy(struct rate_table **table);

/*
 * All or nothing over all charges (at most RATE_CHARGES_MAX, several may name
 * one key, none twice the same key and rule). False: nothing was charged; the
 * results say which rules refused. Otherwise each charge says whether and
 * where it was charged.
 */
#define RATE_CHARGES_MAX 64
bool rate_charge(struct rate_table *table, struct rate_charge *charges,
		 size_t count, int64_t now_us);
/* Give back what is marked charged: key, rule, amount and at_us count; count
 * has no maximum. What has left the window meanwhile is gone already. */
void rate_refund(struct rate_table *table, const struct rate_charge *charges,
		 size_t count, int64_t now_us);
/* Fills the outputs for an amount of 1 (at least), charges nothing. */
void rate_look(struct rate_table *table, struct rate_charge *charge,
	       int64_t now_us);

/*
 * A charge as it is kept on disk: a cell of the key's record. Cells of one
 * (rule, slot) add up; of GCRA the largest value counts (slot is -1).
 */
struct rate_cell {
	uint32_t rule;
	int64_t slot;
	uint64_t value;
	int64_t expires_wall_s; /* worth nothing afterwards */
};
/* Of a charge as rate_charge left it. False: it leaves nothing to keep (a
 * level, not charged). */
bool rate_cell_of(const struct rate_charge *charge, struct rate_cell *cell);
/* At load; slots in the future are clamped to now. Cells of rules that are
 * not the file's any more are the caller's to leave out. */
void rate_load(struct rate_table *table, const struct rate_key *key,
	       const struct rate_rule *rule, const struct rate_cell *cell,
	       int64_t now_us);

/* Forget keys that are worth nothing: looks at up to max of them, goes on
 * where it stopped; returns how many went. Call it each second. */
size_t rate_sweep(struct rate_table *table, size_t max, int64_t now_us);

struct rate_status {
	uint64_t keys, states, bytes; /* states: rules of keys */
	uint64_t evicted;	      /* keys that went although not idle */
};
void rate_status_get(struct rate_table *table, struct rate_status *status);

#endif
