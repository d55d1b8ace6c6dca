/*
 * The end of the relay: no new work, what is under way may finish within the
 * grace, outcomes become durable, connections say QUIT. Then the store thread
 * is asked for one last answer: behind it none of its calls can be left that
 * would hand us a message. Only then does the loop stop.
 */
#include <stddef.h>
#include <stdlib.h>

#include "gateway/back/bulk.h"
#include "gateway/back/campaign_report.h"
#include "gateway/back/chores.h"
#include "gateway/back/conn.h"
#include "gateway/back/conn_slots.h"
#include "gateway/back/days.h"
#include "gateway/back/delivery.h"
#include "gateway/back/disk.h"
#include "gateway/back/feeder.h"
#include "gateway/back/held.h"
#include "gateway/back/hostmem.h"
#include "gateway/back/lookup.h"
#include "gateway/back/maildir.h"
#include "gateway/back/preflight.h"
#include "gateway/back/rebuild.h"
#include "gateway/back/relay.h"
#include "gateway/back/scanning.h"
#include "gateway/back/summary.h"
#include "gateway/back/weights.h"
#include "gateway/base/mem.h"

#define QUIT_MS 100 /* for the last QUITs to leave */

static void
on_quit_over(void *arg)
{
	struct relay *relay = arg;

	relay->check_op = NULL;
	loop_stop(relay->loop);
}

static void
close_conns(struct relay *relay, bool busy_too)
{
	struct dest *dest;

	for (dest = TAILQ_FIRST(&relay->live); dest;
	     dest = TAILQ_NEXT(dest, live_link)) {
		struct conn *conn, *next;

		for (conn = TAILQ_FIRST(&dest->conns); conn; conn = next) {
			next = conn_next(conn);
			if (!conn_is_busy(conn))
				conn_close(&conn);
			else if (busy_too)
				conn_abort(&conn);
		}
	}
}

/*
 * The store thread answers an operation before it hands the message on: with
 * one more operation answered, none of its calls of back_accepted is left.
 */
struct barrier {
	struct inbound in;
	struct spool_change op;
	struct relay *relay;
};

static void
barrier_take(struct relay *relay, struct inbound *in)
{
	free(in);
	relay->stopped = true;
	timer_cancel(&relay->check_op);
	relay->check_op =
	    timer_start(relay->loop, QUIT_MS, on_quit_over, relay);
}

static void
on_barrier(struct spool_change *op)
{
	struct barrier *barrier =
	    (struct barrier *)((char *)op - offsetof(struct barrier, op));

	queue_push(barrier->relay->queue, &barrier->in.item);
}

static void
barrier_start(struct relay *relay)
{
	struct barrier *barrier = mem_zalloc(sizeof(*barrier));

	barrier->in.take = barrier_take;
	barrier->op.done = on_barrier;
	barrier->relay = relay;
	spool_change_start(relay->spool, &barrier->op);
}

static void
on_check(void *arg)
{
	struct relay *relay = arg;

	relay->check_op = NULL;
	if (relay->active_count > 0 || relay->quitting)
		return;
	/* What fails to commit now is sent again after the restart. */
	outcome_drop_failed(relay);
	feeder_drop_failed(relay);
	if (relay->outcome_count > 0 ||
	    campaign_reports_busy(relay->reports) > 0)
		return;
	relay->quitting = true;
	close_conns(relay, true);
	timer_cancel(&relay->stop_op);
	barrier_start(relay);
}

/* Later, not in the middle of whatever just ended. */
void
relay_check_stopped(struct relay *relay)
{
	if (relay->stopping && !relay->stopped && !relay->check_op)
		relay->check_op = timer_start(relay->loop, 0, on_check, relay);
}

static void
on_grace_over(void *arg)
{
	struct relay *relay = arg;

	relay->stop_op = NULL;
	close_conns(relay, true);
	relay_check_stopped(relay);
}

void
relay_stop(struct relay *relay, int64_t grace_ms)
{
	relay->stopping = true;
	close_conns(relay, false);
	feeder_last_try(relay);
	outcome_last_try(relay);
	chores_stop(relay);
	scanning_stop(relay);
	campaign_reports_stop(relay->reports);
	relay->stop_op =
	    timer_start(relay->loop, grace_ms, on_grace_over, relay);
	relay_check_stopped(relay);
}

static void
drop_ready(struct relay *relay, struct hop *hop)
{
	struct dest *dest, *next;

	struct job *job;

	while ((job = lookup_drain(hop)) != NULL)
		mail_job_end(relay, &job);
	for (dest = hop->dests; dest; dest = next) {
		next = dest->hh.next;
		while ((job = sched_take(relay->sched, &dest->ready)) != NULL)
			mail_job_end(relay, &job);
	}
}

static void
drop_all_ready(struct relay *relay)
{
	struct hop *hop;

	for (size_t i = 0; i < relay->settings->conf.hop_count && relay->hops;
	     i++)
		drop_ready(relay, relay->hops[i]);
	TAILQ_FOREACH (hop, &relay->gone_hops, link)
		drop_ready(relay, hop);
}

static void
drop_waiting(struct relay *relay)
{
	struct job *job;

	while (relay->sched && (job = sched_drain(relay->sched)) != NULL) {
		dest_unpark(job);
		mail_job_end(relay, &job);
	}
}

static void
drop_doomed(struct relay *relay)
{
	struct job *job;

	while (relay->summaries && (job = summary_drain(relay)) != NULL)
		mail_job_end(relay, &job);
}

static void
drop_standing(struct relay *relay)
{
	struct job *job;

	while (relay->feeder && (job = feeder_drain(relay)) != NULL)
		mail_job_end(relay, &job);
}

static void
drop_held(struct relay *relay)
{
	struct job *job;

	while (relay->held && (job = held_drain(relay)) != NULL)
		mail_job_end(relay, &job);
}

/* The loop does not run any more; nothing is under way. */
void
relay_fini(struct relay *relay)
{
	struct hop *hop;

	timer_cancel(&relay->run_op);
	timer_cancel(&relay->tick_op);
	timer_cancel(&relay->fill_op);
	timer_cancel(&relay->stop_op);
	timer_cancel(&relay->check_op);
	maildir_destroy(&relay->maildir);
	disk_destroy(&relay->disk);
	rebuild_end(relay);
	relay_drop_flushes(relay);
	drop_waiting(relay);
	drop_held(relay);
	drop_doomed(relay);
	/* First, or for each that stands all are passed that are on the way. */
	drop_all_ready(relay);
	drop_standing(relay);
	for (size_t i = 0; i < relay->settings->conf.hop_count && relay->hops;
	     i++)
		hop_destroy(&relay->hops[i]);
	free(relay->hops);
	while ((hop = TAILQ_FIRST(&relay->gone_hops)) != NULL) {
		TAILQ_REMOVE(&relay->gone_hops, hop, link);
		hop_destroy(&hop);
	}
	lookups_destroy(&relay->lookups);
	summaries_destroy(&relay->summaries);
	conn_slots_destroy(&relay->slots);
	hostmem_destroy(&relay->hostmem);
	preflights_destroy(&relay->preflights);
	dns_destroy(&relay->dns);
	sched_destroy(&relay->sched);
	catalog_destroy(&relay->catalog);
	held_destroy(&relay->held);
	feeder_destroy(&relay->feeder);
	scanning_destroy(&relay->scanning);
	campaign_reports_destroy(&relay->reports);
	bulk_destroy(&relay->bulk);
	days_destroy(&relay->days);
	weights_destroy(&relay->weights);
	chores_destroy(&relay->chores);
	settings_destroy(&relay->settings);
	idset_fini(&relay->delays[0]);
	idset_fini(&relay->delays[1]);
	free(relay->age);
}
