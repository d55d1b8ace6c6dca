/*
 * The thread works off a list, and each job goes back to the loop through a
 * queue. At the end what waits is given up, the scan that is under way is
 * canceled, and what is with the store is waited for.
 */
#include "gateway/control/releaser.h"

#include <stdlib.h>

#include "gateway/base/error.h"
#include "gateway/base/id.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/control/call.h"
#include "gateway/control/control_int.h"
#include "gateway/control/releaser_int.h"
#include "gateway/control/verdict_text.h"
#include "gateway/scan/words.h"

static void
job_free(struct releaser_job *job)
{
	change_destroy(&job->req.tell);
	free(job);
}

static void *
worker(void *arg)
{
	struct releaser *releaser = arg;
	struct releaser_job *job;

	pthread_mutex_lock(&releaser->lock);
	while (!releaser->stop) {
		job = STAILQ_FIRST(&releaser->jobs);
		if (job == NULL) {
			pthread_cond_wait(&releaser->changed, &releaser->lock);
			continue;
		}
		STAILQ_REMOVE_HEAD(&releaser->jobs, link);
		pthread_mutex_unlock(&releaser->lock);
		release_run(job);
		queue_push(releaser->done, &job->item);
		pthread_mutex_lock(&releaser->lock);
	}
	pthread_mutex_unlock(&releaser->lock);
	return NULL;
}

/* --- the loop's side ---------------------------------------------------------
 */

static void
log_result(const struct releaser_job *job)
{
	const struct release_result *result = &job->result;
	char id[ID_TEXT_SIZE], new_id[ID_TEXT_SIZE];
	bool sent = result->verb == RELEASE_SEND;

	id_format(job->req.id, id);
	id_format(result->new_id, new_id);
	if (result->end == RELEASE_DONE)
		log_event(
		    GW_LOG_INFO, "quarantine", LF_STR("msg", id),
		    LF_STR("action", sent ? "release" : "delete"),
		    LF_STR("linked", sent ? new_id : NULL),
		    LF_STR("verdict",
			   sent ? scan_kind_word(result->verdict.kind) : NULL),
		    LF_STR("threat", result->verdict.threat[0] != '\0'
					 ? result->verdict.threat
					 : NULL));
	else if (result->end == RELEASE_NOT_CLEAN)
		log_event(
		    GW_LOG_WARN, "quarantine", LF_STR("msg", id),
		    LF_STR("action", "release-refused"),
		    LF_STR("verdict", scan_kind_word(result->verdict.kind)),
		    LF_STR("threat", result->verdict.threat[0] != '\0'
					 ? result->verdict.threat
					 : NULL));
	else if (result->end == RELEASE_FAILED && result->err != GW_ENOENT)
		log_event(GW_LOG_ERROR, "quarantine", LF_STR("msg", id),
			  LF_STR("action", "failed"), LF_ERR(result->err));
}

static void
on_done(void *arg, struct queue_item *item)
{
	struct releaser *releaser = arg;
	struct releaser_job *job = (struct releaser_job *)(void *)item;
	struct admin *admin = releaser->control->admin;
	struct call *call =
	    admin == NULL ? NULL : admin_call(admin, job->req.call_id);

	log_result(job);
	if (call != NULL) {
		call->released = job->result;
		call_ended(call);
	}
	job_free(job);
}

struct releaser *
releaser_create(struct control *control)
{
	struct releaser *releaser = mem_zalloc(sizeof(*releaser));

	releaser->control = control;
	STAILQ_INIT(&releaser->jobs);
	pthread_mutex_init(&releaser->lock, NULL);
	pthread_cond_init(&releaser->changed, NULL);
	releaser->done = queue_create(control->loop, on_done, releaser);
	if (releaser->done != NULL &&
	    pthread_create(&releaser->thread, NULL, worker, releaser) == 0)
		return releaser;
	if (releaser->done != NULL)
		queue_destroy(&releaser->done);
	pthread_mutex_destroy(&releaser->lock);
	pthread_cond_destroy(&releaser->changed);
	free(releaser);
	return NULL;
}

void
releaser_destroy(struct releaser **releaserp)
{
	struct releaser *releaser = *releaserp;
	struct releaser_job *job;

	if (releaser == NULL)
		return;
	*releaserp = NULL;
	pthread_mutex_lock(&releaser->lock);
	releaser->stop = true;
	if (releaser->scanning != NULL && releaser->waits)
		scan_job_cancel(releaser->control->scan, releaser->scanning);
	pthread_cond_broadcast(&releaser->changed);
	pthread_mutex_unlock(&releaser->lock);
	pthread_join(releaser->thread, NULL);
	queue_destroy(&releaser->done);
	while ((job = STAILQ_FIRST(&releaser->jobs)) != NULL) {
		STAILQ_REMOVE_HEAD(&releaser->jobs, link);
		job_free(job);
	}
	pthread_mutex_destroy(&releaser->lock);
	pthread_cond_destroy(&releaser->changed);
	free(releaser);
}

void
releaser_start(struct releaser *releaser, struct release_req *req)
{
	struct releaser_job *job = mem_zalloc(sizeof(*job));

	job->releaser = releaser;
	job->req = *req;
	req->tell = NULL;
	job->texts = releaser->control->conf.scan_texts;
	pthread_mutex_lock(&releaser->lock);
	STAILQ_INSERT_TAIL(&releaser->jobs, job, link);
	pthread_cond_broadcast(&releaser->changed);
	pthread_mutex_unlock(&releaser->lock);
}
