/*
 * Chores, and what there is to be told of. What ended long ago is forgotten,
 * some records at a time, and so are soft bounces that count no more. And of a
 * canceled campaign that still has recipients left (they were being delivered
 * when it was canceled, and came back) these go where the others went: into the
 * same trash while it can be undone, then away.
 *
 * A forgetting is one commit, which may outlast control: its memory is freed on
 * the store's thread, by whoever is last.
 */
#include "gateway/control/campaign_chores.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/arena.h"
#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/control/campaign_trash.h"
#include "gateway/control/cancels.h"
#include "gateway/control/control_int.h"
#include "gateway/control/metrics.h"
#include "gateway/control/rule.h"

#define FORGET_MS 5000
#define SWEEP_MS 10000
#define CHANGES_MAX 500
#define LOOKED_AT 200
#define SOFT_MS 1000
#define SOFT_ROUND_MS 3600000 /* from one round's end to the next */

struct campaign_chores {
	struct control *control;
	int64_t forget_ms, sweep_ms, soft_ms; /* not before */
	struct suppress_place soft;	      /* this round is there */
};

struct forgetting {
	struct spool_change op; /* first */
	struct arena *arena;
	struct store_change changes[CHANGES_MAX];
};

struct campaign_chores *
campaign_chores_create(struct control *control)
{
	struct campaign_chores *chores = mem_zalloc(sizeof(*chores));

	chores->control = control;
	return chores;
}

void
campaign_chores_destroy(struct campaign_chores **chores)
{
	free(*chores);
	*chores = NULL;
}

static void
forgetting_free(struct forgetting *forgetting)
{
	arena_destroy(&forgetting->arena);
	free(forgetting);
}

/* On the store thread. Not on disk: the next start finds them again. */
static void
on_forgotten(struct spool_change *op)
{
	if (op->err != 0)
		log_event(GW_LOG_WARN, "campaigns-not-forgotten",
			  LF_ERR(op->err));
	forgetting_free((struct forgetting *)(void *)op);
}

static struct forgetting *
forgetting_create(void)
{
	struct forgetting *forgetting = mem_zalloc(sizeof(*forgetting));

	forgetting->arena = arena_create(4096);
	return forgetting;
}

/* Takes it; n of its changes. */
static void
commit(struct control *control, struct forgetting *forgetting, size_t n)
{
	if (n == 0) {
		forgetting_free(forgetting);
		return;
	}
	forgetting->op = (struct spool_change){.changes = forgetting->changes,
					       .change_count = n,
					       .done = on_forgotten};
	spool_change_start(control->spool, &forgetting->op);
}

static void
forget(struct control *control)
{
	struct forgetting *forgetting = forgetting_create();

	commit(control, forgetting,
	       campaigns_expire(control->campaigns, spool_store(control->spool),
				clock_wall_s(), forgetting->arena,
				forgetting->changes, CHANGES_MAX));
}

static void
forget_soft(struct campaign_chores *chores)
{
	struct control *control = chores->control;
	struct forgetting *forgetting = forgetting_create();

	commit(control, forgetting,
	       suppress_expire(control->suppress, spool_store(control->spool),
			       clock_wall_s(), &chores->soft, forgetting->arena,
			       forgetting->changes, CHANGES_MAX));
}

/* While there may be an undo, only with the others. Without others a stop may
 * have come between the order and its purge. */
static void
sweep_one(struct control *control, const struct campaign_view *view)
{
	int64_t until_wall_s = 0;
	uint64_t trash;

	if (cancels_purging(control->cancels, view->id) ||
	    cancels_undoing(control->cancels, view->id))
		return;
	trash = campaign_trash_find(control, view->id, &until_wall_s);
	if (trash == 0)
		trash = campaign_trash_begin(control, view->id, &until_wall_s);
	if (trash != 0 || clock_wall_s() - view->ended_wall_s > TRASH_S)
		cancels_sweep(control->cancels, view->id, trash, until_wall_s);
}

static void
sweep(struct control *control)
{
	struct campaign_view view;
	uint64_t ids[LOOKED_AT];
	size_t n = campaigns_canceled(control->campaigns, ids, LOOKED_AT);

	for (size_t i = 0; i < n; i++) {
		if (campaign_get(control->campaigns, ids[i], clock_wall_s(),
				 &view) == 0 &&
		    view.state == CAMPAIGN_CANCELED && view.left > 0)
			sweep_one(control, &view);
	}
}

void
campaign_chores_tick(struct campaign_chores *chores, int64_t now_ms)
{
	struct control *control = chores->control;

	if (control->campaigns == NULL)
		return;
	if (now_ms >= chores->forget_ms) {
		chores->forget_ms = now_ms + FORGET_MS;
		forget(control);
	}
	if (control->suppress != NULL && now_ms >= chores->soft_ms) {
		forget_soft(chores);
		chores->soft_ms =
		    now_ms + (chores->soft.n > 0 ? SOFT_MS : SOFT_ROUND_MS);
	}
	if (now_ms >= chores->sweep_ms) {
		chores->sweep_ms = now_ms + SWEEP_MS;
		sweep(control);
	}
}

size_t
campaign_alarms(struct control *control, const struct metrics *m,
		struct campaign_alarm *alarms)
{
	const uint64_t *states = m->campaigns.by_state;
	uint64_t ids[LOOKED_AT];
	size_t n, found = 0;

	if (states[CAMPAIGN_STOPPED] + states[CAMPAIGN_WAITING] == 0)
		return 0;
	n = campaigns_list(control->campaigns, 0, ids, LOOKED_AT);
	for (size_t i = 0; i < n && found < ALERT_CAMPAIGNS; i++) {
		struct campaign_alarm *alarm = &alarms[found];

		if (campaign_get(control->campaigns, ids[i], m->wall_s,
				 &alarm->view) != 0 ||
		    (alarm->view.state != CAMPAIGN_STOPPED &&
		     alarm->view.state != CAMPAIGN_WAITING))
			continue;
		snprintf(alarm->name, sizeof(alarm->name), "C%" PRIu64, ids[i]);
		found++;
	}
	return found;
}
