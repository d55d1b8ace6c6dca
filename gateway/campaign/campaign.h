#ifndef GATEWAY_CAMPAIGN_CAMPAIGN_H
#define GATEWAY_CAMPAIGN_CAMPAIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/arena.h"
#include "gateway/base/digest.h"
#include "gateway/base/slice.h"
#include "gateway/campaign/bounce.h"
#include "gateway/campaign/shape.h"
#include "gateway/store/change.h"

/*
 * Campaigns: which message is one of a mass mailing, and what became of its
 * recipients so far. In memory for who asks, in STORE_CAMPAIGN for good: each
 * count is changed by the commit that makes it true, so a restart finds them
 * as they were. Shared by all threads, under one lock that nobody holds for
 * long; it knows neither the queue nor the network.
 *
 * size: one contract for front (join), back (terms, counts) and control.
 */
struct campaigns;
struct store_env; /* gateway/store/env.h */

enum campaign_state {			     /* on disk: never renumber */
		      CAMPAIGN_CHECKING = 0, /* pre-flight: nothing goes yet */
		      CAMPAIGN_WAITING = 1,  /* for a person to confirm it */
		      CAMPAIGN_RUNNING = 2,
		      CAMPAIGN_PAUSED = 3,  /* by a person */
		      CAMPAIGN_STOPPED = 4, /* by a rule: `reason` says which */
		      CAMPAIGN_CANCELED = 5,
		      CAMPAIGN_DONE = 6, /* all of it is final; the owner is
					    told */
		      CAMPAIGN_STATES
};

enum campaign_count { /* on disk: never renumber; in recipients but the first */
		      CAMPAIGN_MESSAGES = 0,
		      CAMPAIGN_RECIPIENTS = 1, /* all that were accepted */
		      CAMPAIGN_DELIVERED = 2,
		      CAMPAIGN_DEAD = 3, /* their domain is */
		      CAMPAIGN_SUPPRESSED = 4,
		      CAMPAIGN_DUPLICATE = 5, /* had it already, by this one */
		      CAMPAIGN_PURGED = 6,    /* canceled, or purged */
		      CAMPAIGN_OTHER = 7, /* quarantined, discarded, expired */
		      CAMPAIGN_COMPLAINTS = 8, /* not a final state */
		      CAMPAIGN_BOUNCED = 16,   /* + enum bounce_class */
		      CAMPAIGN_COUNTS = 16 + BOUNCE_CLASSES
};

enum campaign_why {
	CAMPAIGN_WHY_NONE,
	CAMPAIGN_WHY_RECIPIENTS, /* in one message */
	CAMPAIGN_WHY_SAME,	 /* the same body to many */
	CAMPAIGN_WHY_HEADER,	 /* List-*, Precedence */
	CAMPAIGN_WHY_CLASS,	 /* of the login */
	CAMPAIGN_WHY_LIMIT,	 /* `over bulk` */
	CAMPAIGN_WHY_CHOSEN,	 /* the sender: listener or login+bulk */
};
const char *campaign_state_word(enum campaign_state state);
const char *campaign_why_word(enum campaign_why why);
/* What became of a recipient: a class of bounce, or "dead-domain", ... */
const char *campaign_count_word(enum campaign_count count);
/* Recipients, of all classes. */
uint64_t campaign_bounced(const uint64_t counts[CAMPAIGN_COUNTS]);

#define CAMPAIGN_NAME_SIZE 128 /* of the subject, UTF-8, cut */
#define CAMPAIGN_REASON_SIZE                            \
	160 /* why stopped, or what pre-flight warns of \
	     */

struct campaigns_conf { /* the `bulk` block; zeroed: nothing is bulk by shape */
	uint32_t recipients; /* more in one message are one; 0: never */
	uint32_t same;	/* more, in several messages of one body; 0: never */
	int64_t same_s; /* within; 0: an hour */
	bool headers;	/* List-* and Precedence make one */
	uint32_t rate_per_h;  /* of each campaign; 0: none */
	uint32_t connections; /* of each campaign at once; 0: none */
	/* Stop rules, per mille, of at least stop_min recipients; 0: none. */
	uint32_t stop_bounced, warn_bounced, stop_complaints, stop_min;
	int64_t keep_s; /* what ended is forgotten; 0: 40 days */
	/* Each begins as CHECKING; who checks says when it is over. */
	bool preflight;
};

struct campaigns *campaigns_create(void);
void campaigns_destroy(struct campaigns **campaigns);
/* What is on disk; before any other thread has it. GW_ECORRUPT never: a record
 * that cannot be read is logged; a campaign that may have been stopped by what
 * it said is PAUSED, and its reason says why. GW_EIO. */
int campaigns_load(struct campaigns *campaigns, struct store_env *env);
void campaigns_configure(struct campaigns *campaigns,
			 const struct campaigns_conf *conf); /* copied */

/* --- at start: do the counts say what the queue does -----------------------
 */

/* So many recipients of it stand in the queue that was there at the load, in a
 * message of this login and its registered address (or NULL). */
void campaign_found(struct campaigns *campaigns, uint64_t id,
		    uint32_t recipients, const char *cred, const char *owner);
/* All that was there was found: where what is left of a campaign was another
 * number, the counts are put right, and so is a record that could not be read,
 * both in memory at once. Changes to be committed before it is asked again; 0:
 * nothing (more) to do. max: at least CAMPAIGN_RECOUNT_MIN. */
#define CAMPAIGN_RECOUNT_MIN 64
size_t campaigns_recount(struct campaigns *campaigns, struct arena *arena,
			 struct store_change *changes, size_t max);

/* --- front: is this message one of a campaign ----------------------------- */

struct campaign_mail { /* at the dot; borrowed */
	uint64_t id;   /* of the message */
	const char *cred;
	const char *owner; /* the login's registered address, or NULL */
	struct slice subject;
	struct shape_facts shape;
	uint32_t recipients; /* without those at dead domains */
	uint32_t dead;
	bool confirm; /* the class wants a person to confirm */
	/* Why it is bulk whatever it looks like; NONE: by its shape. */
	enum campaign_why given;
};

#define CAMPAIGN_JOIN_CHANGES 8

struct campaign_join { /* what came of it; zeroed is none */
	uint64_t id;   /* the campaign's number; 0: personal mail */
	enum campaign_why why;
	enum campaign_state state;
	bool confirm;	     /* a person is asked once it was looked at */
	bool fresh;	     /* it begins with this message */
	uint64_t recipients; /* of the campaign, this message's among them */
	int64_t eta_wall_s;  /* 0: not known */
	/* To be committed with the message; in the caller's arena. */
	struct store_change changes[CAMPAIGN_JOIN_CHANGES];
	size_t change_count;
	/* internal */
	uint64_t ticket, message;
	uint32_t count;
};

/* Its key is credential and fuzzy body digest (design: a gap of an hour ends
 * it); what is bulk but alike to nothing is a campaign of its own. Counts the
 * message at once (MESSAGES; RECIPIENTS, those at dead domains among them), so
 * that of many at a time exactly one begins the campaign; campaign_join_end
 * follows in any case. What is alike to one that was canceled within the hour
 * is bulk and waits for a person: its client may still be sending. */
void campaign_join(struct campaigns *campaigns,
		   const struct campaign_mail *mail, int64_t now_wall_s,
		   struct arena *arena, struct campaign_join *join);
/* accepted false: nothing of it was kept; it is uncounted. */
void campaign_join_end(struct campaigns *campaigns, struct campaign_join *join,
		       bool accepted);

/* --- back: what may go, and what became of it ------------------------------
 */

/* A message of it is on disk: it will not be undone any more. */
void campaign_came(struct campaigns *campaigns, uint64_t id);
/* Earlier messages of the same body that were accepted as personal mail: to be
 * moved over. Each id is given once; up to max; 0: there are no more now (ask
 * again while campaign_adopts: a commit may be under way). */
#define CAMPAIGN_ADOPTED_MAX 128
size_t campaign_take_adopted(struct campaigns *campaigns, uint64_t id,
			     uint64_t *ids, size_t max);
/* One of them cannot be moved now: it is given again. */
void campaign_put_back_adopted(struct campaigns *campaigns, uint64_t id,
			       uint64_t message);
/* Some are not moved yet; it is not over while they are not. */
bool campaign_adopts(struct campaigns *campaigns, uint64_t id);
/* They are counted when they are moved: changes to be committed with the move
 * (or alone, when queued is 0: all of it is final already). queued: recipients
 * that were not final; the others count as delivered. Writes up to
 * CAMPAIGN_ADOPT_CHANGES, in arena; once the commit is done campaign_adopted
 * follows. message: one that campaign_take_adopted gave. */
#define CAMPAIGN_ADOPT_CHANGES 3
size_t campaign_adopt_changes(struct campaigns *campaigns, uint64_t id,
			      uint64_t message, uint32_t queued,
			      struct arena *arena,
			      struct store_change *changes);
void campaign_adopted(struct campaigns *campaigns, uint64_t id,
		      uint64_t message, uint32_t queued);

struct campaign_terms {
	enum campaign_state state;
	uint32_t rate_per_h;  /* 0: none */
	uint32_t connections; /* 0: none */
	const char *owner;    /* lives as long as the registry; or NULL */
};
/* False: there is none of this number: treat it as running, without terms. */
bool campaign_terms_get(struct campaigns *campaigns, uint64_t id,
			struct campaign_terms *terms);

/* Changes to be committed with what they count; in arena. */
void campaign_count_change(uint64_t id, enum campaign_count count, int64_t n,
			   struct arena *arena, struct store_change *change);
/* And once the commit is done. May stop the campaign by a rule: true, once;
 * the change is then to be committed (campaign_state_change). */
bool campaign_count(struct campaigns *campaigns, uint64_t id,
		    enum campaign_count count, int64_t n, int64_t now_wall_s);

/* Whether it is over: 0: no (recipients are left, or it is neither running nor
 * held up); else the wall time from which it is if no further message comes. A
 * campaign of many small messages is given a while after each. */
int64_t campaign_over_wall_s(struct campaigns *campaigns, uint64_t id);

struct campaign_failure { /* a recipient that did not get it: for the report */
	uint64_t campaign, message;
	uint32_t index;
	enum campaign_count count; /* which of them counts it */
	int64_t wall_s;
	const char *address;
	const char *text; /* "550 5.1.1 ...", escaped; or "" */
};
void campaign_failure_change(const struct campaign_failure *failure,
			     struct arena *arena, struct store_change *change);
/* An undo takes it back. */
void campaign_failure_delete(uint64_t campaign, uint64_t message,
			     uint32_t index, struct arena *arena,
			     struct store_change *change);
/* In order of message and index, from the store; fn false stops. Any thread.
 * after: exclusive, {0, 0} the start. Returns how many were given or GW_EIO. */
typedef bool campaign_failure_fn(void *arg,
				 const struct campaign_failure *failure);
int campaign_failures(struct store_env *env, uint64_t id,
		      const struct campaign_failure *after, size_t max,
		      campaign_failure_fn *fn, void *arg);

/* --- what a person, a rule or the end changes ------------------------------
 */

struct campaign_order {
	uint64_t id;
	enum campaign_state state; /* the new one */
	int64_t rate_per_h;	   /* below 0: as it is */
	int64_t connections;	   /* below 0: as it is */
	const char *reason;	   /* shown; NULL: none */
	/* Only while its state is still what the giver saw: else it would undo
	 * what another ordered in between. */
	bool as_seen;
	enum campaign_state seen;
	/* CANCELED: the purge of the rest of it, and whether the report names
	 * who was in there. */
	uint64_t trash;
	bool bounce;
};
/* In memory at once; change is to be committed. 0; GW_ENOENT; GW_EBUSY: not
 * DONE, a message joins at this moment; GW_EINVAL: not
 * from its present state (what ended stays ended; RUNNING from WAITING,
 * PAUSED, STOPPED and CHECKING; WAITING from CHECKING; CANCELED from all but
 * DONE; PAUSED from CANCELED is an undo). The same state, unless it is DONE,
 * changes the terms alone; CANCELED again to bounce is told of again. A rule
 * stops a campaign once: not again after a person let it run on. */
int campaign_order(struct campaigns *campaigns,
		   const struct campaign_order *order, int64_t now_wall_s,
		   struct arena *arena, struct store_change *change);
/* The record as it is in memory now, to be committed (again). */
int campaign_state_change(struct campaigns *campaigns, uint64_t id,
			  struct arena *arena, struct store_change *change);
/* The same, and that its owner is told of this state: to be committed with the
 * report. *order: for campaign_told, once the commit is done. */
#define CAMPAIGN_TOLD_CHANGES 2
int campaign_told_changes(struct campaigns *campaigns, uint64_t id,
			  struct arena *arena, struct store_change *changes,
			  uint32_t *order);
void campaign_told(struct campaigns *campaigns, uint64_t id, uint32_t order);
/* Whether its owner knows of its state; also of one that is not there. */
bool campaign_is_told(struct campaigns *campaigns, uint64_t id);

/* --- what anybody sees ------------------------------------------------------
 */

struct campaign_view { /* a copy */
	uint64_t id;
	char name[CAMPAIGN_NAME_SIZE];
	char cred[256], owner[256];
	enum campaign_why why;
	enum campaign_state state;
	char reason[CAMPAIGN_REASON_SIZE];
	uint64_t counts[CAMPAIGN_COUNTS];
	uint64_t left; /* recipients that are not final */
	uint32_t rate_per_h, connections;
	uint32_t recent_per_h;		   /* as measured lately */
	int64_t began_wall_s, last_wall_s; /* of its messages */
	int64_t ended_wall_s, eta_wall_s;  /* 0: not, not known */
	bool confirm;
	uint32_t order; /* that made its state */
	bool told;	/* its owner, of that */
	uint64_t trash; /* CANCELED: where its rest went; 0: nowhere */
	bool bounce;	/* and the report names who lies there */
};
int campaign_get(struct campaigns *campaigns, uint64_t id, int64_t now_wall_s,
		 struct campaign_view *view); /* GW_ENOENT */
/* Numbers, the newest first; before: exclusive, 0 from the newest. */
size_t campaigns_list(struct campaigns *campaigns, uint64_t before,
		      uint64_t *ids, size_t max);
/* Up to max of those that were canceled and have recipients left. */
size_t campaigns_canceled(struct campaigns *campaigns, uint64_t *ids,
			  size_t max);
struct campaigns_status {
	uint64_t by_state[CAMPAIGN_STATES];
	uint64_t left; /* recipients of those that have not ended */
};
void campaigns_status_get(struct campaigns *campaigns,
			  struct campaigns_status *status);
/* What ended long ago is forgotten, some at a time: changes to be committed
 * before it is asked again. Returns how many changes; 0: nothing (more) to do.
 * max: at least CAMPAIGN_EXPIRE_MIN. */
#define CAMPAIGN_EXPIRE_MIN 64
size_t campaigns_expire(struct campaigns *campaigns, struct store_env *env,
			int64_t now_wall_s, struct arena *arena,
			struct store_change *changes, size_t max);

#endif
