#include "gateway/auth/sasl.h"
#include "tests/auth/auth_help.h"

#define STEP_MAX 3

struct row {
	const char *label;
	enum sasl_mechanism mechanism;
	const char *lines[STEP_MAX]; /* base64; "-": no initial response */
	enum sasl_step steps[STEP_MAX];
	struct slice authzid, authcid, password;
};

#define CH SASL_CHALLENGE
#define OK SASL_READY
#define BAD SASL_MALFORMED

static const struct row rows[] = {
    {"PLAIN in one line",
     SASL_PLAIN,
     {"AGJvYgBzZWNyZXQ="},
     {OK},
     RAW(""),
     RAW("bob"),
     RAW("secret")},
    {"PLAIN after 334",
     SASL_PLAIN,
     {"-", "AGJvYgBzZWNyZXQ="},
     {CH, OK},
     RAW(""),
     RAW("bob"),
     RAW("secret")},
    {"PLAIN with an authzid",
     SASL_PLAIN,
     {"YW5uAGJvYgBzZWNyZXQ="},
     {OK},
     RAW("ann"),
     RAW("bob"),
     RAW("secret")},
    {"PLAIN, spaces in name and password",
     SASL_PLAIN,
     {"AGJvYiBiAHBhc3Mgd29yZA=="},
     {OK},
     RAW(""),
     RAW("bob b"),
     RAW("pass word")},
    {"PLAIN, name and password empty",
     SASL_PLAIN,
     {"AAA="},
     {OK},
     RAW(""),
     RAW(""),
     RAW("")},
    {"PLAIN, empty initial response", SASL_PLAIN, {""}, {BAD}, {0}, {0}, {0}},
    {"PLAIN, one NUL", SASL_PLAIN, {"Ym9iAHNlY3JldA=="}, {BAD}, {0}, {0}, {0}},
    {"PLAIN, no NUL", SASL_PLAIN, {"Ym9i"}, {BAD}, {0}, {0}, {0}},
    {"PLAIN, a NUL in the password would cut it",
     SASL_PLAIN,
     {"AGJvYgBzZQBjcmV0"},
     {BAD},
     {0},
     {0},
     {0}},
    {"PLAIN, base64 without padding",
     SASL_PLAIN,
     {"AGJvYgBzZWNyZXQ"},
     {BAD},
     {0},
     {0},
     {0}},
    {"PLAIN, stray bits behind the end",
     SASL_PLAIN,
     {"AGJvYgBzZWNyZXR="},
     {BAD},
     {0},
     {0},
     {0}},
    {"PLAIN, a space in base64",
     SASL_PLAIN,
     {"AGJvYgBz ZWNyZXQ="},
     {BAD},
     {0},
     {0},
     {0}},
    {"PLAIN, text behind the padding",
     SASL_PLAIN,
     {"AGJvYgBzZWNyZXQ=AAAA"},
     {BAD},
     {0},
     {0},
     {0}},
    {"a cancel that got here",
     SASL_PLAIN,
     {"-", "*"},
     {CH, BAD},
     {0},
     {0},
     {0}},
    {"LOGIN as Outlook Express speaks it",
     SASL_LOGIN,
     {"-", "Ym9i", "c2VjcmV0"},
     {CH, CH, OK},
     RAW(""),
     RAW("bob"),
     RAW("secret")},
    {"LOGIN with the name in the first line",
     SASL_LOGIN,
     {"Ym9i", "c2VjcmV0"},
     {CH, OK},
     RAW(""),
     RAW("bob"),
     RAW("secret")},
    {"LOGIN, a name with spaces",
     SASL_LOGIN,
     {"-", "IGJvYiBiIA==", "IHMg"},
     {CH, CH, OK},
     RAW(""),
     RAW(" bob b "),
     RAW(" s ")},
    {"LOGIN, both empty",
     SASL_LOGIN,
     {"-", "", ""},
     {CH, CH, OK},
     RAW(""),
     RAW(""),
     RAW("")},
    {"LOGIN, a NUL in the name",
     SASL_LOGIN,
     {"-", "Ym8AYg=="},
     {CH, BAD},
     {0},
     {0},
     {0}},
    {"LOGIN, a NUL in the password",
     SASL_LOGIN,
     {"-", "Ym9i", "AA=="},
     {CH, CH, BAD},
     {0},
     {0},
     {0}},
    {"LOGIN, bad base64 for the password",
     SASL_LOGIN,
     {"Ym9i", "c2VjcmV"},
     {CH, BAD},
     {0},
     {0},
     {0}},
    {"no such mechanism", SASL_UNKNOWN, {""}, {BAD}, {0}, {0}, {0}},
};

static void
check_row(const struct row *row)
{
	struct sasl sasl;
	struct slice challenge, line;
	enum sasl_step step = SASL_CHALLENGE;

	sasl_init(&sasl, row->mechanism);
	for (size_t i = 0; i < STEP_MAX && step == SASL_CHALLENGE; i++) {
		line = slice_str(row->lines[i]);
		if (slice_eq(line, SLICE_LIT("-")))
			line = SLICE_NONE;
		step = sasl_step(&sasl, line, &challenge);
		ck_assert_msg(step == row->steps[i], "%s: step %zu is %d",
			      row->label, i, (int)step);
		ck_assert_msg((challenge.p != NULL) == (step == CH), "%s",
			      row->label);
	}
	if (step == SASL_READY) {
		ck_assert_msg(slice_eq(sasl.authzid, row->authzid), "%s",
			      row->label);
		ck_assert_msg(slice_eq(sasl.authcid, row->authcid), "%s",
			      row->label);
		ck_assert_msg(slice_eq(sasl.password, row->password), "%s",
			      row->label);
	}
	sasl_fini(&sasl);
}

START_TEST(parses)
{
	check_row(&rows[_i]);
}
END_TEST

START_TEST(asks_in_the_words_clients_expect)
{
	struct sasl sasl;
	struct slice challenge;

	sasl_init(&sasl, SASL_LOGIN);
	sasl_step(&sasl, SLICE_NONE, &challenge);
	ck_assert(slice_eq(challenge, SLICE_LIT("VXNlcm5hbWU6")));
	sasl_step(&sasl, SLICE_LIT("Ym9i"), &challenge);
	ck_assert(slice_eq(challenge, SLICE_LIT("UGFzc3dvcmQ6")));
	sasl_fini(&sasl);
	sasl_init(&sasl, SASL_PLAIN);
	sasl_step(&sasl, SLICE_NONE, &challenge);
	ck_assert(challenge.p != NULL && challenge.n == 0);
	sasl_fini(&sasl);
}
END_TEST

/* Each prefix of a good line is either refused or a shorter login; none reads
 * past its end (the sanitizer watches). */
START_TEST(cut_at_each_offset)
{
	static const char raw[] = "ann\0bob\0secret";
	struct sasl sasl;
	struct slice challenge;
	char *text, *cut;

	text = base64_of(slice_of(raw, sizeof(raw) - 1));
	for (size_t n = 0; n < strlen(text); n++) {
		cut = slice_dup(slice_of(text, n));
		sasl_init(&sasl, SASL_PLAIN);
		if (sasl_step(&sasl, slice_of(cut, n), &challenge) ==
		    SASL_READY) {
			ck_assert(slice_eq(sasl.authcid, SLICE_LIT("bob")));
			ck_assert(
			    slice_starts(SLICE_LIT("secret"), sasl.password));
		}
		sasl_fini(&sasl);
		free(cut);
	}
	free(text);
}
END_TEST

START_TEST(caps_a_response)
{
	static const struct {
		const char *label;
		size_t n;
		bool fits;
	} sizes[] = {
	    {"the longest", SASL_RESPONSE_MAX, true},
	    {"four more", SASL_RESPONSE_MAX + 4, false},
	    {"a megabyte", 1 << 20, false},
	};

	for (size_t i = 0; i < COUNT(sizes); i++) {
		char *text = malloc(sizes[i].n);
		struct sasl sasl;
		struct slice challenge;

		memset(text, 'Q', sizes[i].n);
		sasl_init(&sasl, SASL_LOGIN);
		ck_assert_msg(
		    (sasl_step(&sasl, slice_of(text, sizes[i].n), &challenge) ==
		     SASL_CHALLENGE) == sizes[i].fits,
		    "%s", sizes[i].label);
		sasl_fini(&sasl);
		free(text);
	}
}
END_TEST

START_TEST(names_mechanisms)
{
	ck_assert_int_eq(sasl_mechanism(SLICE_LIT("plain")), SASL_PLAIN);
	ck_assert_int_eq(sasl_mechanism(SLICE_LIT("Login")), SASL_LOGIN);
	ck_assert_int_eq(sasl_mechanism(SLICE_LIT("LOGIN ")), SASL_UNKNOWN);
	ck_assert_int_eq(sasl_mechanism(SLICE_LIT("CRAM-MD5")), SASL_UNKNOWN);
	ck_assert_int_eq(sasl_mechanism(SLICE_NONE), SASL_UNKNOWN);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("sasl");
	TCase *tcase = tcase_create("sasl");

	tcase_add_loop_test(tcase, parses, 0, (int)COUNT(rows));
	tcase_add_test(tcase, asks_in_the_words_clients_expect);
	tcase_add_test(tcase, cut_at_each_offset);
	tcase_add_test(tcase, caps_a_response);
	tcase_add_test(tcase, names_mechanisms);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
