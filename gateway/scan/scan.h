#ifndef GATEWAY_SCAN_SCAN_H
#define GATEWAY_SCAN_SCAN_H

#include <stdbool.h>
#include <stdint.h>

#include "dns/lookup.h"
#include "gateway/base/addr.h"
#include "gateway/mime/walk.h"
#include "gateway/scan/verdict.h"
#include "gateway/store/env.h"

/*
 * Virus scanning for the whole process, on a thread and a loop of its own: the
 * servers with their health and canaries, verdicts by content, one scan under
 * way for each content. Who waits for a verdict, and what is done with it, is
 * front's and back's business; scan never sees an envelope.
 *
 * size: one contract for who asks, who configures and who administers.
 */
struct scan;

struct scan_server_conf {
	bool tls;
	const char *host;
	uint16_t port;
	const char *service;
	uint16_t weight;     /* share; >= 1; 0: only when the others are down */
	const char *profile; /* or NULL */
};

/* An immutable value; scan copies it deeply. */
struct scan_conf {
	const struct scan_server_conf *servers;
	size_t server_count; /* 0: scanning is off: everything is CLEAN */
	const char *ca_file; /* NULL: the system's */
	bool tls_verify;
	bool reqmod;
	bool authenticated_user;
	uint32_t connection_max; /* a server */
	int64_t part_ms;	 /* one try of one part: 30 s */
	int64_t message_ms;	 /* 120 s */
	int64_t canary_ms;	 /* 10 min */
	int64_t cache_age_s;	 /* a verdict is believed for: 1 day */
	uint32_t cache_max;	 /* verdicts kept: 100,000 */
	uint32_t rescans_per_s;	 /* of known contents, after an ISTag change:
				    20; then the old verdict counts a while */
	uint64_t bytes_max;	 /* larger parts are UNSCANNABLE; 0: none */
	uint32_t policy_version; /* part of the key; server.c: a hash of it */
	struct dns_opts dns;	 /* to find the servers; cache is not used */
};

struct scan_opts {
	const struct scan_conf *conf;
};

int scan_start(struct scan **scan, const struct scan_opts *opts, char *error,
	       size_t error_size);
/* Every job still there ends as CANCELED. */
void scan_stop(struct scan **scan);
int scan_reload(struct scan *scan, const struct scan_conf *conf, char *error,
		size_t error_size);

/* --- a message's parts ------------------------------------------------- */

/* Kept of each attachment between its walk and its verdict. The raw message
 * itself is one too, where the walk was ambiguous: encoding MIME_IDENTITY, type
 * message/rfc822, its whole length. */
struct scan_part {
	uint64_t head;	     /* where its header begins, as in mime_part */
	uint64_t begin, end; /* in the message's bytes, encoded */
	uint64_t decoded_bytes;
	enum mime_encoding encoding;
	const char *name, *type;
	uint8_t digest[DIGEST_SIZE]; /* decoded */
};

/*
 * The caller's until done has run, on the scan thread: push to a queue and
 * nothing else. read is called on the scan thread, one call at a time, until
 * done; it may block as pread does.
 */
struct scan_job {
	/* in */
	const struct scan_part *parts;
	size_t part_count;
	int64_t (*read)(void *arg, uint64_t offset, void *p, size_t n);
	void *read_arg;
	struct ip_addr client;
	const char *login; /* or NULL */
	bool late;	   /* nobody waits: behind those of clients */
	/* Known verdicts are not believed (release from quarantine). */
	bool afresh;
	void (*done)(struct scan_job *job);
	/* out: the worst, and which part that is */
	struct scan_verdict verdict;
	size_t part;
	uint32_t cached; /* parts that were known */
	bool mixed;	 /* found clean under more than one ISTag */
	/* internal */
	struct scan_job *next;
	void *internal;
};

/* True: every part is known and clean, or there are none; job is not taken and
 * verdict is filled in. Any thread, no waiting: the fast path. */
bool scan_known(struct scan *scan, struct scan_job *job);
/* True: a part is known to be infected, and verdict and part are filled in, for
 * who does without scanning (a bypass). Any thread, no waiting. */
bool scan_known_virus(struct scan *scan, struct scan_job *job);
void scan_job_start(struct scan *scan, struct scan_job *job); /* any thread */
/*
 * Any thread: done comes soon, with CANCELED if nothing else is known. What has
 * left for a server already is heard out for the cache's sake, without read.
 */
void scan_job_cancel(struct scan *scan, struct scan_job *job);

/* --- the servers -------------------------------------------------------- */

enum scan_health {
	SCAN_UNKNOWN, /* its first canary has not ended */
	SCAN_UP,
	SCAN_DOWN,  /* not to be reached, or answers errors */
	SCAN_BLIND, /* called EICAR clean: not asked */
};

struct scan_server_status {
	char name[SCAN_SERVER_SIZE]; /* host:port/service */
	enum scan_health health;
	char error[160];
	int64_t since_wall_s;	/* in this health */
	int64_t canary_wall_s;	/* the last good one */
	int64_t expires_wall_s; /* its certificate; 0: none */
	char istag[SCAN_ISTAG_SIZE];
	uint32_t connections, busy, waiting;
	uint64_t scanned, infected, unscannable, errors;
	double p50_ms, p95_ms;
};
/* Copies up to max; returns how many there are. Any thread. */
size_t scan_servers_get(struct scan *scan, struct scan_server_status *out,
			size_t max);

/* A server that is up calls itself so now, and its ISTags mean something. Any
 * thread. */
bool scan_istag_counts(struct scan *scan, const char *istag);

struct scan_status {
	bool on;		     /* there are servers */
	bool up;		     /* at least one of them is */
	int64_t down_since_wall_s;   /* !up */
	int64_t bypass_until_wall_s; /* 0: none */
	uint64_t jobs;		     /* under way */
	uint64_t cache_count, cache_hits, cache_misses, shared;
	uint64_t parts_scanned, bytes_scanned;
	bool istag_unsteady; /* changes with each answer: nothing is cached */
};
void scan_status_get(struct scan *scan, struct scan_status *status);

/* --- a test by hand ------------------------------------------------------ */

enum scan_test_step { SCAN_TEST_OPTIONS, SCAN_TEST_EICAR, SCAN_TEST_CLEAN };
#define SCAN_TEST_STEPS 3

struct scan_test_answer {
	bool ended;
	int64_t ms; /* it took; 0: it was not even asked */
	enum scan_kind kind;
	char threat[SCAN_THREAT_SIZE];
	char error[160]; /* of ERROR */
};

struct scan_test { /* of one server */
	char name[SCAN_SERVER_SIZE];
	enum scan_health health;     /* now */
	const char *profile;	     /* static; NULL: no OPTIONS yet */
	char istag[SCAN_ISTAG_SIZE]; /* as in OPTIONS */
	int32_t preview;	     /* -1: none */
	struct scan_test_answer answers[SCAN_TEST_STEPS];
};

/* All servers are asked, whatever is known of them. Returns the test's number.
 * Any thread, as below. */
uint64_t scan_test_start(struct scan *scan);
/* How it stands: copies up to max, returns how many servers there are to it. */
size_t scan_test_get(struct scan *scan, uint64_t number, struct scan_test *out,
		     size_t max, bool *ended);

/* Told on the scan thread when `up` changed, or a verdict may have: held
 * messages are worth another try. Set once, before jobs. */
typedef void scan_changed_fn(void *arg, bool up);
void scan_on_change(struct scan *scan, scan_changed_fn *fn, void *arg);

/* While a bypass lasts front and back let everything go unscanned, but what is
 * known to be infected: it is for a scanner that is broken, not for viruses.
 * Audited by whoever sets it. 0: none. */
void scan_bypass_set(struct scan *scan, int64_t until_wall_s);
bool scan_bypassed(struct scan *scan, int64_t now_wall_s); /* any thread */
/* Forgets all verdicts; returns how many. */
uint64_t scan_flush(struct scan *scan);

#endif
