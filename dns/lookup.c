/*
 * Ops over questions: who waits for which answer, and with which servers and
 * caps all of it goes on. Asking is question.c's, who comes first slots.c's,
 * which server and port servers.c's, c-ares is channel.c's.
 *
 * Answers are given out from the loop, when c-ares has returned, at most
 * DELIVER_MAX ops a turn: equal questions share one, so thousands may wait for
 * the same. A caller's done may do everything, dns_destroy too; the question
 * whose ops are being told outlives that.
 *
 * resolv.conf is read again each UPKEEP_MS as long as something is asked, and
 * before the first question after a pause. One that is missing or names no
 * server changes nothing: it is being written.
 */
#include "dns/lookup.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "dns/cache_int.h"
#include "dns/lookup_int.h"
#include "dns/name.h"
#include "gateway/base/error.h"
#include "gateway/base/mem.h"

#define TICK_MS 50
#define UPKEEP_MS 5000
#define DELIVER_MAX 64
#define TIMEOUT_MS 2000
#define TRIES 2
#define INFLIGHT 500

static void on_after(void *arg);

/* ---- Servers ---- */

static void
generation_free(struct generation **gp)
{
	struct generation *g = *gp;

	*gp = NULL;
	if (g == NULL)
		return;
	assert(g->question_count == 0);
	servers_destroy(&g->servers);
	free(g);
}

static struct generation *
generation_create(struct dns *dns, const struct resolv *resolv,
		  const struct dns_opts *opts)
{
	struct generation *g = mem_zalloc(sizeof(*g));
	int64_t all_ms;

	g->timeout_ms = opts->timeout_ms > 0 ? opts->timeout_ms : TIMEOUT_MS;
	g->tries = opts->tries > 0 ? opts->tries : TRIES;
	if (g->tries > TRIES_MAX)
		g->tries = TRIES_MAX;
	for (int i = 0; i < TRIES_MAX; i++)
		TAILQ_INIT(&g->due[i]);
	g->loopback = resolv_is_loopback(resolv);
	all_ms = (g->timeout_ms << g->tries) - g->timeout_ms;
	g->servers =
	    servers_create(dns->loop, resolv, all_ms + 1000, on_after, dns);
	if (g->servers == NULL)
		generation_free(&g);
	return g;
}

/* The new one in its place; what the old one began it ends. */
static void
generation_swap(struct dns *dns, struct generation **place,
		struct generation *fresh)
{
	struct question *q;

	if (*place != NULL) {
		LIST_INSERT_HEAD(&dns->old, *place, link);
		for (int i = 0; i < (*place)->tries; i++) {
			TAILQ_FOREACH (q, &(*place)->due[i], due_link)
				question_hide(q);
		}
	}
	*place = fresh;
}

static void
reap(struct dns *dns)
{
	struct generation *g, *next;

	servers_reap(dns->first->servers);
	if (dns->second != NULL)
		servers_reap(dns->second->servers);
	LIST_FOREACH_SAFE (g, &dns->old, link, next) {
		if (g->question_count > 0)
			continue;
		LIST_REMOVE(g, link);
		generation_free(&g);
	}
}

/* GW_EINVAL: no list of addresses. */
static int
servers_find(const struct dns_opts *opts, const char *resolv_path,
	     struct resolv *first, struct resolv *second)
{
	second->count = 0;
	if (opts->second != NULL && !resolv_parse(opts->second, second))
		return GW_EINVAL;
	if (opts->servers != NULL)
		return resolv_parse(opts->servers, first) ? 0 : GW_EINVAL;
	/* without the file as the C library: a server on this host */
	if (!resolv_read(resolv_path, first))
		(void)resolv_parse("127.0.0.1", first);
	return 0;
}

static const char *
resolv_path_of(const struct dns_opts *opts)
{
	return opts->resolv_path != NULL ? opts->resolv_path
					 : "/etc/resolv.conf";
}

static void
string_set(char **place, const char *text)
{
	free(*place);
	*place = mem_strdup(text);
}

int
dns_reconfigure(struct dns *dns, const struct dns_opts *opts)
{
	struct generation *first, *second = NULL;
	struct resolv a, b;
	int err = servers_find(opts, resolv_path_of(opts), &a, &b);

	if (err != 0)
		return err;
	first = generation_create(dns, &a, opts);
	if (b.count > 0)
		second = generation_create(dns, &b, opts);
	if (first == NULL || (b.count > 0 && second == NULL)) {
		generation_free(&first);
		generation_free(&second);
		return GW_EIO;
	}
	generation_swap(dns, &dns->first, first);
	generation_swap(dns, &dns->second, second);
	slots_resize(&dns->slots,
		     opts->inflight_max > 0 ? opts->inflight_max : INFLIGHT);
	dns->from_file = opts->servers == NULL;
	string_set(&dns->resolv_path, resolv_path_of(opts));
	string_set(&dns->hosts_path,
		   opts->hosts_path != NULL ? opts->hosts_path : "/etc/hosts");
	return 0;
}

static void
resolv_check(struct dns *dns)
{
	struct dns_opts opts = {.timeout_ms = dns->first->timeout_ms,
				.tries = dns->first->tries};
	struct generation *fresh;
	struct resolv now;

	if (!dns->from_file || !resolv_read(dns->resolv_path, &now) ||
	    resolv_equal(&now, servers_resolv(dns->first->servers)))
		return;
	fresh = generation_create(dns, &now, &opts);
	if (fresh != NULL)
		generation_swap(dns, &dns->first, fresh);
}

/* ---- Giving out ---- */

static void
on_soon(void *arg)
{
	struct dns *dns = arg;

	dns->soon = NULL;
	on_after(dns);
}

static void
soon_arm(struct dns *dns)
{
	if (dns->soon == NULL)
		dns->soon = timer_start(dns->loop, 0, on_soon, dns);
}

/* False: dns is gone. */
static bool
question_tell(struct dns *dns, struct question *q)
{
	struct dns_op *op = TAILQ_FIRST(&q->ops);

	if (op == NULL) {
		question_free(q);
		return true;
	}
	TAILQ_REMOVE(&q->ops, op, link);
	dns->telling = q;
	op->done(op->arg, &q->answer);
	free(op);
	if (dns->dead) {
		question_free(q);
		free(dns);
		return false;
	}
	dns->telling = NULL;
	return true;
}

static void
deliver(struct dns *dns)
{
	int n = DELIVER_MAX;

	while (n-- > 0 && !TAILQ_EMPTY(&dns->ready)) {
		if (!question_tell(dns, TAILQ_FIRST(&dns->ready)))
			return;
	}
	if (!TAILQ_EMPTY(&dns->ready))
		soon_arm(dns);
}

/* ---- Time ---- */

static bool
is_busy(const struct dns *dns)
{
	return dns->slots.waiting_count > 0 || dns_inflight_count(dns) > 0 ||
	       !LIST_EMPTY(&dns->old) || servers_busy(dns->first->servers) ||
	       (dns->second != NULL && servers_busy(dns->second->servers));
}

static void
on_tick(void *arg)
{
	struct dns *dns = arg;

	dns->tick = NULL;
	question_tick(dns);
	on_after(dns);
}

static void
tick_arm(struct dns *dns)
{
	if (dns->tick == NULL && is_busy(dns))
		dns->tick = timer_start(dns->loop, TICK_MS, on_tick, dns);
}

static void
on_upkeep(void *arg)
{
	struct dns *dns = arg;
	bool go_on = dns->used;

	resolv_check(dns);
	if (dns->stats != NULL) {
		dns_stats_refresh(dns->stats, loop_now_ms(dns->loop));
		go_on = go_on || dns_stats_failing(dns->stats);
	}
	dns->used = false;
	dns->upkeep =
	    go_on ? timer_start(dns->loop, UPKEEP_MS, on_upkeep, dns) : NULL;
}

/* From the loop, nothing of c-ares on the stack. dns may be gone after it. */
static void
on_after(void *arg)
{
	struct dns *dns = arg;

	if (question_pump(dns))
		soon_arm(dns);
	reap(dns);
	tick_arm(dns);
	deliver(dns);
}

/* ---- Create, destroy ---- */

struct dns *
dns_create(struct loop *loop, const struct dns_opts *opts)
{
	struct dns *dns = mem_zalloc(sizeof(*dns));

	dns->loop = loop;
	dns->cache = opts->cache;
	TAILQ_INIT(&dns->again);
	TAILQ_INIT(&dns->ready);
	LIST_INIT(&dns->all);
	LIST_INIT(&dns->old);
	slots_init(&dns->slots, INFLIGHT);
	if (dns_reconfigure(dns, opts) != 0 ||
	    (dns->cache != NULL && dns_cache_join(dns->cache, dns) != 0)) {
		dns_destroy(&dns);
		return NULL;
	}
	if (dns->cache != NULL) {
		dns->stats = dns_cache_stats(dns->cache);
		dns->stats_loop = dns_stats_join(dns->stats);
	}
	return dns;
}

void
dns_destroy(struct dns **dnsp)
{
	struct dns *dns = *dnsp;
	struct question *q, *next;

	*dnsp = NULL;
	if (dns == NULL)
		return;
	if (dns->cache != NULL)
		dns_cache_leave(dns->cache, dns);
	LIST_FOREACH_SAFE (q, &dns->all, all_link, next) {
		if (q == dns->telling)
			question_silence(q);
		else
			question_free(q);
	}
	if (dns->first != NULL)
		reap(dns);
	generation_free(&dns->first);
	generation_free(&dns->second);
	timer_cancel(&dns->tick);
	timer_cancel(&dns->soon);
	timer_cancel(&dns->upkeep);
	dns_stats_leave(&dns->stats_loop);
	free(dns->hosts_path);
	free(dns->resolv_path);
	if (dns->telling != NULL)
		dns->dead = true;
	else
		free(dns);
}

/* ---- Ops ---- */

static void
use(struct dns *dns)
{
	dns->used = true;
	if (dns->upkeep != NULL)
		return;
	resolv_check(dns);
	dns->upkeep = timer_start(dns->loop, UPKEEP_MS, on_upkeep, dns);
}

struct dns_op *
dns_lookup_start(struct dns *dns, const struct dns_req *req, dns_done_fn *done,
		 void *arg)
{
	struct dns_op *op = mem_alloc(sizeof(*op));
	char name[DNS_NAME_SIZE];
	bool named = dns_name_key(slice_str(req->name), name);
	struct question *q = named ? question_find(dns, req, name) : NULL;
	bool found = q != NULL;

	use(dns);
	if (!found)
		q = question_create(dns, req, named ? name : "");
	op->question = q;
	op->done = done;
	op->arg = arg;
	TAILQ_INSERT_TAIL(&q->ops, op, link);
	if (found)
		question_shared(dns);
	else if (!named)
		question_fail(q, DNS_NXDOMAIN, "not a domain name");
	else
		question_wait(q, req);
	if (question_pump(dns) || !TAILQ_EMPTY(&dns->ready))
		soon_arm(dns);
	tick_arm(dns);
	return op;
}

void
dns_lookup_cancel(struct dns_op **opp)
{
	struct dns_op *op = *opp;
	struct question *q;

	*opp = NULL;
	if (op == NULL)
		return;
	q = op->question;
	TAILQ_REMOVE(&q->ops, op, link);
	free(op);
	/* what is on the wire keeps its slot until it ends */
	if (TAILQ_EMPTY(&q->ops) && q->slot.state == SLOT_WAITING)
		question_free(q);
}

/* ---- What others ask us ---- */

uint32_t
dns_inflight_count(const struct dns *dns)
{
	return dns->slots.fast_count + dns->slots.slow_count;
}

struct dns_cache *
dns_cache_of(const struct dns *dns)
{
	return dns->cache;
}

bool
dns_has_second(const struct dns *dns)
{
	return dns->second != NULL;
}

void
dns_servers_get(const struct dns *dns, struct dns_servers *servers)
{
	resolv_format(servers_resolv(dns->first->servers), servers->text,
		      sizeof(servers->text));
	servers->all_loopback = dns->first->loopback;
	servers->from_file = dns->from_file;
}

struct loop *
dns_loop(const struct dns *dns)
{
	return dns->loop;
}

const char *
dns_hosts_path(const struct dns *dns)
{
	return dns->hosts_path;
}
