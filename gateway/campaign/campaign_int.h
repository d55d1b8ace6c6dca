#ifndef GATEWAY_CAMPAIGN_CAMPAIGN_INT_H
#define GATEWAY_CAMPAIGN_CAMPAIGN_INT_H

#include <bsd/sys/queue.h>
#include <pthread.h>

#include "gateway/base/hash.h"
#include "gateway/campaign/campaign.h"

/*
 * Shared by gateway/campaign/campaign*.c and their tests.
 *
 * 1. Everything below is under campaigns.lock; nobody allocates more than a
 *    record, reads the disk or logs much while holding it.
 * 2. A login stands in `logins` exactly while it has a campaign or a cluster.
 * 3. A campaign that is not durable is named by no record; each join of it
 *    carries its record until one was committed.
 * 4. Bounds: CAMPAIGNS_MAX, CAMPAIGN_OPEN_MAX a login, CLUSTERS_MAX,
 *    CLUSTERS_LOGIN_MAX, CLUSTER_MAILS.
 */
#define CAMPAIGNS_MAX 16384
#define CAMPAIGN_OPEN_MAX 256
#define CLUSTERS_MAX 8192
#define CLUSTERS_LOGIN_MAX 64
#define CLUSTER_MAILS CAMPAIGN_ADOPTED_MAX
#define CLUSTER_SLOTS 8 /* of same_s */
#define RECENT_SLOTS 10
#define RECENT_SLOT_S 30

TAILQ_HEAD(campaign_list, campaign);
TAILQ_HEAD(cluster_list, cluster);

struct login {
	UT_hash_handle hh;
	struct campaign_list campaigns; /* the last to grow at the end */
	struct cluster_list clusters;	/* touched last at the end */
	uint32_t campaign_count, cluster_count;
	uint32_t open_count; /* campaigns that have not ended */
	char name[];
};

struct mail { /* accepted, or about to be, as personal mail */
	uint64_t id;
	int64_t wall_s;
	uint32_t recipients;
	bool settled; /* its commit is done */
	bool taken;   /* by the one who moves it */
};

/* Messages of one text that are not a campaign yet; or that were, and are not
 * moved over yet: then it is the campaign's, and in no list. */
struct cluster {
	UT_hash_handle hh; /* by ticket */
	TAILQ_ENTRY(cluster) in_login, in_all;
	struct login *login; /* NULL: a campaign's */
	uint64_t ticket, fuzzy;
	uint8_t exact[16];
	int64_t last_wall_s;
	int64_t slot_of[CLUSTER_SLOTS]; /* wall time / slot's length */
	uint64_t slot_count[CLUSTER_SLOTS];
	struct mail *mails; /* the oldest first */
	uint32_t mail_count, mail_room;
};

/* What the disk had at start, until all of the queue was found. */
struct campaign_loaded {
	int64_t counts[CAMPAIGN_COUNTS]; /* also those below 0 */
	uint64_t found;
	bool made_up;	   /* its record could not be read */
	uint8_t bad_slots; /* bits: nor could these orders */
};

struct campaign {
	UT_hash_handle hh; /* by id */
	TAILQ_ENTRY(campaign) in_login;
	uint64_t id;
	struct login *login;
	const char *owner;   /* of campaigns.owners; or NULL */
	char *name, *reason; /* reason: or NULL */
	enum campaign_why why;
	enum campaign_state state, begin;
	bool confirm, durable, forgiven, warned;
	uint32_t seq;	    /* of the last order */
	uint32_t state_seq; /* of the one that made the state; 0: none did */
	uint32_t told_seq;  /* of the state that its owner was told of */
	uint64_t trash;	    /* CANCELED: where its rest went */
	bool bounce;	    /* CANCELED: the report names who lies there */
	uint32_t pending;   /* joins that have not ended */
	uint32_t rate_per_h, connections;
	uint32_t begin_rate, begin_connections;
	int64_t began_wall_s, last_wall_s, ended_wall_s;
	uint64_t fuzzy;
	uint8_t exact[16];
	uint64_t counts[CAMPAIGN_COUNTS];
	/* How many became final lately. */
	int64_t recent_since_wall_s; /* 0: nothing yet */
	int64_t recent_slot[RECENT_SLOTS];
	uint32_t recent_count[RECENT_SLOTS];
	struct cluster *adopted;	/* or NULL */
	struct campaign_loaded *loaded; /* or NULL: it began since */
};

struct owner {
	UT_hash_handle hh;
	char text[];
};

struct campaigns {
	pthread_mutex_t lock;
	struct campaigns_conf conf;
	struct login *logins;
	struct campaign *by_id;
	struct cluster *clusters;
	struct cluster_list lru; /* touched last at the end */
	struct owner *owners;
	uint32_t cluster_count; /* in the lists */
	uint64_t last_id, last_ticket;
	bool full_logged;
};

int64_t campaigns_gap_s(const struct campaigns *campaigns);
struct campaign *campaign_find(struct campaigns *campaigns, uint64_t id);
struct login *campaign_login(struct campaigns *campaigns, struct slice name);
void campaign_login_put(struct campaigns *campaigns, struct login *login);
const char *campaign_owner(struct campaigns *campaigns, struct slice owner);
/* A new one, of login, at the end of both lists. */
struct campaign *campaign_add(struct campaigns *campaigns, struct login *login,
			      uint64_t id);
void campaign_forget(struct campaigns *campaigns, struct campaign *campaign);
void campaign_state_set(struct campaign *campaign, enum campaign_state state);
bool campaign_has_ended(const struct campaign *campaign);
uint64_t campaign_left(const struct campaign *campaign);
void campaign_reason_set(struct campaign *campaign, const char *reason);
bool campaign_alike(uint64_t fuzzy, const uint8_t exact[16],
		    const struct shape_facts *facts);
/* Of its record or of an order the disk has nothing to read any more: what may
 * have been stopped does not go. */
void campaign_mend(struct campaign *campaign);
/* Recipients an hour as measured; 0: not known. */
uint32_t campaign_recent(const struct campaign *campaign, int64_t now_wall_s);
void campaign_recent_add(struct campaign *campaign, uint64_t n,
			 int64_t now_wall_s);
void campaign_recent_reset(struct campaign *campaign);
/* Recipients of earlier messages that are not moved over yet; some of them may
 * have had it. */
uint64_t campaign_to_adopt(const struct campaign *campaign);
int64_t campaign_eta(const struct campaign *campaign, int64_t now_wall_s);

/* What is to be committed; bytes in arena. */
void campaign_put_record(const struct campaign *campaign, struct arena *arena,
			 struct store_change *change);
void campaign_put_number(uint64_t last_id, struct arena *arena,
			 struct store_change *change);
void campaign_put_last(const struct campaign *campaign, struct arena *arena,
		       struct store_change *change);
/* That its owner was told of the state it has. */
void campaign_put_told(const struct campaign *campaign, struct arena *arena,
		       struct store_change *change);
/* Takes the next order's number. */
void campaign_put_standing(struct campaign *campaign, struct arena *arena,
			   struct store_change *change);

/* Finds or makes the text's cluster and adds the message; the sum of its
 * recipients within the gap. Never NULL. */
struct cluster *cluster_add(struct campaigns *campaigns, struct login *login,
			    const struct campaign_mail *mail,
			    int64_t now_wall_s);
uint64_t cluster_sum(const struct campaigns *campaigns,
		     const struct cluster *cluster, int64_t now_wall_s);
/* False: there is none of this ticket, or it has no such message any more. */
bool cluster_settle(struct campaigns *campaigns, uint64_t ticket,
		    uint64_t message, bool accepted);
/* It becomes a campaign's, or is a login's again. */
void cluster_detach(struct campaigns *campaigns, struct cluster *cluster);
void cluster_attach(struct campaigns *campaigns, struct cluster *cluster,
		    struct login *login);
void cluster_forget(struct campaigns *campaigns, struct cluster *cluster);
/* campaign_adopts, under the lock. */
bool campaign_is_adopting(const struct campaign *campaign);

#endif
