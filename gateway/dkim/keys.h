#ifndef GATEWAY_DKIM_KEYS_H
#define GATEWAY_DKIM_KEYS_H

#include "gateway/base/hash.h"
#include "gateway/dkim/key.h"

/*
 * Which domains are signed for, and with what. Built by one thread, and from
 * its first share on read by all: the last who has it frees it.
 */
#define DKIM_SELECTORS_MAX 4

struct dkim_selector {
	char *name;
	struct dkim_key *key;
};

struct dkim_domain {
	char *name; /* key form */
	bool bulk;  /* only mail of the bulk lane */
	bool below; /* for From addresses below it, too */
	struct dkim_selector selectors[DKIM_SELECTORS_MAX];
	size_t selector_count;
	UT_hash_handle hh;
};

struct dkim_keys;

struct dkim_keys *dkim_keys_create(void);
struct dkim_keys *dkim_keys_share(struct dkim_keys *keys); /* NULL: NULL */
void dkim_keys_release(struct dkim_keys **keys);

/* In key form; one that is there already is returned again. */
struct dkim_domain *dkim_keys_add(struct dkim_keys *keys, const char *domain);
/* Takes *key, also when it is one too many: false. */
bool dkim_domain_add(struct dkim_domain *domain, const char *selector,
		     struct dkim_key **key);

/* Who signs for a From address at this domain, in any spelling: itself, or the
 * nearest one above it that wants to. NULL: nobody. keys may be NULL. */
const struct dkim_domain *dkim_keys_find(const struct dkim_keys *keys,
					 struct slice domain);
/* All, in the order in which they were added; NULL in and out: the first, and
 * none more. */
const struct dkim_domain *dkim_keys_next(const struct dkim_keys *keys,
					 const struct dkim_domain *last);

#endif
