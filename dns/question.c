/*
 * The life of a question on the wire: when it is asked, of whom, how often,
 * and when it is given up.
 *
 * A try lasts timeout_ms, each further one twice as long; the packet of an
 * earlier try is still listened for. A truncated answer, or one that may be
 * forged, is asked for again by TCP within the same try. Who refuses (the
 * resolver restarts) is asked again, or another, once for each server.
 *
 * Callbacks of asks come from inside c-ares, so they only end a question (it
 * goes on `ready`) or note that it is to be asked again; question_pump does
 * the rest from the loop. No caller is ever called from here.
 */
#include <stdlib.h>
#include <string.h>

#include "dns/lookup_int.h"
#include "dns/packet.h"
#include "gateway/base/clock.h"
#include "gateway/base/mem.h"

#define RELAXED memory_order_relaxed
#define PUMP_MAX 64 /* packets a turn: each is a system call */

/* ---- Beginning and end ---- */

static size_t
key_make(char key[DNS_NAME_SIZE + QUESTION_NAME], const struct dns_req *req,
	 const char *name)
{
	size_t n = strlen(name) + 1;

	key[0] = (char)req->type;
	key[1] = (char)req->second;
	memcpy(key + QUESTION_NAME, name, n);
	return n + QUESTION_NAME;
}

struct question *
question_create(struct dns *dns, const struct dns_req *req, const char *name)
{
	char key[DNS_NAME_SIZE + QUESTION_NAME];
	size_t n = key_make(key, req, name);
	struct question *q = mem_zalloc(sizeof(*q) + n);

	q->dns = dns;
	q->type = req->type;
	q->second = req->second;
	q->key_n = n;
	memcpy(q->key, key, n);
	TAILQ_INIT(&q->ops);
	LIST_INIT(&q->asks);
	LIST_INSERT_HEAD(&dns->all, q, all_link);
	return q;
}

struct question *
question_find(struct dns *dns, const struct dns_req *req, const char *name)
{
	char key[DNS_NAME_SIZE + QUESTION_NAME];
	size_t n = key_make(key, req, name);
	struct question *q;

	HASH_FIND(hh, dns->questions, key, n, q);
	return q;
}

void
question_hide(struct question *q)
{
	if (q->findable)
		HASH_DEL(q->dns->questions, q);
	q->findable = false;
}

/* Out of everything but its ops. */
static void
question_detach(struct question *q)
{
	question_hide(q);
	slots_leave(&q->dns->slots, &q->slot);
	if (q->again)
		TAILQ_REMOVE(&q->dns->again, q, link);
	q->again = false;
	ask_drop(&q->asks);
	if (q->generation != NULL) {
		TAILQ_REMOVE(&q->generation->due[q->try], q, due_link);
		q->generation->question_count--;
	}
	q->generation = NULL;
}

void
question_silence(struct question *q)
{
	struct dns_op *op;

	while ((op = TAILQ_FIRST(&q->ops)) != NULL) {
		TAILQ_REMOVE(&q->ops, op, link);
		free(op);
	}
}

void
question_free(struct question *q)
{
	if (q->ended)
		TAILQ_REMOVE(&q->dns->ready, q, link);
	else
		question_detach(q);
	LIST_REMOVE(q, all_link);
	question_silence(q);
	arena_destroy(&q->arena);
	free(q);
}

static enum dns_outcome
outcome_of(enum dns_status status)
{
	switch (status) {
	case DNS_OK:
	case DNS_NXDOMAIN:
	case DNS_NODATA:
		return DNS_OUTCOME_USABLE;
	case DNS_FAIL:
		break;
	case DNS_TIMEOUT:
		return DNS_OUTCOME_TIMEOUT;
	case DNS_BUSY:
		return DNS_OUTCOME_BUSY;
	}
	return DNS_OUTCOME_FAILED;
}

static void
question_count(const struct question *q)
{
	struct dns *dns = q->dns;

	if (dns->stats == NULL)
		return;
	if (q->generation != NULL)
		dns_stats_ended(dns->stats, dns->stats_loop,
				outcome_of(q->answer.status), q->second,
				(uint64_t)(clock_mono_us() - q->asked_us),
				loop_now_ms(dns->loop));
	else if (q->answer.status == DNS_BUSY)
		atomic_fetch_add_explicit(&dns->stats_loop->busy, 1, RELAXED);
}

void
question_shared(struct dns *dns)
{
	if (dns->stats != NULL)
		atomic_fetch_add_explicit(&dns->stats_loop->shared, 1, RELAXED);
}

static void
question_end(struct question *q)
{
	question_count(q);
	question_detach(q);
	q->ended = true;
	TAILQ_INSERT_TAIL(&q->dns->ready, q, link);
}

void
question_fail(struct question *q, enum dns_status status, const char *text)
{
	memset(&q->answer, 0, sizeof(q->answer));
	q->answer.status = status;
	q->answer.text = text;
	question_end(q);
}

/* ---- Answers ---- */

static void
ask_again(struct question *q)
{
	if (!q->again)
		TAILQ_INSERT_TAIL(&q->dns->again, q, link);
	q->again = true;
}

static void
question_answer(struct question *q, struct slice reply)
{
	q->arena = arena_create(512);
	dns_packet_read(reply, q->key + QUESTION_NAME, q->type, q->arena,
			&q->answer);
	q->answer.authentic = q->answer.authentic && q->generation->loopback;
	question_end(q);
}

static void
question_refused(struct question *q)
{
	const struct resolv *resolv = servers_resolv(q->generation->servers);

	/* the packet of an earlier try may still bring an answer */
	if (q->again || !LIST_EMPTY(&q->asks))
		return;
	if (q->refused++ < resolv->count)
		ask_again(q);
	else
		question_fail(q, DNS_FAIL, "no answer from the resolver");
}

static void
on_ask(void *arg, enum ask_result result, struct slice reply)
{
	struct question *q = arg;

	switch (result) {
	case ASK_REPLY:
		question_answer(q, reply);
		break;
	case ASK_BY_TCP:
		if (!q->tcp)
			ask_again(q);
		q->tcp = true;
		q->asked_of = 0; /* the same one, or another that is well */
		break;
	case ASK_SILENT:
		break;
	case ASK_REFUSED:
		question_refused(q);
		break;
	}
}

/* ---- Asking ---- */

static void
question_ask(struct question *q)
{
	struct ask_req req = {
	    .name = q->key + QUESTION_NAME,
	    .type = q->type,
	    .tcp = q->tcp,
	    .avoid = q->asked_of,
	    .now_ms = loop_now_ms(q->dns->loop),
	    .done = on_ask,
	    .arg = q,
	};

	q->asked_of |= ask_start(q->generation->servers, &q->asks, &req);
}

static void
due_set(struct question *q, int64_t now_ms)
{
	struct generation *g = q->generation;

	q->due_ms = now_ms + (g->timeout_ms << q->try);
	TAILQ_INSERT_TAIL(&g->due[q->try], q, due_link);
}

static void
question_begin(struct question *q)
{
	struct dns *dns = q->dns;
	struct generation *g = q->second ? dns->second : dns->first;

	if (g == NULL) {
		question_fail(q, DNS_FAIL, "no second resolver");
		return;
	}
	q->generation = g;
	g->question_count++;
	q->asked_us = clock_mono_us();
	due_set(q, loop_now_ms(dns->loop));
	if (dns->stats != NULL)
		atomic_fetch_add_explicit(&dns->stats_loop->asked, 1, RELAXED);
	question_ask(q);
}

static uint64_t
owner_hash(const char *owner)
{
	return owner == NULL ? 0 : hash_bytes(owner, strlen(owner));
}

static void
give_up(struct slot *slot)
{
	struct question *q = (struct question *)slot;

	question_fail(q, DNS_BUSY,
		      q->generation != NULL ? "given up: too many are slow"
					    : "too many questions wait");
}

void
question_wait(struct question *q, const struct dns_req *req)
{
	struct slot *victim;

	HASH_ADD_KEYPTR(hh, q->dns->questions, q->key, q->key_n, q);
	q->findable = true;
	victim = slots_wait(&q->dns->slots, &q->slot, owner_hash(req->owner),
			    loop_now_ms(q->dns->loop));
	if (victim != NULL)
		give_up(victim);
}

static void
gauges_set(const struct dns *dns)
{
	if (dns->stats == NULL)
		return;
	atomic_store_explicit(&dns->stats_loop->fast, dns->slots.fast_count,
			      RELAXED);
	atomic_store_explicit(&dns->stats_loop->slow, dns->slots.slow_count,
			      RELAXED);
}

/* False: there is nothing to ask. */
static bool
ask_one(struct dns *dns, int64_t now_ms)
{
	struct question *q = TAILQ_FIRST(&dns->again);
	struct slot *slot;

	if (q != NULL) {
		TAILQ_REMOVE(&dns->again, q, link);
		q->again = false;
		question_ask(q);
		return true;
	}
	slot = slots_next(&dns->slots, now_ms);
	if (slot != NULL)
		question_begin((struct question *)slot);
	return slot != NULL;
}

bool
question_pump(struct dns *dns)
{
	int64_t now_ms = loop_now_ms(dns->loop);
	int n = 0;

	while (n < PUMP_MAX && ask_one(dns, now_ms))
		n++;
	gauges_set(dns);
	return n == PUMP_MAX;
}

/* ---- Time ---- */

static void
question_due(struct question *q, int64_t now_ms)
{
	struct generation *g = q->generation;

	ask_missed(&q->asks, now_ms);
	if (q->try + 1 >= g->tries) {
		question_fail(q, DNS_TIMEOUT, "timed out");
		return;
	}
	TAILQ_REMOVE(&g->due[q->try], q, due_link);
	q->try++;
	due_set(q, now_ms);
	ask_again(q);
}

static void
generation_tick(struct generation *g, int64_t now_ms)
{
	struct question *q;

	servers_tick(g->servers);
	for (int i = 0; i < g->tries; i++) {
		while ((q = TAILQ_FIRST(&g->due[i])) != NULL &&
		       q->due_ms <= now_ms)
			question_due(q, now_ms);
	}
}

void
question_tick(struct dns *dns)
{
	int64_t now_ms = loop_now_ms(dns->loop);
	struct generation *g;
	struct slot *slot;

	generation_tick(dns->first, now_ms);
	if (dns->second != NULL)
		generation_tick(dns->second, now_ms);
	LIST_FOREACH (g, &dns->old, link)
		generation_tick(g, now_ms);
	while ((slot = slots_tired(&dns->slots, now_ms)) != NULL)
		give_up(slot);
}
