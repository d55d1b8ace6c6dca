#ifndef GATEWAY_BACK_BACK_H
#define GATEWAY_BACK_BACK_H

#include <stdbool.h>
#include <stdint.h>

#include "dns/lookup.h"
#include "gateway/base/addr.h"
#include "gateway/base/digest.h"
#include "gateway/campaign/campaign.h"
#include "gateway/campaign/pace.h"
#include "gateway/campaign/suppress.h"
#include "gateway/dkim/pool.h"
#include "gateway/scan/quarantine.h"
#include "gateway/scan/scan.h"
#include "gateway/spool/spool.h"

/*
 * Everything behind the 250: which next hop, when, again when, and the DSN
 * that tells of a failure. Runs on a thread of its own. Built from plain
 * options; server.c fills them from the configuration.
 *
 * size: one contract for who configures, who submits and who administers.
 */
struct back;
struct blocklist; /* policy/blocklist.h */
struct domains;	  /* policy/domains.h */

enum back_hop_kind { BACK_SMTP, BACK_MX, BACK_MAILDIR };
enum back_tls {
	BACK_TLS_NONE,
	BACK_TLS_OPPORTUNISTIC,
	BACK_TLS_REQUIRED,
	BACK_TLS_IMPLICIT
};

/* Fields by which gateways of one site tell each other of scans. */
enum back_tokens {
	BACK_TOKENS_UNKNOWN, /* nobody here makes any: a field like others */
	BACK_TOKENS_STRIP,
	BACK_TOKENS_KEEP, /* at most one: ours goes before those that came */
};

struct back_host {
	const char *name; /* name or IP literal, without brackets */
	uint16_t port;
	uint16_t weight;   /* share among hosts of the same priority; >= 1 */
	uint16_t priority; /* lower first; the others are for fail-over */
};

struct back_hop {
	const char *name;
	enum back_hop_kind kind;
	/* BACK_SMTP. BACK_MX: none, or one whose port is used, for tests. */
	const struct back_host *hosts;
	size_t host_count;
	enum back_tls tls;
	bool tls_verify;     /* REQUIRED, IMPLICIT: chain and name */
	const char *ca_file; /* NULL: the system's */
	const char *user, *password;
	const char *maildir; /* BACK_MAILDIR: the directory, made if missing */
	enum back_tokens tokens;
	bool eightbit_pass; /* send 8-bit to a hop without 8BITMIME as is */
	/* BACK_MX: connect to such addresses too; else they are left out, and
	 * a domain that has no others bounces with 5.4.4. Where dns_cache is
	 * given it is the one to say so, but for domains that are not asked
	 * about. */
	bool mx_loopback, mx_private;
	/* At once, to this hop; MX: to one site, from one source. */
	uint32_t connection_max;
	uint32_t messages_max;	      /* a connection; then a fresh one */
	const struct ip_addr *source; /* or NULL */
	/* Of a lane (LANE_*), before source; or NULL. */
	const struct ip_addr *lane_source[3];
	bool dane; /* BACK_MX: TLSA records count where they are validated */
	int64_t timeout_ms; /* each command; 0: RFC 5321's */
	int64_t idle_ms;    /* an unused connection is kept; below 0: 5 s */
};

struct back_route {
	const char *const *domains; /* key form; ".example.com": and below */
	size_t domain_count;	    /* 0: the default route */
	size_t hop;		    /* index into hops */
};

/* The lane of mass mailings; zeroed: slots and schedule of the others. */
struct back_bulk {
	bool own_hop; /* what the default route would get goes there */
	size_t hop;
	const int64_t *retry_s; /* as back_conf's */
	size_t retry_count;	/* 0: as the others */
	int64_t expire_s;	/* 0: as the others */
	uint32_t reserved;	/* per cent of the slots, for personal mail; 0:
				   70 */
	uint32_t lookups;	/* domains asked about at once; 0: a quarter */
	struct pace_rule site;	/* ceilings of each site and hop */
	const uint32_t *warmup; /* recipients a day of a site, day by day */
	uint32_t warmup_days;	/* 0: no plan */
	int64_t warmup_since_wall_s;
	uint32_t guard; /* recipients a day at one receiver's consumers, then
			   the campaign stops and asks; 0: none */
	bool preflight;
};

struct back_class {
	const char *name;
	uint32_t weight; /* of the turns of a login of it; at least 1 */
};

/* An immutable value; back copies what it keeps (deeply). */
struct back_conf {
	const char *hostname;
	const char *postmaster; /* From: of DSNs, "postmaster@hostname" */
	const char *const *own_domains; /* `internal` and auth's domain */
	size_t own_domain_count;
	const struct back_hop *hops;
	size_t hop_count;
	const struct back_route *routes; /* exactly one default */
	size_t route_count;
	const int64_t *retry_s; /* waits after the 1st, 2nd ... failure; the
				   last repeats */
	size_t retry_count;
	int64_t expire_s;	 /* 4 days: then bounce */
	int64_t delay_notice_s;	 /* 0: none */
	struct dns_opts dns;	 /* cache is back_opts' */
	uint32_t connection_max; /* in all */
	/* What happens to pending-scan messages that turn out infected. */
	enum scan_infected scan_infected;
	bool scan_text; /* as front's: shown texts too */
	/* Text in a removed part's place; {name} and {threat} are filled in.
	 * NULL or "": our own. */
	const char *scan_replacement;
	const char *scan_subject; /* prefix of a cleaned message's; NULL, "" */
	int64_t quarantine_s;	  /* 0: 40 days */
	struct back_bulk bulk;
	const struct back_class *classes;
	size_t class_count;
	bool local_users; /* the store knows the class of a login */
	/* Whose mail is signed; shared; NULL: nobody's. */
	struct dkim_keys *dkim;
};

/* A recipient domain turned out to be dead behind the 250: a fact about the
 * credential. On the relay thread; domain in key form. */
typedef void back_dead_domain_fn(void *arg, const char *cred,
				 const struct ip_addr *ip, const char *from,
				 const char *domain);

struct back_opts {
	struct spool *spool; /* opened; outlives back */
	/* Asked before each delivery; NULL: nothing is held by rule. */
	struct blocklist *blocklist;
	/* NULL, both: what is undecided is sent as if it were fine. */
	struct dns_cache *dns_cache;
	struct domains *domains; /* policy/domains.h */
	/* NULL, both: what is pending-scan stays held. */
	struct scan *scan;
	struct quarantine *quarantine;
	struct dkim_pool *signer; /* NULL: nothing is signed */
	/* NULL, both: no campaigns, nobody is suppressed. */
	struct campaigns *campaigns;
	struct suppress *suppress;
	back_dead_domain_fn *dead_domain; /* or NULL */
	void *dead_domain_arg;
	const struct back_conf *conf;
};

/* Loads the queue and starts the thread. error says what is wrong. */
int back_start(struct back **back, const struct back_opts *opts, char *error,
	       size_t error_size);
/* Ends what is under way within grace_ms, then closes connections. A message
 * whose dot was not answered by then is tried again after the restart. */
void back_stop(struct back **back, int64_t grace_ms);

/* The functions below may be called on any thread. */

/* For spool_opts.accepted: takes *msg. Nothing may be accepted, only be on its
 * way to here, while back_start runs: what has an older id is left to the queue
 * that back_start reads from the spool. */
void back_accepted(struct back *back, struct spool_msg **msg);
int back_reload(struct back *back, const struct back_conf *conf, char *error,
		size_t error_size);

/* Whether SMTPUTF8 may be offered: every route's next hop showed it (a hop
 * that has not been spoken to yet is asked at start). */
bool back_offers_utf8(const struct back *back);

/* Make deferred entries due now: all (NULLs), of one domain, of one hop, of
 * one message. */
struct back_flush {
	const char *domain;
	const char *hop;
	uint64_t id;
};
void back_flush(struct back *back, const struct back_flush *what);

/*
 * What administrators do to the queue. Everything that is given must match;
 * nothing given matches all. Costs are in proportion to what matches cred, ip,
 * domain or body, whichever of them has the fewest; a sender alone, or a time,
 * costs the whole queue. What is accepted after the work began is not meant.
 */
struct back_select { /* borrowed until done */
	const char *cred;
	const struct ip_prefix *ip;
	const char *from;      /* as a BLOCK_FROM value */
	const char *domain;    /* of a recipient: those recipients alone; ".b":
				  b and below */
	const uint8_t *body;   /* DIGEST_SIZE */
	uint64_t id;	       /* one message */
	uint64_t campaign;     /* its messages; 0: any */
	int64_t since_wall_s;  /* accepted from then on; 0: any */
	int64_t before_wall_s; /* accepted before; 0: any */
};

enum back_verb {
	BACK_COUNT, /* look only */
	/* Takes away HOLD_LIMIT, HOLD_ADMIN and HOLD_UNSCANNABLE. */
	BACK_RELEASE,
	BACK_PURGE,   /* into the trash, or gone when trash is 0 */
	BACK_RECHECK, /* a block or hold rule went: look at what it held */
	BACK_UNDO,    /* bring back trash; the selection is not looked at */
};

#define BACK_SAMPLE 5

/*
 * The caller's until done, which runs on the relay thread (push to a queue,
 * nothing else); when back stops perhaps on the stopping one. Worked off in
 * slices, one after the other; but RECHECK waits for none, and COUNT only for
 * what is still looking, not for what the disk is still told.
 *
 * From the moment a PURGE begins nothing starts that matches it. What is under
 * way then is busy, and left alone.
 */
struct back_work {
	enum back_verb verb;
	struct back_select select;
	uint64_t
	    rule; /* RECHECK: the block's id; 0: all that is held by rule */
	uint64_t trash; /* PURGE, UNDO */
	int64_t trash_until_wall_s;
	void (*done)(struct back_work *work);
	/* out */
	/* 0; GW_ENOENT: UNDO of nothing; GW_ECANCELED: stopping, then the
	 * counts are of what was done; GW_EINVAL: select.from is none; UNDO:
	 * what keeps the spool from it */
	int err;
	/* COUNT: that match. Else: that were changed; on disk, but RECHECK */
	uint64_t messages, recipients;
	/* COUNT: recipients among them held now, by a rule or a mark. RELEASE:
	 * that match and still are, changed or not */
	uint64_t held;
	/* Recipients under way. COUNT: among recipients. PURGE: beside them */
	uint64_t busy;
	uint64_t failed; /* recipients that could not be changed or read */
	uint64_t sample[BACK_SAMPLE]; /* message ids, newest first */
	size_t sample_count;
	struct back_work *next;
};
void back_work_start(struct back *back, struct back_work *work);

/* The terms or the state of a campaign changed (gateway/campaign): look again.
 * Nothing of one that may not go starts from here on. */
void back_campaign(struct back *back, uint64_t id);

struct back_status {
	uint64_t delivered, deferred, bounced; /* recipients since start */
	uint64_t altered; /* messages held as altered, then or at start */
	uint64_t dsn_sent, dsn_dropped;
	uint64_t queued;       /* recipients waiting or under way */
	uint64_t held_by_rule; /* of these: wait for a block or hold to go */
	uint64_t held;	       /* recipients held by a mark of their own */
	uint64_t undecided;    /* of queued: wait for a word of DNS right now */
	uint64_t scan_waiting; /* recipients held pending-scan */
	int64_t scan_oldest_wall_s;    /* of them; 0: none */
	uint64_t quarantined, cleaned; /* messages since start */
	uint64_t active;	       /* messages under way */
	uint64_t connections;
	uint64_t lane_connections[LANES]; /* of these */
	int64_t oldest_wall_s;		  /* of the queue; 0: empty */
	/* accept -> delivered without LANE_BULK, of the last minute-or-so */
	double delay_p50_s, delay_p99_s;
};
void back_status_get(const struct back *back, struct back_status *status);

struct back_hop_status {
	char name[64];
	bool up;	 /* the last attempt reached it */
	char error[256]; /* the last failure, escaped */
	int64_t since_wall_s;
	uint32_t connections;
	uint64_t delivered, failed;
};
/* Copies up to max; returns how many there are. */
size_t back_hops_get(const struct back *back, struct back_hop_status *out,
		     size_t max);

#endif
