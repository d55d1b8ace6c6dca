#ifndef DNS_SERVERS_H
#define DNS_SERVERS_H

#include <bsd/sys/queue.h>

#include "dns/query.h"
#include "dns/resolv.h"

/*
 * A set of name servers that may answer the same questions: which of them is
 * asked, over which port, and whether what comes back answers what was asked.
 * A silent one is asked last, and tried again now and then.
 */
struct servers;

/* answer_ms: how long a packet is waited for at most. after: as of
 * channel_create. NULL: out of descriptors or memory. */
struct servers *servers_create(struct loop *loop, const struct resolv *resolv,
			       int64_t answer_ms, void (*after)(void *arg),
			       void *after_arg);
/* All asks must have been dropped. */
void servers_destroy(struct servers **servers);
const struct resolv *servers_resolv(const struct servers *servers);

enum ask_result {
	ASK_REPLY,   /* whole, and to what was asked */
	ASK_BY_TCP,  /* truncated, or perhaps forged: so ask */
	ASK_SILENT,  /* no answer will come any more */
	ASK_REFUSED, /* nobody there, connection lost */
};
typedef void ask_fn(void *arg, enum ask_result result, struct slice reply);

/* One packet on its way: an element of the list of who waits for it. */
struct ask {
	LIST_ENTRY(ask) link;
	struct server *server;
	struct lane *lane; /* its port */
	bool dropped;	   /* nobody waits any more */
	bool missed;	   /* not in time; it may still come */
	bool tcp, mixed;   /* letters of random case */
	ask_fn *done;
	void *arg;
	struct dns_query query;
};
LIST_HEAD(ask_list, ask);

struct ask_req {
	const char *name;
	enum dns_type type;
	bool tcp;
	unsigned avoid; /* a bit a server: asked already, so rather not */
	int64_t now_ms;
	ask_fn *done;
	void *arg;
};

/* Puts the ask on list; its end takes it off, then calls done, which may be
 * now. Returns the server's bit. */
unsigned ask_start(struct servers *servers, struct ask_list *list,
		   const struct ask_req *req);
/* What is on list has not been answered in time. */
void ask_missed(struct ask_list *list, int64_t now_ms);
void ask_drop(struct ask_list *list);

/* Time-outs; channels nobody waits for go. From the loop, with no c-ares on
 * the stack. */
void servers_tick(struct servers *servers);
void servers_reap(struct servers *servers);
/* Packets whose answers are still waited for, dropped ones too. */
bool servers_busy(const struct servers *servers);

#endif
