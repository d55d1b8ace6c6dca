#include "gateway/back/work.h"

#include <stdlib.h>

#include "gateway/back/held.h"
#include "gateway/back/idset.h"
#include "gateway/base/error.h"
#include "gateway/base/mem.h"

#define LET_GO_A_SLICE 500

struct works {
	struct back_work *rechecks; /* the first is being worked off */
	bool letting_go;	    /* it began */
	struct idset ids;	    /* its messages */
};

struct works *
works_create(struct relay *relay)
{
	struct works *works = mem_zalloc(sizeof(*works));

	(void)relay;
	return works;
}

void
works_destroy(struct works **works)
{
	if (!*works)
		return;
	idset_fini(&(*works)->ids);
	free(*works);
	*works = NULL;
}

static void
add_last(struct back_work **at, struct back_work *work)
{
	while (*at)
		at = &(*at)->next;
	*at = work;
}

static void
count_job(void *arg, const struct job *job)
{
	struct works *works = arg;
	struct back_work *work = works->rechecks;

	work->recipients += job->rcpt_count;
	if (idset_add(&works->ids, job->id))
		work->messages++;
}

static void
end_recheck(struct works *works, int err)
{
	struct back_work *work = works->rechecks;

	works->rechecks = work->next;
	works->letting_go = false;
	idset_fini(&works->ids);
	work->err = err;
	work->done(work);
}

static bool
recheck_slice(struct relay *relay)
{
	struct works *works = relay->works;

	if (!works->rechecks)
		return false;
	if (!works->letting_go)
		held_recheck(relay, works->rechecks->rule);
	works->letting_go = true;
	if (!held_let_go(relay, LET_GO_A_SLICE, count_job, works))
		end_recheck(works, 0);
	return true;
}

void
work_start(struct relay *relay, struct back_work *work)
{
	work->next = NULL;
	work->err = 0;
	work->messages = work->recipients = work->held = 0;
	work->busy = work->failed = 0;
	work->sample_count = 0;
	if (relay->stopping || work->verb != BACK_RECHECK) {
		work->err = relay->stopping ? GW_ECANCELED : GW_ENOTSUP;
		work->done(work);
		return;
	}
	add_last(&relay->works->rechecks, work);
	relay_fill_soon(relay);
}

bool
work_slice(struct relay *relay)
{
	return recheck_slice(relay);
}

void
work_stop(struct relay *relay)
{
	while (relay->works->rechecks)
		end_recheck(relay->works, GW_ECANCELED);
}
