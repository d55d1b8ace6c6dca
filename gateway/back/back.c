/*
 * The door to the relay thread: other threads push, the relay thread takes.
 * Nothing of the relay is touched from outside except atomics and the board.
 */
#include "gateway/back/back.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/back/chores.h"
#include "gateway/back/feeder.h"
#include "gateway/back/relay.h"
#include "gateway/back/scanning.h"
#include "gateway/base/error.h"
#include "gateway/base/mem.h"

struct back {
	struct relay relay;
	struct stats stats;
	struct board board;
	pthread_t thread;
};

static void
on_inbound(void *arg, struct queue_item *item)
{
	struct inbound *in = (struct inbound *)item;

	in->take(arg, in);
}

static void
push(struct back *back, struct inbound *in)
{
	queue_push(back->relay.queue, &in->item);
}

static void *
back_main(void *arg)
{
	struct back *back = arg;

	pthread_setname_np(pthread_self(), "back");
	loop_run(back->relay.loop);
	return NULL;
}

static void
back_free(struct back **back)
{
	scanning_leave(&(*back)->relay);
	/* What is still queued is taken now, and only freed. */
	(*back)->relay.stopping = true;
	(*back)->relay.stopped = true;
	queue_destroy(&(*back)->relay.queue);
	relay_fini(&(*back)->relay);
	loop_destroy(&(*back)->relay.loop);
	board_fini(&(*back)->board);
	free(*back);
	*back = NULL;
}

static int
back_run(struct back *back, char *error, size_t error_size)
{
	struct relay *relay = &back->relay;
	int err;

	relay->loop = loop_create();
	relay->queue =
	    relay->loop ? queue_create(relay->loop, on_inbound, relay) : NULL;
	if (!relay->queue) {
		snprintf(error, error_size, "out of descriptors");
		return GW_EIO;
	}
	err = relay_start(relay);
	if (err != 0) {
		snprintf(error, error_size, "the resolver cannot be used");
		return err;
	}
	if (pthread_create(&back->thread, NULL, back_main, back) == 0)
		return 0;
	snprintf(error, error_size, "no thread could be made");
	return GW_EIO;
}

int
back_start(struct back **backp, const struct back_opts *opts, char *error,
	   size_t error_size)
{
	struct back *back = mem_zalloc(sizeof(*back));
	int err;

	*backp = NULL;
	err = settings_create(&back->relay.settings, opts->conf, error,
			      error_size);
	if (err != 0) {
		free(back);
		return err;
	}
	back->relay.spool = opts->spool;
	back->relay.blocklist = opts->blocklist;
	back->relay.dns_cache = opts->dns_cache;
	back->relay.domains = opts->domains;
	back->relay.scan = opts->scan;
	back->relay.signer = opts->signer;
	back->relay.quarantine = opts->quarantine;
	back->relay.campaigns = opts->campaigns;
	back->relay.suppress = opts->suppress;
	back->relay.dead_domain = opts->dead_domain;
	back->relay.dead_domain_arg = opts->dead_domain_arg;
	back->relay.stats = &back->stats;
	back->relay.board = &back->board;
	board_init(&back->board);
	err = back_run(back, error, error_size);
	if (err != 0) {
		back_free(&back);
		return err;
	}
	*backp = back;
	return 0;
}

/* --- from other threads --------------------------------------------------- */

struct stop_item {
	struct inbound in;
	int64_t grace_ms;
};

static void
take_stop(struct relay *relay, struct inbound *in)
{
	int64_t grace_ms = ((struct stop_item *)in)->grace_ms;

	free(in);
	relay_stop(relay, grace_ms);
}

void
back_stop(struct back **back, int64_t grace_ms)
{
	struct stop_item *item;

	if (!*back)
		return;
	item = mem_zalloc(sizeof(*item));
	item->in.take = take_stop;
	item->grace_ms = grace_ms;
	push(*back, &item->in);
	pthread_join((*back)->thread, NULL);
	back_free(back);
}

struct accepted_item {
	struct inbound in;
	struct spool_msg *msg;
};

static void
take_accepted(struct relay *relay, struct inbound *in)
{
	struct spool_msg *msg = ((struct accepted_item *)in)->msg;

	free(in);
	/* When we stop it is on disk; when it is from before we started, the
	 * rebuild finds it there. */
	if (relay->stopping || msg->id < relay->first_new_id)
		spool_msg_destroy(&msg);
	else
		mail_enqueue(relay, &msg, false);
}

void
back_accepted(struct back *back, struct spool_msg **msg)
{
	struct accepted_item *item = mem_alloc(sizeof(*item));

	item->in.take = take_accepted;
	item->msg = *msg;
	*msg = NULL;
	push(back, &item->in);
}

struct reload_item {
	struct inbound in;
	struct settings *settings;
};

static void
take_reload(struct relay *relay, struct inbound *in)
{
	struct settings *settings = ((struct reload_item *)in)->settings;

	free(in);
	if (relay->stopping)
		settings_destroy(&settings);
	else
		relay_apply(relay, &settings);
}

int
back_reload(struct back *back, const struct back_conf *conf, char *error,
	    size_t error_size)
{
	struct reload_item *item;
	struct settings *settings;
	int err = settings_create(&settings, conf, error, error_size);

	if (err != 0)
		return err;
	item = mem_zalloc(sizeof(*item));
	item->in.take = take_reload;
	item->settings = settings;
	push(back, &item->in);
	return 0;
}

struct flush_request {
	struct inbound in;
	struct back_flush what; /* strings are owned */
};

static void
take_flush(struct relay *relay, struct inbound *in)
{
	struct back_flush *what = &((struct flush_request *)in)->what;

	if (!relay->stopping)
		relay_flush(relay, what);
	free((char *)what->domain);
	free((char *)what->hop);
	free(in);
}

void
back_flush(struct back *back, const struct back_flush *what)
{
	struct flush_request *item = mem_zalloc(sizeof(*item));

	item->in.take = take_flush;
	item->what.id = what->id;
	item->what.domain = mem_strdup(what->domain);
	item->what.hop = mem_strdup(what->hop);
	push(back, &item->in);
}

struct campaign_item {
	struct inbound in;
	uint64_t id;
};

static void
take_campaign(struct relay *relay, struct inbound *in)
{
	if (!relay->stopping)
		feeder_refresh(relay, ((struct campaign_item *)in)->id);
	free(in);
}

void
back_campaign(struct back *back, uint64_t id)
{
	struct campaign_item *item = mem_zalloc(sizeof(*item));

	item->in.take = take_campaign;
	item->id = id;
	push(back, &item->in);
}

struct work_item {
	struct inbound in;
	struct back_work *work;
};

static void
take_work(struct relay *relay, struct inbound *in)
{
	struct back_work *work = ((struct work_item *)in)->work;

	free(in);
	chores_add(relay, work);
}

void
back_work_start(struct back *back, struct back_work *work)
{
	struct work_item *item = mem_zalloc(sizeof(*item));

	item->in.take = take_work;
	item->work = work;
	push(back, &item->in);
}

/* --- what they see -------------------------------------------------------- */

bool
back_offers_utf8(const struct back *back)
{
	return atomic_load(&back->board.utf8);
}

void
back_status_get(const struct back *back, struct back_status *status)
{
	stat_get(&back->stats, status);
}

size_t
back_hops_get(const struct back *back, struct back_hop_status *out, size_t max)
{
	return board_get(&back->board, out, max);
}
