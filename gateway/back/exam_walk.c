/*
 * Reads a message once: is it still what was accepted, and what is to be
 * scanned of it.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/back/exam.h"
#include "gateway/base/error.h"
#include "gateway/base/mem.h"
#include "gateway/smtp/header.h"

#define CHUNK 65536

struct reading {
	struct exam *exam;
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
		attachments_add(exam->found, slice_of(r->chunk, (size_t)n));
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
	struct reading r = {.exam = exam};
	int err;

	r.digest = digest_create();
	r.header = header_scan_create();
	r.chunk = mem_alloc(CHUNK);
	err = read_all(&r);
	if (err == 0)
		err = check_digest(&r);
	if (err == 0) {
		attachments_end(exam->found, exam->msg->body.length,
				exam->msg->body.digest);
		exam->places =
		    mem_array(exam->found->count, sizeof(*exam->places));
		header_scan_end(r.header);
		keep_header(&r);
	}
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
	job->parts = exam->found->parts;
	job->part_count = exam->found->count;
	job->read = exam_read;
	job->read_arg = exam;
	job->client = exam->msg->client;
	job->login = exam->msg->cred;
	job->late = true;
	if (exam->bypassed) {
		exam->virus = scan_known_virus(exam->relay->scan, job);
		return;
	}
	exam->known = scan_known(exam->relay->scan, job);
	if (exam->known)
		exam->verdict = job->verdict;
}
