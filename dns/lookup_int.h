#ifndef DNS_LOOKUP_INT_H
#define DNS_LOOKUP_INT_H

#include "dns/lookup.h"
#include "dns/servers.h"
#include "dns/slots.h"
#include "dns/stats.h"
#include "gateway/base/arena.h"
#include "gateway/base/hash.h"

/*
 * Of the look-ups what lookup.c (ops, configuration) and question.c (asking)
 * share.
 */
#define TRIES_MAX 5

/*
 * A set of servers with its time-outs. One that was replaced ends what it
 * began: it goes when its last question does.
 */
struct generation {
	LIST_ENTRY(generation) link; /* of old */
	struct servers *servers;
	bool loopback;
	int64_t timeout_ms;
	int tries;
	uint32_t question_count;		       /* asked, not ended */
	TAILQ_HEAD(due_list, question) due[TRIES_MAX]; /* by try, sorted */
};

/*
 * What ops wait for. Its life: waiting, asked, ended; then it is on `ready`
 * until its ops have the answer. Without ops it goes on nevertheless, so that
 * slots tell what is on the wire; an equal one may join it until it ends.
 */
struct question {
	struct slot slot; /* first: what slots.c gives is cast back */
	LIST_ENTRY(question) all_link;
	UT_hash_handle hh;
	bool findable; /* in dns->questions */
	bool ended;
	TAILQ_ENTRY(question) link; /* of again or ready */
	bool again;		    /* to be asked once more, at once */
	bool tcp;
	int try;
	unsigned refused;  /* times */
	unsigned asked_of; /* a bit a server */
	TAILQ_ENTRY(question) due_link;
	int64_t due_ms;
	int64_t asked_us;
	TAILQ_HEAD(op_list, dns_op) ops;
	struct ask_list asks;
	struct dns *dns;
	struct generation *generation; /* NULL: not asked yet */
	struct arena *arena;	       /* of the answer */
	struct dns_answer answer;
	enum dns_type type;
	bool second;
	size_t key_n;
	char key[]; /* type, second, name and its NUL */
};
#define QUESTION_NAME 2 /* in key */

struct dns_op {
	TAILQ_ENTRY(dns_op) link;
	struct question *question;
	dns_done_fn *done;
	void *arg;
};

TAILQ_HEAD(question_list, question);
LIST_HEAD(question_all, question);
LIST_HEAD(generation_list, generation);

struct dns {
	struct loop *loop;
	struct slots slots;
	struct question *questions; /* that an equal one may join */
	struct question_all all;
	struct question_list again, ready;
	struct generation *first, *second; /* second: NULL: none */
	struct generation_list old;
	struct timer_op *tick, *soon, *upkeep;
	struct question *telling; /* its op's done runs */
	bool dead;		  /* it destroyed us: free when it returns */
	bool used;		  /* since the last upkeep */
	bool from_file;
	char *hosts_path, *resolv_path;
	struct dns_cache *cache;
	struct dns_stats *stats; /* the cache's; NULL without one */
	struct dns_stats_loop *stats_loop;
};

/* A question that nobody asked yet; name as of dns_name_key. */
struct question *question_create(struct dns *dns, const struct dns_req *req,
				 const char *name);
struct question *question_find(struct dns *dns, const struct dns_req *req,
			       const char *name);
/* Into the queue; it or another may end at once for want of room. */
void question_wait(struct question *q, const struct dns_req *req);
/* Ends it unasked. */
void question_fail(struct question *q, enum dns_status status,
		   const char *text);
/* Of any state; its ops go silently. */
void question_free(struct question *q);
void question_silence(struct question *q); /* only they */
void question_shared(struct dns *dns);	   /* counts */
/* No equal one may join it any more. */
void question_hide(struct question *q);

/* Asks what may be asked now. Ops become ready, nobody is called. True: there
 * may be more, in another turn. */
bool question_pump(struct dns *dns);
/* Time has passed. */
void question_tick(struct dns *dns);

#endif
