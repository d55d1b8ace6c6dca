#ifndef GATEWAY_BACK_DELIVERY_H
#define GATEWAY_BACK_DELIVERY_H

#include "gateway/back/relay.h"

/*
 * One job under way, whoever carries it: begun with the message loaded, ended
 * with a result for each recipient. The end is where outcomes are logged,
 * counted, made durable and told of.
 */
struct delivery {
	struct relay *relay;
	struct dest *dest;
	struct job *job;
	const struct spool_msg *msg;
	uint32_t count;
	struct spool_rcpt **rcpts; /* of msg */
	/* bulk.c: the day that its recipients count in, 0: in none; and
	 * whether that is so at the site too. */
	int64_t day;
	bool warms;
};

/* Where it went, for the log and the DSN. */
struct delivery_peer {
	const char *host; /* NULL: we never got to one */
	const char *tls;  /* "TLSv1.3 ..."; NULL: in the clear */
	/* "verified"; "unusable": TLS had to be, but no TLSA record was one to
	 * verify with; NULL: there were none. */
	const char *dane;
	bool reports; /* it takes over NOTIFY=SUCCESS */
	bool final;   /* a mailbox: delivered, not relayed */
	bool unknown; /* the reply to the dot was lost */
	bool down;    /* nobody could be reached: try when it is up */
};

/* Takes the job. NULL: the job was ended or put elsewhere, go on with the
 * next. */
struct delivery *delivery_begin(struct dest *dest, struct job **job);
/* Of a loaded job, each recipient of which is in rcpts: the same end for all,
 * without a word to anybody. Takes both. */
void delivery_end_unsent(struct dest *dest, struct job **job,
			 struct spool_rcpt **rcpts,
			 const struct result *result);
/* Takes *delivery. results: one a recipient, texts borrowed. */
void delivery_end(struct delivery **delivery, const struct result *results,
		  const struct delivery_peer *peer);
/* The same result for all. */
void delivery_end_all(struct delivery **delivery, const struct result *result,
		      const struct delivery_peer *peer);
/* Several of one message, with one outcome and one report. results[i]: one a
 * recipient of deliveries[i], borrowed. Takes the deliveries. */
void delivery_end_together(struct delivery **deliveries, size_t count,
			   const struct result *const *results,
			   const struct delivery_peer *peer);
/* Back to the front of its turn, as if nothing had happened. */
void delivery_undo(struct delivery **delivery);

/* --- outcome.c ------------------------------------------------------------ */

struct outcome;

/* For up to count recipients. */
struct outcome *outcome_create(struct relay *relay, uint64_t id, size_t count);
/* Returns the entry to be filled in further. */
struct spool_outcome_rcpt *outcome_add(struct outcome *outcome, uint32_t index,
				       enum rcpt_state state);
/* A copy with the life of the outcome. */
const char *outcome_text(struct outcome *outcome, struct slice text);
/* Of what lives as long as it. */
struct arena *outcome_arena(struct outcome *outcome);
/* To be committed with it; a copy, but key and value live as long as the
 * outcome. state: of the recipient it tells of, which may be taken back. Not
 * after the outcome was started. */
void outcome_change(struct outcome *outcome, enum rcpt_state state,
		    const struct store_change *change);
/* One recipient more of the campaign counts as this, and became that: on disk
 * with the outcome, in memory (counting_done) when that is done. */
void outcome_count(struct outcome *outcome, uint64_t campaign,
		   enum campaign_count count, enum rcpt_state state);
void outcome_set_flags(struct outcome *outcome, uint16_t flags);
/* Takes both. */
void outcome_set_dsn(struct outcome *outcome, struct spool_msg *dsn,
		     struct spool_body *body);
/* Takes *outcome, not started; what notify_add gave it is the caller's. */
void outcome_take_dsn(struct outcome **outcome, struct spool_msg **dsn,
		      struct spool_body **body);
/* Takes it. Committed, again and again if need be, while the relay runs. */
void outcome_start(struct outcome **outcome);
void outcome_tick(struct relay *relay);
/* Whether a commit that failed so may go well another time. */
bool outcome_may_pass(int err);
/* At the end: those that failed are committed once more, now. */
void outcome_last_try(struct relay *relay);
void outcome_drop_failed(struct relay *relay);

/* --- notify.c ------------------------------------------------------------- */

/* Adds the DSN that results ask for, if any, to the outcome. delayed: the
 * deferred ones are told of too. */
struct notice_part {
	const struct delivery *delivery;
	const struct result *results; /* expired ones are FATE_BOUNCED here */
};
struct notice { /* all parts are of one message */
	const struct notice_part *parts;
	size_t part_count;
	const struct delivery_peer *peer;
	bool delayed;
	int64_t now_wall_ms;
};
void notify_add(struct outcome *outcome, struct notice *notice);

#endif
