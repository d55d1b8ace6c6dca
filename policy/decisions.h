#ifndef POLICY_DECISIONS_H
#define POLICY_DECISIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/addr.h"
#include "gateway/base/id.h"
#include "gateway/scan/verdict.h"
#include "policy/limits.h"

/*
 * The last decisions against somebody, so that `sluice why REF` can say what
 * the reference in a reply stands for. A ring in memory, bounded in bytes;
 * the log has the rest. Any thread.
 */
struct decisions;

enum decision_kind {
	DECISION_LIMIT,
	DECISION_BLOCK,
	DECISION_SENDER, /* FROM binding */
	DECISION_SCAN,	 /* viruses, and what could not be scanned */
};

#define DECISION_CRED_MAX 128

struct decision {
	uint64_t ref; /* filled in */
	enum decision_kind kind;
	int64_t wall_ms;
	char cred[DECISION_CRED_MAX]; /* cut; "" without a login */
	struct ip_addr client;
	uint64_t session, msg; /* 0: none */
	char stage[8];	       /* "RCPT", ".", "scan" ... */
	int code;
	struct limit_hit hit; /* DECISION_LIMIT */
	uint64_t block;	      /* DECISION_BLOCK: its id */
	enum scan_kind scan;  /* DECISION_SCAN */
	char detail[128];     /* the recipient, the sender; cut, raw */
	uint32_t again;	      /* so often more, the same in the same message
				 or connection */
};

#define DECISIONS_MAX 20000

struct decisions *decisions_create(size_t max); /* 0: DECISIONS_MAX */
void decisions_destroy(struct decisions **decisions);
/* Returns the reference. The same rule against the same message (or session)
 * gets the reference it had. */
uint64_t decisions_add(struct decisions *decisions, const struct decision *d);
bool decisions_get(struct decisions *decisions, uint64_t ref,
		   struct decision *out);
/* Newest first; cred, ip NULL: not asked. Returns how many. */
size_t decisions_of(struct decisions *decisions, const char *cred,
		    const struct ip_addr *ip, struct decision *out, size_t max);

#endif
