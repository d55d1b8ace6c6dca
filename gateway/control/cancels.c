/*
 * Each run is a purge, or an undo of as many purges as there are, one after the
 * other. Back does its works in their order, so an undo that begins with the
 * newest purge under way has all of them on disk when it looks for the next.
 *
 * A run hangs on its campaign's state: an undo ends when the campaign is
 * canceled once more, as what it would bring back is to stay away.
 *
 * All of it is on the loop. After the first step of control_destroy (admin is
 * gone) nothing begins; a run that no one ends is freed with the rest.
 */
#include "gateway/control/cancels.h"

#include <bsd/sys/queue.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/base/mem.h"
#include "gateway/control/call.h"
#include "gateway/control/campaign_trash.h"
#include "gateway/control/control_int.h"

/* So many the disk takes within the time of an answer. */
#define WAITED_FOR 2000

struct run {
	LIST_ENTRY(run) link;
	struct cancels *cancels;
	enum back_verb verb;
	uint64_t campaign;
	uint64_t trash; /* UNDO: the last one; 0: none yet */
	int64_t trash_until_wall_s;
	bool waited_for;
	uint64_t call_id; /* 0: nobody waits */
	struct change *tell;
	struct back_work sum;
};

struct cancels {
	struct control *control;
	LIST_HEAD(run_list, run) runs; /* the newest first */
};

struct cancels *
cancels_create(struct control *control)
{
	struct cancels *cancels = mem_zalloc(sizeof(*cancels));

	cancels->control = control;
	LIST_INIT(&cancels->runs);
	return cancels;
}

static struct run *
run_create(struct cancels *cancels, enum back_verb verb, uint64_t campaign)
{
	struct run *run = mem_zalloc(sizeof(*run));

	run->cancels = cancels;
	run->verb = verb;
	run->campaign = campaign;
	run->sum.verb = verb;
	LIST_INSERT_HEAD(&cancels->runs, run, link);
	return run;
}

static void
run_destroy(struct run *run)
{
	LIST_REMOVE(run, link);
	change_destroy(&run->tell);
	free(run);
}

void
cancels_destroy(struct cancels **cancels)
{
	struct run *run;

	if (*cancels == NULL)
		return;
	while ((run = LIST_FIRST(&(*cancels)->runs)) != NULL)
		run_destroy(run);
	free(*cancels);
	*cancels = NULL;
}

static bool
is_stopping(const struct run *run)
{
	return run->cancels->control->admin == NULL;
}

static const struct run *
find(const struct cancels *cancels, enum back_verb verb, uint64_t campaign)
{
	const struct run *run;

	for (run = LIST_FIRST(&cancels->runs); run != NULL;
	     run = LIST_NEXT(run, link)) {
		if (run->verb == verb && run->campaign == campaign)
			break;
	}
	return run;
}

bool
cancels_purging(const struct cancels *cancels, uint64_t campaign)
{
	return find(cancels, BACK_PURGE, campaign) != NULL;
}

bool
cancels_undoing(const struct cancels *cancels, uint64_t campaign)
{
	return find(cancels, BACK_UNDO, campaign) != NULL;
}

/* Whoever waits goes on; once. */
static void
answer(struct run *run, int commit_err)
{
	struct admin *admin = run->cancels->control->admin;
	struct call *call = admin == NULL || run->call_id == 0
				? NULL
				: admin_call(admin, run->call_id);

	run->call_id = 0;
	if (call == NULL)
		return;
	call->commit_err = commit_err;
	call->work = run->sum;
	call_ended(call);
}

/* --- away -------------------------------------------------------------------
 */

static void
on_purged(void *arg, const struct back_work *work)
{
	struct run *run = arg;

	run->sum = *work;
	memset(&run->sum.select, 0, sizeof(run->sum.select));
	answer(run, 0);
	run_destroy(run);
}

static void
purge(struct run *run)
{
	struct work_req req = {.verb = BACK_PURGE,
			       .what = {.campaign = run->campaign},
			       .trash = run->trash,
			       .trash_until_wall_s = run->trash_until_wall_s,
			       .tell = run->tell,
			       .ended = on_purged,
			       .arg = run};

	run->tell = NULL;
	work_start(run->cancels->control->works, &req);
}

void
cancels_sweep(struct cancels *cancels, uint64_t campaign, uint64_t trash,
	      int64_t trash_until_wall_s)
{
	struct run *run = run_create(cancels, BACK_PURGE, campaign);

	run->trash = trash;
	run->trash_until_wall_s = trash_until_wall_s;
	purge(run);
}

/* --- and back ---------------------------------------------------------------
 */

static void undo_next(struct run *run);

static void
undo_end(struct run *run)
{
	if (run->sum.err != 0)
		change_effect(run->tell,
			      "failed: %s; brought back %" PRIu64
			      " messages, %" PRIu64 " recipients",
			      gw_err_text(run->sum.err), run->sum.messages,
			      run->sum.recipients);
	else
		change_effect(run->tell,
			      "brought back %" PRIu64 " messages, %" PRIu64
			      " recipients",
			      run->sum.messages, run->sum.recipients);
	change_commit(&run->tell, NULL, NULL);
	answer(run, 0);
	run_destroy(run);
}

static void
on_undone(void *arg, const struct back_work *work)
{
	struct run *run = arg;

	run->sum.messages += work->messages;
	run->sum.recipients += work->recipients;
	/* a purge that found nothing has nothing to bring back */
	if (work->err != 0 && work->err != GW_ENOENT)
		run->sum.err = work->err;
	if (run->sum.err != 0 || is_stopping(run))
		undo_end(run);
	else
		undo_next(run);
}

/* 0: none; the first time perhaps one of which nothing is on disk yet. */
static uint64_t
next_trash(const struct run *run)
{
	const struct run *away = find(run->cancels, BACK_PURGE, run->campaign);
	int64_t until_wall_s;

	if (run->trash == 0 && away != NULL && away->trash != 0)
		return away->trash;
	return campaign_trash_find(run->cancels->control, run->campaign,
				   &until_wall_s);
}

static bool
is_canceled(const struct run *run)
{
	struct campaign_view view;

	return campaign_get(run->cancels->control->campaigns, run->campaign,
			    clock_wall_s(), &view) != 0 ||
	       view.state == CAMPAIGN_CANCELED;
}

static void
undo_next(struct run *run)
{
	struct work_req req = {
	    .verb = BACK_UNDO, .ended = on_undone, .arg = run};

	req.trash = is_canceled(run) ? 0 : next_trash(run);
	/* the same again: it will not go */
	if (req.trash == 0 || req.trash == run->trash) {
		undo_end(run);
		return;
	}
	run->trash = req.trash;
	work_start(run->cancels->control->works, &req);
}

/* --- the order first --------------------------------------------------------
 */

static void
on_committed(void *arg, int err)
{
	struct run *run = arg;

	if (err != 0 || is_stopping(run)) {
		answer(run, err);
		run_destroy(run);
		return;
	}
	if (!run->waited_for)
		answer(run, 0);
	if (run->verb == BACK_PURGE)
		purge(run);
	else
		undo_next(run);
}

static bool
begin(struct run *run, struct call *call, const struct cancels_req *req)
{
	struct change *change = req->change;

	run->waited_for = req->recipients <= WAITED_FOR &&
			  works_idle(run->cancels->control->works);
	run->call_id = call->id;
	call->under_way++;
	call->patient = run->waited_for;
	change_effect(change, "begun");
	run->tell = change_again(change);
	change_commit(&change, on_committed, run);
	return run->waited_for;
}

bool
cancels_purge(struct cancels *cancels, struct call *call,
	      const struct cancels_req *req)
{
	struct run *run = run_create(cancels, BACK_PURGE, req->campaign);

	run->trash = req->trash;
	run->trash_until_wall_s = req->trash_until_wall_s;
	return begin(run, call, req);
}

bool
cancels_undo(struct cancels *cancels, struct call *call,
	     const struct cancels_req *req)
{
	return begin(run_create(cancels, BACK_UNDO, req->campaign), call, req);
}
