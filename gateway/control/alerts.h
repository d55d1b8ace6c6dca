#ifndef GATEWAY_CONTROL_ALERTS_H
#define GATEWAY_CONTROL_ALERTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What somebody must be told: once a cause, until it clears. Pure: facts and
 * the time go in, alerts come out; how they are sent is alert_send's.
 *
 * A cause must last before it is told and be away before it clears, each for
 * its own while, so that one that comes and goes is one alert. A cause that
 * gets worse (a level: 21, 7, 1 days, expired) is told again.
 */
enum alert_cause {
	ALERT_ALTERED,	    /* bytes on disk are not the client's */
	ALERT_CERTIFICATE,  /* expires in 21, 7, 1 days; has expired */
	ALERT_DISK,	    /* low; full: submissions are refused */
	ALERT_STORE,	    /* commits fail */
	ALERT_STUCK,	    /* the queue does not move */
	ALERT_DOVECOT,	    /* the backend of logins is away */
	ALERT_RESOLVER,	    /* DNS gives no usable answers */
	ALERT_DNS_REWRITES, /* names that cannot exist have records */
	ALERT_DNS_SLOW,
	ALERT_DNS_REMOTE,  /* a resolver is not on loopback */
	ALERT_SCAN_BYPASS, /* mail goes out unscanned */
	ALERT_SCAN_ISTAG,  /* a scanner's ISTag says nothing */
	/* From here on: of one thing each, by its name. */
	ALERT_HOP,		   /* one next hop cannot be reached */
	ALERT_SCANNER,		   /* one virus scanner cannot be asked */
	ALERT_SCANNER_BLIND,	   /* it finds no viruses */
	ALERT_SCANNER_CERTIFICATE, /* expires in 14, 3 days; has expired */
	ALERT_CAMPAIGN,		   /* stopped by a rule, or waits for a word */
	ALERT_CAUSES
};

struct alert_hop {
	const char *name;
	bool up;
	const char *error; /* escaped */
};

struct alert_resolver {
	const char *servers; /* "127.0.0.1" */
	const char *found;   /* rewrites: "A 192.0.2.1" */
	double p50_ms;
	bool failing, slow, rewrites, remote;
};

struct alert_scanner {
	const char *name;
	const char *error; /* escaped */
	bool up, blind;
	int64_t certificate_wall_s; /* 0: none */
};

struct alert_scan {
	bool up; /* at least one can be asked */
	bool unsteady;
	uint64_t waiting; /* recipients, for a verdict */
	int64_t bypass_until_wall_s;
	const struct alert_scanner *servers;
	size_t server_count;
};

#define ALERT_CAMPAIGNS 16
struct alert_campaign {
	const char *name; /* "C7" */
	/* Not escaped, all three. */
	const char *title, *reason, *login;
	bool waits; /* to be confirmed; else a rule stopped it */
};

struct alert_facts {
	uint64_t altered_total; /* since start, and those held by then */
	uint64_t held;		/* recipients, now */
	int64_t certificate_wall_s;
	uint64_t disk_free_bytes, disk_total_bytes;
	uint64_t disk_low_bytes; /* 0: 5 % of the disk */
	bool disk_full;
	int store_failing; /* 0, or a gw_err */
	bool store_needs_restart;
	uint64_t queued, delivered;
	int64_t oldest_wall_s; /* 0: empty */
	bool dovecot_away;
	struct alert_resolver resolver;
	struct alert_scan scan;
	const struct alert_campaign *campaigns;
	size_t campaign_count;
	const struct alert_hop *hops;
	size_t hop_count;
};

struct alert { /* all text is plain ASCII, lines end in \n */
	enum alert_cause cause;
	char object[64]; /* the next hop, scanner or campaign; "" */
	int level;	 /* from 1 */
	int64_t since_wall_s;
	char subject[160];
	char text[1024];
};

struct alerts;

struct alerts *alerts_create(void);
void alerts_destroy(struct alerts **alerts);

/* "certificate" */
const char *alert_name(enum alert_cause cause);

typedef void alert_fn(void *arg, const struct alert *alert, bool raised);
void alerts_update(struct alerts *alerts, const struct alert_facts *facts,
		   int64_t now_ms, int64_t now_wall_s, alert_fn *fn, void *arg);

/* Those that were told and have not cleared; NULL behind the last. */
const struct alert *alerts_active(const struct alerts *alerts, size_t i);
size_t alerts_count(const struct alerts *alerts);

#endif
