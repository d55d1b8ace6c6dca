#ifndef POLICY_LIMITS_INT_H
#define POLICY_LIMITS_INT_H

#include <pthread.h>
#include <stdatomic.h>

#include "gateway/base/arena.h"
#include "policy/limits.h"
#include "ratelimit/rate.h"

/*
 * Shared by policy/limits*.c only.
 *
 * size: the structs of one object that several files work on.
 */

/* --- the rules of one configuration (limits_rules.c) ----------------- */

struct limit_names { /* sorted, once each */
	const char **v;
	size_t count;
};

struct limit_policy { /* `limit NAME { ... }` */
	char name[64];
	enum limit_per per;
	uint8_t bits4, bits6; /* in the 128-bit space */
	enum limit_action over, then;
	uint16_t pace_percent;
	bool observe;
	struct limit_names classes, creds;
	const size_t *replaces; /* indexes of policies */
	size_t replace_count;
	const struct ip_prefix *except;
	size_t except_count;
};

struct limit_rule { /* one rate of it */
	const struct limit_policy *policy;
	enum limit_counted counted;
	struct rate_rule rate;	  /* as enforced */
	struct rate_rule watched; /* the same, counting past its limit */
	/* What it does with what neither fits nor can be paced. */
	enum limit_action refusal;
	uint64_t unit;	/* what is counted in one unit of rate */
	uint64_t limit; /* as configured, a period */
	int64_t period_ms;
};

/* Never changes once made; whoever counts under it holds a reference. */
struct limit_rules {
	_Atomic size_t refs;
	struct arena *arena;
	struct limit_policy *policies;
	size_t policy_count;
	struct limit_rule *rules; /* in order of the file */
	size_t rule_count;
	const struct limit_rule **by_id;
	unsigned counted; /* bits of what any rule counts */
	bool observe, replaces;
	struct limit_names observe_classes;
};

struct limit_rules *limit_rules_create(const struct limits_conf *conf);
struct limit_rules *limit_rules_ref(struct limit_rules *rules);
void limit_rules_unref(struct limit_rules **rules);
const struct limit_rule *limit_rules_find(const struct limit_rules *rules,
					  uint32_t id); /* or NULL */
bool limit_names_have(const struct limit_names *names, const char *name);
uint64_t limit_units(const struct limit_rule *rule, uint64_t amount);

/* --- who they are for (limits_bind.c) -------------------------------- */

#define LIMIT_KEY_MAX 288 /* a login has at most 255 bytes */

struct limit_key {
	struct rate_key key;
	enum limit_per per;
	uint8_t bits;
	size_t n;
	char name[LIMIT_KEY_MAX]; /* as on disk */
};

struct limit_bound { /* a rule that is for somebody */
	const struct limit_rule *rule;
	size_t key;	/* index */
	uint64_t limit; /* the rule's, or what a reload has lowered it to */
	bool observe;
	bool told; /* the log has heard that it would have acted */
	bool off;  /* the message has left it: held, or in bulk */
};

struct limit_binding {
	struct limit_rules *rules; /* a reference */
	struct limit_bound *bound;
	size_t count;
	struct limit_key *keys;
	size_t key_count, key_size;
};

#define LIMIT_BIT(counted) (1u << (unsigned)(counted))
#define LIMIT_OF_MESSAGES                                          \
	(LIMIT_BIT(LIMIT_MESSAGES) | LIMIT_BIT(LIMIT_RECIPIENTS) | \
	 LIMIT_BIT(LIMIT_INTERNAL_RECIPIENTS) |                    \
	 LIMIT_BIT(LIMIT_ALL_RECIPIENTS) | LIMIT_BIT(LIMIT_BYTES))
/* A message is bound to those too: they count nothing of it, but say whether
 * its login may send. */
#define LIMIT_ON_MESSAGES (LIMIT_OF_MESSAGES | LIMIT_BIT(LIMIT_DEAD_DOMAINS))
#define LIMIT_OF_CONNECTIONS \
	(LIMIT_BIT(LIMIT_CONNECTIONS) | LIMIT_BIT(LIMIT_NEW_CONNECTIONS))

/* Takes the reference. counted: bits of the rules asked for. An address of all
 * zeroes is not known. */
void limit_bind(struct limit_binding *binding, struct limit_rules **rules,
		const struct limit_who *who, unsigned counted);
void limit_unbind(struct limit_binding *binding);

/* What a session's messages are bound to, shared by them and never changed
 * (limits_cache.c). */
struct limit_shared {
	_Atomic size_t refs;
	char *cred, *class;
	struct ip_addr ip;
	struct limit_binding binding; /* LIMIT_ON_MESSAGES */
};

/* A reference. *reloads: how many there have been, of its rules. */
struct limit_shared *limits_bind_message(struct limits *limits,
					 const struct limit_who *who,
					 uint64_t *reloads);
void limit_shared_unref(struct limit_shared **shared);
/* Under the lock: all that is in the cache; to be freed outside of it. */
void limits_cache_take(struct limits *limits, struct limit_shared **out);
void limits_cache_free(struct limit_shared **taken);

/* A key as on disk, read back. */
bool limit_key_valid(struct slice name);

/* --- charging and what comes of it (limits_verdict.c) ---------------- */

/* Fills the inputs. granted is in what the rule counts. */
void limit_charge_init(struct rate_charge *charge,
		       const struct limit_binding *binding,
		       const struct limit_bound *bound, uint64_t amount,
		       uint64_t granted);
/* rate_charge over any number; all or nothing. */
bool limit_charge(struct rate_table *table, struct rate_charge *charges,
		  size_t count, int64_t now_us);
void limit_refund(struct rate_table *table, const struct rate_charge *charges,
		  size_t count, int64_t now_us);
void limit_hit_fill(struct limit_hit *hit, const struct limit_rule *rule,
		    const struct rate_charge *charge);
void limit_verdict_init(struct limit_verdict *verdict);
/* The stronger action stands; of two alike the one that frees later. */
void limit_verdict_offer(struct limit_verdict *verdict,
			 const struct limit_hit *hit);
/* The charge of a rule that is over: offers it, or tells that it would. */
void limit_verdict_over(struct limit_verdict *verdict,
			struct limit_bound *bound,
			const struct rate_charge *charge);
int64_t limit_wall_s(int64_t rate_us); /* rounded up; 0 stays 0 */

/* Its times, by the wall clock as it is set now. */
void limit_hit_tell(struct limit_hit *hit, const struct limits *limits);
void limit_verdict_tell(struct limit_verdict *verdict,
			const struct limits *limits);

/* --- dead domains (limits_dead.c) ------------------------------------ */

/* Offers what b's rules that count them do, or would, to whoever sends now. */
void limit_dead_look(struct rate_table *table, struct limit_binding *b,
		     uint64_t granted, int64_t now_us,
		     struct limit_verdict *verdict);

/* --- the disk (limits_disk.c) ---------------------------------------- */

/* Tally changes under way; a key and its cells at a time. */
struct limit_changes {
	struct buf bytes;
	struct limit_span {
		size_t key, key_n, value, value_n;
	} * spans;
	struct store_change *changes;
	size_t count, size;
};

void limit_changes_init(struct limit_changes *list);
void limit_changes_fini(struct limit_changes *list);
/* Sorts the cells. What is over at now leaves nothing. */
void limit_changes_add(struct limit_changes *list, struct slice key,
		       struct rate_cell *cells, size_t count, int64_t now_s);
/* Borrowed until the next add. */
const struct store_change *limit_changes_get(struct limit_changes *list,
					     size_t *count);

/* Charges that no message's transaction keeps. */
void limits_lag_add(struct limits *limits, const struct limit_binding *binding,
		    const struct limit_bound *bound,
		    const struct rate_charge *charge);

/* --- all of it (limits.c) -------------------------------------------- */

struct limit_lag_key;

/* A few kB each. */
#define LIMIT_CACHE_SIZE 1024

struct limits {
	struct rate_table *table;
	struct accounts *accounts; /* or NULL */
	int64_t ahead_us;	   /* rate time less monotonic time */
	_Atomic int64_t set_s;	   /* the wall clock has been set by so much */
	_Atomic int64_t now_us;	   /* the latest that anybody told */
	pthread_mutex_t lock;	   /* of rules, the pointer, and the cache */
	struct limit_rules *rules;
	_Atomic uint64_t reloads; /* so many; raised after rules is set */
	struct limit_shared *cache[LIMIT_CACHE_SIZE];
	pthread_mutex_t lag_lock;
	struct limit_lag_key *lag;
	size_t lag_count;
};

struct limit_rules *limits_rules(struct limits *limits); /* a reference */
int64_t limits_time(struct limits *limits, int64_t mono_us);
/* What cred (or NULL) was granted of what is counted; *until_us is lowered to
 * when that ends. */
uint64_t limits_granted(struct limits *limits, const char *cred,
			enum limit_counted counted, int64_t now_us,
			int64_t *until_us);

#endif
