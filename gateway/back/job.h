#ifndef GATEWAY_BACK_JOB_H
#define GATEWAY_BACK_JOB_H

#include <bsd/sys/queue.h>
#include <stdbool.h>
#include <stdint.h>

#include "gateway/spool/message.h"

/*
 * A job is one delivery to come: some recipients of one message that share a
 * destination and a due time. A million may wait, so it is compact: the
 * message is in memory (mail) only when it is fresh or under way.
 *
 * A recipient that is not final belongs to exactly one job from the moment it
 * is queued, or held, until its last outcome. That is what keeps an entry under
 * way from being started twice: nothing is looked up on disk to decide what to
 * start.
 */
struct dest;
struct domain;
struct doom;
struct lookup;
struct rule;
struct source;

#define JOB_RCPTS_MAX 100 /* RFC 5321, 4.5.3.1.8: each server takes so many */
#define JOB_RCPTS_BULK 25 /* in the bulk lane */
#define JOB_LARGE_BYTES 65536

enum job_state {
	JOB_READY,   /* in a turn of its destination */
	JOB_WAITING, /* in the heap; perhaps in its destination's parked list */
	JOB_ACTIVE,  /* somebody is sending it, or looks at it right now */
	JOB_RULED,   /* a block or hold keeps it, until the rule goes */
	JOB_MARKED,  /* its entries are RCPT_HELD on disk */
	JOB_TAKEN,   /* by an administrator's work, not decided on disk yet */
	JOB_ASKED,   /* at a lookup: DNS is asked about its domain */
	JOB_DOOMED,  /* failed for good; the report waits for others */
	JOB_STANDS,  /* its campaign has not let it go yet: feeder.h */
};

/* A message in memory and how many jobs still use it. */
struct mail {
	struct spool_msg *msg;
	uint32_t jobs;
	bool loaded; /* from the spool: rcpts may lack final ones */
};

/* That a job has recipients at a domain. */
struct domain_ref {
	LIST_ENTRY(domain_ref) link; /* of the domain */
	struct domain *domain;
	struct job *job;
};

struct job {
	/* Of a turn, the parked list, a rule, what is marked, a work, what
	 * stands. */
	TAILQ_ENTRY(job) link;
	LIST_ENTRY(job) by_source, by_body, by_id;
	uint64_t id;
	uint64_t body; /* a keyed hash of its digest */
	struct dest *dest;
	struct source *source; /* the login, client address and campaign */
	union {
		struct mail *mail; /* NULL: load it when due */
		struct rule *rule; /* JOB_RULED */
	};
	union {
		uint32_t one; /* rcpt_count 1 */
		uint32_t *many;
	} rcpt; /* recipient indexes in the message */
	union {
		int64_t due_wall_s;
		struct lookup *lookup; /* JOB_ASKED */
		struct doom *doom;     /* JOB_DOOMED */
	};
	union {
		struct domain_ref one; /* domain_count 1 */
		struct domain_ref *many;
	} domain; /* also those of recipients that left the job */
	uint32_t accepted_wall_s;
	union {
		uint32_t heap_at; /* JOB_WAITING */
		uint32_t holds;	  /* JOB_MARKED, JOB_TAKEN: 0 was not marked */
	};
	uint16_t attempts;
	uint16_t generation; /* of the settings it was routed by */
	uint8_t rcpt_count, domain_count;
	uint8_t large; /* of the body, in JOB_LARGE_BYTES, at most 255 */
	uint8_t lane : 2;
	uint8_t state : 4;
	uint8_t parked : 1; /* its destination was down: try when it is up */
	uint8_t again : 1;  /* a reused connection died under it once */
	/* accepted without a word of DNS on its domain */
	uint8_t undecided : 1;
	/* Of a campaign: */
	uint8_t fed : 1;   /* let in, not out again */
	uint8_t sited : 1; /* and counted at its destination */
	uint8_t stands : 2;
};

TAILQ_HEAD(job_list, job);
LIST_HEAD(job_chain, job);

struct job *job_create(uint64_t id);
/* It is in no list and in no catalog any more. */
void job_destroy(struct job **job);
/* These two count the job where it will be listed: catalog_add comes next, and
 * nothing else may be added to the job afterwards. */
void job_set_source(struct job *job, struct source *source);
void job_add_rcpt(struct job *job, uint32_t index, struct domain *domain);
const uint32_t *job_rcpts(const struct job *job);
/* Its domains are refs[0] to refs[domain_count - 1]. */
struct domain_ref *job_domains(struct job *job);
/* Keep only these of its recipients (in order). */
void job_keep(struct job *job, const uint32_t *indexes, uint32_t count);
/* Of which it is; 0: none. */
uint64_t job_campaign(const struct job *job);
bool job_has_domain(const struct job *job, const struct domain *domain);
/* What sending it takes from its credential's turn. */
uint32_t job_cost(const struct job *job);

#endif
