/*
 * A destination is down when no host can be tried now and no connection is
 * left. Then what is ready is deferred without a connect each, and parked: it
 * has its place in the schedule, and is tried as soon as one connection
 * succeeds. For that one connection is opened when a host's rest is over.
 */
#include <stdlib.h>

#include "gateway/back/dest.h"
#include "gateway/back/feeder.h"
#include "gateway/back/relay.h"
#include "gateway/base/mem.h"

#define RELEASES_A_TURN 256 /* parked jobs that become ready */

void
dest_note_trouble(struct dest *dest, const struct result *trouble)
{
	if (!dest->trouble)
		dest->trouble = mem_zalloc(sizeof(*dest->trouble));
	free((char *)dest->trouble->text.p);
	*dest->trouble = *trouble;
	dest->trouble->text = slice_str(slice_dup(trouble->text));
	relay_live(dest->hop->relay, dest);
}

void
dest_forget_trouble(struct dest *dest)
{
	if (dest->trouble)
		free((char *)dest->trouble->text.p);
	free(dest->trouble);
	dest->trouble = NULL;
	dest->down_until_ms = 0;
}

void
dest_down(struct dest *dest, int64_t until_ms, const struct result *trouble)
{
	struct result result;

	if (trouble)
		dest_note_trouble(dest, trouble);
	if (!dest->trouble) {
		result_set(&result, FATE_DEFERRED, "4.4.1",
			   dest->kind == DEST_SITE
			       ? "the domain's mail servers did not answer of "
				 "late"
			       : "the next hop cannot be reached");
		dest_note_trouble(dest, &result);
	}
	dest->down_until_ms = until_ms;
	dest->proven = false;
	hop_down(dest->hop);
	relay_kick(dest->hop->relay, dest);
}

void
dest_up(struct dest *dest)
{
	dest_forget_trouble(dest);
	hop_worked(dest->hop);
	if (TAILQ_EMPTY(&dest->parked))
		return;
	dest->releasing = true;
	relay_kick(dest->hop->relay, dest);
}

void
dest_forgive(struct dest *dest)
{
	if (dest->hosts)
		hostset_forgive(dest->hosts);
	dest_forget_trouble(dest);
	relay_kick(dest->hop->relay, dest);
}

bool
dest_is_down(const struct dest *dest)
{
	return dest->trouble && dest->conn_count == 0 &&
	       dest->down_until_ms > relay_now_ms(dest->hop->relay);
}

void
dest_unpark(struct job *job)
{
	if (!job->parked)
		return;
	TAILQ_REMOVE(&job->dest->parked, job, link);
	job->parked = false;
}

void
dest_unpark_first(struct dest *dest)
{
	struct relay *relay = dest->hop->relay;
	struct job *job = TAILQ_FIRST(&dest->parked);

	if (!job || sched_flushing(relay->sched))
		return;
	dest_unpark(job);
	sched_unwait(relay->sched, job);
	if (!feeder_takes(relay, job))
		sched_ready(relay->sched, &dest->ready, job, false);
}

bool
dest_release_parked(struct dest *dest)
{
	if (!dest->releasing)
		return false;
	if (sched_flushing(dest->hop->relay->sched))
		return true;
	for (int i = 0; i < RELEASES_A_TURN; i++)
		dest_unpark_first(dest);
	dest->releasing = !TAILQ_EMPTY(&dest->parked);
	return dest->releasing;
}
