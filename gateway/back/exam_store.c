/*
 * What goes to the disk beside the outcome: the quarantine's file, which is
 * durable before the record that names it is committed; the cleaned copy; the
 * notice. Nothing of it counts until that commit.
 *
 * A message can come here twice, when a part of it was in an administrator's
 * hands the first time: its file is there then, and its record grows.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/back/clean.h"
#include "gateway/back/exam.h"
#include "gateway/back/virus_notice.h"
#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/base/id.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"

#define NOTICE_MAX ((size_t)256 << 10)

/* --- its recipients ------------------------------------------------------- */

static int
compare_indexes(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static int
load_whole(struct exam *exam)
{
	int err;

	spool_msg_destroy(&exam->whole);
	qsort(exam->indexes, exam->slice_rcpts, sizeof(*exam->indexes),
	      compare_indexes);
	err = spool_load_some(exam->relay->spool, exam->id, exam->indexes,
			      exam->slice_rcpts, &exam->whole);
	if (err == 0 && exam->whole->rcpt_count == 0)
		err = GW_ENOENT;
	return err;
}

/* --- quarantine ----------------------------------------------------------- */

static const char *
infected_name(const struct exam *exam)
{
	return exam->part < exam->part_count ? exam->parts[exam->part].name
					     : "";
}

static void
fill_entry(const struct exam *exam, struct quarantine_entry *entry)
{
	const struct spool_msg *msg = exam->whole;

	entry->id = exam->id;
	entry->accepted_wall_ms = msg->accepted_wall_ms;
	entry->stored_wall_s = clock_wall_s();
	entry->expires_wall_s = entry->stored_wall_s + exam->words.quarantine_s;
	entry->cred = msg->cred;
	entry->session = msg->session;
	entry->mail_from = msg->mail_from;
	entry->owner = msg->owner;
	entry->envid = msg->envid;
	entry->client = msg->client;
	entry->ret = msg->ret;
	entry->lane = msg->lane;
	entry->flags = msg->flags;
	entry->prefix = msg->prefix;
	entry->bytes = msg->body.length;
	memcpy(entry->digest, msg->body.digest, DIGEST_SIZE);
	entry->verdict = exam->verdict;
	entry->part_name = infected_name(exam);
	entry->subject = exam->subject;
	entry->linked = exam->op.extra ? exam->op.extra->id : 0;
}

/* Those of before, then ours. */
static void
fill_rcpts(const struct exam *exam, const struct quarantine_entry *before,
	   struct quarantine_entry *entry)
{
	const struct spool_msg *msg = exam->whole;
	uint32_t count = before->rcpt_count + msg->rcpt_count;
	struct quarantine_rcpt *rcpts =
	    arena_alloc(exam->arena, count * sizeof(*rcpts));

	if (before->rcpt_count > 0)
		memcpy(rcpts, before->rcpts,
		       before->rcpt_count * sizeof(*rcpts));
	for (uint32_t i = 0; i < msg->rcpt_count; i++)
		rcpts[before->rcpt_count + i] =
		    (struct quarantine_rcpt){.address = msg->rcpts[i].address,
					     .orcpt = msg->rcpts[i].orcpt,
					     .notify = msg->rcpts[i].notify};
	entry->rcpts = rcpts;
	entry->rcpt_count = count;
}

/* *before: what the record says already. */
static int
write_file(struct exam *exam, struct quarantine_entry *before)
{
	struct quarantine *quarantine = exam->relay->quarantine;
	const struct spool_ref *body = &exam->whole->body;
	int err = quarantine_get(quarantine, exam->id, exam->arena, before);

	if (err == 0)
		return 0;
	*before = (struct quarantine_entry){.id = exam->id};
	if (err != GW_ENOENT && err != GW_ECORRUPT)
		return err;
	err = quarantine_write(quarantine, exam->id, body->length, body->digest,
			       exam_read, exam);
	exam->stored = err == 0;
	return err;
}

static void
put_record(struct exam *exam, const struct quarantine_entry *before)
{
	struct quarantine_entry entry = {.id = exam->id};

	fill_entry(exam, &entry);
	fill_rcpts(exam, before, &entry);
	quarantine_put_change(&entry, exam->arena, &exam->change);
	exam->op.changes = &exam->change;
	exam->op.change_count = 1;
}

void
exam_unstore(struct disk_task *task)
{
	struct exam *exam = (struct exam *)task;

	quarantine_unlink(exam->relay->quarantine, exam->id);
	exam->stored = false;
}

/* --- the cleaned copy ------------------------------------------------------
 */

/* A body that is written faster than the disk takes it waits here. */
struct draining {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool drained;
};

static void
on_drained(void *arg)
{
	struct draining *draining = arg;

	pthread_mutex_lock(&draining->lock);
	draining->drained = true;
	pthread_cond_signal(&draining->wake);
	pthread_mutex_unlock(&draining->lock);
}

static void
wait_drained(struct spool_body *body)
{
	struct draining draining = {.drained = false};

	pthread_mutex_init(&draining.lock, NULL);
	pthread_cond_init(&draining.wake, NULL);
	if (spool_body_backlogged(body, on_drained, &draining)) {
		pthread_mutex_lock(&draining.lock);
		while (!draining.drained)
			pthread_cond_wait(&draining.wake, &draining.lock);
		pthread_mutex_unlock(&draining.lock);
	}
	pthread_cond_destroy(&draining.wake);
	pthread_mutex_destroy(&draining.lock);
}

static void
copy_write(void *arg, struct slice bytes)
{
	spool_body_add(arg, bytes);
	wait_drained(arg);
}

static void
copy_rcpt(struct spool_msg *msg, const struct spool_rcpt *from)
{
	struct spool_rcpt *rcpt =
	    spool_msg_add_rcpt(msg, slice_str(from->address));

	rcpt->orcpt = arena_dup(msg->arena, slice_str(from->orcpt));
	rcpt->notify = from->notify;
	rcpt->domain = from->domain;
	rcpt->domain_why = from->domain_why;
	rcpt->next_wall_s = from->next_wall_s;
	rcpt->holds = from->holds & ~(uint32_t)HOLD_SCAN;
	rcpt->state = rcpt->holds != 0 ? RCPT_HELD : RCPT_QUEUED;
}

static struct spool_msg *
copy_msg(const struct spool_msg *from)
{
	struct spool_msg *msg = spool_msg_create();
	struct arena *arena = msg->arena;
	const char *prefix = arena_dup(arena, from->prefix);

	msg->id = id_next();
	msg->accepted_wall_ms = from->accepted_wall_ms;
	msg->cred = arena_dup(arena, slice_str(from->cred));
	msg->client = from->client;
	msg->session = arena_dup(arena, slice_str(from->session));
	msg->mail_from = arena_dup(arena, slice_str(from->mail_from));
	msg->owner = arena_dup(arena, slice_str(from->owner));
	msg->envid = arena_dup(arena, slice_str(from->envid));
	msg->ret = from->ret;
	msg->lane = from->lane;
	msg->flags = from->flags;
	if (prefix)
		msg->prefix = slice_of(prefix, from->prefix.n);
	for (uint32_t i = 0; i < from->rcpt_count; i++)
		copy_rcpt(msg, &from->rcpts[i]);
	return msg;
}

static int
compare_parts(const void *a, const void *b)
{
	const struct clean_part *x = a, *y = b;

	return (x->head > y->head) - (x->head < y->head);
}

static size_t
infected_parts(const struct exam *exam, struct clean_part *parts)
{
	size_t n = 0;

	for (size_t i = 0; i < exam->part_count; i++) {
		const struct scan_part *part = &exam->parts[i];

		if (!exam->places[i].infected)
			continue;
		parts[n++] =
		    (struct clean_part){.head = exam->places[i].head,
					.begin = part->begin,
					.end = part->end,
					.encoding = part->encoding,
					.name = part->name,
					.threat = exam->places[i].threat};
	}
	qsort(parts, n, sizeof(*parts), compare_parts);
	return n;
}

/* What cannot be cleaned is quarantined as a whole. */
static int
make_copy(struct exam *exam)
{
	struct clean_part *parts = mem_array(exam->part_count, sizeof(*parts));
	struct spool_body *body = spool_body_create(exam->relay->spool);
	struct clean_req req = {.parts = parts,
				.length = exam->whole->body.length,
				.hostname = exam->words.hostname,
				.replacement = exam->words.replacement,
				.subject = exam->words.subject,
				.read = exam_read,
				.read_arg = exam,
				.write = copy_write,
				.write_arg = body};
	struct spool_msg *msg;
	int err;

	req.count = infected_parts(exam, parts);
	err = clean_copy(&req);
	free(parts);
	if (err != 0) {
		spool_body_destroy(&body);
		if (err == GW_EINVAL)
			exam->act = ACT_QUARANTINE;
		return err == GW_EINVAL ? 0 : err;
	}
	msg = copy_msg(exam->whole);
	spool_body_end(body, msg->body.digest);
	exam->op.extra = msg;
	exam->op.extra_body = body;
	return 0;
}

/* --- the notice ------------------------------------------------------------
 */

static size_t
all_found(const struct exam *exam, struct virus_found *found)
{
	size_t n = 0;

	for (size_t i = 0; i < exam->part_count; i++) {
		if (exam->places[i].infected)
			found[n++] = (struct virus_found){
			    .name = exam->parts[i].name,
			    .threat = exam->places[i].threat};
	}
	if (n == 0)
		found[n++] =
		    (struct virus_found){.name = infected_name(exam),
					 .threat = exam->verdict.threat};
	return n;
}

static void
make_notice(struct exam *exam)
{
	const struct spool_msg *about = exam->whole;
	struct virus_found *found =
	    mem_array(exam->part_count + 1, sizeof(*found));
	struct virus_notice notice = {
	    .hostname = exam->words.hostname,
	    .from = exam->words.postmaster,
	    .to = about->owner,
	    .own_id = id_next(),
	    .about_id = exam->id,
	    .clean_id = exam->op.extra ? exam->op.extra->id : 0,
	    .arrival_wall_s = about->accepted_wall_ms / 1000,
	    .now_wall_s = clock_wall_s(),
	    .kept_s = exam->act == ACT_DISCARD ? 0 : exam->words.quarantine_s,
	    .subject = exam->subject,
	    .message_id = exam->message_id,
	    .found = found,
	    .about = about};
	struct spool_msg *msg = spool_msg_create();
	struct spool_body *body = spool_body_create(exam->relay->spool);
	struct buf bytes;

	notice.found_count = all_found(exam, found);
	buf_init(&bytes, NOTICE_MAX);
	virus_notice_build(&bytes, &notice);
	free(found);
	msg->id = notice.own_id;
	msg->accepted_wall_ms = clock_wall_ms();
	msg->cred = msg->session = msg->mail_from = "";
	msg->lane = LANE_DSN;
	msg->flags = MSG_GENERATED;
	for (const char *s = about->owner; *s != '\0'; s++)
		if ((unsigned char)*s >= 0x80)
			msg->flags |= MSG_UTF8 | MSG_EIGHTBIT;
	spool_msg_add_rcpt(msg, slice_str(about->owner));
	spool_body_add(body, buf_slice(&bytes));
	spool_body_end(body, msg->body.digest);
	buf_fini(&bytes);
	exam->op.dsn = msg;
	exam->op.dsn_body = body;
	exam->told = true;
}

/* --- all of it --------------------------------------------------------------
 */

static const char *
action_name(const struct exam *exam)
{
	if (exam->act == ACT_DISCARD)
		return "discard";
	return exam->act == ACT_CLEAN ? "clean" : "put";
}

static void
log_stored(const struct exam *exam)
{
	char id[ID_TEXT_SIZE], linked[ID_TEXT_SIZE] = "",
			       told[ID_TEXT_SIZE] = "";
	const struct spool_msg *msg = exam->whole;

	id_format(exam->id, id);
	if (exam->op.extra)
		id_format(exam->op.extra->id, linked);
	if (exam->op.dsn)
		id_format(exam->op.dsn->id, told);
	log_event(GW_LOG_WARN, "quarantine", LF_STR("msg", id),
		  LF_STR("session", msg->session), LF_STR("cred", msg->cred),
		  LF_IP("client", &msg->client), LF_STR("from", msg->mail_from),
		  LF_U64("rcpts", msg->rcpt_count),
		  LF_STR("action", action_name(exam)),
		  LF_STR("part", infected_name(exam)),
		  LF_STR("threat", exam->verdict.threat),
		  LF_STR("linked", linked[0] ? linked : NULL),
		  LF_STR("notice", told[0] ? told : NULL),
		  LF_STR("to", told[0] ? msg->owner : NULL));
}

static int
keep(struct exam *exam)
{
	struct quarantine_entry before;
	int err = write_file(exam, &before);

	if (err == 0 && exam->act == ACT_CLEAN)
		err = make_copy(exam);
	if (err == 0)
		put_record(exam, &before);
	return err;
}

void
exam_store(struct disk_task *task)
{
	struct exam *exam = (struct exam *)task;

	exam->err = load_whole(exam);
	if (exam->err != 0 || exam->act == ACT_BOUNCE)
		return;
	if (exam->act != ACT_DISCARD)
		exam->err = keep(exam);
	if (exam->err != 0)
		return;
	if (exam->notice)
		make_notice(exam);
	log_stored(exam);
}
