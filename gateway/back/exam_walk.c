/*
 * Reads a message once: is it still what was accepted, and what is to be
 * scanned of it. Whatever cannot be told apart with certainty, or was not
 * looked at, has the whole message as one more part.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/back/exam.h"
#include "gateway/base/error.h"
#include "gateway/base/mem.h"
#include "gateway/smtp/header.h"

#define CHUNK 65536
#define PARTS_FIRST 8

struct reading {
	struct exam *exam;
	struct mime_walk *walk;
	struct digest *digest;
	struct header_scan *header;
	char *chunk;
};

int64_t
exam_read(void *arg, uint64_t offset, void *p, size_t n)
{
	struct exam *exam = arg;
	int64_t got = spool_reader_read(exam->reader, offset, p, n);

	/* The end is known: a file that ends sooner was cut. */
	if (got == 0 && n > 0 && offset < exam->msg->body.length)
		return GW_ECORRUPT;
	return got;
}

static struct scan_part *
add_part(struct exam *exam)
{
	size_t room = exam->part_room;

	if (exam->part_count == room) {
		room = room ? room * 2 : PARTS_FIRST;
		exam->parts =
		    mem_resize(exam->parts, room * sizeof(*exam->parts));
		exam->places =
		    mem_resize(exam->places, room * sizeof(*exam->places));
		exam->part_room = room;
	}
	exam->places[exam->part_count] = (struct exam_place){.head = 0};
	exam->parts[exam->part_count] = (struct scan_part){.begin = 0};
	return &exam->parts[exam->part_count++];
}

static void
on_part(void *arg, const struct mime_part *part)
{
	struct exam *exam = arg;
	struct scan_part *out;

	if (!(part->flags & MIME_ATTACHMENT) && !exam->text)
		return;
	if (part->begin == part->end) /* nothing in it for anybody */
		return;
	if (exam->part_count == EXAM_PARTS_MAX) {
		exam->overflow = true;
		return;
	}
	out = add_part(exam);
	out->begin = part->begin;
	out->end = part->end;
	out->decoded_bytes = part->decoded_bytes;
	out->encoding = part->encoding;
	out->name = arena_dup(exam->arena, slice_str(part->name));
	out->type = arena_dup(exam->arena, slice_str(part->type));
	memcpy(out->digest, part->digest, DIGEST_SIZE);
	exam->places[exam->part_count - 1].head = part->head;
}

static bool
needs_whole(const struct exam *exam)
{
	return exam->overflow ||
	       (exam->summary.flags &
		(MIME_AMBIGUOUS | MIME_TOO_MANY | MIME_TOO_DEEP |
		 MIME_HEADER_TOO_BIG | MIME_PARTIAL | MIME_EXTERNAL)) != 0;
}

static void
add_whole(struct exam *exam)
{
	const struct spool_ref *body = &exam->msg->body;
	struct scan_part *out = add_part(exam);

	out->end = body->length;
	out->decoded_bytes = body->length;
	out->encoding = MIME_IDENTITY;
	out->name = "";
	out->type = "message/rfc822";
	memcpy(out->digest, body->digest, DIGEST_SIZE);
}

static void
keep_header(struct reading *r)
{
	struct arena *arena = r->exam->arena;
	const char *subject = arena_dup(arena, header_subject(r->header));
	const char *id = arena_dup(arena, header_message_id(r->header));

	r->exam->subject = subject ? subject : "";
	r->exam->message_id = id ? id : "";
}

static int
check_digest(struct reading *r)
{
	uint8_t digest[DIGEST_SIZE];

	digest_final(r->digest, digest);
	return memcmp(digest, r->exam->msg->body.digest, DIGEST_SIZE) == 0
		   ? 0
		   : GW_ECORRUPT;
}

static int
read_all(struct reading *r)
{
	struct exam *exam = r->exam;
	uint64_t at = 0, length = exam->msg->body.length;
	int64_t n;

	while (at < length) {
		if (disk_stopping(exam->relay->disk))
			return GW_ECANCELED;
		n = exam_read(exam, at, r->chunk, CHUNK);
		if (n <= 0)
			return n < 0 ? (int)n : GW_ECORRUPT;
		mime_walk_add(r->walk, slice_of(r->chunk, (size_t)n));
		digest_add(r->digest, slice_of(r->chunk, (size_t)n));
		if (!header_scan_done(r->header))
			header_scan_add(r->header,
					slice_of(r->chunk, (size_t)n));
		at += (uint64_t)n;
	}
	return 0;
}

static int
walk(struct exam *exam)
{
	struct mime_opts opts = {
	    .digest_all = exam->text, .part = on_part, .arg = exam};
	struct reading r = {.exam = exam};
	int err;

	r.walk = mime_walk_create(&opts);
	r.digest = digest_create();
	r.header = header_scan_create();
	r.chunk = mem_alloc(CHUNK);
	err = read_all(&r);
	if (err == 0)
		err = check_digest(&r);
	if (err == 0) {
		mime_walk_end(r.walk, &exam->summary);
		header_scan_end(r.header);
		keep_header(&r);
		if (needs_whole(exam))
			add_whole(exam);
	}
	mime_walk_destroy(&r.walk);
	digest_destroy(&r.digest);
	header_scan_destroy(&r.header);
	free(r.chunk);
	return err;
}

/* Moved so often since that the spool forgot: once more. */
static int
open_message(struct exam *exam)
{
	struct spool *spool = exam->relay->spool;
	int err = 0;

	for (int i = 0; i < 2; i++) {
		spool_msg_destroy(&exam->msg);
		err = spool_load_some(spool, exam->id, NULL, 0, &exam->msg);
		if (err != 0)
			return err;
		err = spool_reader_open(spool, &exam->msg->body, &exam->reader);
		if (err != GW_ENOENT)
			return err;
	}
	return GW_ECORRUPT; /* its segment is gone */
}

void
exam_walk(struct disk_task *task)
{
	struct exam *exam = (struct exam *)task;
	struct scan_job *job = &exam->job;

	exam->err = open_message(exam);
	if (exam->err == 0)
		exam->err = walk(exam);
	if (exam->err != 0)
		return;
	job->parts = exam->parts;
	job->part_count = exam->part_count;
	job->read = exam_read;
	job->read_arg = exam;
	job->client = exam->msg->client;
	job->login = exam->msg->cred;
	job->late = true;
	exam->known = scan_known(exam->relay->scan, job);
	if (exam->known)
		exam->verdict = job->verdict;
}
