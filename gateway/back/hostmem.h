#ifndef GATEWAY_BACK_HOSTMEM_H
#define GATEWAY_BACK_HOSTMEM_H

#include "gateway/base/addr.h"

/*
 * Hosts that did not answer, whatever sites they serve: each is left alone for
 * a minute, then for twice as long each time, up to an hour. When its rest is
 * over one connection at a time goes to see. Bounded: who failed longest ago
 * is forgotten first. Pure: monotonic time is an argument.
 */
struct hostmem;

#define HOSTMEM_MAX 20000
#define HOSTMEM_REST_MIN_MS 60000
#define HOSTMEM_REST_MAX_MS 3600000
#define HOSTMEM_PROBE_MS 60000 /* a probe that says nothing is forgotten */

struct hostmem *hostmem_create(uint32_t max); /* 0: HOSTMEM_MAX */
void hostmem_destroy(struct hostmem **mem);

/* 0: it may be tried now; else not before then. */
int64_t hostmem_rest_ms(const struct hostmem *mem, const struct sock_addr *addr,
			int64_t now_ms);
/* A try begins. True: it is the probe of one that failed before. */
bool hostmem_try(struct hostmem *mem, const struct sock_addr *addr,
		 int64_t now_ms);
void hostmem_failed(struct hostmem *mem, const struct sock_addr *addr,
		    int64_t now_ms);
/* The try ended without a word on the host: another may try. */
void hostmem_undecided(struct hostmem *mem, const struct sock_addr *addr);
void hostmem_worked(struct hostmem *mem, const struct sock_addr *addr);
void hostmem_forgive(struct hostmem *mem); /* all */
uint32_t hostmem_count(const struct hostmem *mem);

#endif
