#ifndef DNS_CHANNEL_H
#define DNS_CHANNEL_H

#include "gateway/base/addr.h"
#include "gateway/net/loop.h"

/*
 * Packets to one name server and back: one UDP port, opened when there is
 * something to send, and one TCP connection. Each packet is sent once; when to
 * ask again is the caller's (dns/question.c).
 */
struct channel;

enum channel_result {
	CHANNEL_REPLY,	 /* the id and, but for its case, the question fit */
	CHANNEL_TIMEOUT, /* nothing came */
	CHANNEL_REFUSED, /* nobody there, connection lost, no descriptors */
	CHANNEL_GONE,	 /* the channel is being destroyed */
};

/* Called once for each packet, perhaps inside channel_send already. It may not
 * destroy the channel. */
typedef void channel_fn(void *arg, enum channel_result result,
			struct slice reply);

/* timeout_ms: how long an answer is waited for at most. after is called from
 * the loop when answers have come; there everything is allowed. NULL: out of
 * memory. */
struct channel *channel_create(struct loop *loop,
			       const struct sock_addr *server,
			       int64_t timeout_ms, void (*after)(void *arg),
			       void *after_arg);
void channel_destroy(struct channel **channel);

void channel_send(struct channel *channel, struct slice packet, bool tcp,
		  channel_fn *done, void *arg);
/* To be called now and then while packets are open: finds time-outs. */
void channel_tick(struct channel *channel);
uint32_t channel_open_count(const struct channel *channel);

#endif
