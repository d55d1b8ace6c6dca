#ifndef GATEWAY_CAMPAIGN_SUPPRESS_H
#define GATEWAY_CAMPAIGN_SUPPRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/arena.h"
#include "gateway/base/slice.h"
#include "gateway/campaign/bounce.h"
#include "gateway/store/change.h"

/*
 * Whom mailings do not write to any more; personal mail is never looked at.
 * In memory as keyed hashes (16 bytes an address), in STORE_SUPPRESS with the
 * address and the reason. Shared by all threads, under a lock of its own.
 */
struct suppress;
struct store_env;

enum suppress_reason {			  /* on disk: never renumber */
		       SUPPRESS_HARD = 0, /* bounced for good */
		       SUPPRESS_SOFT = 1, /* three times in seven days */
		       SUPPRESS_COMPLAINT = 2,
		       SUPPRESS_UNSUBSCRIBED = 3,
		       SUPPRESS_MANUAL = 4,
		       SUPPRESS_REASONS
};
const char *suppress_reason_word(enum suppress_reason reason);
/* GW_ENOENT: none has that word. */
int suppress_reason_find(struct slice word, enum suppress_reason *reason);

#define SUPPRESS_MAX \
	10000000 /* entries; then none is added, and it is logged */
#define SUPPRESS_TEXT_MAX 256

struct suppress_entry {	     /* borrowed */
	const char *address; /* as it was first given */
	enum suppress_reason reason;
	bool
	    counting; /* soft bounces that are not enough yet: not suppressed */
	uint32_t count;
	int64_t since_wall_s, last_wall_s;
	const char *text; /* the reply, or who said why; kept escaped */
};

struct suppress *suppress_create(void);
void suppress_destroy(struct suppress **suppress);
int suppress_load(struct suppress *suppress, struct store_env *env);
/* Any case of the address; UTF-8 and its A-labels are the same. */
bool suppress_has(const struct suppress *suppress, struct slice address);
uint64_t suppress_count(const struct suppress *suppress);

/* A bounce is noted: 1 with a change to be committed, 0 nothing to note. In
 * memory at once. */
int suppress_note(struct suppress *suppress, struct store_env *env,
		  struct slice address, enum bounce_class class,
		  struct slice text, int64_t now_wall_s, struct arena *arena,
		  struct store_change *change);
/* By a person; 0, GW_EINVAL: no address, GW_ETOOBIG: SUPPRESS_MAX. */
int suppress_add(struct suppress *suppress, const struct suppress_entry *entry,
		 struct arena *arena, struct store_change *change);
/* GW_ENOENT. */
int suppress_remove(struct suppress *suppress, struct slice address,
		    struct arena *arena, struct store_change *change);
/* Soft bounces that nobody counts any more, as a week has passed, are
 * forgotten, some at a time: looks at max records behind *at (n 0: from the
 * start, which is also how it comes back when all were looked at). Returns how
 * many changes are to be committed. On the thread on which persons add: what
 * one adds right behind it is not lost. A bounce in that very moment may be. */
#define SUPPRESS_PLACE_MAX 400
struct suppress_place {
	char key[SUPPRESS_PLACE_MAX];
	size_t n;
};
size_t suppress_expire(const struct suppress *suppress, struct store_env *env,
		       int64_t now_wall_s, struct suppress_place *at,
		       struct arena *arena, struct store_change *changes,
		       size_t max);
/* From the store, in the order of keys; after: an address, or none. Any
 * thread. Returns how many, or GW_EIO. */
typedef bool suppress_entry_fn(void *arg, const struct suppress_entry *entry);
int suppress_list(struct store_env *env, struct slice after, size_t max,
		  suppress_entry_fn *fn, void *arg);

#endif
