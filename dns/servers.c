/*
 * Which server is asked, and from where.
 *
 * A server that let MISSED_MAX questions in a row pass without an answer in
 * time is sick: it is asked only when there is no other, and one question each
 * SICK_MIN_MS (doubling up to SICK_MAX_MS) tries whether it is back. c-ares has
 * no such memory: each question would pay for a dead first server. An answer
 * that comes late does not make a server well.
 *
 * A lane is one channel, so one UDP port, of a server. It takes LANE_QUESTIONS,
 * then another takes its place: who has found out the port has not got it for
 * long. The old one rests until nobody waits for its answers; what then is
 * still open in it are questions that were given up, and they go with it.
 *
 * Letters of random case come back as they were, or the answer is not
 * believed: the question goes by TCP instead, where nobody can forge one from
 * afar. Some servers fold the case. One that did it FOLDED_MAX times without
 * an answer in between that kept it is asked in small letters for an hour: no
 * domain is ever judged by that.
 */
#include "dns/servers.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "dns/channel.h"
#include "gateway/base/mem.h"
#include "gateway/base/secret.h"

#define MISSED_MAX 5
#define SICK_MIN_MS 5000
#define SICK_MAX_MS 60000
#define LANE_QUESTIONS 2000
#define LANES_RESTING 16 /* of a server; then the current one goes on */
#define FOLDED_MAX 3
#define FOLDED_MS (60 * 60 * 1000)

struct lane {
	LIST_ENTRY(lane) link; /* resting */
	struct channel *channel;
	uint32_t question_count; /* sent, ever */
	uint32_t waited_count;	 /* asks not dropped */
};

struct server {
	struct servers *servers;
	struct sock_addr addr;
	struct lane *lane;
	LIST_HEAD(lane_list, lane) resting;
	uint32_t resting_count;
	uint32_t missed; /* in a row */
	int64_t sick_until_ms, sick_ms;
	uint32_t folded; /* in a row */
	int64_t folds_until_ms;
};

struct servers {
	struct loop *loop;
	struct resolv resolv;
	struct server servers[RESOLV_MAX];
	int64_t answer_ms;
	void (*after)(void *arg);
	void *after_arg;
	uint8_t random[16 * DNS_QUERY_RANDOM];
	size_t random_used;
};

/* ---- Ports ---- */

static struct lane *
lane_open(struct server *server)
{
	struct servers *set = server->servers;
	struct channel *channel =
	    channel_create(set->loop, &server->addr, set->answer_ms, set->after,
			   set->after_arg);
	struct lane *lane;

	if (channel == NULL)
		return NULL;
	lane = mem_zalloc(sizeof(*lane));
	lane->channel = channel;
	return lane;
}

static void
lane_close(struct lane **lanep)
{
	struct lane *lane = *lanep;

	*lanep = NULL;
	if (lane == NULL)
		return;
	channel_destroy(&lane->channel);
	free(lane);
}

static struct lane *
lane_of(struct server *server)
{
	struct lane *fresh;

	if (server->lane->question_count < LANE_QUESTIONS ||
	    server->resting_count == LANES_RESTING)
		return server->lane;
	fresh = lane_open(server);
	if (fresh == NULL)
		return server->lane;
	LIST_INSERT_HEAD(&server->resting, server->lane, link);
	server->resting_count++;
	server->lane = fresh;
	return fresh;
}

/* ---- Sick ones ---- */

static bool
is_sick(const struct server *server)
{
	return server->missed >= MISSED_MAX;
}

static void
sick_rest(struct server *server, int64_t now_ms)
{
	server->sick_ms *= 2;
	if (server->sick_ms < SICK_MIN_MS)
		server->sick_ms = SICK_MIN_MS;
	if (server->sick_ms > SICK_MAX_MS)
		server->sick_ms = SICK_MAX_MS;
	server->sick_until_ms = now_ms + server->sick_ms;
}

static void
server_missed(struct server *server, int64_t now_ms)
{
	/* what else was under way when it fell ill is no news */
	if (!is_sick(server) && ++server->missed == MISSED_MAX)
		sick_rest(server, now_ms);
}

static void
server_well(struct server *server)
{
	server->missed = 0;
	server->sick_ms = 0;
	server->sick_until_ms = 0;
}

/* The first that is well and was not asked yet; whom to ask rather not comes
 * later in this order. */
static struct server *
server_choose(struct servers *set, unsigned avoid, int64_t now_ms)
{
	struct server *best = NULL;
	int best_rank = 0;

	for (uint32_t i = 0; i < set->resolv.count; i++) {
		struct server *s = &set->servers[i];
		bool sick = is_sick(s) && now_ms < s->sick_until_ms;
		int rank = (sick ? 2 : 0) + (avoid >> i & 1u ? 1 : 0);

		if (best == NULL || rank < best_rank ||
		    (rank == best_rank && sick &&
		     s->sick_until_ms < best->sick_until_ms)) {
			best = s;
			best_rank = rank;
		}
	}
	assert(best != NULL); /* no set is empty */
	/* the others wait for what this one finds out */
	if (is_sick(best) && now_ms >= best->sick_until_ms)
		sick_rest(best, now_ms);
	return best;
}

/* ---- Asking ---- */

static const uint8_t *
random_take(struct servers *set)
{
	const uint8_t *p;

	if (set->random_used == sizeof(set->random)) {
		secret_random(set->random, sizeof(set->random));
		set->random_used = 0;
	}
	p = set->random + set->random_used;
	set->random_used += DNS_QUERY_RANDOM;
	return p;
}

static enum ask_result
reply_judge(const struct ask *ask, struct slice reply)
{
	struct server *server = ask->server;
	enum query_match match = dns_query_match(&ask->query, reply);

	if (ask->tcp)
		return match == QUERY_OTHER ? ASK_REFUSED : ASK_REPLY;
	if (match == QUERY_OTHER)
		return ASK_BY_TCP;
	if (ask->mixed && match == QUERY_FOLDED) {
		server->folded++;
		return ASK_BY_TCP;
	}
	if (ask->mixed)
		server->folded = 0;
	return dns_query_truncated(reply) ? ASK_BY_TCP : ASK_REPLY;
}

static void
on_channel(void *arg, enum channel_result channel_result, struct slice reply)
{
	struct ask *ask = arg;
	enum ask_result result = ASK_REFUSED;

	if (ask->dropped) {
		free(ask);
		return;
	}
	LIST_REMOVE(ask, link);
	ask->lane->waited_count--;
	switch (channel_result) {
	case CHANNEL_REPLY:
		if (!ask->missed)
			server_well(ask->server);
		result = reply_judge(ask, reply);
		break;
	case CHANNEL_TIMEOUT:
		result = ASK_SILENT;
		break;
	case CHANNEL_REFUSED:
	case CHANNEL_GONE:
		break;
	}
	ask->done(ask->arg, result, reply);
	free(ask);
}

static bool
wants_mixed(struct server *server, int64_t now_ms)
{
	if (server->folded >= FOLDED_MAX) {
		server->folded = 0;
		server->folds_until_ms = now_ms + FOLDED_MS;
	}
	return now_ms >= server->folds_until_ms;
}

unsigned
ask_start(struct servers *set, struct ask_list *list, const struct ask_req *req)
{
	struct server *server = server_choose(set, req->avoid, req->now_ms);
	unsigned bit = 1u << (unsigned)(server - set->servers);
	struct ask *ask = mem_alloc(sizeof(*ask));

	ask->server = server;
	ask->lane = lane_of(server);
	ask->dropped = ask->missed = false;
	ask->tcp = req->tcp;
	ask->mixed = !req->tcp && wants_mixed(server, req->now_ms);
	ask->done = req->done;
	ask->arg = req->arg;
	dns_query_build(&ask->query, req->name, req->type, ask->mixed,
			random_take(set));
	ask->lane->question_count++;
	ask->lane->waited_count++;
	LIST_INSERT_HEAD(list, ask, link);
	channel_send(ask->lane->channel,
		     slice_of(ask->query.bytes, ask->query.n), req->tcp,
		     on_channel, ask);
	return bit;
}

void
ask_missed(struct ask_list *list, int64_t now_ms)
{
	struct ask *ask;

	LIST_FOREACH (ask, list, link) {
		if (!ask->missed)
			server_missed(ask->server, now_ms);
		ask->missed = true;
	}
}

void
ask_drop(struct ask_list *list)
{
	struct ask *ask;

	while ((ask = LIST_FIRST(list)) != NULL) {
		LIST_REMOVE(ask, link);
		ask->lane->waited_count--;
		ask->dropped = true;
	}
}

/* ---- The set ---- */

struct servers *
servers_create(struct loop *loop, const struct resolv *resolv,
	       int64_t answer_ms, void (*after)(void *arg), void *after_arg)
{
	struct servers *set = mem_zalloc(sizeof(*set));

	set->loop = loop;
	set->resolv = *resolv;
	set->answer_ms = answer_ms;
	set->after = after;
	set->after_arg = after_arg;
	set->random_used = sizeof(set->random);
	for (uint32_t i = 0; i < resolv->count; i++) {
		struct server *server = &set->servers[i];

		server->servers = set;
		server->addr = resolv->addrs[i];
		LIST_INIT(&server->resting);
		server->lane = lane_open(server);
		if (server->lane == NULL) {
			servers_destroy(&set);
			return NULL;
		}
	}
	return set;
}

void
servers_destroy(struct servers **setp)
{
	struct servers *set = *setp;
	struct lane *lane;

	*setp = NULL;
	if (set == NULL)
		return;
	for (uint32_t i = 0; i < set->resolv.count; i++) {
		struct server *server = &set->servers[i];

		lane_close(&server->lane);
		while ((lane = LIST_FIRST(&server->resting)) != NULL) {
			LIST_REMOVE(lane, link);
			lane_close(&lane);
		}
	}
	free(set);
}

const struct resolv *
servers_resolv(const struct servers *set)
{
	return &set->resolv;
}

void
servers_reap(struct servers *set)
{
	for (uint32_t i = 0; i < set->resolv.count; i++) {
		struct server *server = &set->servers[i];
		struct lane *lane, *next;

		LIST_FOREACH_SAFE (lane, &server->resting, link, next) {
			if (lane->waited_count > 0)
				continue;
			LIST_REMOVE(lane, link);
			server->resting_count--;
			lane_close(&lane);
		}
	}
}

void
servers_tick(struct servers *set)
{
	for (uint32_t i = 0; i < set->resolv.count; i++) {
		struct server *server = &set->servers[i];
		struct lane *lane;

		channel_tick(server->lane->channel);
		LIST_FOREACH (lane, &server->resting, link)
			channel_tick(lane->channel);
	}
}

bool
servers_busy(const struct servers *set)
{
	for (uint32_t i = 0; i < set->resolv.count; i++) {
		const struct server *server = &set->servers[i];

		if (channel_open_count(server->lane->channel) > 0 ||
		    server->resting_count > 0)
			return true;
	}
	return false;
}
