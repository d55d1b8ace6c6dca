#ifndef TESTS_FRONT_FAKE_SCAN_H
#define TESTS_FRONT_FAKE_SCAN_H

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/digest.h"
#include "gateway/base/mem.h"
#include "gateway/mime/decode.h"
#include "gateway/scan/scan.h"

/*
 * size: one object in place of gateway/scan, for programs that drive a front.
 *
 * A scan thread whose answers the test gives. It takes jobs in their order;
 * each is read to its end, decoded, and compared with the digest that it came
 * with. What front may not count on, it does: a job that is canceled goes on
 * reading for a while, and ends with whatever the test says.
 */
struct scan {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct scan_job *line; /* the oldest first */
	bool off, paused, stop;
	bool verdict_wins; /* over a cancellation */
	bool known;	   /* everything is, and clean */
	bool virus;	   /* everything is, and infected */
	int64_t bypass_until_wall_s;
	struct scan_verdict verdict;
	size_t part;
	bool mixed;
	const char *istag; /* the one that counts; NULL: none does */
	/* what was seen */
	unsigned asked, started, canceled, ended;
	unsigned wrong; /* digests, sizes, types of no name */
	size_t part_count;
	char names[4096]; /* of the last job: "a.zip application/zip 12\n" */
	char login[64];
	char content[4096]; /* of its last part, decoded, cut */
};

/* --- what front calls ------------------------------------------------------
 */

void
scan_status_get(struct scan *scan, struct scan_status *status)
{
	pthread_mutex_lock(&scan->lock);
	*status = (struct scan_status){.on = !scan->off, .up = true};
	pthread_mutex_unlock(&scan->lock);
}

bool
scan_bypassed(struct scan *scan, int64_t now_wall_s)
{
	bool is;

	pthread_mutex_lock(&scan->lock);
	is = now_wall_s < scan->bypass_until_wall_s;
	pthread_mutex_unlock(&scan->lock);
	return is;
}

bool
scan_known(struct scan *scan, struct scan_job *job)
{
	bool known;

	pthread_mutex_lock(&scan->lock);
	scan->asked++;
	known = scan->known;
	pthread_mutex_unlock(&scan->lock);
	if (known) {
		job->verdict = (struct scan_verdict){.kind = SCAN_CLEAN};
		memcpy(job->verdict.istag, scan->verdict.istag,
		       sizeof(job->verdict.istag));
		job->mixed = scan->mixed;
		job->cached = (uint32_t)job->part_count;
	}
	return known;
}

bool
scan_known_virus(struct scan *scan, struct scan_job *job)
{
	bool virus;

	pthread_mutex_lock(&scan->lock);
	virus = scan->virus;
	if (virus)
		job->verdict = scan->verdict;
	pthread_mutex_unlock(&scan->lock);
	return virus;
}

bool
scan_istag_counts(struct scan *scan, const char *istag)
{
	bool counts;

	pthread_mutex_lock(&scan->lock);
	counts = scan->istag != NULL && strcmp(scan->istag, istag) == 0;
	pthread_mutex_unlock(&scan->lock);
	return counts;
}

void
scan_job_start(struct scan *scan, struct scan_job *job)
{
	struct scan_job **end;

	pthread_mutex_lock(&scan->lock);
	job->next = NULL;
	job->internal = NULL;
	scan->started++;
	for (end = &scan->line; *end != NULL; end = &(*end)->next)
		;
	*end = job;
	pthread_cond_broadcast(&scan->wake);
	pthread_mutex_unlock(&scan->lock);
}

void
scan_job_cancel(struct scan *scan, struct scan_job *job)
{
	pthread_mutex_lock(&scan->lock);
	scan->canceled++;
	for (struct scan_job *j = scan->line; j != NULL; j = j->next)
		if (j == job)
			j->internal = scan;
	pthread_cond_broadcast(&scan->wake);
	pthread_mutex_unlock(&scan->lock);
}

/* --- the thread -------------------------------------------------------------
 */

static inline bool
fake_scan_part(struct scan *scan, const struct scan_job *job,
	       const struct scan_part *part)
{
	struct digest *digest = digest_create();
	uint8_t in[1000], out[MIME_DECODED_MAX(sizeof(in))], sum[DIGEST_SIZE];
	struct mime_decoder d;
	uint64_t at = part->begin, bytes = 0;
	size_t n, kept = 0;
	int64_t got = 1;

	mime_decoder_init(&d, part->encoding);
	while (at < part->end && got > 0) {
		n = sizeof(in) < part->end - at ? sizeof(in)
						: (size_t)(part->end - at);
		got = job->read(job->read_arg, at, in, n);
		if (got <= 0)
			break;
		at += (uint64_t)got;
		n = mime_decode(&d, slice_of(in, (size_t)got), at == part->end,
				out);
		digest_add(digest, slice_of(out, n));
		bytes += n;
		if (kept + n > sizeof(scan->content) - 1)
			n = sizeof(scan->content) - 1 - kept;
		memcpy(scan->content + kept, out, n);
		kept += n;
	}
	scan->content[kept] = '\0';
	digest_final(digest, sum);
	digest_destroy(&digest);
	return at == part->end && bytes == part->decoded_bytes &&
	       memcmp(sum, part->digest, DIGEST_SIZE) == 0 &&
	       part->type[0] != '\0';
}

static inline void
fake_scan_read(struct scan *scan, const struct scan_job *job)
{
	size_t n = 0;
	bool room = true;

	scan->part_count = job->part_count;
	snprintf(scan->login, sizeof(scan->login), "%s", job->login);
	scan->names[0] = '\0';
	for (size_t i = 0; i < job->part_count; i++) {
		const struct scan_part *part = &job->parts[i];

		if (!fake_scan_part(scan, job, part))
			scan->wrong++;
		if (room)
			n += (size_t)snprintf(
			    scan->names + n, sizeof(scan->names) - n,
			    "%s %s %u\n", part->name, part->type,
			    (unsigned)part->decoded_bytes);
		room = n < sizeof(scan->names);
	}
}

static inline void *
fake_scan_run(void *arg)
{
	struct scan *scan = arg;
	struct scan_job *job;
	bool canceled;

	pthread_mutex_lock(&scan->lock);
	for (;;) {
		job = scan->line;
		if (job == NULL && scan->stop)
			break;
		if (job == NULL || (scan->paused && job->internal == NULL)) {
			pthread_cond_wait(&scan->wake, &scan->lock);
			continue;
		}
		pthread_mutex_unlock(&scan->lock);
		fake_scan_read(scan, job);
		pthread_mutex_lock(&scan->lock);
		canceled = job->internal != NULL && !scan->verdict_wins;
		scan->line = job->next;
		job->verdict = scan->verdict;
		job->part = scan->part;
		job->mixed = scan->mixed;
		if (canceled)
			job->verdict = (struct scan_verdict){
			    .kind = SCAN_ERROR, .why = SCAN_WHY_CANCELED};
		scan->ended++;
		job->done(job);
	}
	pthread_mutex_unlock(&scan->lock);
	return NULL;
}

/* --- what the test does ------------------------------------------------------
 */

static inline struct scan *
fake_scan_create(void)
{
	struct scan *scan = mem_zalloc(sizeof(*scan));

	pthread_mutex_init(&scan->lock, NULL);
	pthread_cond_init(&scan->wake, NULL);
	pthread_create(&scan->thread, NULL, fake_scan_run, scan);
	return scan;
}

static inline void
fake_scan_destroy(struct scan **scan)
{
	pthread_mutex_lock(&(*scan)->lock);
	(*scan)->stop = true;
	pthread_cond_broadcast(&(*scan)->wake);
	pthread_mutex_unlock(&(*scan)->lock);
	pthread_join((*scan)->thread, NULL);
	pthread_mutex_destroy(&(*scan)->lock);
	pthread_cond_destroy(&(*scan)->wake);
	free(*scan);
	*scan = NULL;
}

/* Jobs wait until `false`. */
static inline void
fake_scan_pause(struct scan *scan, bool paused)
{
	pthread_mutex_lock(&scan->lock);
	scan->paused = paused;
	pthread_cond_broadcast(&scan->wake);
	pthread_mutex_unlock(&scan->lock);
}

static inline void
fake_scan_says(struct scan *scan, enum scan_kind kind, enum scan_why why,
	       const char *threat)
{
	pthread_mutex_lock(&scan->lock);
	scan->verdict = (struct scan_verdict){
	    .kind = kind, .why = why, .server = "av.lab:1344/x"};
	snprintf(scan->verdict.threat, sizeof(scan->verdict.threat), "%s",
		 threat);
	pthread_mutex_unlock(&scan->lock);
}

static inline unsigned
fake_scan_count(struct scan *scan, const unsigned *what)
{
	unsigned count;

	pthread_mutex_lock(&scan->lock);
	count = *what;
	pthread_mutex_unlock(&scan->lock);
	return count;
}

static inline void
fake_scan_await(struct scan *scan, const unsigned *what, unsigned count)
{
	while (fake_scan_count(scan, what) < count)
		usleep(1000);
}

#endif
