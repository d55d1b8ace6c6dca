#ifndef GATEWAY_SCAN_SERVER_H
#define GATEWAY_SCAN_SERVER_H

#include <bsd/sys/queue.h>

#include "dns/route.h"
#include "gateway/base/arena.h"
#include "gateway/base/histogram.h"
#include "gateway/icap/icap.h"
#include "gateway/scan/eicar.h"
#include "gateway/scan/health.h"
#include "gateway/scan/scan.h"

/*
 * One server, on the scan thread: the connections, what is asked of it, how it
 * is. Of its content (scan_int.h) it knows the lists alone.
 */
TAILQ_HEAD(content_list, content);
TAILQ_HEAD(scan_server_list, scan_server);

/* A test by hand: testing.c. Written with scan->lock. */
struct testing {
	bool wanted, under_way;
	uint64_t number;
	enum scan_test_step step;
	int64_t since_ms; /* of the step under way */
	struct scan_test test;
};

struct scan_server {
	struct scan *scan;
	struct arena *arena; /* conf's strings */
	struct scan_server_conf conf;
	uint64_t service, pool_key; /* settings.h */
	uint64_t bit;		    /* in content.tried */
	int64_t credit;		    /* of weighted turns */
	struct icap_pool *pool;
	uint32_t connection_max;
	/* Finding and probing it. */
	struct dns_targets_op *resolve_op;
	int64_t resolve_ms, options_ms; /* when they are due again */
	/* What it said of itself, it said under another tag; asked for again
	 * behind the canary, not before that time. */
	bool options_old;
	int64_t options_again_ms;
	bool addressed;
	struct icap_op *probe_op;
	struct health health;
	struct istag istag;
	struct testing testing;
	char proven[SCAN_ISTAG_SIZE]; /* the tag of its last good canary */
	uint64_t canaries;	      /* begun */
	char eicar[EICAR_SIZE];
	/* What it is asked. */
	struct content_list asked, doubted;
	uint32_t asked_count, late_count;
	int64_t answered_ms; /* the last answer to anything */
	/* What others see. */
	struct scan_server_status status; /* scan->lock */
	struct histogram times;
	TAILQ_ENTRY(scan_server) link;
};

/* --- server.c ------------------------------------------------------------- */

struct scan_server *scan_server_create(struct scan *scan,
				       const struct scan_server_conf *conf);
void scan_server_destroy(struct scan_server **server);
uint32_t scan_server_room(const struct scan_server *server, bool late);
/* It answered a scan, or did not. False: the clean verdict is not believed
 * before a canary. */
bool scan_server_note(struct scan_server *server,
		      const struct icap_result *result, int64_t took_ms);
/* A canary ended, or so many scans failed that none is needed; error is for
 * when it is not up. */
void scan_server_tried(struct scan_server *server, bool changed,
		       const char *error);
uint32_t scan_server_slots(const struct scan_server *server);
void scan_server_publish(struct scan_server *server);
/* As settings say: keeps those that stay. */
void scan_servers_apply(struct scan *scan);
/* An answer came with this tag, or with none. */
void scan_server_tag(struct scan_server *server, const char *istag);

/* --- probe.c -------------------------------------------------------------- */

/* Begins what is due: look-up, OPTIONS, canary. */
void scan_probe_tick(struct scan_server *server);
void scan_probe_end(struct scan_server *server);

/* --- testing.c ------------------------------------------------------------ */

/* The step that is under way, if it is that one, has ended. */
void scan_testing_note(struct scan_server *server, enum scan_test_step step,
		       const struct icap_result *result);
/* It cannot be asked: that is the end of its test. */
void scan_testing_fail(struct scan_server *server, const char *error);
void scan_testing_clean(struct scan_server *server, int64_t timeout_ms);

#endif
