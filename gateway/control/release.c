/*
 * One release: the message is read and taken apart, its parts are scanned
 * afresh, its bytes are copied into a new body, and then one commit accepts the
 * new message, ends the quarantine's record and writes the trail. Before that
 * commit nothing happened, after it the file alone is left, which goes now or
 * is swept at the next start. So a message is released once, whenever we stop.
 *
 * What is released goes past the store's block list as all mail does: a login
 * that is blocked because of this very message must be let in again first, or
 * its mail would go out on a side way.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/base/id.h"
#include "gateway/base/mem.h"
#include "gateway/control/control_int.h"
#include "gateway/control/parts.h"
#include "gateway/control/releaser_int.h"
#include "gateway/control/verdict_text.h"

#define PIECE_BYTES 65536

/* --- waiting for others ----------------------------------------------------
 */

static void
woken(struct releaser *releaser)
{
	pthread_mutex_lock(&releaser->lock);
	releaser->waits = false;
	pthread_cond_broadcast(&releaser->changed);
	pthread_mutex_unlock(&releaser->lock);
}

static void
wait_begin(struct releaser *releaser)
{
	pthread_mutex_lock(&releaser->lock);
	releaser->waits = true;
	pthread_mutex_unlock(&releaser->lock);
}

static void
wait_end(struct releaser *releaser)
{
	pthread_mutex_lock(&releaser->lock);
	while (releaser->waits)
		pthread_cond_wait(&releaser->changed, &releaser->lock);
	pthread_mutex_unlock(&releaser->lock);
}

static bool
stopping(struct releaser *releaser)
{
	bool stop;

	pthread_mutex_lock(&releaser->lock);
	stop = releaser->stop;
	pthread_mutex_unlock(&releaser->lock);
	return stop;
}

/* --- the new look ----------------------------------------------------------
 */

struct look {
	struct scan_job scan; /* first */
	struct releaser *releaser;
};

/* On the scan thread. */
static void
on_scanned(struct scan_job *scan)
{
	woken(((struct look *)(void *)scan)->releaser);
}

static void
scan_parts(struct releaser_job *job, const struct attachments *found)
{
	struct releaser *releaser = job->releaser;
	struct look look = {
	    .scan = {.parts = found->parts,
		     .part_count = found->count,
		     .read = quarantine_reader_read,
		     .read_arg = job->reader,
		     .client = job->entry.client,
		     .login = job->entry.cred,
		     .late = true,
		     .afresh = true,
		     .done = on_scanned},
	    .releaser = releaser,
	};

	pthread_mutex_lock(&releaser->lock);
	releaser->waits = true;
	releaser->scanning = &look.scan;
	scan_job_start(releaser->control->scan, &look.scan);
	if (releaser->stop)
		scan_job_cancel(releaser->control->scan, &look.scan);
	pthread_mutex_unlock(&releaser->lock);
	wait_end(releaser);
	pthread_mutex_lock(&releaser->lock);
	releaser->scanning = NULL;
	pthread_mutex_unlock(&releaser->lock);
	job->result.verdict = look.scan.verdict;
	if (look.scan.part < found->count)
		snprintf(job->result.part, sizeof(job->result.part), "%s",
			 found->parts[look.scan.part].name);
}

static bool
is_on(const struct control *control)
{
	struct scan_status status = {.on = false};

	if (control->scan != NULL)
		scan_status_get(control->scan, &status);
	return status.on;
}

static void
judge(struct releaser_job *job, const struct attachments *found)
{
	struct control *control = job->releaser->control;
	struct scan_verdict *verdict = &job->result.verdict;
	enum scan_why flaw = attachments_flaw(found);

	*verdict = (struct scan_verdict){.kind = SCAN_CLEAN};
	if (found->count > 0 && is_on(control))
		scan_parts(job, found);
	/* Asked again: switched off meanwhile, it was clean for want of anybody
	 * who looked. */
	if (verdict->kind == SCAN_CLEAN && !is_on(control))
		*verdict = (struct scan_verdict){.kind = SCAN_ERROR,
						 .why = SCAN_WHY_DOWN};
	if (verdict->kind == SCAN_CLEAN && flaw != SCAN_WHY_NONE)
		*verdict = (struct scan_verdict){.kind = SCAN_UNSCANNABLE,
						 .why = flaw};
}

/* Fills in the verdict; 0, or why it cannot be looked at at all. */
static int
look_again(struct releaser_job *job)
{
	const struct parts_source source = {
	    .read = quarantine_reader_read,
	    .arg = job->reader,
	    .bytes = job->entry.bytes,
	    .texts = job->texts,
	};
	struct parts parts;
	int err = parts_find(&source, &parts);

	if (err != 0)
		return err;
	if (memcmp(parts.digest, job->entry.digest, DIGEST_SIZE) != 0)
		err = GW_ECORRUPT;
	else
		judge(job, parts.attachments);
	attachments_destroy(&parts.attachments);
	if (err == 0 && stopping(job->releaser))
		err = GW_ECANCELED;
	return err;
}

/* --- the new message ---------------------------------------------------------
 */

/* On the writer's thread. */
static void
on_drained(void *arg)
{
	woken(arg);
}

/* NULL: *err says why. */
static struct spool_body *
copy_body(struct releaser_job *job, int *err)
{
	struct releaser *releaser = job->releaser;
	struct spool_body *body = spool_body_create(releaser->control->spool);
	char *piece = mem_alloc(PIECE_BYTES);
	uint8_t digest[DIGEST_SIZE];
	uint64_t at = 0;
	int64_t n;

	*err = 0;
	while ((n = quarantine_reader_read(job->reader, at, piece,
					   PIECE_BYTES)) > 0) {
		spool_body_add(body, slice_of(piece, (size_t)n));
		at += (uint64_t)n;
		wait_begin(releaser);
		if (spool_body_backlogged(body, on_drained, releaser))
			wait_end(releaser);
	}
	free(piece);
	spool_body_end(body, digest);
	if (n < 0)
		*err = (int)n;
	else if (memcmp(digest, job->entry.digest, DIGEST_SIZE) != 0)
		*err = GW_ECORRUPT;
	if (*err != 0)
		spool_body_destroy(&body);
	return body;
}

static const char *
keep(struct spool_msg *msg, const char *s)
{
	return arena_dup(msg->arena, slice_str(s));
}

/* The envelope as it was, under a new id, accepted now: it has as long to be
 * delivered as any. */
static struct spool_msg *
new_message(struct releaser_job *job)
{
	const struct quarantine_entry *entry = &job->entry;
	struct spool_msg *msg = spool_msg_create();
	char *prefix = arena_alloc(msg->arena, entry->prefix.n + 1);

	msg->id = id_next();
	msg->accepted_wall_ms = clock_wall_ms();
	msg->cred = keep(msg, entry->cred);
	msg->client = entry->client;
	msg->session = keep(msg, entry->session);
	msg->mail_from = keep(msg, entry->mail_from);
	msg->owner = keep(msg, entry->owner);
	msg->envid = keep(msg, entry->envid);
	msg->ret = entry->ret;
	msg->lane = entry->lane;
	msg->flags = entry->flags & (MSG_EIGHTBIT | MSG_UTF8);
	if (entry->prefix.n > 0)
		memcpy(prefix, entry->prefix.p, entry->prefix.n);
	msg->prefix = slice_of(prefix, entry->prefix.n);
	for (uint32_t i = 0; i < entry->rcpt_count; i++) {
		const struct quarantine_rcpt *from = &entry->rcpts[i];
		struct spool_rcpt *to =
		    spool_msg_add_rcpt(msg, slice_str(from->address));

		to->index = i;
		to->orcpt = keep(msg, from->orcpt);
		to->notify = from->notify;
	}
	return msg;
}

/* The end of the quarantine's record, and who did it. */
static void
make_rows(struct releaser_job *job)
{
	quarantine_delete_change(job->req.id, job->arena, &job->rows[0]);
	change_row(job->req.tell, &job->rows[1]);
}

/* On the store thread. */
static void
on_accepted(struct spool_accept *accept)
{
	struct releaser_job *job =
	    (struct releaser_job *)((char *)accept -
				    offsetof(struct releaser_job, accept));

	woken(job->releaser);
}

static enum release_end
end_of(enum spool_answer answer, int *err)
{
	switch (answer) {
	case SPOOL_ACCEPTED:
		return RELEASE_DONE;
	case SPOOL_VETOED:
		return RELEASE_BLOCKED;
	case SPOOL_FULL:
		*err = GW_ENOSPC;
		return RELEASE_FAILED;
	case SPOOL_FAILED:
	case SPOOL_DUPLICATE: /* it has no key to be one by */
		break;
	}
	*err = GW_EIO;
	return RELEASE_FAILED;
}

static void
tell_effect(struct releaser_job *job)
{
	struct buf why = {.cap = 512};
	char id[ID_TEXT_SIZE];

	id_format(job->result.new_id, id);
	verdict_text(&job->result.verdict, &why);
	change_effect(job->req.tell, "released as %s: %s", id, buf_cstr(&why));
	buf_fini(&why);
}

static void
send_it(struct releaser_job *job)
{
	struct releaser *releaser = job->releaser;
	struct release_result *result = &job->result;
	struct spool_body *body;
	struct spool_msg *msg;

	if (result->verdict.kind != SCAN_CLEAN && !job->req.anyway) {
		result->end = RELEASE_NOT_CLEAN;
		return;
	}
	body = copy_body(job, &result->err);
	if (body == NULL)
		return;
	msg = new_message(job);
	result->new_id = msg->id;
	result->rcpt_count = msg->rcpt_count;
	tell_effect(job);
	make_rows(job);
	job->accept = (struct spool_accept){.msg = msg,
					    .body = body,
					    .changes = job->rows,
					    .change_count = 2,
					    .done = on_accepted};
	wait_begin(releaser);
	spool_accept_start(releaser->control->spool, &job->accept);
	wait_end(releaser);
	result->end = end_of(job->accept.answer, &result->err);
}

static void
release(struct releaser_job *job)
{
	struct quarantine *quarantine = job->releaser->control->quarantine;
	struct release_result *result = &job->result;

	result->err =
	    quarantine_reader_open(quarantine, job->req.id, &job->reader);
	if (result->err != 0)
		return;
	result->err = look_again(job);
	if (result->err == 0)
		send_it(job);
	quarantine_reader_close(&job->reader);
}

/* --- deleting ----------------------------------------------------------------
 */

/* On the store thread. */
static void
on_changed(struct spool_change *change)
{
	struct releaser_job *job =
	    (struct releaser_job *)((char *)change -
				    offsetof(struct releaser_job, change));

	woken(job->releaser);
}

static void
delete_it(struct releaser_job *job)
{
	struct releaser *releaser = job->releaser;

	change_effect(job->req.tell, "deleted");
	make_rows(job);
	job->change = (struct spool_change){
	    .changes = job->rows, .change_count = 2, .done = on_changed};
	wait_begin(releaser);
	spool_change_start(releaser->control->spool, &job->change);
	wait_end(releaser);
	job->result.err = job->change.err;
	if (job->change.err == 0)
		job->result.end = RELEASE_DONE;
}

void
release_run(struct releaser_job *job)
{
	struct quarantine *quarantine = job->releaser->control->quarantine;
	struct release_result *result = &job->result;

	result->verb = job->req.verb;
	result->end = RELEASE_FAILED;
	job->arena = arena_create(4096);
	result->err =
	    quarantine_get(quarantine, job->req.id, job->arena, &job->entry);
	/* what cannot be read can still be thrown away */
	if (job->req.verb == RELEASE_DELETE &&
	    (result->err == 0 || result->err == GW_ECORRUPT))
		delete_it(job);
	else if (result->err == 0)
		release(job);
	if (result->end == RELEASE_DONE)
		quarantine_unlink(quarantine, job->req.id);
	arena_destroy(&job->arena);
}
