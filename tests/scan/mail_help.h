#ifndef TESTS_SCAN_MAIL_HELP_H
#define TESTS_SCAN_MAIL_HELP_H

#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/clock.h"
#include "gateway/scan/scan.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define PATIENCE_MS 60000

/* Waits for what another thread brings about; a test that hangs ends here. */
#define UNTIL(cond)                                             \
	do {                                                    \
		int64_t until_ = clock_mono_ms() + PATIENCE_MS; \
		while (!(cond)) {                               \
			ck_assert_msg(clock_mono_ms() < until_, \
				      "never came: %s", #cond); \
			usleep(500);                            \
		}                                               \
	} while (0)

#define PARTS_MAX 1200

/* A message whose parts are the words of `text`, and a job for it. */
struct mail {
	struct scan_job job; /* first */
	char text[16384];
	struct scan_part parts[PARTS_MAX];
	bool unreadable;
	_Atomic int done; /* how often */
	_Atomic int reads;
	_Atomic bool reads_after;
};

static inline int64_t
mail_read(void *arg, uint64_t offset, void *p, size_t n)
{
	struct mail *mail = arg;
	size_t size = strlen(mail->text);

	atomic_fetch_add(&mail->reads, 1);
	if (atomic_load(&mail->done))
		atomic_store(&mail->reads_after, true);
	if (mail->unreadable || offset > size)
		return -1;
	if (n > size - offset)
		n = size - (size_t)offset;
	memcpy(p, mail->text + offset, n);
	return (int64_t)n;
}

static inline void
mail_done(struct scan_job *job)
{
	atomic_fetch_add(&((struct mail *)job)->done, 1);
}

static inline void
part_digest(const struct mail *mail, struct scan_part *part)
{
	struct digest *digest = digest_create();

	digest_add(digest,
		   slice_of(mail->text + part->begin, part->end - part->begin));
	digest_final(digest, part->digest);
	digest_destroy(&digest);
}

static inline void
part_make(struct mail *mail, size_t begin, size_t n)
{
	struct scan_part *part = &mail->parts[mail->job.part_count++];

	part->begin = begin;
	part->end = begin + n;
	part->decoded_bytes = n;
	part->encoding = MIME_IDENTITY;
	part->name = "file.bin";
	part->type = "application/octet-stream";
	part_digest(mail, part);
}

static inline struct mail *
mail_create(const char *text)
{
	struct mail *mail = calloc(1, sizeof(*mail));
	size_t n;

	(void)snprintf(mail->text, sizeof(mail->text), "%s", text);
	for (const char *p = mail->text; *p; p += n) {
		p += strspn(p, " ");
		n = strcspn(p, " ");
		if (n > 0)
			part_make(mail, (size_t)(p - mail->text), n);
	}
	mail->job.parts = mail->parts;
	mail->job.read = mail_read;
	mail->job.read_arg = mail;
	mail->job.done = mail_done;
	return mail;
}

static inline void
mail_wait(struct mail *mail)
{
	UNTIL(atomic_load(&mail->done) > 0);
}

static inline void
mail_destroy(struct mail *mail)
{
	ck_assert_int_le(atomic_load(&mail->done), 1);
	ck_assert(!atomic_load(&mail->reads_after));
	free(mail);
}

#endif
