#ifndef DNS_SHARE_H
#define DNS_SHARE_H

#include "dns/cache_int.h"

/*
 * What all loops together are asking: one loop leads for a domain, the others
 * follow, and are woken with what it found. Any thread, unless it says so.
 */

/* One loop's part. wake is called on its thread: what was found of a domain
 * that it followed, or NULL: its leader is gone, ask again. It may be called
 * for a domain that the loop does not follow (any more). */
typedef void share_wake_fn(void *arg, struct slice domain,
			   const struct domain_fact *fact);

struct share_member {
	TAILQ_ENTRY(share_member) link;
	const struct dns *dns;
	struct queue *queue;
	int index; /* in the masks of followers; -1: never follows */
	bool leaving;
	share_wake_fn *wake;
	void *arg;
};

struct cache_share *share_create(void);
void share_destroy(struct cache_share **share); /* when all have left */

/* On the loop's thread. GW_EIO: out of descriptors. The caller has set dns,
 * wake and arg. After leave nobody wakes it. */
int share_join(struct dns_cache *cache, struct loop *loop,
	       struct share_member *member);
void share_leave(struct dns_cache *cache, struct share_member *member);
struct share_member *share_find(struct dns_cache *cache, const struct dns *dns);

enum share_role {
	SHARE_HAVE,   /* the cache knows: no question */
	SHARE_LEAD,   /* ask, then share_settle or share_abandon */
	SHARE_FOLLOW, /* wait for wake */
};
/* fresh: whatever the cache knows. */
enum share_role share_ask(struct dns_cache *cache,
			  const struct share_member *member,
			  struct slice domain, bool fresh, int64_t now_wall_s,
			  struct domain_fact *fact);
/* Into the cache; fact is what is to be answered. leads: followers get it. */
void share_settle(struct dns_cache *cache, struct slice domain, bool leads,
		  const struct cache_finding *finding, int64_t now_wall_s,
		  struct domain_fact *fact);
void share_abandon(struct dns_cache *cache, struct slice domain);
void share_count(struct dns_cache *cache, struct slice domain); /* shared */

/*
 * A credential's look-ups under way: cred_max of them, and SHARE_SLOW_FACTOR as
 * many that moved aside because they take long, so that silent domains do not
 * keep the good ones of their credential from being asked. False: as many as it
 * may have, and nothing changed; counted as busy. Each true take is given back.
 */
#define SHARE_SLOW_FACTOR 2
bool share_cred_take(struct dns_cache *cache, const char *cred);
bool share_cred_move(struct dns_cache *cache, const char *cred); /* aside */
void share_cred_give(struct dns_cache *cache, const char *cred, bool aside);
uint64_t share_busy(struct dns_cache *cache); /* how often false */

#endif
