#ifndef TESTS_POLICY_LIMITS_KIT_H
#define TESTS_POLICY_LIMITS_KIT_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/error.h"
#include "gateway/store/env.h"
#include "policy/limits.h"

/* A day on which slots of 1 s, 4 s, 240 s and 5,760 s begin. */
#define KIT_WALL_S 1800000000
#define KIT_MONO_US 5000000
/* Periods whose slots are 1 s and 240 s. */
#define KIT_15S 15
#define KIT_HOUR 3600

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static inline int64_t
at(double s)
{
	return KIT_MONO_US + (int64_t)(s * 1e6);
}

/* One limit with one rate, per credential, as a value to change. */
#define LIMIT_ONE(label, counts, most, seconds, then_what)                    \
	{                                                                     \
		.name = (label), .per = LIMIT_CRED, .bits4 = 32, .bits6 = 64, \
		.rates = &(const struct limit_rate){(counts), (most),         \
						    (seconds)*1000, 0},       \
		.rate_count = 1, .over = (then_what),                         \
	}

/* Recipients an hour, paced up to half as many more. */
#define PACED(label, most, beyond)                                            \
	{                                                                     \
		.name = (label), .per = LIMIT_CRED,                           \
		.rates = &(const struct limit_rate){LIMIT_RECIPIENTS, (most), \
						    3600000, 0},              \
		.rate_count = 1, .over = LIMIT_PACE, .then = (beyond),        \
		.pace_percent = 150,                                          \
	}

/* Of an action in a table: '.' pass, 'p' pace, 'b' bulk ... */
static inline char
letter(enum limit_action action)
{
	return ".pbhdr"[action];
}

static inline struct limits *
kit_limits(const struct limit_conf *v, size_t count, struct accounts *accounts)
{
	const struct limits_conf conf = {.limits = v, .limit_count = count};

	return limits_create(&conf, accounts, KIT_WALL_S * (int64_t)1000000,
			     KIT_MONO_US);
}

static inline struct limit_who
kit_who(const char *cred, const char *class, const char *ip)
{
	struct limit_who who = {.cred = cred, .class = class};

	ck_assert_int_eq(ip_parse(slice_str(ip), &who.ip), 0);
	return who;
}

static inline struct limit_who
bob(void)
{
	return kit_who("bob", NULL, "192.0.2.1");
}

/* n external recipients; returns how many were accepted. */
static inline unsigned
kit_rcpts(struct reservation *r, unsigned n, double s)
{
	struct limit_verdict verdict;
	unsigned accepted = 0;

	for (unsigned i = 0; i < n; i++) {
		reservation_rcpt(r, false, 0, at(s), &verdict);
		accepted += verdict.action < LIMIT_DEFER;
	}
	return accepted;
}

/* A message of n recipients from RCPT to the commit, which takes no time. */
static inline unsigned
kit_send(struct limits *limits, const struct limit_who *who, unsigned n,
	 double s)
{
	struct reservation *r = reservation_create(limits, who);
	struct limit_verdict verdict;
	unsigned accepted = kit_rcpts(r, n, s);

	reservation_settle(r, 0, at(s), &verdict);
	ck_assert_int_lt(verdict.action, LIMIT_DEFER);
	if (accepted > 0)
		reservation_commit(&r);
	else
		reservation_cancel(&r, at(s));
	return accepted;
}

struct kit_find {
	const char *name;
	enum limit_counted counted;
	struct limit_line line;
	bool found;
};

static inline bool
kit_match(void *arg, const struct limit_line *line)
{
	struct kit_find *find = arg;

	find->found = strcmp(line->hit.name, find->name) == 0 &&
		      line->hit.counted == find->counted;
	if (find->found)
		find->line = *line;
	return !find->found;
}

static inline struct limit_line
kit_line(struct limits *limits, const struct limit_who *who, const char *name,
	 enum limit_counted counted, double s)
{
	struct kit_find find = {.name = name, .counted = counted};

	limits_each(limits, who, at(s), kit_match, &find);
	ck_assert_msg(find.found, "%s: no such rule", name);
	return find.line;
}

static inline uint64_t
kit_used(struct limits *limits, const struct limit_who *who, const char *name,
	 enum limit_counted counted, double s)
{
	return kit_line(limits, who, name, counted, s).hit.used;
}

/* --- a store --------------------------------------------------------- */

struct kit_store {
	char dir[64], path[80];
	struct store_env *env;
};

static inline void
kit_store_open(struct kit_store *store)
{
	struct store_opts opts = {.path = store->path, .map_bytes = 16 << 20};
	char error[256];

	ck_assert_msg(store_open(&store->env, &opts, error, sizeof(error)) == 0,
		      "%s", error);
}

static inline void
kit_store_make(struct kit_store *store)
{
	strcpy(store->dir, access("/dev/shm", W_OK) == 0
			       ? "/dev/shm/limits-XXXXXX"
			       : "/tmp/limits-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(store->dir));
	snprintf(store->path, sizeof(store->path), "%s/index", store->dir);
	kit_store_open(store);
}

static inline void
kit_store_remove(struct kit_store *store)
{
	char command[128];

	store_close(&store->env);
	snprintf(command, sizeof(command), "rm -rf '%s'", store->dir);
	ck_assert_int_eq(system(command), 0);
}

static inline void
kit_apply(struct kit_store *store, const struct store_change *changes,
	  size_t count)
{
	struct store_txn *txn = store_write(store->env);

	store_apply(txn, changes, count);
	ck_assert_int_eq(store_commit(&txn), 0);
}

#endif
