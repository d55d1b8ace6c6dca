#ifndef GATEWAY_FRONT_FRONT_H
#define GATEWAY_FRONT_FRONT_H

#include <stdbool.h>
#include <stdint.h>

#include "dns/cache.h"
#include "dns/lookup.h"
#include "gateway/auth/auth.h"
#include "gateway/base/addr.h"
#include "gateway/campaign/campaign.h"
#include "gateway/dkim/pool.h"
#include "gateway/net/tls.h"
#include "gateway/scan/scan.h"
#include "gateway/scan/token.h"
#include "gateway/spool/spool.h"
#include "policy/accounts.h"
#include "policy/binding.h"
#include "policy/blocklist.h"
#include "policy/decisions.h"
#include "policy/domains.h"
#include "policy/limits.h"
#include "policy/top.h"

/*
 * The clients' side: one thread a core, each with its own loop and sessions.
 */
struct front;

enum front_tls { FRONT_TLS_STARTTLS, FRONT_TLS_IMPLICIT, FRONT_TLS_NONE };

struct front_listener { /* one `listen` block and one of its addresses */
	const char *name;
	int fd;		    /* listening; front duplicates it */
	enum front_tls tls; /* NONE: no AUTH in the clear unless the address
			     * is loopback and insecure_auth is set */
	bool insecure_auth;
	bool normalise; /* bare CR and LF become CRLF instead of 521 */
	const struct ip_prefix *proxy; /* who may send a PROXY header, must */
	size_t proxy_count;
	bool bulk; /* what comes here is part of a campaign */
};

struct front_class { /* one `class` block */
	const char *name;
	int binding; /* enum binding; -1: as front_conf says */
	/* enum scan_down, enum scan_unscannable; -1: as front_conf says */
	int scan_down, scan_unscannable;
	bool bulk;    /* its mail is part of a campaign, whatever it looks */
	bool confirm; /* its campaigns wait for a person */
};

struct front_bulk { /* zeroed: nothing becomes part of a campaign */
	bool on;
	/* "bulk": ann+bulk logs in as ann, and all that she sends there is
	 * part of a campaign; NULL: none. */
	const char *suffix;
	bool confirm; /* of logins whose class is none of these */
};

/* An immutable value; front copies it deeply and swaps it as a whole: live
 * sessions keep theirs. */
struct front_conf {
	const char *hostname;
	uint64_t message_size_max;
	uint32_t recipient_max;
	uint32_t connection_max;	 /* in all */
	uint32_t connection_address_max; /* per /32, /64; 0: none */
	int64_t idle_ms;	   /* authenticated, between commands: 5 min */
	int64_t preauth_ms;	   /* from connect to AUTH: 30 s */
	uint32_t progress_bytes_s; /* least average over 60 s in DATA: 100 */
	bool resubmission;	   /* recognise them */
	enum binding binding;
	const struct front_class *classes;
	size_t class_count;
	const char *const *internal; /* domains that are ours, key form;
					".b": and below */
	size_t internal_count;
	const char *auth_domain; /* or NULL */
	const char *contact;	 /* whom replies send people to */
	/* How RCPT asks about domains (cache is front_opts'): a recipient
	 * waits so long for an answer, a message so long in all. */
	struct dns_opts dns;
	int64_t domain_wait_ms;		/* 0: 3 s */
	int64_t domain_wait_message_ms; /* 0: 6 s */
	/* A verdict is waited for so long at the final dot. */
	int64_t scan_wait_ms; /* 0: 8 s */
	enum scan_down scan_down;
	enum scan_unscannable scan_unscannable;
	enum scan_infected scan_infected;
	bool scan_text; /* shown texts too, not attachments alone */
	/* Tokens of our own gateways: whose are believed, for how long; with
	 * which key ours are made. None, NULL: no tokens at all. */
	const struct token_key *token_keys;
	size_t token_key_count;
	int64_t token_age_s;
	const char *token_sign; /* the id of one of the keys */
	/* Whose mail is signed; shared; NULL: nobody's. */
	struct dkim_keys *dkim;
	/* Of List-Unsubscribe in a campaign's signed mail that has none, with
	 * {campaign} and {message}; NULL: none is added. */
	const char *unsubscribe;
	struct front_bulk bulk;
	const struct front_listener *listeners;
	size_t listener_count;
	struct tls_ctx *tls; /* shared; NULL: no TLS listener */
};

struct front_opts {
	struct spool *spool;
	struct auth_pool *auth;
	/* All outlive front. */
	struct limits *limits;
	struct blocklist *blocklist;
	struct accounts *accounts;
	struct decisions *decisions;
	struct top *top;
	/* NULL, both: no domain is asked about. */
	struct dns_cache *dns_cache;
	struct domains *domains;
	struct scan *scan;	     /* NULL: nothing is scanned */
	struct dkim_pool *signer;    /* NULL: nothing is signed */
	struct campaigns *campaigns; /* NULL: there are none */
	unsigned thread_count;	     /* 0: one a core */
	const struct front_conf *conf;
	/* May SMTPUTF8 be offered now? Any thread. */
	bool (*utf8_fn)(void *arg);
	void *utf8_arg;
};

int front_start(struct front **front, const struct front_opts *opts,
		char *error, size_t error_size);
/*
 * Clean stop: closes the listeners' share, 421 to sessions outside a
 * transaction, waits up to grace_ms for those inside, then 421 to all; returns
 * when every session and commit has ended.
 */
void front_stop(struct front **front, int64_t grace_ms);

/* Any thread. Listeners that are gone from conf are no longer accepted on;
 * fds of new ones are used. */
void front_reload(struct front *front, const struct front_conf *conf);

struct front_status {
	uint64_t sessions, sessions_tls, sessions_authenticated; /* now */
	uint64_t connections_total, connections_refused;
	uint64_t auth_ok, auth_failed, auth_busy;
	uint64_t messages_accepted, messages_refused, messages_duplicate;
	uint64_t recipients_accepted, recipients_refused;
	uint64_t bytes_accepted;
	uint64_t limit_paced, limit_held, limit_bulk; /* messages */
	uint64_t limit_deferred, limit_rejected;      /* commands */
	uint64_t limit_observed; /* hits that changed nothing */
	uint64_t blocked;	 /* refused by the block list */
	uint64_t sender_refused, sender_observed; /* FROM binding */
	uint64_t sender_dead; /* MAIL refused: no such sender domain */
	/* recipients, by what their domain's verdict did; refused: also 451
	 * where `unverified defer` */
	uint64_t domain_refused, domain_dropped, domain_unverified;
	double rcpt_wait_p99_ms; /* of those that had to ask */
	/* messages, by what a scan did at the dot; pending: held for it */
	uint64_t scan_clean, scan_infected, scan_unscannable, scan_pending;
	uint64_t scan_token; /* of scan_clean: by the word of another gateway */
	uint64_t scan_open;  /* let out unscanned: a bypass, `down open` */
	double scan_wait_p99_ms;	   /* of those that had to wait */
	uint64_t dkim_signed, dkim_failed; /* messages */
	/* final dot -> 250, milliseconds, of the last minute-or-so */
	double dot_p50_ms, dot_p99_ms;
};
void front_status_get(const struct front *front, struct front_status *status);

#endif
