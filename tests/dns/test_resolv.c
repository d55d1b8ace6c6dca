/* Which name servers: lists and files. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dns/resolv.h"

#define COUNT(a) (int)(sizeof(a) / sizeof((a)[0]))

static const struct {
	const char *list, *want; /* NULL: no such list */
	bool loopback;
} lists[] = {
    {"127.0.0.1", "127.0.0.1", true},
    {"127.0.0.1:5353", "127.0.0.1:5353", true},
    {"::1", "::1", true},
    {"[::1]:5353", "[::1]:5353", true},
    {"127.0.0.1 ,\t::1", "127.0.0.1, ::1", true},
    {"127.0.0.1, 192.0.2.53", "127.0.0.1, 192.0.2.53", false},
    {"127.0.0.1:53", "127.0.0.1", true},
    {"1.0.0.1,1.0.0.2,1.0.0.3,1.0.0.4,1.0.0.5,1.0.0.6,1.0.0.7,1.0.0.8",
     "1.0.0.1, 1.0.0.2, 1.0.0.3, 1.0.0.4, 1.0.0.5, 1.0.0.6, 1.0.0.7, "
     "1.0.0.8",
     false},
    {"1.0.0.1,1.0.0.2,1.0.0.3,1.0.0.4,1.0.0.5,1.0.0.6,1.0.0.7,1.0.0.8,1.0.0.9",
     NULL, false},
    {"", NULL, false},
    {",", NULL, false},
    {"localhost", NULL, false},
    {"127.0.0.1 127.0.0.2", NULL, false},
    {"127.0.0.1:0", NULL, false},
    {"127.0.0.1:99999", NULL, false},
    {"1.1.1.1,1.1.1.2,nope", NULL, false},
};

START_TEST(test_list)
{
	struct resolv resolv;
	char text[256];

	ck_assert_msg(resolv_parse(lists[_i].list, &resolv) ==
			  (lists[_i].want != NULL),
		      "%s", lists[_i].list);
	if (lists[_i].want == NULL)
		return;
	resolv_format(&resolv, text, sizeof(text));
	ck_assert_str_eq(text, lists[_i].want);
	ck_assert(resolv_is_loopback(&resolv) == lists[_i].loopback);
}
END_TEST

static const struct {
	const char *label, *text, *want;
} files[] = {
    {"one", "nameserver 127.0.0.53\n", "127.0.0.53"},
    {"no line end", "nameserver 127.0.0.53", "127.0.0.53"},
    {"among others",
     "# by hand\nsearch example.com\noptions edns0\n"
     "nameserver\t192.0.2.1   # the old one\nnameserver 2001:db8::1\n",
     "192.0.2.1, 2001:db8::1"},
    {"CR before the line end", "nameserver 192.0.2.1\r\n", ""},
    {"no address", "nameserver example.com\nnameserver 192.0.2.1\n",
     "192.0.2.1"},
    {"a zone is left out", "nameserver fe80::1%eth0\nnameserver 192.0.2.1\n",
     "192.0.2.1"},
    {"a port is none", "nameserver 192.0.2.1:53\n", ""},
    {"a comment", ";nameserver 192.0.2.1\n #nameserver 192.0.2.2\n", ""},
    {"a word that begins so", "nameservers 192.0.2.1\n", ""},
    {"the word alone", "nameserver\n", ""},
    {"empty", "", ""},
    {"nine: the first eight",
     "nameserver 1.0.0.1\nnameserver 1.0.0.2\nnameserver 1.0.0.3\n"
     "nameserver 1.0.0.4\nnameserver 1.0.0.5\nnameserver 1.0.0.6\n"
     "nameserver 1.0.0.7\nnameserver 1.0.0.8\nnameserver 1.0.0.9\n",
     "1.0.0.1, 1.0.0.2, 1.0.0.3, 1.0.0.4, 1.0.0.5, 1.0.0.6, 1.0.0.7, "
     "1.0.0.8"},
};

START_TEST(test_file)
{
	struct slice text = slice_str(files[_i].text);
	struct resolv resolv;
	char got[256];

	resolv_parse_file(text, &resolv);
	resolv_format(&resolv, got, sizeof(got));
	ck_assert_msg(strcmp(got, files[_i].want) == 0, "%s: %s",
		      files[_i].label, got);
	/* cut at each offset, in memory of its own size */
	for (size_t n = 0; n < text.n; n++) {
		char *cut = malloc(n + 1);

		memcpy(cut, text.p, n);
		resolv_parse_file(slice_of(cut, n), &resolv);
		ck_assert_uint_le(resolv.count, RESOLV_MAX);
		free(cut);
	}
}
END_TEST

START_TEST(test_read)
{
	char path[] = "/tmp/sluice-resolv-XXXXXX";
	struct resolv resolv, other;
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	ck_assert(!resolv_read(path, &resolv));
	ck_assert_int_eq(write(fd, "nameserver 127.0.0.9\n", 21), 21);
	ck_assert(resolv_read(path, &resolv));
	ck_assert(resolv_parse("127.0.0.9", &other));
	ck_assert(resolv_equal(&resolv, &other));
	ck_assert(resolv_parse("127.0.0.9:54", &other));
	ck_assert(!resolv_equal(&resolv, &other));
	ck_assert(resolv_parse("127.0.0.9,::1", &other));
	ck_assert(!resolv_equal(&resolv, &other));
	close(fd);
	unlink(path);
	ck_assert(!resolv_read(path, &resolv));
	ck_assert(!resolv_read("/", &resolv));
}
END_TEST

/* What does not fit is left out whole. */
START_TEST(test_format_cut)
{
	struct resolv resolv;
	char text[16];

	ck_assert(resolv_parse("192.0.2.1, 192.0.2.2", &resolv));
	resolv_format(&resolv, text, sizeof(text));
	ck_assert_str_eq(text, "192.0.2.1");
	resolv_format(&resolv, text, 5);
	ck_assert_str_eq(text, "");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("dns/resolv");
	TCase *tc = tcase_create("all");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tc, test_list, 0, COUNT(lists));
	tcase_add_loop_test(tc, test_file, 0, COUNT(files));
	tcase_add_test(tc, test_read);
	tcase_add_test(tc, test_format_cut);
	suite_add_tcase(s, tc);
	runner = srunner_create(s);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
