#include <check.h>
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/base/error.h"
#include "gateway/base/mem.h"
#include "tests/scan/quarantine_help.h"
#include "tests/spool/fixture.h"

/*
 * A message goes from the spool into quarantine and out again, and the process
 * is killed at each step: afterwards it is in exactly one of both, whole.
 */

enum step {
	IN_THE_FILE,
	BEHIND_THE_FILE,
	BEHIND_THE_OUTCOME,
	IN_THE_REWRITE,
	BEHIND_THE_RELEASE,
	AT_THE_END,
	STEPS
};

static const char *const step_names[STEPS] = {
    "while its file is written", "before the outcome",
    "after the outcome",	 "while its file is written again",
    "before the file goes",	 "at the end"};

#define BYTES 200000
#define SEED 3

/* What the child tells before it dies. */
static struct shared {
	uint64_t id, released;
} * shared;

static struct fixture f;
static struct quarantine *q;

static void
setup(void)
{
	fixture_init(&f);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(shared, MAP_FAILED);
}

static void
teardown(void)
{
	quarantine_close(&q);
	fixture_fini(&f);
	munmap(shared, sizeof(*shared));
}

static void
both_open(void)
{
	char error[256];

	fixture_open(&f);
	if (quarantine_open(&q, f.dir, spool_store(f.spool), error,
			    sizeof(error)) != 0)
		abort();
}

/* --- the child */

static enum step death;

static void
die_at(enum step step)
{
	if (step == death)
		kill(getpid(), SIGKILL);
}

static int64_t
body_read(void *arg, uint64_t offset, void *p, size_t n)
{
	enum step *step = arg;

	if (offset > BYTES / 2)
		die_at(*step);
	if (n > BYTES - offset)
		n = (size_t)(BYTES - offset);
	for (size_t i = 0; i < n; i++)
		((char *)p)[i] = fixture_byte((size_t)offset + i, SEED);
	return (int64_t)n;
}

static void
file_write(enum step step)
{
	uint8_t digest[DIGEST_SIZE];
	struct spool_body *body = fixture_body(f.spool, BYTES, SEED);

	spool_body_end(body, digest);
	spool_body_destroy(&body);
	if (quarantine_write(q, shared->id, BYTES, digest, body_read, &step) !=
	    0)
		abort();
}

static void
put_in(struct arena *arena)
{
	struct spool_outcome_rcpt rcpt = {.state = RCPT_QUARANTINED};
	struct store_change change;
	struct spool_outcome op = {.id = shared->id,
				   .rcpts = &rcpt,
				   .rcpt_count = 1,
				   .changes = &change,
				   .change_count = 1};
	struct quarantine_entry entry;

	file_write(IN_THE_FILE);
	die_at(BEHIND_THE_FILE);
	entry_make(&entry, shared->id);
	entry.bytes = BYTES;
	quarantine_put_change(&entry, arena, &change);
	if (fixture_outcome_of(f.spool, &op) != 0)
		abort();
}

static struct {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool over;
} turn = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};

static void
on_accept(struct spool_accept *op)
{
	if (op->answer != SPOOL_ACCEPTED)
		abort();
	pthread_mutex_lock(&turn.lock);
	turn.over = true;
	pthread_cond_signal(&turn.wake);
	pthread_mutex_unlock(&turn.lock);
}

/* As `quarantine release` does. */
static void
take_out(struct arena *arena)
{
	struct store_change change;
	struct spool_accept op = {.msg = fixture_msg(1),
				  .body = fixture_body(f.spool, BYTES, SEED),
				  .changes = &change,
				  .change_count = 1,
				  .done = on_accept};

	spool_body_end(op.body, op.msg->body.digest);
	shared->released = op.msg->id;
	quarantine_delete_change(shared->id, arena, &change);
	spool_accept_start(f.spool, &op);
	pthread_mutex_lock(&turn.lock);
	while (!turn.over)
		pthread_cond_wait(&turn.wake, &turn.lock);
	pthread_mutex_unlock(&turn.lock);
	die_at(BEHIND_THE_RELEASE);
	quarantine_unlink(q, shared->id);
}

static void
child(void)
{
	struct arena *arena = arena_create(1024);

	both_open();
	shared->id = fixture_submit(f.spool, BYTES, SEED, 1, 0).id;
	put_in(arena);
	die_at(BEHIND_THE_OUTCOME);
	file_write(IN_THE_REWRITE);
	take_out(arena);
	die_at(AT_THE_END);
	abort();
}

/* --- what is left */

static size_t
files(void)
{
	struct dirent *entry;
	char path[96];
	size_t n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/quarantine", f.dir);
	dir = opendir(path);
	while (dir != NULL && (entry = readdir(dir)) != NULL)
		n += entry->d_name[0] != '.';
	closedir(dir);
	return n;
}

static bool
in_spool(uint64_t id)
{
	struct spool_msg *msg;

	if (id == 0 || spool_load(f.spool, id, &msg) != 0)
		return false;
	ck_assert_ptr_null(
	    fixture_body_check(f.spool, &msg->body, BYTES, SEED));
	spool_msg_destroy(&msg);
	return true;
}

static bool
in_quarantine(uint64_t id)
{
	struct arena *arena = arena_create(1024);
	struct quarantine_reader *reader;
	struct quarantine_entry entry;
	char *p = mem_alloc(BYTES + 1);
	size_t wrong = 0;
	int err = quarantine_get(q, id, arena, &entry);

	if (err == 0) {
		ck_assert_uint_eq(entry.bytes, BYTES);
		ck_assert_int_eq(quarantine_reader_open(q, id, &reader), 0);
		ck_assert_int_eq(
		    quarantine_reader_read(reader, 0, p, BYTES + 1), BYTES);
		for (size_t i = 0; i < BYTES; i++)
			wrong += p[i] != fixture_byte(i, SEED);
		ck_assert_uint_eq(wrong, 0);
		quarantine_reader_close(&reader);
	} else {
		ck_assert_int_eq(err, GW_ENOENT);
	}
	free(p);
	arena_destroy(&arena);
	return err == 0;
}

START_TEST(test_kill)
{
	bool spooled = _i <= BEHIND_THE_FILE;
	bool released = _i >= BEHIND_THE_RELEASE;
	bool quarantined = !spooled && !released;
	struct spool_ledger ledger;
	int status;
	pid_t pid;

	death = (enum step)_i;
	pid = fork();
	if (pid == 0)
		child();
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "%s",
		      step_names[_i]);
	both_open();
	ck_assert_msg(in_spool(shared->id) == spooled, "%s", step_names[_i]);
	ck_assert_msg(in_quarantine(shared->id) == quarantined, "%s",
		      step_names[_i]);
	ck_assert_msg(in_spool(shared->released) == released, "%s",
		      step_names[_i]);
	ck_assert_msg(files() == (quarantined ? 1 : 0), "%s", step_names[_i]);
	ck_assert_int_eq(fixture_ledger(f.spool, &ledger), 0);
	ck_assert_int_eq(ledger.by_state[RCPT_QUARANTINED], !spooled);
	ck_assert_int_eq(ledger.by_state[RCPT_QUEUED], spooled || released);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("scan/quarantine-kill");
	TCase *tc = tcase_create("kill");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, test_kill, 0, STEPS);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
