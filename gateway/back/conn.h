#ifndef GATEWAY_BACK_CONN_H
#define GATEWAY_BACK_CONN_H

#include "gateway/back/relay.h"

/*
 * One connection of a destination: finds a host that answers, then carries
 * message after message, then closes by itself (unused for idle_ms,
 * messages_max reached, the peer gone). It tells its destination what it meets.
 */

/* skip: hosts not to be tried, a bit each. */
void conn_open(struct dest *dest, uint64_t skip);
/* What it tries to open did not answer: as if its time were over. */
void conn_give_up(struct conn *conn);
/* An idle one looks for work. */
void conn_work(struct conn *conn);
/* Does nothing unless it is idle; closes one that is old, or that the peer
 * closed. */
void conn_check_idle(struct conn *conn, int64_t now_ms);
void conn_close(struct conn **conn); /* not while a message is under way */
/* A message under way goes back to the queue as if not tried. */
void conn_abort(struct conn **conn);
bool conn_is_busy(const struct conn *conn);
bool conn_is_opening(const struct conn *conn);

/* Of dest->conns. */
struct conn *conn_next(const struct conn *conn);

#endif
