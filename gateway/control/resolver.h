#ifndef GATEWAY_CONTROL_RESOLVER_H
#define GATEWAY_CONTROL_RESOLVER_H

#include "dns/domain.h"

/*
 * Control's own way to ask DNS, and its watch over the resolver: a question
 * for a name that cannot exist, at the start, each hour and when the servers
 * change, tells whether NXDOMAIN comes through; while answers fail, such
 * questions tell when they are back.
 */
struct resolver;

/* opts: copied. asks: somebody does; else nothing is watched. NULL: out of
 * descriptors, or no list of servers. */
struct resolver *resolver_create(struct loop *loop, const struct dns_opts *opts,
				 bool asks);
void resolver_destroy(struct resolver **resolver);
void resolver_reload(struct resolver *resolver, const struct dns_opts *opts,
		     bool asks);
/* Each second. */
void resolver_tick(struct resolver *resolver, int64_t now_ms);

struct dns *resolver_dns(const struct resolver *resolver);

struct resolver_status {
	bool asks;
	struct dns_servers servers;
	bool rewrites;	/* a name that cannot exist has a record */
	char found[64]; /* "A 192.0.2.1" */
};
void resolver_get(const struct resolver *resolver,
		  struct resolver_status *status);

#endif
