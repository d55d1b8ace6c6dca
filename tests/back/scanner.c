#include "tests/back/scanner.h"

#include <bsd/sys/queue.h>
#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/mime/decode.h"

#define JOBS_MAX 4096

struct scanner scanner;

static pthread_t thread;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wake = PTHREAD_COND_INITIALIZER;
static struct scan_job *jobs[JOBS_MAX];
static bool canceled[JOBS_MAX];
static size_t job_count;
static bool quit;
static scan_changed_fn *changed;
static void *changed_arg;

bool __wrap_scan_known(struct scan *scan, struct scan_job *job);
bool __wrap_scan_known_virus(struct scan *scan, struct scan_job *job);
void __wrap_scan_job_start(struct scan *scan, struct scan_job *job);
void __wrap_scan_job_cancel(struct scan *scan, struct scan_job *job);
size_t __wrap_scan_servers_get(struct scan *scan,
			       struct scan_server_status *out, size_t max);
void __wrap_scan_status_get(struct scan *scan, struct scan_status *status);
void __wrap_scan_on_change(struct scan *scan, scan_changed_fn *fn, void *arg);
bool __wrap_scan_bypassed(struct scan *scan, int64_t now_wall_s);

/* --- one job -------------------------------------------------------------- */

static char *
part_bytes(const struct scan_job *job, const struct scan_part *part, size_t *n)
{
	size_t want = (size_t)(part->end - part->begin), have = 0;
	char *raw = mem_alloc(want + 1);
	char *out = mem_alloc(MIME_DECODED_MAX(want) + 1);
	struct mime_decoder decoder;

	while (have < want) {
		int64_t got = job->read(job->read_arg, part->begin + have,
					raw + have, want - have);

		ck_assert_int_gt(got, 0);
		have += (size_t)got;
	}
	mime_decoder_init(&decoder, part->encoding);
	*n = mime_decode(&decoder, slice_of(raw, want), true, (uint8_t *)out);
	free(raw);
	return out;
}

static void
look_at(struct scan_job *job, size_t i)
{
	struct scan_verdict *worst = &job->verdict;
	size_t n;
	char *p = part_bytes(job, &job->parts[i], &n);

	if (memmem(p, n, "EVIL", 4) && worst->kind != SCAN_INFECTED) {
		*worst = (struct scan_verdict){.kind = SCAN_INFECTED,
					       .threat = "Test.Evil",
					       .server = "av:1344/scan"};
		job->part = i;
	} else if (memmem(p, n, "BROKEN", 6) && worst->kind == SCAN_CLEAN) {
		*worst = (struct scan_verdict){.kind = SCAN_ERROR,
					       .why = SCAN_WHY_SERVER};
		job->part = i;
	} else if (memmem(p, n, "SEALED", 6) && worst->kind == SCAN_CLEAN) {
		*worst = (struct scan_verdict){.kind = SCAN_UNSCANNABLE,
					       .why = SCAN_WHY_ENCRYPTED};
		job->part = i;
	}
	free(p);
}

static void
answer(struct scan_job *job, bool was_canceled)
{
	memset(&job->verdict, 0, sizeof(job->verdict));
	job->part = 0;
	if (was_canceled) {
		job->verdict.kind = SCAN_ERROR;
		job->verdict.why = SCAN_WHY_CANCELED;
	} else if (!scanner.up) {
		job->verdict.kind = SCAN_ERROR;
		job->verdict.why = SCAN_WHY_DOWN;
	} else {
		for (size_t i = 0; i < job->part_count; i++)
			look_at(job, i);
	}
	scanner.waiting--;
	job->done(job);
}

/* One that can be answered, taken out. */
static struct scan_job *
take(bool *was_canceled)
{
	for (size_t i = 0; i < job_count; i++) {
		struct scan_job *job = jobs[i];

		if (scanner.hang && !canceled[i] && !quit)
			continue;
		*was_canceled = canceled[i] || quit;
		job_count--;
		for (size_t k = i; k < job_count; k++) {
			jobs[k] = jobs[k + 1];
			canceled[k] = canceled[k + 1];
		}
		return job;
	}
	return NULL;
}

static void *
scanner_main(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&lock);
	for (;;) {
		bool was_canceled;
		struct scan_job *job = take(&was_canceled);

		if (!job && quit)
			break;
		if (!job) {
			struct timespec until;

			/* hang is lifted without a word */
			clock_gettime(CLOCK_REALTIME, &until);
			until.tv_nsec += 5000000;
			if (until.tv_nsec >= 1000000000) {
				until.tv_nsec -= 1000000000;
				until.tv_sec++;
			}
			pthread_cond_timedwait(&wake, &lock, &until);
			continue;
		}
		pthread_mutex_unlock(&lock);
		answer(job, was_canceled);
		pthread_mutex_lock(&lock);
	}
	pthread_mutex_unlock(&lock);
	return NULL;
}

/* --- what back calls ------------------------------------------------------ */

bool
__wrap_scan_known(struct scan *scan, struct scan_job *job)
{
	(void)scan;
	memset(&job->verdict, 0, sizeof(job->verdict));
	job->part = 0;
	scanner.known++;
	return job->part_count == 0 || scanner.knows || !scanner.on;
}

bool
__wrap_scan_known_virus(struct scan *scan, struct scan_job *job)
{
	(void)scan;
	memset(&job->verdict, 0, sizeof(job->verdict));
	for (size_t i = 0; scanner.knows_evil && i < job->part_count; i++)
		look_at(job, i);
	return job->verdict.kind == SCAN_INFECTED;
}

void
__wrap_scan_job_start(struct scan *scan, struct scan_job *job)
{
	unsigned now;

	(void)scan;
	ck_assert(job->late);
	pthread_mutex_lock(&lock);
	ck_assert_uint_lt(job_count, JOBS_MAX);
	jobs[job_count] = job;
	canceled[job_count++] = false;
	scanner.asked++;
	now = ++scanner.waiting;
	if (now > scanner.most)
		scanner.most = now;
	pthread_cond_signal(&wake);
	pthread_mutex_unlock(&lock);
}

void
__wrap_scan_job_cancel(struct scan *scan, struct scan_job *job)
{
	(void)scan;
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < job_count; i++)
		if (jobs[i] == job)
			canceled[i] = true;
	pthread_cond_signal(&wake);
	pthread_mutex_unlock(&lock);
}

size_t
__wrap_scan_servers_get(struct scan *scan, struct scan_server_status *out,
			size_t max)
{
	(void)scan;
	if (max > 0) {
		memset(out, 0, sizeof(*out));
		out->health = scanner.up ? SCAN_UP : SCAN_DOWN;
	}
	return 1;
}

void
__wrap_scan_status_get(struct scan *scan, struct scan_status *status)
{
	(void)scan;
	memset(status, 0, sizeof(*status));
	status->on = scanner.on;
	status->up = scanner.up;
}

void
__wrap_scan_on_change(struct scan *scan, scan_changed_fn *fn, void *arg)
{
	(void)scan;
	pthread_mutex_lock(&lock);
	changed = fn;
	changed_arg = arg;
	pthread_mutex_unlock(&lock);
}

bool
__wrap_scan_bypassed(struct scan *scan, int64_t now_wall_s)
{
	(void)scan;
	(void)now_wall_s;
	return scanner.bypass;
}

/* --- what tests call ------------------------------------------------------ */

struct scan *
scanner_start(void)
{
	memset(&scanner, 0, sizeof(scanner));
	scanner.on = scanner.up = true;
	quit = false;
	changed = NULL;
	ck_assert_int_eq(pthread_create(&thread, NULL, scanner_main, NULL), 0);
	return (struct scan *)&scanner;
}

void
scanner_stop(void)
{
	pthread_mutex_lock(&lock);
	quit = true;
	pthread_cond_signal(&wake);
	pthread_mutex_unlock(&lock);
	pthread_join(thread, NULL);
	ck_assert_uint_eq(job_count, 0);
}

void
scanner_set_up(bool up)
{
	scanner.up = up;
	pthread_mutex_lock(&lock);
	if (changed)
		changed(changed_arg, up);
	pthread_mutex_unlock(&lock);
}
