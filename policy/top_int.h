#ifndef POLICY_TOP_INT_H
#define POLICY_TOP_INT_H

#include <pthread.h>

#include "gateway/base/hash.h"
#include "policy/top.h"

/*
 * Private to policy/top*.c and their tests.
 *
 * The distinct things a member of `top` was seen with: a hash of each, and the
 * minute it was seen last.
 */
struct distinct {
	struct distinct_seen *seen;
	uint32_t size; /* a power of two, or 0 */
	uint32_t count;
	uint32_t purged_min; /* when it last tried to make room */
	bool more;	     /* one was left out, at more_min */
	uint32_t more_min;
};

/* What all sets of one table may take beyond the small size that each has. */
#define DISTINCT_SMALL 64
struct distinct_pool {
	size_t left; /* seen's */
};

void distinct_fini(struct distinct *set, struct distinct_pool *pool);
void distinct_add(struct distinct *set, struct distinct_pool *pool,
		  uint64_t hash, uint32_t minute);
/* How many were seen at from_min or later; *more: there may be others. */
uint64_t distinct_count(const struct distinct *set, uint32_t from_min,
			bool *more);

/* --- one table --- */

#define TOP_SLOTS \
	(TOP_WINDOW_MAX_MIN + 1) /* the minute that is not over, too */
#define TOP_SLACK 256

struct top_counts {
	uint32_t messages, recipients, refused, dead;
};

struct top_member {
	uint64_t hash;
	UT_hash_handle hh;
	uint32_t minute; /* of the newest slot */
	uint64_t weight; /* of all slots */
	uint64_t event;	 /* the last that touched it */
	int64_t since_wall_s;
	bool late; /* others had to go before it came */
	struct top_counts slots[TOP_SLOTS];
	struct distinct froms, ips, creds;
	char name[sizeof(((struct top_line *)0)->name)];
};

struct top_table {
	pthread_mutex_t lock;
	struct top_member *members;
	struct distinct_pool pool;
	uint32_t minute; /* never back */
	uint64_t events;
	bool evicted;
};

struct top_rank {
	uint64_t weight, last, hash;
};
/* The least busy first; among equals the longest silent. */
int top_rank_cmp(const void *a, const void *b);

void top_table_clear(struct top_table *table);
void top_table_advance(struct top_table *table, int64_t now_wall_s);
struct top_member *top_member_find(struct top_table *table, uint64_t hash);
/* Makes it a member when it is none. */
struct top_member *top_member_get(struct top_table *table, uint64_t hash,
				  struct slice name, int64_t now_wall_s);
void top_member_count(struct top_member *member, const struct top_counts *add);
/* Sets the counts of line. */
void top_member_sum(const struct top_member *member, uint32_t from_min,
		    struct top_line *line);

#endif
