#include <check.h>
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/base/id.h"
#include "gateway/spool/io.h"
#include "gateway/store/env.h"
#include "tests/spool/fixture.h"

/*
 * The nth call to the disk fails. Everything is answered, nothing that was
 * acknowledged is lost, the next start finds a consistent spool, and when the
 * fault is over mail is taken again without one.
 *
 * LMDB's own calls are caught too: this program's pwrite, writev and fdatasync
 * come before the library's.
 */

static struct fixture f;

static struct {
	_Atomic bool on;
	enum io_call call;
	int errnum;
	_Atomic int left;  /* calls that still pass */
	_Atomic int times; /* that fail then; -1: all */
	_Atomic int hits;
	bool lmdb;
} fault;

static bool
fault_now(void)
{
	if (atomic_fetch_sub(&fault.left, 1) > 0)
		return false;
	if (fault.times >= 0 && atomic_fetch_sub(&fault.times, 1) <= 0) {
		fault.times = 0;
		return false;
	}
	fault.hits++;
	return true;
}

static int
spool_fault(enum io_call call, size_t *n)
{
	if (!fault.on || fault.lmdb || call != fault.call)
		return 0;
	if (fault.errnum == 0) { /* a short write is no error */
		if (fault_now())
			*n = 7;
		return 0;
	}
	return fault_now() ? fault.errnum : 0;
}

static bool
lmdb_fault(int fd, enum io_call call)
{
	char name[64], path[256];
	ssize_t n;

	if (!fault.on || !fault.lmdb || call != fault.call)
		return false;
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	n = readlink(name, path, sizeof(path) - 1);
	if (n < 0)
		return false;
	path[n] = '\0';
	if (strstr(path, "/index/data.mdb") == NULL || !fault_now())
		return false;
	errno = fault.errnum;
	return true;
}

#define REAL(name)                     \
	static __typeof__(&name) real; \
	if (real == NULL)              \
	*(void **)&real = dlsym(RTLD_NEXT, #name)

ssize_t
pwrite(int fd, const void *p, size_t n, off_t offset)
{
	REAL(pwrite);
	return lmdb_fault(fd, IO_WRITE) ? -1 : real(fd, p, n, offset);
}

ssize_t
writev(int fd, const struct iovec *iov, int count)
{
	REAL(writev);
	return lmdb_fault(fd, IO_WRITE) ? -1 : real(fd, iov, count);
}

int
fdatasync(int fd)
{
	REAL(fdatasync);
	return lmdb_fault(fd, IO_SYNC) ? -1 : real(fd);
}

static void
setup(void)
{
	fixture_init(&f);
	f.opts.segment_bytes = 16 * 1024;
	f.opts.large_bytes = 8 * 1024;
	fixture_open(&f);
	io_set_fault(spool_fault);
}

static void
teardown(void)
{
	fault.on = false;
	io_set_fault(NULL);
	fixture_fini(&f);
}

/* --- a run with a fault in it
 * ----------------------------------------------------- */

enum { MESSAGES = 20 };

struct sent {
	uint64_t id;
	unsigned seed;
	size_t bytes;
	bool accepted, removed, maybe_removed;
	bool purged, maybe_purged, undone, maybe_undone;
};

static size_t
bytes_of(unsigned i)
{
	return i % 5 == 4 ? 40000 : 3000 + i * 17;
}

static void
run(struct sent sent[MESSAGES], enum spool_answer *worst)
{
	struct fixture_removal *removals[MESSAGES] = {NULL};

	for (unsigned i = 0; i < MESSAGES; i++) {
		struct fixture_answer a;

		sent[i].seed = i;
		sent[i].bytes = bytes_of(i);
		a = fixture_submit(f.spool, sent[i].bytes, i, 1, 0);
		sent[i].id = a.id;
		sent[i].accepted = a.answer == SPOOL_ACCEPTED;
		if (a.answer != SPOOL_ACCEPTED)
			*worst = a.answer;
		if (!sent[i].accepted || i % 10 > 7)
			continue;
		if (i % 10 > 5) {
			sent[i].maybe_purged = true;
			removals[i] = fixture_purge_start(
			    f.spool, a.id, 1, a.id, clock_wall_s() + 86400);
			continue;
		}
		sent[i].maybe_removed = true;
		removals[i] =
		    fixture_remove_start(f.spool, a.id, 1, RCPT_DELIVERED);
	}
	for (unsigned i = 0; i < MESSAGES; i++) {
		struct spool_undo undo;
		bool done;

		if (removals[i] == NULL)
			continue;
		done = fixture_remove_end(&removals[i]) == 0;
		sent[i].removed = done && sent[i].maybe_removed;
		sent[i].purged = done && sent[i].maybe_purged;
		if (!sent[i].purged || i % 10 == 6)
			continue;
		sent[i].maybe_undone = true;
		sent[i].undone = fixture_undo(f.spool, sent[i].id, &undo) == 0;
	}
}

/* Purges go by the message's own id here. */
static bool
in_trash(uint64_t id)
{
	struct spool_trash lines[200];
	size_t count = spool_trash_list(f.spool, lines, 200);

	ck_assert_uint_le(count, 200);
	for (size_t i = 0; i < count; i++)
		if (lines[i].trash == id)
			return true;
	return false;
}

static void
verify_purge(const char *label, int nth, const struct sent *sent, bool queued)
{
	ck_assert_msg(queued != in_trash(sent->id),
		      "%s %d: in both, or in none", label, nth);
	ck_assert_msg(queued || !sent->undone, "%s %d: undone and lost", label,
		      nth);
	ck_assert_msg(!queued || !sent->purged || sent->maybe_undone,
		      "%s %d: purged and back", label, nth);
}

static void
verify(const char *label, int nth, const struct sent sent[MESSAGES],
       bool strict)
{
	struct spool_ledger ledger;
	struct spool_msg *msg;
	const char *wrong;

	for (unsigned i = 0; i < MESSAGES; i++) {
		int err = spool_load(f.spool, sent[i].id, &msg);

		if (sent[i].maybe_purged)
			verify_purge(label, nth, &sent[i], err == 0);
		if (err == GW_ENOENT) {
			ck_assert_msg(!sent[i].accepted ||
					  sent[i].maybe_removed ||
					  sent[i].maybe_purged,
				      "%s %d: message %u lost", label, nth, i);
			continue;
		}
		ck_assert_msg(err == 0, "%s %d: message %u: %s", label, nth, i,
			      gw_err_text(err));
		ck_assert_msg(sent[i].accepted || !strict,
			      "%s %d: message %u was refused", label, nth, i);
		ck_assert_msg(!sent[i].removed, "%s %d: message %u came back",
			      label, nth, i);
		wrong = fixture_body_check(f.spool, &msg->body, sent[i].bytes,
					   sent[i].seed);
		ck_assert_msg(wrong == NULL, "%s %d: message %u: %s", label,
			      nth, i, wrong);
		spool_msg_destroy(&msg);
	}
	ck_assert_msg(fixture_ledger(f.spool, &ledger) == 0, "%s %d: ledger",
		      label, nth);
}

static const struct {
	const char *label;
	enum io_call call;
	int errnum;
	bool lmdb;
	int times;
	bool heals; /* within the process */
	bool always_accepted;
} faults[] = {
    {"short write", IO_WRITE, 0, false, 3, true, true},
    {"write EIO once", IO_WRITE, EIO, false, 1, true, false},
    {"write EIO", IO_WRITE, EIO, false, 6, true, false},
    {"write ENOSPC", IO_WRITE, ENOSPC, false, 4, true, false},
    {"sync EIO once", IO_SYNC, EIO, false, 1, true, false},
    {"sync EIO", IO_SYNC, EIO, false, 6, true, false},
    {"sync ENOSPC", IO_SYNC, ENOSPC, false, 2, true, false},
    {"directory sync EIO", IO_SYNC_DIR, EIO, false, 2, true, false},
    {"open EMFILE", IO_OPEN, EMFILE, false, 2, true, false},
    {"open ENOSPC", IO_OPEN, ENOSPC, false, 2, true, false},
    {"rename EIO", IO_RENAME, EIO, false, 2, true, true},
    {"unlink EIO", IO_UNLINK, EIO, false, 2, true, true},
    {"space EIO", IO_SPACE, EIO, false, 2, true, false},
    {"index write EIO", IO_WRITE, EIO, true, 1, false, false},
    {"index write ENOSPC", IO_WRITE, ENOSPC, true, 1, false, false},
    {"index sync EIO", IO_SYNC, EIO, true, 1, true, false},
    {"index sync ENOSPC", IO_SYNC, ENOSPC, true, 2, true, false},
};

START_TEST(test_nth_fails)
{
	int i = _i, hit = 0;

	for (int nth = 0; nth < 40; nth += 1 + nth / 2) {
		enum spool_answer worst = SPOOL_ACCEPTED;
		struct sent sent[MESSAGES] = {{0}};
		struct fixture_answer a;

		fault.call = faults[i].call;
		fault.errnum = faults[i].errnum;
		fault.lmdb = faults[i].lmdb;
		fault.times = faults[i].times;
		fault.left = nth;
		fault.hits = 0;
		fault.on = true;
		run(sent, &worst);
		fault.on = false;
		hit += fault.hits;
		if (faults[i].always_accepted)
			ck_assert_int_eq(worst, SPOOL_ACCEPTED);
		a = fixture_submit(f.spool, 100, 1, 1, 0);
		if (faults[i].heals)
			ck_assert_msg(a.answer == SPOOL_ACCEPTED, "%s %d",
				      faults[i].label, nth);
		/* What a failed write of the meta page left is either there
		 * or not; it was not acknowledged. */
		if (faults[i].heals)
			verify(faults[i].label, nth, sent, true);
		fixture_close(&f);
		fixture_open(&f);
		verify(faults[i].label, nth, sent, faults[i].heals);
		a = fixture_submit(f.spool, 100, 1, 1, 0);
		ck_assert_int_eq(a.answer, SPOOL_ACCEPTED);
	}
	ck_assert_msg(hit > 0, "%s never came", faults[i].label);
}
END_TEST

/* --- no room
 * ------------------------------------------------------------------------- */

START_TEST(test_disk_full_and_back)
{
	struct fixture_answer a = fixture_submit(f.spool, 3000, 1, 1, 0);
	struct spool_status status;

	fault.call = IO_WRITE;
	fault.errnum = ENOSPC;
	fault.lmdb = false;
	fault.times = -1;
	fault.left = 0;
	fault.on = true;
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(
		    fixture_submit(f.spool, i % 2 ? 3000 : 40000, 1, 1, 0)
			.answer,
		    SPOOL_FULL);
	/* What gives room back still works. */
	ck_assert_int_eq(fixture_outcome(f.spool, a.id, 0, RCPT_DELIVERED), 0);
	fault.on = false;
	ck_assert_int_eq(fixture_submit(f.spool, 3000, 1, 1, 0).answer,
			 SPOOL_ACCEPTED);
	spool_status_get(f.spool, &status);
	ck_assert(!status.full);
	fixture_close(&f);
	ck_assert_uint_le(fixture_files(&f), 3);
	fixture_open(&f);
}
END_TEST

START_TEST(test_reserve)
{
	struct fixture_answer a = fixture_submit(f.spool, 3000, 1, 1, 0);
	struct spool_status status;

	fixture_close(&f);
	f.opts.reserve_bytes = (uint64_t)1 << 60; /* more than there is */
	fixture_open(&f);
	ck_assert_int_eq(fixture_submit(f.spool, 10, 1, 1, 0).answer,
			 SPOOL_FULL);
	ck_assert_int_eq(fixture_submit(f.spool, 40000, 1, 1, 0).answer,
			 SPOOL_FULL);
	spool_status_get(f.spool, &status);
	ck_assert(status.full);
	ck_assert_int_eq(fixture_outcome(f.spool, a.id, 0, RCPT_DELIVERED), 0);
}
END_TEST

START_TEST(test_map_full_and_back)
{
	enum { MOST = 20000 };
	uint64_t *ids = calloc(MOST, sizeof(*ids));
	struct fixture_answer a;
	struct spool_status status;
	struct spool_ledger ledger;
	int count = 0;

	fixture_fini(&f);
	fixture_init(&f);
	f.opts.map_bytes = 1 << 20;
	fixture_open(&f);
	for (;;) {
		a = fixture_submit(f.spool, 10, 1, 20,
				   count < 250 ? (unsigned)count : 0);
		if (a.answer == SPOOL_FULL || count == MOST)
			break;
		if (a.answer == SPOOL_ACCEPTED)
			ids[count++] = a.id;
		else
			ck_assert_int_eq(a.answer, SPOOL_DUPLICATE);
	}
	ck_assert_int_eq(a.answer, SPOOL_FULL);
	spool_status_get(f.spool, &status);
	ck_assert(status.full);
	ck_assert_int_gt(count, 100);
	for (int i = 0; i < 60; i++) {
		struct fixture_removal *r =
		    fixture_remove_start(f.spool, ids[i], 20, RCPT_BOUNCED);

		ck_assert_int_eq(fixture_remove_end(&r), 0);
	}
	a = fixture_submit(f.spool, 10, 1, 20, 251);
	ck_assert_int_eq(a.answer, SPOOL_ACCEPTED);
	ck_assert_int_eq(fixture_ledger(f.spool, &ledger), 0);
	spool_status_get(f.spool, &status);
	ck_assert(!status.full);
	free(ids);
}
END_TEST

static bool
trash_row(void *arg, struct slice key, struct slice value)
{
	(void)key;
	(void)value;
	(*(size_t *)arg)++;
	return true;
}

static void
until_trash_empty(void)
{
	size_t count = 1;

	for (int i = 0; count > 0; i++) {
		struct store_txn *txn = store_read(spool_store(f.spool));

		count = 0;
		store_each(txn, STORE_TRASH, SLICE_NONE, trash_row, &count);
		store_abort(&txn);
		ck_assert_int_lt(i, 12000);
		usleep(5000);
	}
}

static bool
is_room_error(int err)
{
	return err == 0 || err == GW_ENOSPC;
}

/* The trash needs room before it gives some back: what does not fit is said,
 * nothing is half there, and what is over goes all the same. */
START_TEST(test_map_full_trash)
{
	enum { MOST = 20000, PURGES = 40 };
	uint64_t *ids = calloc(MOST, sizeof(*ids));
	int64_t past = clock_wall_s() - 1;
	struct spool_ledger ledger;
	struct fixture_answer a;
	struct spool_undo undo;
	int64_t purged = 0;
	int count = 0, err;

	fixture_fini(&f);
	fixture_init(&f);
	f.opts.map_bytes = 1 << 20;
	fixture_open(&f);
	while (count < MOST &&
	       (a = fixture_submit(f.spool, 10, 1, 20, 0)).answer ==
		   SPOOL_ACCEPTED)
		ids[count++] = a.id;
	ck_assert_int_eq(a.answer, SPOOL_FULL);
	for (int i = 0; i < PURGES; i++) {
		err = fixture_purge(f.spool, ids[i], 20, 1 + (unsigned)i % 2,
				    i % 2 ? past : past + 86400);
		ck_assert_msg(is_room_error(err), "%s", gw_err_text(err));
		purged += err == 0 ? 20 : 0;
	}
	ck_assert_int_eq(fixture_ledger(f.spool, &ledger), 0);
	ck_assert_int_eq(ledger.by_state[RCPT_PURGED], purged);
	do {
		err = fixture_undo(f.spool, 1, &undo);
		ck_assert_msg(is_room_error(err) || err == GW_ENOENT, "%s",
			      gw_err_text(err));
		purged -= err == 0 ? (int64_t)undo.recipients : 0;
	} while (err == 0 && undo.more);
	ck_assert_int_eq(fixture_ledger(f.spool, &ledger), 0);
	ck_assert_int_eq(ledger.by_state[RCPT_PURGED], purged);
	for (int i = PURGES; i < 100; i++)
		ck_assert_int_eq(fixture_purge(f.spool, ids[i], 20, 0, 0), 0);
	/* And there is room again, for an undo too. */
	ck_assert_int_eq(fixture_submit(f.spool, 10, 1, 20, 0).answer,
			 SPOOL_ACCEPTED);
	if (in_trash(1))
		ck_assert_int_eq(fixture_undo(f.spool, 1, &undo), 0);
	until_trash_empty();
	ck_assert_int_eq(fixture_ledger(f.spool, &ledger), 0);
	free(ids);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("spool/faults");
	TCase *tc = tcase_create("faults");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 240);
	tcase_add_loop_test(tc, test_nth_fails, 0,
			    sizeof(faults) / sizeof(faults[0]));
	tcase_add_test(tc, test_disk_full_and_back);
	tcase_add_test(tc, test_reserve);
	tcase_add_test(tc, test_map_full_and_back);
	tcase_add_test(tc, test_map_full_trash);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
