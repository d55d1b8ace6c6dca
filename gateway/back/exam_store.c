/*
 * What goes to the disk beside the outcome: the quarantine's file, which is
 * durable before the record that names it is committed; the cleaned copy; the
 * notice. Nothing of it counts until that commit.
 *
 * A message can come here twice, when some of its recipients were in an
 * administrator's hands the first time. What is there then may be released or
 * deleted at this moment, the record first and then the file: it is nobody's
 * to add to, and the second time it is kept under an id of its own.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/back/clean.h"
#include "gateway/back/exam.h"
#include "gateway/back/signature.h"
#include "gateway/back/virus_notice.h"
#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/base/id.h"
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

static void
fill_entry(const struct exam *exam, struct quarantine_entry *entry)
{
	const struct spool_msg *msg = exam->whole;

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
	entry->part_name = exam_part_name(exam);
	entry->subject = exam->subject;
	entry->linked = exam->clean_id;
}

static void
fill_rcpts(const struct exam *exam, struct quarantine_entry *entry)
{
	const struct spool_msg *msg = exam->whole;
	struct quarantine_rcpt *rcpts =
	    arena_alloc(exam->arena, msg->rcpt_count * sizeof(*rcpts));

	for (uint32_t i = 0; i < msg->rcpt_count; i++)
		rcpts[i] =
		    (struct quarantine_rcpt){.address = msg->rcpts[i].address,
					     .orcpt = msg->rcpts[i].orcpt,
					     .notify = msg->rcpts[i].notify};
	entry->rcpts = rcpts;
	entry->rcpt_count = msg->rcpt_count;
}

/* 0; GW_EEXIST: a record, or a file that is about to go; an error. The record
 * first: without one, and without a file, nobody is left who unlinks it. */
static int
look_for_other(struct exam *exam)
{
	struct quarantine *quarantine = exam->relay->quarantine;
	struct quarantine_reader *reader;
	struct quarantine_entry entry;
	int err = quarantine_get(quarantine, exam->id, exam->arena, &entry);

	if (err == 0 || err == GW_ECORRUPT)
		return GW_EEXIST;
	if (err != GW_ENOENT)
		return err;
	err = quarantine_reader_open(quarantine, exam->id, &reader);
	if (err == 0)
		quarantine_reader_close(&reader);
	if (err == 0 || err == GW_ECORRUPT)
		return GW_EEXIST;
	return err == GW_ENOENT ? 0 : err;
}

static int
write_file(struct exam *exam)
{
	const struct spool_ref *body = &exam->whole->body;
	int err = 0;

	if (exam->kept_id == 0)
		err = look_for_other(exam);
	if (err != 0 && err != GW_EEXIST)
		return err;
	if (exam->kept_id == 0)
		exam->kept_id = err == 0 ? exam->id : id_next();
	err = quarantine_write(exam->relay->quarantine, exam->kept_id,
			       body->length, body->digest, exam_read, exam);
	exam->stored = err == 0;
	return err;
}

static void
put_record(struct exam *exam)
{
	struct quarantine_entry entry = {.id = exam->kept_id};

	fill_entry(exam, &entry);
	fill_rcpts(exam, &entry);
	quarantine_put_change(&entry, exam->arena, &exam->changes[0]);
	exam->op.changes = exam->changes;
	exam->op.change_count = 1;
}

void
exam_unstore(struct disk_task *task)
{
	struct exam *exam = (struct exam *)task;

	quarantine_unlink(exam->relay->quarantine, exam->kept_id);
	exam->kept_id = 0;
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

/*
 * The copy is read as the original was: it may hold what was found clean
 * there, and nothing else. So a part that two ways of reading see in two
 * places does not get out by the one that was not cut.
 */
struct copying {
	const struct exam *exam;
	struct spool_body *body;
	struct mime_walk *walk;
	bool bad;
};

static void
copy_write(void *arg, struct slice bytes)
{
	struct copying *copying = arg;

	mime_walk_add(copying->walk, bytes);
	spool_body_add(copying->body, bytes);
	wait_drained(copying->body);
}

static void
on_part(void *arg, const struct mime_part *part)
{
	struct copying *copying = arg;
	const struct exam *exam = copying->exam;

	if (!(part->flags & MIME_ATTACHMENT) || part->begin == part->end)
		return;
	/* A text that is shown, as what stands in a part's place now is. */
	if (part->flags & MIME_ASIDE)
		return;
	for (size_t i = 0; i < exam->found->count; i++) {
		if (!exam->places[i].infected &&
		    memcmp(part->digest, exam->found->parts[i].digest,
			   DIGEST_SIZE) == 0)
			return;
	}
	copying->bad = true;
}

static int
copy_body(struct copying *copying, struct clean_req *req)
{
	struct mime_opts opts = {.part = on_part, .arg = copying};
	struct mime_summary summary;
	int err;

	copying->walk = mime_walk_create(&opts);
	req->write = copy_write;
	req->write_arg = copying;
	err = clean_copy(req);
	mime_walk_end(copying->walk, &summary);
	mime_walk_destroy(&copying->walk);
	if (err == 0 && (copying->bad || summary.flags & MIME_AMBIGUOUS))
		err = GW_EINVAL;
	return err;
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
	msg->campaign = from->campaign;
	msg->flags = from->flags;
	if (prefix)
		msg->prefix = slice_of(prefix, from->prefix.n);
	signature_drop(msg);
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

	for (size_t i = 0; i < exam->found->count; i++) {
		const struct scan_part *part = &exam->found->parts[i];

		if (!exam->places[i].infected)
			continue;
		parts[n++] =
		    (struct clean_part){.head = part->head,
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
	struct clean_part *parts =
	    mem_array(exam->found->count, sizeof(*parts));
	struct spool_body *body = spool_body_create(exam->relay->spool);
	struct copying copying = {.exam = exam, .body = body};
	struct clean_req req = {.parts = parts,
				.length = exam->whole->body.length,
				.hostname = exam->words.hostname,
				.replacement = exam->words.replacement,
				.subject = exam->words.subject,
				.read = exam_read,
				.read_arg = exam};
	struct spool_msg *msg;
	int err;

	req.count = infected_parts(exam, parts);
	err = copy_body(&copying, &req);
	free(parts);
	if (err != 0) {
		spool_body_destroy(&body);
		if (err == GW_EINVAL)
			exam->act = ACT_QUARANTINE;
		return err == GW_EINVAL ? 0 : err;
	}
	msg = copy_msg(exam->whole);
	spool_body_end(body, msg->body.digest);
	exam->clean_id = msg->id;
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

	for (size_t i = 0; i < exam->found->count; i++) {
		if (exam->places[i].infected)
			found[n++] = (struct virus_found){
			    .name = exam->found->parts[i].name,
			    .threat = exam->places[i].threat};
	}
	if (n == 0)
		found[n++] =
		    (struct virus_found){.name = exam_part_name(exam),
					 .threat = exam->verdict.threat};
	return n;
}

static void
make_notice(struct exam *exam)
{
	const struct spool_msg *about = exam->whole;
	struct virus_found *found =
	    mem_array(exam->found->count + 1, sizeof(*found));
	struct virus_notice notice = {
	    .hostname = exam->words.hostname,
	    .from = exam->words.postmaster,
	    .to = about->owner,
	    .own_id = id_next(),
	    .about_id = exam->act == ACT_DISCARD ? exam->id : exam->kept_id,
	    .clean_id = exam->clean_id,
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
	exam->notice_id = msg->id;
}

/* --- all of it --------------------------------------------------------------
 */

static int
keep(struct exam *exam)
{
	int err = write_file(exam);

	if (err == 0 && exam->act == ACT_CLEAN)
		err = make_copy(exam);
	if (err == 0)
		put_record(exam);
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
}
