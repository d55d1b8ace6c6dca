/*
 * A work is back's until its done has run, on the relay's thread; control may
 * be gone by then. So works and their queue hang on a part of their own that
 * is freed by whoever is last: it is the one thing here with a lock.
 */
#include "gateway/control/work.h"

#include <inttypes.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/error.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/control/call.h"
#include "gateway/control/control_int.h"
#include "gateway/net/queue.h"

struct shared {
	pthread_mutex_t lock;
	struct queue *queue; /* NULL: control is gone */
	size_t under_way;
};

struct works {
	struct control *control;
	struct shared *shared;
};

struct job {
	struct queue_item item; /* first: from the relay's thread to the loop */
	struct shared *shared;
	struct selection what; /* the work borrows from it */
	struct change *tell;
	uint64_t call_id;
	work_ended_fn *ended;
	void *arg;
	struct back_work work;
};

static void
job_free(struct job *job)
{
	change_destroy(&job->tell);
	free(job);
}

void
work_effect(const struct back_work *work, struct change *change)
{
	const char *did = "";

	switch (work->verb) {
	case BACK_COUNT:
		did = "counted";
		break;
	case BACK_RELEASE:
	case BACK_RECHECK:
		did = "released";
		break;
	case BACK_PURGE:
		did = work->trash != 0 ? "purged" : "deleted";
		break;
	case BACK_UNDO:
		did = "brought back";
		break;
	}
	if (work->err != 0)
		change_effect(change, "failed: %s", gw_err_text(work->err));
	else if (work->failed != 0)
		change_effect(change,
			      "%s %" PRIu64 " messages, %" PRIu64
			      " recipients; %" PRIu64 " failed",
			      did, work->messages, work->recipients,
			      work->failed);
	else
		change_effect(change,
			      "%s %" PRIu64 " messages, %" PRIu64 " recipients",
			      did, work->messages, work->recipients);
}

static void
on_back(void *arg, struct queue_item *item)
{
	struct works *works = arg;
	struct job *job = (struct job *)(void *)item;
	struct admin *admin = works->control->admin;
	struct call *call;

	if (job->tell != NULL) {
		work_effect(&job->work, job->tell);
		change_commit(&job->tell, NULL, NULL);
	}
	if (job->ended != NULL)
		job->ended(job->arg, &job->work);
	call = admin == NULL ? NULL : admin_call(admin, job->call_id);
	if (call != NULL) {
		call->work = job->work;
		memset(&call->work.select, 0, sizeof(call->work.select));
		call_ended(call);
	}
	job_free(job);
}

struct works *
works_create(struct control *control)
{
	struct works *works = mem_zalloc(sizeof(*works));
	struct shared *shared = mem_zalloc(sizeof(*shared));

	works->control = control;
	works->shared = shared;
	pthread_mutex_init(&shared->lock, NULL);
	shared->queue = queue_create(control->loop, on_back, works);
	if (shared->queue != NULL)
		return works;
	pthread_mutex_destroy(&shared->lock);
	free(shared);
	free(works);
	return NULL;
}

static void
shared_free(struct shared *shared)
{
	pthread_mutex_destroy(&shared->lock);
	free(shared);
}

void
works_destroy(struct works **worksp)
{
	struct works *works = *worksp;
	struct shared *shared;
	struct queue *queue;
	bool last;

	if (works == NULL)
		return;
	shared = works->shared;
	pthread_mutex_lock(&shared->lock);
	queue = shared->queue;
	shared->queue = NULL;
	last = shared->under_way == 0;
	pthread_mutex_unlock(&shared->lock);
	queue_destroy(&queue); /* what has ended is told */
	if (last)
		shared_free(shared);
	free(works);
	*worksp = NULL;
}

/* On the relay's thread. */
static void
on_done(struct back_work *work)
{
	struct job *job =
	    (struct job *)((char *)work - offsetof(struct job, work));
	struct shared *shared = job->shared;
	bool last;

	pthread_mutex_lock(&shared->lock);
	shared->under_way--;
	last = shared->queue == NULL && shared->under_way == 0;
	if (shared->queue != NULL)
		queue_push(shared->queue, &job->item);
	else
		job_free(job);
	pthread_mutex_unlock(&shared->lock);
	if (last)
		shared_free(shared);
}

void
work_start(struct works *works, struct work_req *req)
{
	struct job *job = mem_zalloc(sizeof(*job));

	job->shared = works->shared;
	job->what = req->what;
	job->tell = req->tell;
	req->tell = NULL;
	job->call_id = req->call_id;
	job->ended = req->ended;
	job->arg = req->arg;
	job->work.verb = req->verb;
	selection_view(&job->what, &job->work.select);
	job->work.rule = req->rule;
	job->work.trash = req->trash;
	job->work.trash_until_wall_s = req->trash_until_wall_s;
	job->work.done = on_done;
	pthread_mutex_lock(&works->shared->lock);
	works->shared->under_way++;
	pthread_mutex_unlock(&works->shared->lock);
	back_work_start(works->control->back, &job->work);
}

bool
works_idle(struct works *works)
{
	bool idle;

	pthread_mutex_lock(&works->shared->lock);
	idle = works->shared->under_way == 0;
	pthread_mutex_unlock(&works->shared->lock);
	return idle;
}
