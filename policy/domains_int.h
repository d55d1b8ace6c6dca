#ifndef POLICY_DOMAINS_INT_H
#define POLICY_DOMAINS_INT_H

#include <pthread.h>
#include <stdatomic.h>

#include "gateway/base/arena.h"
#include "gateway/base/buf.h"
#include "gateway/base/hash.h"
#include "policy/domains.h"
#include "policy/hint.h"

/*
 * Shared by policy/domains*.c, their tests and fuzz targets only.
 */
#define DOMAIN_RULE_MAX 255 /* bytes of a name, with the dot of ".b" */

/* --- sets of names (domains_set.c) --------------------------------------- */

struct domain_rule {
	UT_hash_handle hh; /* by name, with its dot */
	int64_t until_wall_s, since_wall_s;
	char *by, *why; /* NULL: "" */
	size_t n;
	char name[];
};

struct domain_set {
	struct domain_rule *rules;
	size_t count, below; /* below: those with a dot in front */
};

struct domain_rule *domain_set_get(const struct domain_set *set,
				   struct slice name);
/* name is not in it. */
struct domain_rule *domain_set_add(struct domain_set *set, struct slice name);
void domain_set_del(struct domain_set *set, struct domain_rule **rule);
void domain_set_fini(struct domain_set *set);
/* A rule that domain falls under and that is not over, or NULL. itself: ".b" is
 * b too. */
const struct domain_rule *domain_set_find(const struct domain_set *set,
					  struct slice domain, bool itself,
					  int64_t now_wall_s);

/* --- records (domains_record.c) ------------------------------------------- */

/* The name of a rule in key form, NUL-terminated; GW_EINVAL. */
int domain_rule_name(struct slice name, char out[DOMAIN_RULE_MAX + 1]);
/* A normal name, times of this calendar, strings with an end; GW_EINVAL. */
int domain_allow_check(const struct domain_allow *allow);
/* The value in STORE_DOMAIN; the key is the name. Version 1. */
void domain_allow_encode(const struct domain_allow *allow, struct buf *value);
int domain_allow_decode(struct slice key, struct slice value,
			struct domain_allow *allow); /* GW_ECORRUPT */

/* --- dead domains that were met (domains_seen.c) -------------------------- */

/* Keyed hashes of (credential, domain) in small sets, the oldest of a set goes:
 * an entry costs sixteen bytes, and nothing here depends on how many there
 * are. */
#define SEEN_WAYS 8
#define SEEN_SETS 8192
#define SEEN_S 86400

struct domain_seen {
	pthread_mutex_t lock;
	struct seen_entry {
		uint64_t hash; /* 0: free */
		int64_t wall_s;
	} v[SEEN_SETS][SEEN_WAYS];
};

struct domain_seen *domain_seen_create(void);
void domain_seen_destroy(struct domain_seen **seen);
bool domain_seen_first(struct domain_seen *seen, const char *cred,
		       struct slice domain, int64_t now_wall_s);

/* --- all of it (domains.c) --------------------------------------------------
 */

struct domain_rules { /* of one configuration; never change once made */
	struct arena *arena;
	bool check, check_sender;
	uint32_t refuse_first;
	enum domain_unverified unverified;
	struct domains_class *classes;
	size_t class_count;
	struct domain_set exempt;
	struct hint_list *hints;
};

struct domains {
	pthread_rwlock_t lock; /* of rules and allowed */
	struct domain_rules *rules;
	struct domain_set allowed;
	_Atomic int64_t expires_wall_s; /* the first of allowed; or INT64_MAX */
	struct domain_seen *seen;
};

#endif
