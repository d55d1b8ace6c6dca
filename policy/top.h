#ifndef POLICY_TOP_H
#define POLICY_TOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/addr.h"
#include "gateway/base/slice.h"

/*
 * Who sends most, by login, client address, envelope sender and recipient
 * domain, over the last minutes. Bounded memory: the busiest TOP_MEMBERS of
 * each are members and counted exactly from the minute they became one; who
 * is idle or smallest goes first. Time is an argument. Any thread.
 *
 * A window has the minute that is not over and the window_min before it, so it
 * leaves out nothing and has up to a minute more. v6 clients count by /64; the
 * null sender's name is "<>"; case does not count in senders and domains.
 */
struct top;

enum top_by { TOP_CRED, TOP_IP, TOP_FROM, TOP_DOMAIN, TOP_BYS };
#define TOP_MEMBERS 2000
#define TOP_WINDOW_MAX_MIN 60
#define TOP_DISTINCT_MAX 4096 /* a member; more are told as "more than" */

struct top *top_create(void);
void top_destroy(struct top **top);

struct top_message { /* accepted; borrowed for the call */
	const char *cred;
	struct ip_addr ip;
	struct slice from;
	const struct slice *domains; /* one a recipient; may repeat */
	size_t recipient_count;
};
void top_accepted(struct top *top, const struct top_message *m,
		  int64_t now_wall_s);
/* A refused command (RCPT, MAIL, the dot); "" or none where not known. */
void top_refused(struct top *top, const char *cred, const struct ip_addr *ip,
		 struct slice from, struct slice domain, int64_t now_wall_s);
/* A login's new dead domain (domains_dead_is_new). Its recipient is told of
 * with one of the two above. */
void top_dead_domain(struct top *top, const char *cred,
		     const struct ip_addr *ip, struct slice from,
		     struct slice domain, int64_t now_wall_s);

struct top_line {
	char name[256]; /* raw, cut */
	uint64_t messages, recipients, refused, dead_domains;
	unsigned dead_percent; /* of all recipients tried; rounded up */
	/* distinct, refused commands too; exact unless there are more */
	uint64_t froms, ips, creds;
	bool froms_more, ips_more, creds_more;
	int64_t since_wall_s; /* a member since then; 0: all of the window */
};
/* The busiest by recipients + refused over the window, in order; at the end
 * those of whom nothing but dead domains is known. */
size_t top_get(struct top *top, enum top_by by, unsigned window_min,
	       int64_t now_wall_s, struct top_line *out, size_t max);

#endif
