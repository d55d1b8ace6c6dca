#include <dlfcn.h>
#include <errno.h>

#include "gateway/base/encode.h"
#include "tests/scan/quarantine_world.h"

/*
 * The files: what goes in comes out, nothing a scanner knows lies on the disk,
 * and what fails leaves nothing behind.
 *
 * This program's pwrite, fsync and renameat come before the library's: they
 * write down what was called, and one of them may fail.
 */

/* --- the disk */

enum call { CALL_WRITE, CALL_SYNC, CALL_RENAME, CALL_SYNC_DIR, CALLS };

static struct {
	bool on;
	char calls[256]; /* w, s, r, d, u in order; LMDB's are not among them */
	size_t n;
	int fail; /* enum call, or -1 */
	int errnum;
	bool shorter; /* each write takes half */
} disk;

#define REAL(name)                     \
	static __typeof__(&name) real; \
	if (real == NULL)              \
	*(void **)&real = dlsym(RTLD_NEXT, #name)

static bool
disk_call(char letter, int call)
{
	if (disk.n + 1 < sizeof(disk.calls))
		disk.calls[disk.n++] = letter;
	if (disk.fail != call)
		return true;
	errno = disk.errnum;
	return false;
}

ssize_t
pwrite(int fd, const void *p, size_t n, off_t offset)
{
	REAL(pwrite);
	if (disk.on && !disk_call('w', CALL_WRITE))
		return -1;
	return real(fd, p, disk.on && disk.shorter ? n / 2 + 1 : n, offset);
}

int
fsync(int fd)
{
	struct stat st;
	REAL(fsync);

	if (disk.on && fstat(fd, &st) == 0 &&
	    !(S_ISDIR(st.st_mode) ? disk_call('d', CALL_SYNC_DIR)
				  : disk_call('s', CALL_SYNC)))
		return -1;
	return real(fd);
}

int
renameat(int from_fd, const char *from, int to_fd, const char *to)
{
	REAL(renameat);
	if (disk.on && !disk_call('r', CALL_RENAME))
		return -1;
	return real(from_fd, from, to_fd, to);
}

static void
disk_watch(int fail, int errnum)
{
	memset(&disk, 0, sizeof(disk));
	disk.fail = fail;
	disk.errnum = errnum;
	disk.on = true;
}

static const struct {
	const char *label;
	size_t bytes, in, out; /* at most, a call */
} sizes[] = {
    {"nothing", 0, 0, 10},
    {"a byte", 1, 0, 10},
    {"byte by byte", 700, 1, 1},
    {"eight", 8, 3, 3},
    {"a piece", 65536, 0, 65536},
    {"a piece and one", 65537, 0, 4096},
    {"odd reads", 200001, 777, 1001},
    {"megabytes", 3 << 20, 0, 65537},
};

START_TEST(test_files)
{
	size_t n = sizes[_i].bytes;
	char *p = bytes_make(n), path[PATH_MAX];
	struct source source = {.p = p, .n = n, .step = sizes[_i].in};
	struct stat st;

	ck_assert_int_eq(write_as(7, &source), 0);
	bytes_check(7, p, n, sizes[_i].out, sizes[_i].label);
	path_of(7, false, path);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0600);
	ck_assert(!there(7, true));
	snprintf(path, sizeof(path), "%s/quarantine", dir);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0700);
	free(p);
}
END_TEST

/* --- nothing that a scanner of files knows */

static size_t
slurp(const char *path, char *p, size_t size)
{
	FILE *file = fopen(path, "r");
	size_t n;

	ck_assert_ptr_nonnull(file);
	n = fread(p, 1, size, file);
	ck_assert(n < size);
	fclose(file);
	return n;
}

START_TEST(test_masked)
{
	static char file[65536], other[65536];
	char virus[69], path[PATH_MAX], body[1024];
	struct buf base64 = {.cap = 200};
	size_t n, m;

	eicar_make(virus);
	base64_encode(&base64, slice_of(virus, 68));
	snprintf(body, sizeof(body), "%s\r\n%.*s\r\n%s", virus, (int)base64.n,
		 base64.p, virus);
	for (size_t lead = 0; lead < 16; lead++) {
		ck_assert_int_eq(
		    write_bytes(3, body + lead, strlen(body + lead)), 0);
		path_of(3, false, path);
		n = slurp(path, file, sizeof(file));
		ck_assert_uint_gt(n, strlen(body + lead));
		ck_assert_ptr_null(memmem(file, n, virus, 68));
		ck_assert_ptr_null(memmem(file, n, "EICAR", 5));
		ck_assert_ptr_null(memmem(file, n, base64.p, 16));
	}
	/* Each file has a key of its own. */
	ck_assert_int_eq(write_bytes(4, body, strlen(body)), 0);
	ck_assert_int_eq(write_bytes(3, body, strlen(body)), 0);
	path_of(3, false, path);
	n = slurp(path, file, sizeof(file));
	path_of(4, false, path);
	m = slurp(path, other, sizeof(other));
	ck_assert_uint_eq(n, m);
	ck_assert(memcmp(file + n - 64, other + n - 64, 64) != 0);
	bytes_check(3, body, strlen(body), 100, "masked");
	buf_fini(&base64);
}
END_TEST

/* The index neither: names and subjects come from whoever sent it. */
START_TEST(test_index_masked)
{
	struct quarantine_entry entry;
	struct store_change change;
	char virus[69], path[PATH_MAX], *file;
	size_t n;

	eicar_make(virus);
	entry_make(&entry, 3);
	entry.subject = entry.part_name = virus;
	quarantine_put_change(&entry, arena, &change);
	commit(&change);
	snprintf(path, sizeof(path), "%s/index/data.mdb", dir);
	if (access(path, F_OK) != 0)
		snprintf(path, sizeof(path), "%s/index", dir);
	file = mem_alloc(64 << 20);
	n = slurp(path, file, 64 << 20);
	ck_assert_uint_gt(n, 4096);
	ck_assert_ptr_null(memmem(file, n, virus, 68));
	free(file);
}
END_TEST

/* --- what goes wrong */

/* Written, synced, named, and the name synced: in this order. */
START_TEST(test_order)
{
	char *p = bytes_make(100000);

	disk_watch(-1, 0);
	ck_assert_int_eq(write_bytes(7, p, 100000), 0);
	disk.on = false;
	ck_assert_str_eq(disk.calls, "wwwsrd");
	free(p);
}
END_TEST

static const struct {
	const char *label;
	int call, errnum, err;
	bool named; /* it is under its name all the same */
} failures[] = {
    {"a write: full", CALL_WRITE, ENOSPC, GW_ENOSPC, false},
    {"a write: quota", CALL_WRITE, EDQUOT, GW_ENOSPC, false},
    {"a write: broken", CALL_WRITE, EIO, GW_EIO, false},
    {"a write: too big", CALL_WRITE, EFBIG, GW_EIO, false},
    {"the sync: broken", CALL_SYNC, EIO, GW_EIO, false},
    {"the sync: full", CALL_SYNC, ENOSPC, GW_ENOSPC, false},
    {"the rename", CALL_RENAME, EIO, GW_EIO, false},
    {"the directory's sync", CALL_SYNC_DIR, EIO, GW_EIO, true},
};

START_TEST(test_disk_fails)
{
	char *p = bytes_make(100000);

	disk_watch(failures[_i].call, failures[_i].errnum);
	ck_assert_msg(write_bytes(7, p, 100000) == failures[_i].err, "%s",
		      failures[_i].label);
	disk.on = false;
	ck_assert(!there(7, true));
	ck_assert(there(7, false) == failures[_i].named);
	/* And again, without. */
	ck_assert_int_eq(write_bytes(7, p, 100000), 0);
	bytes_check(7, p, 100000, 4096, failures[_i].label);
	/* Again over what is there: the old one stays whole until then. */
	disk_watch(failures[_i].call, failures[_i].errnum);
	ck_assert_int_eq(write_bytes(7, p, 100000), failures[_i].err);
	disk.on = false;
	bytes_check(7, p, 100000, 4096, failures[_i].label);
	free(p);
}
END_TEST

START_TEST(test_short_writes)
{
	char *p = bytes_make(100000);

	disk_watch(-1, 0);
	disk.shorter = true;
	ck_assert_int_eq(write_bytes(7, p, 100000), 0);
	disk.on = false;
	bytes_check(7, p, 100000, 4096, "short writes");
	free(p);
}
END_TEST

static const struct {
	const char *label;
	size_t n; /* that there are, of 100,000 */
	size_t flip;
	int64_t err;
	size_t err_at;
	int result;
} sources[] = {
    {"too short", 99999, SIZE_MAX, 0, 0, GW_ECORRUPT},
    {"nothing", 0, SIZE_MAX, 0, 0, GW_ECORRUPT},
    {"the first byte", 100000, 0, 0, 0, GW_ECORRUPT},
    {"the last byte", 100000, 99999, 0, 0, GW_ECORRUPT},
    {"not to be read", 100000, SIZE_MAX, GW_EIO, 0, GW_EIO},
    {"not to be read, later", 100000, SIZE_MAX, GW_EIO, 60000, GW_EIO},
    {"stopping", 100000, SIZE_MAX, GW_ECANCELED, 60000, GW_ECANCELED},
};

START_TEST(test_source_fails)
{
	char *p = bytes_make(100000);
	uint8_t digest[DIGEST_SIZE];
	struct source source = {.p = p,
				.n = sources[_i].n,
				.err = sources[_i].err,
				.err_at = sources[_i].err_at};

	digest_of(p, 100000, digest);
	if (sources[_i].flip != SIZE_MAX)
		p[sources[_i].flip] ^= 1;
	ck_assert_msg(quarantine_write(q, 7, 100000, digest, source_read,
				       &source) == sources[_i].result,
		      "%s", sources[_i].label);
	ck_assert(!there(7, true) && !there(7, false));
	free(p);
}
END_TEST

/* More bytes than any disk has: not begun. */
START_TEST(test_no_space)
{
	struct source source = {.p = "", .n = 0};
	uint8_t digest[DIGEST_SIZE] = {0};

	ck_assert_int_eq(quarantine_write(q, 7, UINT64_MAX - 100, digest,
					  source_read, &source),
			 GW_ENOSPC);
	ck_assert(!there(7, true));
}
END_TEST

/* --- damaged files */

START_TEST(test_damaged)
{
	static char file[4096];
	char path[PATH_MAX], other[PATH_MAX];
	size_t n;

	ck_assert_int_eq(try_open(7), GW_ENOENT);
	ck_assert_int_eq(write_bytes(7, "twelve bytes", 12), 0);
	path_of(7, false, path);
	n = slurp(path, file, sizeof(file));
	for (size_t cut = 0; cut < n; cut++) {
		file_put(path, file, cut);
		ck_assert_int_eq(try_open(7), GW_ECORRUPT);
	}
	file_put(path, file, n + 1);
	ck_assert_int_eq(try_open(7), GW_ECORRUPT);
	for (size_t i = 0; i < 20; i++) { /* magic, version, id, length */
		file[i] ^= 1;
		file_put(path, file, n);
		ck_assert_msg(try_open(7) == GW_ECORRUPT, "byte %zu", i);
		file[i] ^= 1;
	}
	file_put(path, file, n);
	ck_assert_int_eq(try_open(7), 0);
	/* Another's is not taken for it, by no way. */
	path_of(8, false, other);
	file_put(other, file, n);
	ck_assert_int_eq(try_open(8), GW_ECORRUPT);
	ck_assert_int_eq(unlink(other), 0);
	ck_assert_int_eq(symlink(path, other), 0);
	ck_assert_int_eq(try_open(8), GW_EIO);
	ck_assert_int_eq(unlink(other), 0);
	ck_assert_int_eq(mkfifo(other, 0600), 0);
	ck_assert_int_lt(try_open(8), 0);
	ck_assert_int_eq(unlink(other), 0);
	ck_assert_int_eq(mkdir(other, 0700), 0);
	ck_assert_int_lt(try_open(8), 0);
}
END_TEST

START_TEST(test_unlinked)
{
	struct quarantine_reader *reader;
	char p[12];

	ck_assert_int_eq(write_bytes(7, "twelve bytes", 12), 0);
	ck_assert_int_eq(quarantine_reader_open(q, 7, &reader), 0);
	quarantine_unlink(q, 7);
	ck_assert(!there(7, false));
	quarantine_unlink(q, 7); /* nothing */
	ck_assert_int_eq(quarantine_reader_read(reader, 0, p, 12), 12);
	ck_assert(memcmp(p, "twelve bytes", 12) == 0);
	quarantine_reader_close(&reader);
}
END_TEST

static Suite *
suite_make(void)
{
	Suite *suite = suite_create("scan/quarantine-file");
	TCase *tc = tcase_create("file");

#define COUNT_OF(a) ((int)(sizeof(a) / sizeof((a)[0])))
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, test_files, 0, COUNT_OF(sizes));
	tcase_add_test(tc, test_masked);
	tcase_add_test(tc, test_index_masked);
	tcase_add_test(tc, test_order);
	tcase_add_loop_test(tc, test_disk_fails, 0, COUNT_OF(failures));
	tcase_add_test(tc, test_short_writes);
	tcase_add_loop_test(tc, test_source_fails, 0, COUNT_OF(sources));
	tcase_add_test(tc, test_no_space);
	tcase_add_test(tc, test_damaged);
	tcase_add_test(tc, test_unlinked);
	suite_add_tcase(suite, tc);
	return suite;
}

int
main(void)
{
	SRunner *runner = srunner_create(suite_make());
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
