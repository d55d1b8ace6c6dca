#ifndef TESTS_ICAP_WORLD_H
#define TESTS_ICAP_WORLD_H

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/error.h"
#include "gateway/icap/icap.h"
#include "tests/icap/server.h"
#include "tests/support/turn.h"

/* A pool against a server, on one loop, and scans with a body of their own. */
struct world {
	struct loop *loop;
	struct icap_server *server;
	struct icap_pool *pool;
	struct icap_service service;
};

void world_start(struct world *w, const struct icap_reply *replies,
		 size_t count);
/* After service was changed. */
void world_pool(struct world *w);
void world_stop(struct world *w);

struct scan {
	const char *label;
	struct world *w;
	struct icap_op *op;
	unsigned done; /* times */
	struct icap_result result;
	struct icap_req req;
	/* the body: byte i is pattern(i), or of text */
	const char *text;
	size_t read_max; /* a read gives at most; 0: all */
	int64_t fail_at; /* cannot be read from there; -1: all can */
	uint64_t really; /* as long as it is; req.bytes is what is said */
	uint64_t read_most;
	unsigned reads, again; /* how often from 0 */
	bool destroy_pool;     /* in done */
	bool next;	       /* start another scan in done */
};

/* A clean file of so many bytes. */
void scan_init(struct scan *s, struct world *w, const char *label,
	       uint64_t bytes);
void scan_text(struct scan *s, struct world *w, const char *label,
	       const char *text);
void scan_go(struct scan *s);
void scan_wait(struct scan *s); /* until it is done */
void scan_digest(const struct scan *s, uint8_t out[DIGEST_SIZE]);
/* OPTIONS, and waits for it. */
void world_options(struct world *w, struct icap_result *result);

/* Runs one suite of one case list; each test in its own process. */
int world_run(const char *name, const TTest *const *tests, size_t count);
#define WORLD_RUN(name, tests) \
	world_run((name), (tests), sizeof(tests) / sizeof((tests)[0]))

#endif
