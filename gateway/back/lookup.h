#ifndef GATEWAY_BACK_LOOKUP_H
#define GATEWAY_BACK_LOOKUP_H

#include "gateway/back/relay.h"

/*
 * Jobs that wait for what DNS says of their domain: recipients that were
 * accepted without a word of it (RCPT_DOMAIN_UNDECIDED), and all of an MX hop,
 * which needs to know where to. One lookup a domain and hop, however many wait:
 *
 *   deliverable   on to the next hop, or to the domain's site
 *   dead etc.     bounced, in one report with others of the message (summary.h)
 *   unknown       deferred, 4.4.3, as by any next hop
 *   our own cap   waits some seconds and is asked again: no attempt
 *
 * What `domains` (policy) does not ask about passes. Answers for sites are
 * kept for their time, and used for a day longer while the resolver fails.
 */
struct lookups; /* of a relay */

#define LOOKUP_IDLE_MAX 10000 /* answers kept while nobody waits */

struct lookups *lookups_create(void);
void lookups_destroy(struct lookups **lookups); /* no hop has any */

/* Takes the job: its hop's, of one domain, in no list. */
void lookup_put(struct relay *relay, struct job *job);
/* A job leaves, JOB_ACTIVE. */
void lookup_remove(struct relay *relay, struct job *job);
/* Asks, and works off what was answered. True: there is more. */
bool lookup_slice(struct relay *relay);
void lookup_tick(struct relay *relay); /* whose time to be asked again is */
/* An administrator says: now. domain in key form; none: all. */
void lookup_flush(struct relay *relay, struct slice domain);
/* The hop goes: its jobs are given back, by its lobby. */
void lookup_leave(struct hop *hop);
/* At the end. Jobs are in no list any more, JOB_ACTIVE. */
struct job *lookup_drain(struct hop *hop);
void lookup_drop_all(struct hop *hop); /* nobody waits */

#endif
