#ifndef GATEWAY_BACK_FEEDER_INT_H
#define GATEWAY_BACK_FEEDER_INT_H

#include "gateway/back/feeder.h"

/* What feeder*.c share; nobody else includes it. */

/* Let in at once, of one campaign whose `connections` say nothing: */
#define FEED_LOOKUPS 100 /* on their way to a destination */
#define FEED_SITE 20	 /* at one site, ready or under way */
#define FEED_HOP 50	 /* at one next hop */
#define FEED_ALL 2000
#define FEED_ASIDE_MAX 1000 /* of a next hop's; others stay in the lists */

enum feed_list { /* of what stands: job->stands */
		 FEED_FRESH,
		 FEED_AGAIN, /* was on its way before: before the others */
		 FEED_ASIDE, /* at its destination */
};

/* A campaign at one destination. */
struct feed_site {
	UT_hash_handle hh;
	TAILQ_ENTRY(feed_site) open_link;
	struct feed_site_key {
		const struct feed *feed;
		const struct dest *dest;
	} key;
	struct job_list jobs; /* FEED_ASIDE */
	uint64_t aside;	      /* how many these are */
	uint32_t in;	      /* let in there */
	bool is_open;	      /* somebody stands, and there is room */
};

struct feed {
	UT_hash_handle hh;
	TAILQ_ENTRY(feed) link;	      /* of its owner's that are hungry */
	TAILQ_ENTRY(feed) watch_link; /* perhaps it is over */
	TAILQ_ENTRY(feed) dry_link;   /* waits for its rate */
	uint64_t id;
	struct feed_owner *owner; /* NULL: nothing came yet */
	struct campaign_terms terms;
	struct job_list lists[2]; /* FEED_FRESH, FEED_AGAIN */
	TAILQ_HEAD(, feed_site) open;
	uint64_t standing; /* in all three kinds of list */
	uint32_t in, sited;
	double tokens; /* recipients */
	int64_t filled_ms;
	bool again_next, hungry, watched, dry;
};

TAILQ_HEAD(feed_list_head, feed);

struct feed_owner { /* a credential that has a feed */
	UT_hash_handle hh;
	TAILQ_ENTRY(feed_owner) link; /* of those that have a hungry one */
	struct feed_list_head hungry;
	uint32_t feeds;
	char cred[];
};

struct feeder {
	struct relay *relay;
	struct feed *feeds;
	struct feed_owner *owners;
	struct feed_site *sites;
	TAILQ_HEAD(, feed_owner) ring;
	struct feed_list_head watched, dry;
	int64_t next_watch_ms, next_expire_ms;
	bool expiring;
	TAILQ_HEAD(adoption_list, adoption) failed; /* to be tried again */
};

struct feed *feed_get(struct feeder *feeder, uint64_t id);
void feed_destroy(struct feeder *feeder, struct feed *feed); /* empty */
struct feed *feed_find(const struct feeder *feeder, uint64_t id);

/* --- feeder_rate.c: pure ---------------------------------------------------
 */

/* Whether the campaign's rate lets one go now. */
bool feed_has_tokens(struct feed *feed, int64_t now_ms);
void feed_take_tokens(struct feed *feed, uint32_t n);
void feed_give_back_tokens(struct feed *feed, uint32_t n);

/* --- feeder_end.c: what is over --------------------------------------------
 */

void feed_watch(struct feeder *feeder, struct feed *feed);
void feed_unwatch(struct feeder *feeder, struct feed *feed);
void feeder_watch_tick(struct feeder *feeder);

/* --- adopt.c ----------------------------------------------------------------
 */

/* Earlier messages that turned out to be of it. What cannot be moved yet is
 * looked at again while the campaign is watched. */
void feed_adopt(struct relay *relay, uint64_t campaign);
void feed_adopt_tick(struct feeder *feeder); /* what the disk did not take */

#endif
