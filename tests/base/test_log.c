/*
 * Each test runs in a process of its own (Check's fork mode), which the log
 * needs: its setting and the journal question are asked once a process.
 */
#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/log.h"

static char path[64], other[80], text[1 << 20];

static void
make_paths(void)
{
	int fd;

	strcpy(path, "/tmp/sluice-log-XXXXXX");
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	close(fd);
	snprintf(other, sizeof(other), "%s.1", path);
}

static void
remove_paths(void)
{
	unlink(path);
	unlink(other);
}

static size_t
read_file(const char *name)
{
	FILE *f = fopen(name, "r");
	size_t n;

	ck_assert_ptr_nonnull(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	return n;
}

static void
to_file(enum log_format format)
{
	struct log_opts opts = {.target = LOG_TO_FILE,
				.format = format,
				.level = GW_LOG_INFO,
				.path = path};

	ck_assert_int_eq(log_setup(&opts), 0);
}

/* What comes after the time, whose form is checked here. */
static const char *
after_time(const char *line, const char *before, const char *after)
{
	size_t n = strlen(before);

	ck_assert_int_eq(strncmp(line, before, n), 0);
	line += n;
	ck_assert_int_eq(line[10], 'T');
	ck_assert_int_eq(line[23], 'Z');
	ck_assert_int_eq(strncmp(line + 24, after, strlen(after)), 0);
	return line + 24 + strlen(after);
}

static void
log_all_kinds(void)
{
	struct ip_addr ip;

	ck_assert_int_eq(ip_parse(SLICE_LIT("192.0.2.1"), &ip), 0);
	log_event(GW_LOG_WARN, "accept", LF_STR("cred", "bob"),
		  LF_STR("missing", NULL), LF_STR("empty", ""),
		  LF_SLICE("from", slice_of("a\nlevel=error\0", 14)),
		  LF_I64("delta", -5), LF_U64("bytes", UINT64_MAX),
		  LF_IP("addr", &ip), LF_IP("noaddr", NULL), LF_ERR(GW_ENOSPC));
}

START_TEST(writes_logfmt)
{
	to_file(LOG_LOGFMT);
	log_all_kinds();
	read_file(path);
	ck_assert_str_eq(after_time(text, "time=", " "),
			 "level=warn event=accept cred=bob empty=\"\" "
			 "from=\"a\\x0alevel=error\\x00\" delta=-5 "
			 "bytes=18446744073709551615 addr=192.0.2.1 "
			 "error=\"no space left\"\n");
}
END_TEST

START_TEST(writes_json)
{
	to_file(LOG_JSON);
	log_all_kinds();
	read_file(path);
	ck_assert_str_eq(after_time(text, "{\"time\":\"", "\","),
			 "\"level\":\"warn\",\"event\":\"accept\","
			 "\"cred\":\"bob\",\"empty\":\"\","
			 "\"from\":\"a\\nlevel=error\\u0000\",\"delta\":-5,"
			 "\"bytes\":18446744073709551615,"
			 "\"addr\":\"192.0.2.1\","
			 "\"error\":\"no space left\"}\n");
}
END_TEST

START_TEST(drops_what_is_not_wanted)
{
	struct log_opts opts = {.target = LOG_TO_FILE, .path = path};

	for (int level = GW_LOG_ERROR; level <= GW_LOG_DEBUG; level++) {
		size_t lines = 0;

		ck_assert_int_eq(truncate(path, 0), 0);
		opts.level = (enum log_level)level;
		ck_assert_int_eq(log_setup(&opts), 0);
		log_event(GW_LOG_ERROR, "e");
		log_event(GW_LOG_WARN, "w");
		log_event(GW_LOG_INFO, "i");
		log_event(GW_LOG_DEBUG, "d");
		read_file(path);
		for (const char *p = text; *p != '\0'; p++)
			lines += *p == '\n';
		ck_assert_uint_eq(lines, (size_t)level + 1);
	}
}
END_TEST

/* Long values of each kind of byte, at each length around the borders: one
 * line, at most 4 KiB, valid to its end, and the later short field there. */
START_TEST(caps_the_line)
{
	static const char *const units[] = {"a", "\n", "\xff", "\"",
					    "\xe2\x82\xac"};
	static char value[9000];

	for (int json = 0; json < 2; json++) {
		to_file(json ? LOG_JSON : LOG_LOGFMT);
		for (size_t u = 0; u < sizeof(units) / sizeof(units[0]); u++) {
			for (size_t n = 1; n < sizeof(value); n += 97) {
				size_t unit = strlen(units[u]), got;

				for (size_t i = 0; i < n; i++)
					value[i] = units[u][i % unit];
				ck_assert_int_eq(truncate(path, 0), 0);
				log_event(GW_LOG_INFO, "x",
					  LF_SLICE("a", slice_of(value, n)),
					  LF_SLICE("b", slice_of(value, n)),
					  LF_SLICE("c", slice_of(value, n)),
					  LF_SLICE("d", slice_of(value, n)),
					  LF_U64("last", 1));
				got = read_file(path);
				ck_assert_uint_le(got, 4096);
				ck_assert_uint_gt(got, 10);
				ck_assert(memchr(text, '\n', got) ==
					  text + got - 1);
				ck_assert(json == (text[got - 2] == '}'));
				if (n > 1024)
					ck_assert_ptr_nonnull(
					    strstr(text, "...[+"));
				else if (u == 0 && n < 900)
					ck_assert_ptr_null(strstr(text, "[+"));
				/* cut, but never inside a character */
				if (u == 4 && n % 3 == 0)
					ck_assert_ptr_null(strstr(
					    text, json ? "\\u00e2" : "\\xe2"));
			}
		}
	}
}
END_TEST

START_TEST(says_how_many_fields_it_left_out)
{
	static char value[1024];
	struct log_field fields[12];

	memset(value, '\n', sizeof(value));
	for (size_t i = 0; i < 12; i++)
		fields[i] = LF_SLICE("k", slice_of(value, sizeof(value)));
	to_file(LOG_LOGFMT);
	log_fields(GW_LOG_INFO, "x", fields, 12);
	ck_assert_uint_le(read_file(path), 4096);
	ck_assert_ptr_nonnull(strstr(text, " cut_fields="));
}
END_TEST

START_TEST(a_file_that_cannot_be_opened_changes_nothing)
{
	struct log_opts opts = {.target = LOG_TO_FILE,
				.level = GW_LOG_DEBUG,
				.path = "/nowhere/at/all"};

	to_file(LOG_LOGFMT);
	ck_assert_int_eq(log_setup(&opts), GW_EIO);
	opts.path = NULL;
	ck_assert_int_eq(log_setup(&opts), GW_EINVAL);
	ck_assert(!log_wants(GW_LOG_DEBUG));
	log_event(GW_LOG_INFO, "still-here");
	read_file(path);
	ck_assert_ptr_nonnull(strstr(text, "still-here"));
}
END_TEST

START_TEST(a_fifo_without_reader_is_refused_at_once)
{
	struct log_opts opts = {.target = LOG_TO_FILE, .path = other};

	ck_assert_int_eq(mkfifo(other, 0600), 0);
	ck_assert_int_eq(log_setup(&opts), GW_EIO);
}
END_TEST

static int
stderr_to_pipe(void)
{
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_ge(dup2(fds[1], STDERR_FILENO), 0);
	close(fds[1]);
	return fds[0];
}

static void
read_pipe(int fd)
{
	ssize_t n = read(fd, text, sizeof(text) - 1);

	ck_assert_int_gt(n, 0);
	text[n] = '\0';
}

START_TEST(stderr_has_the_time_before_any_setup)
{
	int fd = stderr_to_pipe();

	setenv("JOURNAL_STREAM", "1:1", 1); /* somebody else's stream */
	log_event(GW_LOG_INFO, "up");
	read_pipe(fd);
	ck_assert_str_eq(after_time(text, "time=", " "),
			 "level=info event=up\n");
	ck_assert(!log_wants(GW_LOG_DEBUG));
}
END_TEST

START_TEST(the_journal_gets_priorities)
{
	static const char *const want[] = {
	    "<3>level=error event=x\n", "<4>level=warn event=x\n",
	    "<6>level=info event=x\n", "<7>level=debug event=x\n"};
	struct log_opts opts = {.level = GW_LOG_DEBUG};
	int fd = stderr_to_pipe();
	char stream[64];
	struct stat st;

	ck_assert_int_eq(fstat(STDERR_FILENO, &st), 0);
	snprintf(stream, sizeof(stream), "%llu:%llu",
		 (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	ck_assert_int_eq(log_setup(&opts), 0);
	for (int level = GW_LOG_ERROR; level <= GW_LOG_DEBUG; level++) {
		log_event((enum log_level)level, "x");
		read_pipe(fd);
		ck_assert_str_eq(text, want[level]);
	}
}
END_TEST

/* A pipe nobody empties, set not to block: lines are lost, counted and told,
 * and none is glued to another. */
START_TEST(lost_lines_are_told)
{
	int fd = stderr_to_pipe();
	ssize_t n;

	fcntl(STDERR_FILENO, F_SETFL, O_NONBLOCK);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	for (int i = 0; i < 3000; i++)
		log_event(GW_LOG_INFO, "flood", LF_I64("i", i));
	while ((n = read(fd, text, sizeof(text))) > 0) {
	}
	log_event(GW_LOG_INFO, "after");
	read_pipe(fd);
	ck_assert_ptr_nonnull(strstr(text, "event=after lost_lines="));
	ck_assert_ptr_null(strstr(text, "lost_lines=0"));
	log_event(GW_LOG_INFO, "later");
	read_pipe(fd);
	ck_assert_ptr_null(strstr(text, "lost_lines"));
}
END_TEST

/* A write that stops inside a line, as on a full disk: the next line does not
 * go on in the middle of the torn one. */
START_TEST(a_torn_line_is_ended)
{
	struct rlimit limit = {.rlim_cur = 100, .rlim_max = RLIM_INFINITY};
	const char *second;

	signal(SIGXFSZ, SIG_IGN);
	to_file(LOG_LOGFMT);
	log_event(GW_LOG_INFO, "first");
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	log_event(GW_LOG_INFO, "second");
	limit.rlim_cur = RLIM_INFINITY;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	log_event(GW_LOG_INFO, "third");
	read_file(path);
	second = strchr(text, '\n') + 1;
	ck_assert_ptr_nonnull(strchr(second, '\n'));
	after_time(strchr(second, '\n') + 1, "time=", " ");
	ck_assert_ptr_nonnull(strstr(text, "event=third lost_lines=1\n"));
}
END_TEST

#define THREADS 4
#define EACH 2000

static _Atomic int running = THREADS;

static void *
log_many(void *arg)
{
	(void)arg;
	for (int i = 0; i < EACH; i++)
		log_event(GW_LOG_INFO, "line", LF_I64("i", i),
			  LF_STR("pad", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
			  LF_STR("end", "end"));
	running--;
	return NULL;
}

static size_t
count_whole_lines(const char *name)
{
	size_t lines = 0;

	read_file(name);
	for (char *p = text; *p != '\0'; lines++) {
		char *end = strchr(p, '\n');

		ck_assert_ptr_nonnull(end);
		ck_assert_int_eq(strncmp(p, "time=", 5), 0);
		ck_assert_int_eq(strncmp(end - 8, " end=end", 8), 0);
		p = end + 1;
	}
	return lines;
}

START_TEST(reopening_under_load_loses_nothing)
{
	pthread_t threads[THREADS];

	to_file(LOG_LOGFMT);
	for (size_t i = 0; i < THREADS; i++)
		ck_assert_int_eq(
		    pthread_create(&threads[i], NULL, log_many, NULL), 0);
	for (int i = 0; running > 0; i++) {
		struct log_opts opts = {.target = LOG_TO_FILE,
					.level = GW_LOG_INFO,
					.path = i % 2 ? path : other};

		ck_assert_int_eq(log_setup(&opts), 0);
	}
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_eq(count_whole_lines(path) + count_whole_lines(other),
			  THREADS * EACH);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("log");
	TCase *tc = tcase_create("log");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, make_paths, remove_paths);
	tcase_add_test(tc, writes_logfmt);
	tcase_add_test(tc, writes_json);
	tcase_add_test(tc, drops_what_is_not_wanted);
	tcase_add_test(tc, caps_the_line);
	tcase_add_test(tc, says_how_many_fields_it_left_out);
	tcase_add_test(tc, a_file_that_cannot_be_opened_changes_nothing);
	tcase_add_test(tc, a_fifo_without_reader_is_refused_at_once);
	tcase_add_test(tc, stderr_has_the_time_before_any_setup);
	tcase_add_test(tc, the_journal_gets_priorities);
	tcase_add_test(tc, lost_lines_are_told);
	tcase_add_test(tc, a_torn_line_is_ended);
	tcase_add_test(tc, reopening_under_load_loses_nothing);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
