#ifndef GATEWAY_BACK_HOSTSET_H
#define GATEWAY_BACK_HOSTSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/addr.h"

/*
 * The hosts of one destination: which to connect to next, and which are put
 * aside after failures. Pure: monotonic time is an argument.
 */
#define HOSTS_MAX 64
#define HOST_IPS_MAX 8
#define HOST_FAILS_MAX 3 /* sessions that broke in a row: as good as down */

struct host {
	char *name; /* for logs, SNI and the certificate */
	uint16_t port, weight, priority;
	int64_t current; /* of the smooth weighted choice */
	int64_t aside_until_ms, aside_ms;
	int64_t rest_until_ms; /* the owner's word: not before, either */
	uint32_t breaks;       /* sessions that broke since one went well */
	uint32_t caps;	       /* of its last EHLO */
	bool caps_known;
	bool authentic; /* DNS validated it: TLSA records would count */
	uint32_t ip_count;
	struct ip_addr ips[HOST_IPS_MAX];
	int64_t ips_until_ms; /* ask again after it; they stay as a fallback */
};

struct hostset {
	size_t count;
	/* One of many destinations (MX): a dead one is left alone for long
	 * even when it is all there is, since it takes a slot from others. */
	bool patient;
	int64_t rest_ms; /* of all, while nobody is left */
	struct host host[];
};

#define HOST_NONE SIZE_MAX

struct hostset *hostset_create(size_t count); /* zeroed, weights 1 */
/* As made: of what was met later nothing is copied. */
struct hostset *hostset_copy(const struct hostset *hosts);
void hostset_destroy(struct hostset **hosts);

/*
 * Among the hosts that are not aside and not in tried (a bit each), those of
 * the best priority share by weight.
 */
size_t hostset_pick(struct hostset *hosts, int64_t now_ms, uint64_t tried);
void hostset_failed(struct hostset *hosts, size_t i, int64_t now_ms);
/* It let us in. That alone does not make up for sessions that broke. */
void hostset_worked(struct hostset *hosts, size_t i);
/* A session broke under a message; a message went well. */
void hostset_broke(struct hostset *hosts, size_t i, int64_t now_ms);
void hostset_carried(struct hostset *hosts, size_t i);
/* When the first one comes back; 0: one is there. */
int64_t hostset_back_ms(const struct hostset *hosts, int64_t now_ms);
void hostset_forgive(struct hostset *hosts); /* nobody is aside any more */
size_t hostset_find(const struct hostset *hosts, const char *name,
		    const struct ip_addr *ip);
/* The same names, ports, addresses and priorities, in any order. */
bool hostset_same(const struct hostset *a, const struct hostset *b);
/* What is known of hosts in both: asides, caps. */
void hostset_inherit(struct hostset *hosts, const struct hostset *old);

#endif
