#include "gateway/auth/user.h"
#include "gateway/base/error.h"
#include "tests/auth/auth_help.h"

static const struct {
	const char *label;
	struct slice login;
	const char *domain;
	const char *name; /* NULL: refused */
} rows[] = {
    {"as it is", RAW("bob"), NULL, "bob"},
    {"upper case", RAW("BoB"), NULL, "bob"},
    {"spaces and tabs around", RAW(" \tbob\t "), NULL, "bob"},
    {"a space inside", RAW("Bob Smith"), NULL, "bob smith"},
    {"the domain off", RAW("Bob@Example.COM"), "example.com", "bob"},
    {"the domain in the file may be upper case", RAW("bob@example.com"),
     "EXAMPLE.com", "bob"},
    {"twice the domain would not be a fixed point",
     RAW("bob@example.com@example.com"), "example.com", "bob"},
    {"spaces before the domain", RAW("bob @example.com"), "example.com", "bob"},
    {"another domain stays", RAW("bob@example.org"), "example.com",
     "bob@example.org"},
    {"a longer domain stays", RAW("bob@sub.example.com"), "example.com",
     "bob@sub.example.com"},
    {"the end of a name is no domain", RAW("bobexample.com"), "example.com",
     "bobexample.com"},
    {"no domain is configured", RAW("bob@example.com"), NULL,
     "bob@example.com"},
    {"nothing before the domain", RAW("@example.com"), "example.com", NULL},
    {"empty", RAW(""), NULL, NULL},
    {"spaces only", RAW(" \t "), NULL, NULL},
    {"NUL", RAW("bo\0b"), NULL, NULL},
    {"a line feed", RAW("bob\nann"), NULL, NULL},
    {"a tab inside", RAW("bob\tann"), NULL, NULL},
    {"DEL", RAW("bob\x7f"), NULL, NULL},
    {"C1", RAW("bob\xc2\x85"), NULL, NULL},
    {"umlauts", RAW("\xc3\x9cN\xc3\x8f"), NULL, "\xc3\xbcn\xc3\xaf"},
    {"Greek", RAW("\xce\xa9\xce\x91"), NULL, "\xcf\x89\xce\xb1"},
    {"Cyrillic", RAW("\xd0\x96"), NULL, "\xd0\xb6"},
    {"beyond the BMP: Deseret", RAW("\xf0\x90\x90\x80"), NULL,
     "\xf0\x90\x90\xa8"},
    {"an emoji", RAW("\xf0\x9f\x98\x80"), NULL, "\xf0\x9f\x98\x80"},
    {"u with a combining diaeresis is not NFC", RAW("u\xcc\x88"), NULL, NULL},
    {"KELVIN SIGN is not K", RAW("\xe2\x84\xaa"), NULL, NULL},
    {"a zero-width space", RAW("bo\xe2\x80\x8b\x62"), NULL, NULL},
    {"right-to-left override", RAW("\xe2\x80\xae\x62"), NULL, NULL},
    {"byte order mark", RAW("\xef\xbb\xbf\x62"), NULL, NULL},
    {"Latin-1", RAW("\xfcn"), NULL, NULL},
    {"a continuation byte alone", RAW("\x80"), NULL, NULL},
    {"cut short", RAW("b\xe2\x82"), NULL, NULL},
    {"overlong slash", RAW("\xc0\xaf"), NULL, NULL},
    {"overlong in three", RAW("\xe0\x80\xaf"), NULL, NULL},
    {"overlong in four", RAW("\xf0\x80\x80\xaf"), NULL, NULL},
    {"a surrogate", RAW("\xed\xa0\x80"), NULL, NULL},
    {"past U+10FFFF", RAW("\xf4\x90\x80\x80"), NULL, NULL},
    {"a noncharacter", RAW("\xef\xbf\xbf"), NULL, NULL},
};

START_TEST(normalises)
{
	struct buf out;
	int err;

	buf_init(&out, 512);
	err = user_normalise(rows[_i].login, rows[_i].domain, &out);
	if (rows[_i].name == NULL) {
		ck_assert_msg(err == GW_EINVAL && out.n == 0, "%s: %d",
			      rows[_i].label, err);
	} else {
		ck_assert_msg(err == 0, "%s: %d", rows[_i].label, err);
		ck_assert_msg(
		    slice_eq(buf_slice(&out), slice_str(rows[_i].name)),
		    "%s: %s", rows[_i].label, buf_cstr(&out));
	}
	buf_fini(&out);
}
END_TEST

/* A key read back must name the same login. */
START_TEST(is_a_fixed_point)
{
	struct buf again;

	if (rows[_i].name == NULL)
		return;
	buf_init(&again, 512);
	ck_assert_int_eq(
	    user_normalise(slice_str(rows[_i].name), rows[_i].domain, &again),
	    0);
	ck_assert_msg(slice_eq(buf_slice(&again), slice_str(rows[_i].name)),
		      "%s", rows[_i].label);
	buf_fini(&again);
}
END_TEST

START_TEST(caps_the_length)
{
	static const struct {
		const char *label, *unit;
		size_t count;
		int err;
	} sizes[] = {
	    {"255 bytes", "A", 255, 0},
	    {"256 bytes", "A", 256, GW_EINVAL},
	    /* U+023A is two bytes, its lower case three. */
	    {"85 that grow to 255", "\xc8\xba", 85, 0},
	    {"86 that grow to 258", "\xc8\xba", 86, GW_EINVAL},
	    {"a megabyte", "A", 1 << 20, GW_EINVAL},
	};

	for (size_t i = 0; i < COUNT(sizes); i++) {
		struct buf in, out;

		buf_init(&in, 1 << 21);
		buf_init(&out, 512);
		for (size_t j = 0; j < sizes[i].count; j++)
			buf_add_str(&in, sizes[i].unit);
		ck_assert_msg(user_normalise(buf_slice(&in), NULL, &out) ==
				  sizes[i].err,
			      "%s", sizes[i].label);
		buf_fini(&in);
		buf_fini(&out);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("user_name");
	TCase *tcase = tcase_create("user_name");

	tcase_add_loop_test(tcase, normalises, 0, (int)COUNT(rows));
	tcase_add_loop_test(tcase, is_a_fixed_point, 0, (int)COUNT(rows));
	tcase_add_test(tcase, caps_the_length);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
