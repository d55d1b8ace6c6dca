#ifndef GATEWAY_AUTH_DOVECOT_LINK_H
#define GATEWAY_AUTH_DOVECOT_LINK_H

#include "gateway/auth/dovecot_line.h"
#include "gateway/net/loop.h"

/*
 * The connection under gateway/auth/dovecot.h: made, greeted, and made again
 * when it breaks. What the lines after the greeting mean is the owner's.
 */
struct dovecot_link;

struct dovecot_link_ops {
	/* OK, CONT or FAIL. Not 0: nonsense, the link is dropped. */
	int (*on_answer)(void *arg, const struct dovecot_line *line);
	/* It was up, and everything said on it is void. */
	void (*on_lost)(void *arg);
};

/* ops outlives it; neither callback may destroy it. */
struct dovecot_link *dovecot_link_create(struct loop *loop, const char *path,
					 const struct dovecot_link_ops *ops,
					 void *arg);
void dovecot_link_destroy(struct dovecot_link **link); /* no callback */

bool dovecot_link_ready(const struct dovecot_link *link);
/* Names with spaces between; NULL while not ready or when it has none. */
const char *dovecot_link_mechanisms(struct dovecot_link *link);
/* Its own spelling of a name, or NULL. */
const char *dovecot_link_mechanism(const struct dovecot_link *link,
				   struct slice name);
void dovecot_link_send(struct dovecot_link *link,
		       struct slice line); /* when ready */
size_t dovecot_link_unsent(const struct dovecot_link *link);
/* When its last line came. */
int64_t dovecot_link_heard_ms(const struct dovecot_link *link);
/* Give it up and start anew; calls on_lost. */
void dovecot_link_drop(struct dovecot_link *link, const char *why);

#endif
