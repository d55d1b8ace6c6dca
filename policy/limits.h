#ifndef POLICY_LIMITS_H
#define POLICY_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/addr.h"
#include "gateway/base/buf.h"
#include "gateway/store/change.h"
#include "gateway/store/env.h"
#include "policy/accounts.h"
#include "policy/reply.h"

/*
 * The limits of gateway.conf: which rules apply to whom, what is charged, and
 * what happens over one. Shared by all threads. Counting is ratelimit's.
 *
 * size: one contract: rules, messages, connections, looking.
 */
enum limit_per { LIMIT_CRED, LIMIT_IP, LIMIT_CRED_IP, LIMIT_SITE };

enum limit_counted { /* on disk in rule ids: never renumber */
		     LIMIT_MESSAGES,
		     LIMIT_RECIPIENTS, /* external ones */
		     LIMIT_INTERNAL_RECIPIENTS,
		     LIMIT_ALL_RECIPIENTS,
		     LIMIT_BYTES,
		     LIMIT_CONNECTIONS, /* at once */
		     LIMIT_NEW_CONNECTIONS,
		     LIMIT_FAILED_LOGINS,
		     LIMIT_DEAD_DOMAINS, /* each new one of a login */
		     LIMIT_COUNTED
};
/* "messages", "recipients" ...: words of gateway.conf. */
const char *limit_counted_name(enum limit_counted counted);

enum limit_action { /* the strongest wins */
		    LIMIT_PASS,
		    LIMIT_PACE,	  /* per recipient: leaves later */
		    LIMIT_BULK,	  /* the message goes to the bulk lane */
		    LIMIT_HOLD,	  /* the message is accepted and held */
		    LIMIT_DEFER,  /* per recipient: 450 */
		    LIMIT_REJECT, /* per recipient: 550 */
};
const char *limit_action_name(enum limit_action action);

struct limit_rate { /* "400/h"; "30/m burst 40"; connections "10" */
	enum limit_counted counted;
	uint64_t limit;
	int64_t period_ms; /* 0: at once (LIMIT_CONNECTIONS alone) */
	uint64_t burst;	   /* 0: a sliding window; else GCRA */
};

struct limit_conf {
	const char *name;
	enum limit_per per;
	uint8_t bits4, bits6; /* of an address's key: 0..32, 0..128 */
	const struct limit_rate *rates;
	size_t rate_count;
	enum limit_action over; /* PACE .. REJECT */
	enum limit_action then; /* over == LIMIT_PACE: beyond pace_percent */
	uint16_t pace_percent;	/* 101..1000 */
	bool observe;
	/* Whom it is for: of these classes or these logins (key form); both
	 * empty: everybody. Not applied to addresses in except. */
	const char *const *classes;
	size_t class_count;
	const char *const *creds;
	size_t cred_count;
	/* Limits of these names do not count those whom this one is for. */
	const char *const *replaces;
	size_t replace_count;
	const struct ip_prefix *except;
	size_t except_count;
};

struct limits_conf { /* borrowed for the call */
	const struct limit_conf *limits;
	size_t limit_count;
	bool observe; /* all of them */
	const char *const *observe_classes;
	size_t observe_class_count;
};

struct limits;

/* accounts: grants; outlives limits. wall_us and mono_us of the same moment. */
struct limits *limits_create(const struct limits_conf *conf,
			     struct accounts *accounts, int64_t wall_us,
			     int64_t mono_us);
void limits_destroy(struct limits **limits);
/* Counts of rules that stay (name, per, counted, period) stay. */
void limits_reload(struct limits *limits, const struct limits_conf *conf);
/* Reads STORE_RATE. A record that cannot be read is logged and passed over. */
int limits_load(struct limits *limits, struct store_env *store);

/* --- verdicts -------------------------------------------------------- */

/* The rule that decided, for the reply, the log and `why`. By value. */
struct limit_hit {
	char name[64];
	enum limit_per per;
	enum limit_counted counted;
	enum limit_action action; /* what it did, or would have done */
	bool observed;		  /* it only would have */
	bool never;		  /* the amount is larger than the limit */
	uint64_t used, limit, amount;
	uint64_t burst;	      /* 0: a window; else so many at once */
	int64_t period_ms;    /* 0: at once */
	int64_t frees_wall_s; /* 0: unknown */
};

/* What a command that is deferred or rejected is answered with. */
enum reply_id limit_hit_reply(const struct limit_hit *hit);

#define LIMIT_OBSERVED_MAX 8

struct limit_verdict {
	enum limit_action action;
	/* When the recipient may leave; 0: at once. Also where a stronger
	 * action stands. At the dot: the last of them may, for the reply. */
	int64_t not_before_wall_s;
	int64_t all_not_before_wall_s; /* at the dot: none leaves before */
	struct limit_hit hit;	       /* unless LIMIT_PASS */
	/* Rules in observe that are over now and were not told of yet in this
	 * message or connection. */
	struct limit_hit observed[LIMIT_OBSERVED_MAX];
	size_t observed_count;
};

struct limit_who {	   /* borrowed for the call */
	const char *cred;  /* NULL: not logged in */
	const char *class; /* or NULL */
	struct ip_addr ip;
};

/* --- a message ------------------------------------------------------- */

/*
 * What one message has reserved. Made at MAIL, charged with each recipient,
 * settled at the dot; ended by exactly one of commit and cancel. Used by one
 * thread at a time. Times are monotonic microseconds.
 */
struct reservation;

struct reservation *reservation_create(struct limits *limits,
				       const struct limit_who *who);
/* One more recipient (its first charge takes the message and declared_bytes
 * too). DEFER and REJECT charged nothing; HOLD and BULK are for the message
 * and stay. */
void reservation_rcpt(struct reservation *r, bool internal,
		      uint64_t declared_bytes, int64_t mono_us,
		      struct limit_verdict *verdict);
/* An accepted recipient that counts as none, because its domain is dead: when
 * it is the message's first, the message and declared_bytes are charged. */
void reservation_nobody(struct reservation *r, uint64_t declared_bytes,
			int64_t mono_us, struct limit_verdict *verdict);
/* The dot: the true size. verdict as above, the strongest of all so far. */
void reservation_settle(struct reservation *r, uint64_t bytes, int64_t mono_us,
			struct limit_verdict *verdict);
/* A recipient's domain is dead, the first time for this login: charged at once
 * and for good, also over the limit, and kept like failed logins. Once a rule
 * that counts them is used up, its action is for every recipient of the login's
 * messages, and for those at the dot, until it frees. */
void limits_dead_domain(struct limits *limits, const struct limit_who *who,
			int64_t mono_us);

/* What the acceptance transaction has to keep. Borrowed until the end. */
const struct store_change *reservation_changes(struct reservation *r,
					       size_t *count);
void reservation_commit(struct reservation **r);
void reservation_cancel(struct reservation **r, int64_t mono_us);

/* --- a connection ---------------------------------------------------- */

/* One connection while it lasts. NULL: refused, verdict says by which (pace is
 * no action here; hold and bulk refuse like defer). */
struct presence;
struct presence *limits_connect(struct limits *limits, const struct ip_addr *ip,
				int64_t mono_us, struct limit_verdict *verdict);
/* Logged in: counts for the login too. False: refused. */
bool presence_login(struct presence *presence, const struct limit_who *who,
		    int64_t mono_us, struct limit_verdict *verdict);
void presence_end(struct presence **presence, int64_t mono_us);

/*
 * One AUTH of an address. A place among its failures is taken whenever what
 * the client sent is about to be looked at, so that no more are looked at than
 * may fail, and given back while the next word is the client's.
 */
struct attempt;
struct attempt *attempt_create(struct limits *limits, const struct ip_addr *ip);
/* False: the address has failed too often, or would if those that are looked
 * at now all failed; then the hit frees within seconds. */
bool attempt_begin(struct attempt *attempt, int64_t mono_us,
		   struct limit_verdict *verdict);
void attempt_pause(struct attempt *attempt, int64_t mono_us);
/* It was wrong: its place stays taken. */
void attempt_fail(struct attempt **attempt, int64_t mono_us);
/* It was anything else: nothing is left of it. */
void attempt_end(struct attempt **attempt, int64_t mono_us);
/* Connections and logins to be kept, at most a second late: changes of what
 * happened since the last call, in arena-like memory that limits_lag_free
 * takes. NULL: nothing. If they could not be committed nothing is lost but
 * their survival of a crash. */
struct limits_lag;
struct limits_lag *limits_lag_take(struct limits *limits);
const struct store_change *limits_lag_changes(const struct limits_lag *lag,
					      size_t *count);
void limits_lag_free(struct limits_lag **lag);

/* --- looking --------------------------------------------------------- */

/* One rule as it stands for somebody. */
struct limit_line {
	struct limit_hit hit; /* used, limit (with grants), frees_wall_s */
	uint64_t configured;  /* limit without grants */
	uint64_t paced;	      /* units that wait for their time */
	int64_t grant_until_wall_s;
	enum limit_action over;
	bool applies; /* to this who; else the rule is only listed */
};
typedef bool limit_line_fn(void *arg, const struct limit_line *line);
/* Every rule in the order of the file. who NULL: the site's only. */
void limits_each(struct limits *limits, const struct limit_who *who,
		 int64_t mono_us, limit_line_fn *fn, void *arg);
/* What the wall clock says now: when it was set, times that are told and at
 * which grants end move with it. Each second. */
void limits_wall(struct limits *limits, int64_t wall_us, int64_t mono_us);
/* Memory of keys that are worth nothing; a slice. Each second. */
void limits_sweep(struct limits *limits, int64_t mono_us);
/* Records on disk worth nothing: up to max looked at from the cursor on (a
 * key; empty: the start); returns changes to commit as above, or NULL, and
 * moves the cursor (empty at the end). */
struct limits_lag *limits_prune(struct limits *limits, struct store_env *store,
				size_t max, struct buf *cursor);
/* Keys and bytes in memory, for `status`. */
void limits_usage(struct limits *limits, uint64_t *keys, uint64_t *bytes);

#endif
