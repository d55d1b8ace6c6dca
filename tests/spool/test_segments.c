#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/error.h"
#include "gateway/spool/io.h"
#include "tests/spool/fixture.h"

/* Where bodies lie: segments die, are used again, are compacted, get lost. */

static struct fixture f;

static void
setup(void)
{
	fixture_init(&f);
}

static void
teardown(void)
{
	fixture_fini(&f);
}

static void
reopen(void)
{
	fixture_close(&f);
	fixture_open(&f);
}

enum { N = 60, BYTES = 5000 };

static void
submit_all(uint64_t ids[N])
{
	for (unsigned i = 0; i < N; i++) {
		struct fixture_answer a =
		    fixture_submit(f.spool, BYTES, i, 1, 0);

		ck_assert_int_eq(a.answer, SPOOL_ACCEPTED);
		ids[i] = a.id;
	}
}

/* All but every tenth when so asked. */
static void
deliver(uint64_t ids[N], bool keep_some)
{
	struct fixture_removal *removals[N] = {NULL};

	for (unsigned i = 0; i < N; i++)
		if (!keep_some || i % 10 != 0)
			removals[i] = fixture_remove_start(f.spool, ids[i], 1,
							   RCPT_DELIVERED);
	for (unsigned i = 0; i < N; i++)
		if (removals[i] != NULL)
			ck_assert_int_eq(fixture_remove_end(&removals[i]), 0);
}

static void
body_check(uint64_t id, unsigned seed)
{
	struct spool_msg *msg;
	const char *wrong;

	ck_assert_int_eq(spool_load(f.spool, id, &msg), 0);
	wrong = fixture_body_check(f.spool, &msg->body, BYTES, seed);
	ck_assert_msg(wrong == NULL, "%s", wrong);
	spool_msg_destroy(&msg);
}

static void
until_segments(uint64_t most)
{
	struct spool_status status;

	for (int i = 0; i < 12000; i++) {
		spool_status_get(f.spool, &status);
		if (status.segments <= most)
			return;
		usleep(5000);
	}
	ck_abort_msg("%u segments are left", (unsigned)status.segments);
}

/* Reads of the body through one reader, compared to what was sent. */
static const char *
reader_check(struct spool_reader *reader, unsigned seed)
{
	char p[BYTES];

	if (spool_reader_read(reader, 0, p, sizeof(p)) != BYTES)
		return "length";
	for (size_t i = 0; i < BYTES; i++)
		if (p[i] != fixture_byte(i, seed))
			return "bytes";
	return NULL;
}

START_TEST(test_used_again)
{
	uint64_t ids[N];
	struct spool_status status;

	fixture_open(&f);
	for (int round = 0; round < 6; round++) {
		submit_all(ids);
		for (unsigned i = 0; i < N; i++)
			body_check(ids[i], i);
		deliver(ids, false);
		until_segments(1);
	}
	spool_status_get(f.spool, &status);
	ck_assert_uint_eq(status.live_bytes, 0);
	reopen(); /* everything is dead: a pool is kept, no more */
	ck_assert_uint_le(fixture_files(&f), 4);
}
END_TEST

/* A slow delivery must never send another person's mail. */
START_TEST(test_never_under_a_reader)
{
	struct spool_reader *readers[N];
	struct spool_msg *msg;
	uint64_t ids[N];

	fixture_open(&f);
	submit_all(ids);
	for (unsigned i = 0; i < N; i++) {
		ck_assert_int_eq(spool_load(f.spool, ids[i], &msg), 0);
		ck_assert_int_eq(
		    spool_reader_open(f.spool, &msg->body, &readers[i]), 0);
		spool_msg_destroy(&msg);
	}
	deliver(ids, false);
	for (int round = 0; round < 3; round++)
		submit_all(ids); /* would overwrite what is free */
	for (unsigned i = 0; i < N; i++) {
		const char *wrong = reader_check(readers[i], i);

		ck_assert_msg(wrong == NULL, "%u: %s", i, wrong);
		spool_reader_close(&readers[i]);
	}
}
END_TEST

static void
compaction_start(void)
{
	fixture_close(&f);
	f.opts.compact_after_s = 1;
	fixture_open(&f);
}

START_TEST(test_compaction)
{
	struct spool_msg *kept[N / 10];
	struct spool_ledger ledger;
	uint64_t ids[N];

	fixture_open(&f);
	submit_all(ids);
	compaction_start();
	for (unsigned i = 0; i < N; i += 10) /* with the old references */
		ck_assert_int_eq(spool_load(f.spool, ids[i], &kept[i / 10]), 0);
	for (unsigned i = 0; i < N; i++)
		if (i % 10 != 0)
			ck_assert_int_eq(
			    fixture_outcome(f.spool, ids[i], 0, RCPT_DELIVERED),
			    0);
	until_segments(1);
	for (unsigned i = 0; i < N; i += 10) {
		const char *wrong =
		    fixture_body_check(f.spool, &kept[i / 10]->body, BYTES, i);

		ck_assert_msg(wrong == NULL, "%u by its old place: %s", i,
			      wrong);
		spool_msg_destroy(&kept[i / 10]);
		body_check(ids[i], i);
	}
	ck_assert_int_eq(fixture_ledger(f.spool, &ledger), 0);
	reopen();
	for (unsigned i = 0; i < N; i += 10)
		body_check(ids[i], i);
}
END_TEST

/* An empty body lies where the next one begins. When both had moved, the old
 * place of one led to the other. */
START_TEST(test_compaction_of_empty_ones)
{
	struct spool_msg *empty[N / 10], *full[N / 10];
	uint64_t ids[N], none[N];
	unsigned same = 0;

	fixture_open(&f);
	for (unsigned i = 0; i < N; i++) {
		none[i] = fixture_submit(f.spool, 0, i, 1, 0).id;
		ids[i] = fixture_submit(f.spool, BYTES, i, 1, 0).id;
	}
	compaction_start();
	for (unsigned i = 0; i < N; i += 10) {
		ck_assert_int_eq(spool_load(f.spool, ids[i], &full[i / 10]), 0);
		ck_assert_int_eq(spool_load(f.spool, none[i], &empty[i / 10]),
				 0);
		same += full[i / 10]->body.offset == empty[i / 10]->body.offset;
	}
	for (unsigned i = 0; i < N; i++) {
		if (i % 10 == 0)
			continue;
		ck_assert_uint_gt(same, 0);
		fixture_outcome(f.spool, ids[i], 0, RCPT_DELIVERED);
		fixture_outcome(f.spool, none[i], 0, RCPT_DELIVERED);
	}
	until_segments(1);
	for (unsigned i = 0; i < N; i += 10) {
		ck_assert_ptr_null(
		    fixture_body_check(f.spool, &full[i / 10]->body, BYTES, i));
		ck_assert_ptr_null(
		    fixture_body_check(f.spool, &empty[i / 10]->body, 0, i));
		spool_msg_destroy(&full[i / 10]);
		spool_msg_destroy(&empty[i / 10]);
	}
}
END_TEST

START_TEST(test_compaction_waits_for_readers)
{
	struct spool_reader *reader;
	struct spool_msg *msg;
	uint64_t ids[N];

	fixture_open(&f);
	submit_all(ids);
	compaction_start();
	ck_assert_int_eq(spool_load(f.spool, ids[0], &msg), 0);
	ck_assert_int_eq(spool_reader_open(f.spool, &msg->body, &reader), 0);
	spool_msg_destroy(&msg);
	for (unsigned i = 0; i < N; i++)
		if (i % 10 != 0)
			ck_assert_int_eq(
			    fixture_outcome(f.spool, ids[i], 0, RCPT_DELIVERED),
			    0);
	until_segments(2); /* the pinned one, and where the others went */
	ck_assert_ptr_null(reader_check(reader, 0));
	submit_all(ids);
	ck_assert_ptr_null(reader_check(reader, 0));
	spool_reader_close(&reader);
}
END_TEST

/* --- large bodies
 * -------------------------------------------------------------------- */

START_TEST(test_aborted_leave_nothing)
{
	struct spool_body *body;

	fixture_open(&f);
	for (int i = 0; i < 20; i++) {
		body = fixture_body(f.spool, 20000 + (size_t)i * 30000, 1);
		if (i % 2 == 0) {
			uint8_t sum[DIGEST_SIZE];

			spool_body_end(body, sum);
		}
		spool_body_destroy(&body);
	}
	fixture_close(&f);
	ck_assert_uint_eq(fixture_files(&f), 0);
}
END_TEST

static _Atomic int drained;
static pthread_mutex_t disk = PTHREAD_MUTEX_INITIALIZER;

static void
on_drained(void *arg)
{
	(void)arg;
	drained++;
}

/* A disk that is slow for as long as the test holds the lock. */
static int
slow_disk(enum io_call call, size_t *n)
{
	(void)n;
	if (call == IO_WRITE) {
		pthread_mutex_lock(&disk);
		pthread_mutex_unlock(&disk);
	}
	return 0;
}

START_TEST(test_backlog)
{
	enum { PIECE = 65536, PIECES = SPOOL_BACKLOG_MAX / PIECE };
	struct spool_body *body;
	char *p = calloc(1, PIECE);

	fixture_open(&f);
	io_set_fault(slow_disk);
	body = spool_body_create(f.spool);
	ck_assert(!spool_body_backlogged(body, on_drained, NULL));
	for (int round = 1; round <= 3; round++) {
		pthread_mutex_lock(&disk);
		for (int i = 0; i < PIECES / 2; i++)
			spool_body_add(body, slice_of(p, PIECE));
		ck_assert(!spool_body_backlogged(body, on_drained, NULL));
		for (int i = 0; i < PIECES; i++)
			spool_body_add(body, slice_of(p, PIECE));
		ck_assert(spool_body_backlogged(body, on_drained, NULL));
		ck_assert_int_eq(drained, round - 1);
		pthread_mutex_unlock(&disk);
		for (int k = 0; k < 60000 && drained < round; k++)
			usleep(1000);
		ck_assert_int_eq(drained, round);
	}
	/* Destroyed while it waits: never called again. */
	pthread_mutex_lock(&disk);
	for (int i = 0; i < 2 * PIECES; i++)
		spool_body_add(body, slice_of(p, PIECE));
	ck_assert(spool_body_backlogged(body, on_drained, NULL));
	spool_body_destroy(&body);
	pthread_mutex_unlock(&disk);
	fixture_close(&f);
	io_set_fault(NULL);
	ck_assert_int_eq(drained, 3);
	ck_assert_uint_eq(fixture_files(&f), 0);
	free(p);
}
END_TEST

/* --- damage
 * -------------------------------------------------------------------------- */

static void
segment_damage(const char *what)
{
	char name[128];
	struct dirent *entry;
	DIR *dir;
	int fd;

	snprintf(name, sizeof(name), "%s/segments", f.dir);
	dir = opendir(name);
	ck_assert_ptr_nonnull(dir);
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		if (strcmp(what, "missing") == 0) {
			unlinkat(dirfd(dir), entry->d_name, 0);
			continue;
		}
		fd = openat(dirfd(dir), entry->d_name, O_RDWR);
		ck_assert_int_ge(fd, 0);
		if (strcmp(what, "truncated") == 0)
			ck_assert_int_eq(ftruncate(fd, 100), 0);
		else
			ck_assert_int_eq(pwrite(fd, "!", 1, 1234), 1);
		close(fd);
	}
	closedir(dir);
}

static const struct {
	const char *what;
	size_t bytes;
	int64_t read;
} damages[] = {
    {"bit-flipped", 3000, 3000}, {"bit-flipped", 50000, 50000},
    {"truncated", 3000, 100},	 {"truncated", 50000, 100},
    {"missing", 3000, 0},	 {"missing", 50000, 0},
};

START_TEST(test_damage)
{
	struct fixture_answer a;
	struct spool_reader *reader;
	struct spool_msg *msg;
	char *p = calloc(1, damages[_i].bytes);

	fixture_open(&f);
	a = fixture_submit(f.spool, damages[_i].bytes, 1, 1, 0);
	fixture_close(&f);
	segment_damage(damages[_i].what);
	fixture_open(&f);
	ck_assert_int_eq(spool_load(f.spool, a.id, &msg), 0);
	ck_assert_int_eq(spool_reader_open(f.spool, &msg->body, &reader), 0);
	ck_assert_int_eq(spool_reader_read(reader, 0, p, damages[_i].bytes),
			 damages[_i].read);
	spool_reader_close(&reader);
	ck_assert_int_eq(spool_digest_check(f.spool, &msg->body), GW_ECORRUPT);
	spool_msg_destroy(&msg);
	/* It can be got rid of, and mail goes on. */
	ck_assert_int_eq(fixture_outcome(f.spool, a.id, 0, RCPT_PURGED), 0);
	a = fixture_submit(f.spool, damages[_i].bytes, 1, 1, 0);
	ck_assert_int_eq(a.answer, SPOOL_ACCEPTED);
	free(p);
}
END_TEST

START_TEST(test_strangers_stay)
{
	static const struct {
		const char *label;
		const char *name;
		bool stays;
	} files[] = {
	    {"never accepted", "00000000000000aa", false},
	    {"upper case is not ours", "00000000000000AB", true},
	    {"too short", "00000000aa", true},
	    {"somebody's note", "README", true},
	    {"small spare", "free.00000000000000ac", false},
	};
	char name[128];

	fixture_open(&f);
	fixture_close(&f);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		FILE *file;

		snprintf(name, sizeof(name), "%s/segments/%s", f.dir,
			 files[i].name);
		file = fopen(name, "w");
		ck_assert_ptr_nonnull(file);
		fclose(file);
	}
	fixture_open(&f);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(name, sizeof(name), "%s/segments/%s", f.dir,
			 files[i].name);
		ck_assert_msg((access(name, F_OK) == 0) == files[i].stays, "%s",
			      files[i].label);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("spool/segments");
	TCase *tc = tcase_create("segments");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, test_used_again);
	tcase_add_test(tc, test_never_under_a_reader);
	tcase_add_test(tc, test_compaction);
	tcase_add_test(tc, test_compaction_of_empty_ones);
	tcase_add_test(tc, test_compaction_waits_for_readers);
	tcase_add_test(tc, test_aborted_leave_nothing);
	tcase_add_test(tc, test_backlog);
	tcase_add_loop_test(tc, test_damage, 0,
			    sizeof(damages) / sizeof(damages[0]));
	tcase_add_test(tc, test_strangers_stay);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
