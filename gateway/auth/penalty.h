#ifndef GATEWAY_AUTH_PENALTY_H
#define GATEWAY_AUTH_PENALTY_H

#include "gateway/base/addr.h"

/*
 * The failed logins of each client address (v4 /32, v6 /64). fail_max of them
 * within a window close the address for a while, each time twice as long; eight
 * times as many within a v6 /48 close all of that in the same way. A login that
 * succeeded from an address stays welcome there while it is closed to others;
 * no login is ever closed everywhere.
 *
 * Pure: time (monotonic ms) is an argument; not for two threads at once.
 */
struct penalty;

struct penalty_opts {
	unsigned fail_max;
	int64_t window_ms;
	int64_t block_ms;
	int64_t block_max_ms;
	int64_t known_ms;   /* a success is remembered so long */
	size_t address_max; /* entries; the oldest goes */
	size_t known_max;
};

struct penalty *penalty_create(const struct penalty_opts *opts);
void penalty_destroy(struct penalty **penalty);

/* When the address opens, or 0: open. cred none: closed only if no login at
 * all is known here. */
int64_t penalty_closed_ms(struct penalty *penalty, const struct ip_addr *ip,
			  struct slice cred, int64_t now_ms);

/* tried stands for the name and password (a keyed hash; 0: not known). What
 * was tried already counts once: a phone with an old password repeats it for
 * days and guesses nothing. cred none: not known. */
void penalty_fail(struct penalty *penalty, const struct ip_addr *ip,
		  struct slice cred, uint64_t tried, int64_t now_ms);
void penalty_success(struct penalty *penalty, const struct ip_addr *ip,
		     struct slice cred, int64_t now_ms);

/* Counted failures of the address in the window, at most fail_max; fail_max
 * while closed, be it by its /48. */
unsigned penalty_failures(struct penalty *penalty, const struct ip_addr *ip,
			  int64_t now_ms);

#endif
