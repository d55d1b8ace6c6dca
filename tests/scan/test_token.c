#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/encode.h"
#include "gateway/scan/token.h"

/* What is believed is what was made, by whom it was made and when, and nothing
 * that differs from it in a byte. */

#define NOW_S 1800000000
#define AGE_S 86400
#define TAG "W/5a-1.2"

static const struct token_key keys[] = {
    {"site-1", {"0123456789abcdef0123456789abcdef", 32}},
    {"site-2", {"fedcba9876543210fedcba9876543210", 32}},
    {"unread", {"", 0}},
};
static const struct token_key stranger = {
    "site-1", {"another secret, as long as that.", 32}};
static const uint8_t mine[DIGEST_SIZE] = "a digest of thirty-two octets";

/* The value alone. */
static const char *
made(char out[TOKEN_LINE_MAX], const struct token_key *key, int64_t wall_s,
     const char *istag, const uint8_t contents[DIGEST_SIZE])
{
	const char name[] = TOKEN_FIELD ": ";
	struct buf b = {.cap = TOKEN_LINE_MAX};

	ck_assert(token_make(&b, key, wall_s, istag, contents));
	ck_assert(b.n < TOKEN_LINE_MAX);
	ck_assert(slice_starts(buf_slice(&b), slice_str(name)));
	ck_assert(memcmp(b.p + b.n - 2, "\r\n", 2) == 0);
	ck_assert_ptr_null(memchr(b.p, '\n', b.n - 1));
	b.n -= 2;
	snprintf(out, TOKEN_LINE_MAX, "%s", buf_cstr(&b) + strlen(name));
	buf_fini(&b);
	return out;
}

static enum token_verdict
check_at(struct slice value, int64_t now_wall_s, struct token *token)
{
	const struct token_check check = {
	    .keys = keys,
	    .key_count = 3,
	    .now_wall_s = now_wall_s,
	    .age_s = AGE_S,
	    .contents = mine,
	};

	return token_check(&check, value, token);
}

static enum token_verdict
check(const char *value)
{
	struct token token;

	return check_at(slice_str(value), NOW_S, &token);
}

/* --- what is right --- */

START_TEST(test_there_and_back)
{
	static const char *const tags[] = {
	    TAG, "x", "with \"quotes\"; s=, and blanks",
	    "01234567890123456789012345678901234567890123456"};
	char value[TOKEN_LINE_MAX];
	struct token token;

	for (size_t k = 0; k < 2; k++) {
		for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
			made(value, &keys[k], NOW_S, tags[i], mine);
			ck_assert_int_eq(
			    check_at(slice_str(value), NOW_S, &token),
			    TOKEN_GOOD);
			ck_assert_ptr_eq(token.key, &keys[k]);
			ck_assert_int_eq(token.made_wall_s, NOW_S);
			ck_assert_str_eq(token.istag, tags[i]);
		}
	}
}
END_TEST

/* Written down: gateways of two versions must agree. Made by another program
 * (Python's hmac), with the same key, time, tag and an empty digest. */
START_TEST(test_known_answer)
{
	static const uint8_t none[DIGEST_SIZE];
	const struct token_key key = {"site", keys[0].secret};
	char value[TOKEN_LINE_MAX];

	ck_assert_str_eq(made(value, &key, NOW_S, "TAG-1", none),
			 "v=1; k=site; t=1800000000; i=VEFHLTE"
			 "; d=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
			 "; s=vWeu_Tu912v3hYnwQS_ba9R-K9lvHq3G_ySf_xluywU");
}
END_TEST

/* Nothing to vouch with, or nobody who could. */
START_TEST(test_not_made)
{
	static const struct {
		const char *label;
		size_t key;
		int64_t wall_s;
		const char *istag;
	} rows[] = {
	    {"no tag", 0, NOW_S, ""},
	    {"a tag of 48", 0, NOW_S,
	     "012345678901234567890123456789012345678901234567"},
	    {"no time", 0, 0, TAG},
	    {"a key that was not read", 2, NOW_S, TAG},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf b = {.cap = 1000};

		ck_assert_msg(!token_make(&b, &keys[rows[i].key],
					  rows[i].wall_s, rows[i].istag, mine),
			      "%s", rows[i].label);
		ck_assert_msg(b.n == 0, "%s", rows[i].label);
		buf_fini(&b);
	}
}
END_TEST

/* --- time --- */

START_TEST(test_time)
{
	static const struct {
		const char *label;
		int64_t after_s; /* it is looked at so much later */
		enum token_verdict want;
	} rows[] = {
	    {"at once", 0, TOKEN_GOOD},
	    {"on its last second", AGE_S, TOKEN_GOOD},
	    {"behind it", AGE_S + 1, TOKEN_OLD},
	    {"a clock that is behind", -TOKEN_AHEAD_S, TOKEN_GOOD},
	    {"a clock that is wrong", -TOKEN_AHEAD_S - 1, TOKEN_EARLY},
	};
	char value[TOKEN_LINE_MAX];
	struct token token;

	made(value, &keys[0], NOW_S, TAG, mine);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		ck_assert_msg(check_at(slice_str(value),
				       NOW_S + rows[i].after_s,
				       &token) == rows[i].want,
			      "%s", rows[i].label);
}
END_TEST

/* --- forgeries --- */

/* What stands behind the name, up to the ';', with something else. */
static void
replace(char value[TOKEN_LINE_MAX], const char *name, const char *with)
{
	char old[TOKEN_LINE_MAX], *at = strstr(value, name), *end;

	ck_assert_ptr_nonnull(at);
	at += strlen(name);
	end = strchr(at, ';');
	snprintf(old, sizeof(old), "%s", end != NULL ? end : "");
	snprintf(at, TOKEN_LINE_MAX - (size_t)(at - value), "%s%s", with, old);
}

START_TEST(test_altered)
{
	static const struct {
		const char *label, *name, *with;
		enum token_verdict want;
	} rows[] = {
	    {"version", "v=", "2", TOKEN_MALFORMED},
	    {"no version", "v=", "", TOKEN_MALFORMED},
	    {"another's key", "k=", "site-2", TOKEN_FORGED},
	    {"a key nobody has", "k=", "site-3", TOKEN_UNKNOWN_KEY},
	    {"a key that was not read", "k=", "unread", TOKEN_UNKNOWN_KEY},
	    {"no key", "k=", "", TOKEN_MALFORMED},
	    {"a key of odd letters", "k=", "site 1", TOKEN_MALFORMED},
	    {"a key of 33", "k=", "012345678901234567890123456789012",
	     TOKEN_MALFORMED},
	    {"a second later", "t=", "1800000001", TOKEN_FORGED},
	    {"the same time, otherwise", "t=", "01800000000", TOKEN_MALFORMED},
	    {"a signed time", "t=", "+1800000000", TOKEN_MALFORMED},
	    {"no time", "t=", "", TOKEN_MALFORMED},
	    {"a time of 13", "t=", "1800000000000", TOKEN_MALFORMED},
	    {"another tag", "i=", "VEFH", TOKEN_FORGED},
	    {"no tag", "i=", "", TOKEN_MALFORMED},
	    {"a tag with a NUL", "i=", "AFRBRw", TOKEN_MALFORMED},
	    {"a tag with a stray bit", "i=", "VEF", TOKEN_MALFORMED},
	    {"a tag of 48", "i=",
	     "MDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAw",
	     TOKEN_MALFORMED},
	    {"other contents",
	     "d=", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", TOKEN_FORGED},
	    {"a short digest", "d=", "AAAA", TOKEN_MALFORMED},
	    {"no digest", "d=", "", TOKEN_MALFORMED},
	    {"another proof",
	     "s=", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", TOKEN_FORGED},
	    {"a proof with padding", "s=",
	     "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", TOKEN_MALFORMED},
	    {"a proof of 33", "s=",
	     "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", TOKEN_MALFORMED},
	    {"no proof", "s=", "", TOKEN_MALFORMED},
	};
	char value[TOKEN_LINE_MAX];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		made(value, &keys[0], NOW_S, TAG, mine);
		replace(value, rows[i].name, rows[i].with);
		ck_assert_msg(check(value) == rows[i].want, "%s: %s: %s",
			      rows[i].label, value, token_word(check(value)));
	}
}
END_TEST

START_TEST(test_wrong_secret)
{
	char value[TOKEN_LINE_MAX];

	made(value, &stranger, NOW_S, TAG, mine);
	ck_assert_int_eq(check(value), TOKEN_FORGED);
}
END_TEST

/* Right in itself, but cut from another message. */
START_TEST(test_other_contents)
{
	static const uint8_t theirs[DIGEST_SIZE] = "another";
	char value[TOKEN_LINE_MAX];

	made(value, &keys[0], NOW_S, TAG, theirs);
	ck_assert_int_eq(check(value), TOKEN_OTHER);
}
END_TEST

static void
never(const char *value, size_t n, const char *label, size_t at)
{
	char *exact = malloc(n + 1); /* so that a sanitizer sees one too many */
	struct token token;
	enum token_verdict verdict;

	memcpy(exact, value, n);
	verdict = check_at(slice_of(exact, n), NOW_S, &token);
	ck_assert_msg(verdict == TOKEN_MALFORMED || verdict == TOKEN_FORGED ||
			  verdict == TOKEN_UNKNOWN_KEY,
		      "%s at %zu: %s", label, at, token_word(verdict));
	free(exact);
}

/* Each octet another, gone, or twice; and cut everywhere. */
START_TEST(test_each_octet)
{
	static const char others[] = "AaZz09-_=+/; \t,\r\n";
	char value[TOKEN_LINE_MAX], odd[TOKEN_LINE_MAX + 1];
	size_t n;

	made(value, &keys[0], NOW_S, TAG, mine);
	n = strlen(value);
	ck_assert_int_eq(check(value), TOKEN_GOOD);
	for (size_t i = 0; i < n; i++) {
		never(value, i, "cut", i);
		for (size_t c = 0; c < sizeof(others); c++) { /* NUL too */
			memcpy(odd, value, n);
			odd[i] = others[c];
			if (others[c] != value[i])
				never(odd, n, "another", i);
		}
		memcpy(odd, value, i);
		memcpy(odd + i, value + i + 1, n - i - 1);
		never(odd, n - 1, "gone", i);
		memcpy(odd + i, value + i, n - i);
		memmove(odd + i + 1, odd + i, n - i);
		never(odd, n + 1, "twice", i);
	}
}
END_TEST

/* All that is right, and something more. */
START_TEST(test_more)
{
	static const char *const rows[] = {
	    "%s ",    " %s",	"%s;",	  "%s; s=", "%s; x=y", "%s%s",
	    "%s; %s", "%s\r\n", "%s, %s", "(c) %s", "%s.",     "v=1; %s",
	};
	char value[TOKEN_LINE_MAX], odd[3 * TOKEN_LINE_MAX];

	made(value, &keys[0], NOW_S, TAG, mine);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf b = {.cap = sizeof(odd)};
		const char *at = rows[i], *s;

		while ((s = strstr(at, "%s")) != NULL) {
			buf_add(&b, at, (size_t)(s - at));
			buf_add_str(&b, value);
			at = s + 2;
		}
		buf_add_str(&b, at);
		ck_assert_msg(check(buf_cstr(&b)) == TOKEN_MALFORMED, "%s",
			      rows[i]);
		buf_fini(&b);
	}
}
END_TEST

/* --- what it is about --- */

START_TEST(test_contents)
{
	static const struct {
		const char *label;
		size_t count;
		struct scan_part parts[2];
	} rows[] = {
	    {"none", 0, {{.name = ""}}},
	    {"one", 1, {{.name = "a", .type = "b/c", .decoded_bytes = 3}}},
	    {"another name",
	     1,
	     {{.name = "x", .type = "b/c", .decoded_bytes = 3}}},
	    {"another type",
	     1,
	     {{.name = "a", .type = "b/x", .decoded_bytes = 3}}},
	    {"the border elsewhere",
	     1,
	     {{.name = "ab", .type = "/c", .decoded_bytes = 3}}},
	    {"another size",
	     1,
	     {{.name = "a", .type = "b/c", .decoded_bytes = 4}}},
	    {"other bytes",
	     1,
	     {{.name = "a", .type = "b/c", .decoded_bytes = 3, .digest = "x"}}},
	    {"two",
	     2,
	     {{.name = "a", .type = "b/c", .decoded_bytes = 3},
	      {.name = "x", .type = "b/c", .decoded_bytes = 3}}},
	    {"two, the other way round",
	     2,
	     {{.name = "x", .type = "b/c", .decoded_bytes = 3},
	      {.name = "a", .type = "b/c", .decoded_bytes = 3}}},
	};
	enum { ROWS = sizeof(rows) / sizeof(rows[0]) };
	uint8_t sums[ROWS][DIGEST_SIZE], moved[DIGEST_SIZE];
	struct scan_part part = rows[1].parts[0];

	for (size_t i = 0; i < ROWS; i++) {
		token_contents(rows[i].parts, rows[i].count, sums[i]);
		for (size_t j = 0; j < i; j++)
			ck_assert_msg(memcmp(sums[i], sums[j], DIGEST_SIZE) !=
					  0,
				      "%s as %s", rows[i].label, rows[j].label);
	}
	/* where it lies, and how it is written, is nothing to a scanner */
	part.begin = 500;
	part.end = 700;
	part.encoding = MIME_BASE64;
	token_contents(&part, 1, moved);
	ck_assert(memcmp(moved, sums[1], DIGEST_SIZE) == 0);
}
END_TEST

START_TEST(test_begins)
{
	static const struct {
		const char *line;
		bool want;
	} rows[] = {
	    {"X-Sluice-Scan: v=1", true},   {"x-sluice-SCAN:", true},
	    {"X-Sluice-Scan \t : x", true}, {"X-Sluice-Scan", false},
	    {"X-Sluice-Scanner: x", false}, {" X-Sluice-Scan: x", false},
	    {"X-Sluice-Sca: x", false},	    {"", false},
	    {"X-Sluice-Scan x: y", false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		ck_assert_msg(token_begins(slice_str(rows[i].line)) ==
				  rows[i].want,
			      "%s", rows[i].line);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("scan/token");
	TCase *tcase = tcase_create("token");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tcase, test_there_and_back);
	tcase_add_test(tcase, test_known_answer);
	tcase_add_test(tcase, test_not_made);
	tcase_add_test(tcase, test_time);
	tcase_add_test(tcase, test_altered);
	tcase_add_test(tcase, test_wrong_secret);
	tcase_add_test(tcase, test_other_contents);
	tcase_add_test(tcase, test_each_octet);
	tcase_add_test(tcase, test_more);
	tcase_add_test(tcase, test_contents);
	tcase_add_test(tcase, test_begins);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
