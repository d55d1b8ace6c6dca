#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/hint.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *const own[] = {
    "example.com",   ".example.com", "reederei-nord.de",	   "gmx.net",
    "werft.example", "[192.0.2.1]",  "a-rather-long-name.example", "posteo.de",
};

struct row {
	const char *asked, *hint;
};

static const struct row rows[] = {
    /* one slip */
    {"gmial.com", "gmail.com"},
    {"gmai.com", "gmail.com"},
    {"gmaill.com", "gmail.com"},
    {"gnail.com", "gmail.com"},
    {"gmail.con", "gmail.com"},
    {"gmail.cm", "gmail.com"},
    {"gmail.comm", "gmail.com"},
    {"gmailcom", "gmail.com"},
    {"gmailc.om", "gmail.com"},
    {"gmai.lcom", "gmail.com"},
    {"hotmial.co.uk", "hotmail.co.uk"},
    {"hotmail.co.ku", "hotmail.co.uk"},
    {"yaho.com", "yahoo.com"},
    {"yahoo.con", "yahoo.com"},
    {"outlok.com", "outlook.com"},
    {"t-onlin.de", "t-online.de"},
    {"tonline.de", "t-online.de"},
    {"web.ed", "web.de"},
    {"wbe.de", "web.de"},
    {"gmx.nte", "gmx.net"},
    {"pro.ton.me", "proton.me"},
    {"163.co", "163.com"},
    {"mail.ur", "mail.ru"},
    {"live.d", "live.de"},
    /* one on each side of the dot */
    {"gmial.con", "gmail.com"},
    {"yaho.cmo", "yahoo.com"},
    {"btinternte.con", "btinternet.com"},
    /* two in a longer name, and one behind the dot */
    {"hotamil.com", "hotmail.com"},
    {"hotmali.cmo", "hotmail.com"},
    {"googelmial.com", "googlemail.com"},
    {"outloook.com", "outlook.com"},
    {"btintrent.com", "btinternet.com"},
    {"htomali.con", "hotmail.com"},
    /* too many for as short a name */
    {"gml.com", NULL},
    {"gamli.com", NULL},
    {"wb.ed", NULL},
    {"qqq.con", NULL},
    {"gmaaaail.com", NULL},
    {"htomlia.cno", NULL},
    {"gmail.fr", NULL},
    /* equally near to two */
    {"gmx.dt", NULL},
    {"hotmail.ft", NULL},
    {"hmx.d", NULL},
    /* known itself */
    {"gmail.com", NULL},
    {"example.com", NULL},
    {"gmx.net", NULL},
    /* the site's own; one that is a large one too is no second */
    {"exmaple.com", "example.com"},
    {"example.con", "example.com"},
    {"reederei-nrod.de", "reederei-nord.de"},
    {"rederei-nort.de", "reederei-nord.de"},
    {"psoteo.de", "posteo.de"},
    {"werft.exmaple", "werft.example"},
    {"a-rather-lnog-nmae.example", "a-rather-long-name.example"},
    /* none of these */
    {"", NULL},
    {".", NULL},
    {"..", NULL},
    {"a", NULL},
    {".example.con", NULL},
    {"[192.0.2.2]", NULL},
    {"xn--gmil-5na.com", NULL},
    {"qwertz.example.org", NULL},
    {"mail.gmial.com", NULL},
};

START_TEST(test_find)
{
	const struct row *row = &rows[_i];
	struct hint_list *list = hint_list_create(own, COUNT(own));
	const char *hint = hint_find(list, slice_str(row->asked));

	if (row->hint == NULL)
		ck_assert_msg(hint == NULL, "%s: %s", row->asked, hint);
	else
		ck_assert_msg(hint != NULL && strcmp(hint, row->hint) == 0,
			      "%s: %s", row->asked, hint);
	hint_list_destroy(&list);
	ck_assert_ptr_null(list);
	hint_list_destroy(&list);
}
END_TEST

START_TEST(test_lengths)
{
	char name[HINT_NAME_MAX + 3], asked[HINT_NAME_MAX + 3];
	const char *one[] = {name};
	struct hint_list *list;

	for (size_t n = HINT_NAME_MAX - 1; n <= HINT_NAME_MAX + 1; n++) {
		memset(name, 'x', n);
		memcpy(name + n - 5, ".test", 6);
		memcpy(asked, name, n + 1);
		asked[3] = 'y';
		list = hint_list_create(one, 1);
		ck_assert_int_eq(hint_find(list, slice_of(asked, n)) != NULL,
				 n <= HINT_NAME_MAX);
		hint_list_destroy(&list);
	}
}
END_TEST

/* The whole table, as the books have it. */
static unsigned
reference(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b);
	unsigned d[HINT_NAME_MAX + 1][HINT_NAME_MAX + 1];

	for (size_t i = 0; i <= n; i++)
		for (size_t j = 0; j <= m; j++) {
			unsigned v = (unsigned)(i == 0 ? j : i);

			if (i > 0 && j > 0) {
				v = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
				v = d[i - 1][j] + 1 < v ? d[i - 1][j] + 1 : v;
				v = d[i][j - 1] + 1 < v ? d[i][j - 1] + 1 : v;
			}
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1] && d[i - 2][j - 2] + 1 < v)
				v = d[i - 2][j - 2] + 1;
			d[i][j] = v;
		}
	return d[n][m];
}

static unsigned
draw(unsigned below)
{
	static unsigned state = 11;

	state = state * 1103515245u + 12345u;
	return (state >> 16) % below;
}

/* s has room for one more. */
static void
edit(char *s)
{
	size_t n = strlen(s), at = draw((unsigned)n - 1);
	char c = s[at];

	switch (draw(4)) {
	case 0:
		s[at] = (char)('a' + draw(3));
		break;
	case 1:
		memmove(s + at, s + at + 1, n - at);
		break;
	case 2:
		memmove(s + at + 1, s + at, n - at + 1);
		s[at] = (char)('a' + draw(3));
		break;
	default:
		s[at] = s[at + 1];
		s[at + 1] = c;
	}
}

/* A few random edits of a random name, compared by the head alone. */
START_TEST(test_distances)
{
	unsigned near = 0;

	for (int round = 0; round < 20000; round++) {
		char head[HINT_NAME_MAX], other[HINT_NAME_MAX];
		char name[2 * HINT_NAME_MAX], asked[2 * HINT_NAME_MAX];
		const char *one[] = {name};
		size_t n = 10 + draw(45);
		struct hint_list *list;
		unsigned far;

		for (size_t i = 0; i < n; i++)
			head[i] = (char)('a' + draw(3));
		head[n] = '\0';
		memcpy(other, head, n + 1);
		for (unsigned edits = draw(5); edits > 0; edits--)
			edit(other);
		snprintf(name, sizeof(name), "%s.qqqq", head);
		snprintf(asked, sizeof(asked), "%s.qqqq", other);
		far = reference(head, other);
		list = hint_list_create(one, 1);
		ck_assert_msg((hint_find(list, slice_str(asked)) != NULL) ==
				  (far == 1 || far == 2),
			      "%s and %s: %u", name, asked, far);
		near += far == 1 || far == 2;
		hint_list_destroy(&list);
	}
	ck_assert_uint_gt(near, 5000);
}
END_TEST

/* Any bytes, as they come behind an '@', near to what is known. */
START_TEST(test_any_bytes)
{
	struct hint_list *list = hint_list_create(own, COUNT(own));
	char name[16];

	for (unsigned at = 0; at < 9; at++)
		for (unsigned c = 0; c < 256; c++) {
			const char *hint;

			memcpy(name, "gmail.com", 9);
			name[at] = (char)c;
			hint = hint_find(list, slice_of(name, 9));
			ck_assert(hint == NULL || strlen(hint) == 9);
		}
	hint_list_destroy(&list);
}
END_TEST

/* All of a site's names may be near to each other and to what is asked. */
START_TEST(test_many_own)
{
	static char names[HINT_OWN_MAX + 2][32];
	const char *v[HINT_OWN_MAX + 2];
	struct hint_list *list;

	for (size_t i = 0; i < COUNT(v); i++) {
		snprintf(names[i], sizeof(names[i]), "branch%04zu.example", i);
		v[i] = names[i];
	}
	list = hint_list_create(v, COUNT(v));
	ck_assert_ptr_null(hint_find(list, SLICE_LIT("branch000x.example")));
	ck_assert_str_eq(hint_find(list, SLICE_LIT("branch0190x.example")),
			 "branch0190.example");
	/* beyond what is looked at */
	ck_assert_ptr_null(hint_find(list, SLICE_LIT("branch0201x.example")));
	hint_list_destroy(&list);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("hint");
	TCase *tcase = tcase_create("all");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tcase, test_find, 0, COUNT(rows));
	tcase_add_test(tcase, test_lengths);
	tcase_add_test(tcase, test_distances);
	tcase_add_test(tcase, test_any_bytes);
	tcase_add_test(tcase, test_many_own);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
