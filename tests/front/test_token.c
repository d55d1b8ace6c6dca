#include <stddef.h>

#include "gateway/scan/token.h"
#include "tests/front/world.h"

#include "tests/front/fake_scan.h"

/*
 * Tokens of our own gateways at the dot: which stand for a scan, and which
 * message gets one. The scan thread is the test's own (fake_scan.h).
 */

#define TAG "TAG-1"
#define MIXED                                                  \
	"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; " \
	"boundary=b\r\n\r\n"
#define TEXT "--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n"
#define ZIP(name)                                                    \
	"--b\r\nContent-Type: application/zip\r\n"                   \
	"Content-Disposition: attachment; filename=\"" name "\"\r\n" \
	"Content-Transfer-Encoding: base64\r\n\r\nUEsDBGhlbGxv\r\n"
#define END "--b--\r\n"
#define WITH_ZIP MIXED TEXT ZIP("a.zip") END
#define PLAIN "Subject: x\r\n\r\nhello\r\n"
#define AMBIGUOUS                                                             \
	"Content-Type: multipart/mixed; boundary=b\r\n"                       \
	"Content-Type: multipart/mixed; boundary=c\r\n\r\n" TEXT ZIP("a.zip") \
	    END

static const struct token_key keys[] = {
    {"old", {"fedcba9876543210fedcba9876543210", 32}},
    {"site", {"0123456789abcdef0123456789abcdef", 32}},
};
static const struct token_key strange = {
    "site", {"another secret, as long as that.", 32}};

static struct scan *scan;
static struct client client;

static void
open_with(const char *sign, size_t key_count)
{
	scan = fake_scan_create();
	scan->istag = TAG;
	strcpy(scan->verdict.istag, TAG);
	world_open(&(struct world_conf){.scan = scan,
					.scan_wait_ms = 60000,
					.token_keys = keys,
					.token_key_count = key_count,
					.token_sign = sign});
	client_login(&client, "alice");
}

static void
close_all(void)
{
	close(client.fd);
	world_close();
	fake_scan_destroy(&scan);
}

static struct front_status
status(void)
{
	struct front_status s;

	front_status_get(world.front, &s);
	return s;
}

/* The token that this message gets of us, as a field. */
static void
token_of(const char *content, const struct token_key *key, int64_t wall_s,
	 const char *istag, char out[TOKEN_LINE_MAX])
{
	static const struct {
		const char *content, *name;
	} known[] = {{WITH_ZIP, "a.zip"}, {NULL, "b.zip"}};
	struct scan_part part = {.decoded_bytes = 9, .type = "application/zip"};
	struct digest *digest = digest_create();
	struct buf line = {.cap = TOKEN_LINE_MAX};
	uint8_t contents[DIGEST_SIZE];

	part.name = known[content == NULL].name;
	digest_add(digest, SLICE_LIT("PK\003\004hello"));
	digest_final(digest, part.digest);
	digest_destroy(&digest);
	token_contents(&part, 1, contents);
	ck_assert(token_make(&line, key, wall_s, istag, contents));
	snprintf(out, TOKEN_LINE_MAX, "%s", buf_cstr(&line));
	buf_fini(&line);
}

/* --- whose stand -----------------------------------------------------------
 */

static const struct row {
	const char *label, *content;
	const char *other; /* of another message: the field is of that */
	const struct token_key *key;
	int64_t after_s;
	const char *istag;
	const char *more; /* behind the field */
	bool believed;
} rows[] = {
    {"good", WITH_ZIP, WITH_ZIP, &keys[1], 0, TAG, "", true},
    {"by an older key", WITH_ZIP, WITH_ZIP, &keys[0], 0, TAG, "", true},
    {"an hour old", WITH_ZIP, WITH_ZIP, &keys[1], -3600, TAG, "", true},
    {"a day and a bit", WITH_ZIP, WITH_ZIP, &keys[1], -86460, TAG, "", false},
    {"from the future", WITH_ZIP, WITH_ZIP, &keys[1], 600, TAG, "", false},
    {"a stranger's", WITH_ZIP, WITH_ZIP, &strange, 0, TAG, "", false},
    {"another ISTag", WITH_ZIP, WITH_ZIP, &keys[1], 0, "TAG-0", "", false},
    {"of another message", WITH_ZIP, NULL, &keys[1], 0, TAG, "", false},
    {"with another field", WITH_ZIP, WITH_ZIP, &keys[1], 0, TAG,
     "X-Other: 1\r\n", true},
    {"another one besides", WITH_ZIP, WITH_ZIP, &keys[1], 0, TAG,
     "x-sluice-scan : x\r\n", false},
    {"something behind it", WITH_ZIP, WITH_ZIP, &keys[1], 0, TAG,
     " and more\r\n", false},
    {"readers differ", AMBIGUOUS, WITH_ZIP, &keys[1], 0, TAG, "", false},
    {"one part more", MIXED TEXT ZIP("a.zip") ZIP("a.zip") END, WITH_ZIP,
     &keys[1], 0, TAG, "", false},
    {"one part less", PLAIN, WITH_ZIP, &keys[1], 0, TAG, "", false},
    {"partial",
     "MIME-Version: 1.0\r\nContent-Type: message/partial; id=\"x@y\"; "
     "number=1; total=2\r\n\r\nhello\r\n",
     WITH_ZIP, &keys[1], 0, TAG, "", false},
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

START_TEST(whose_stand)
{
	const struct row *row = &rows[_i];
	char field[TOKEN_LINE_MAX], content[4096];
	bool asks =
	    row->content[0] != 'S' && strstr(row->label, "partial") == 0;

	token_of(row->other, row->key, clock_wall_s() + row->after_s,
		 row->istag, field);
	snprintf(content, sizeof(content), "%s%s%s", field, row->more,
		 row->content);
	open_with(NULL, 2);
	client_mail(&client, "alice@example.com", content,
		    strcmp(row->label, "partial") == 0 ? "550" : "250");
	ck_assert_msg((status().scan_token == 1) == row->believed, "%s",
		      row->label);
	ck_assert_msg(fake_scan_count(scan, &scan->started) ==
			  (asks && !row->believed),
		      "%s: asked", row->label);
	ck_assert_msg(fake_scan_count(scan, &scan->asked) ==
			  (asks && !row->believed),
		      "%s: looked up", row->label);
	if (row->believed)
		ck_assert_uint_eq(status().scan_clean, 1);
	close_all();
}
END_TEST

/* What is wrong changes nothing: it is refused as if it had no token. */
START_TEST(forged_and_infected)
{
	char field[TOKEN_LINE_MAX], content[4096];

	token_of(WITH_ZIP, &strange, clock_wall_s(), TAG, field);
	snprintf(content, sizeof(content), "%s%s", field, WITH_ZIP);
	open_with("site", 2);
	fake_scan_says(scan, SCAN_INFECTED, 0, "Eicar");
	client_mail(&client, "alice@example.com", content, "550 5.7.0");
	close_all();
}
END_TEST

START_TEST(without_keys)
{
	char field[TOKEN_LINE_MAX], content[4096];

	token_of(WITH_ZIP, &keys[1], clock_wall_s(), TAG, field);
	snprintf(content, sizeof(content), "%s%s", field, WITH_ZIP);
	open_with(NULL, 0);
	client_mail(&client, "alice@example.com", content, "250");
	ck_assert_uint_eq(fake_scan_count(scan, &scan->started), 1);
	ck_assert_uint_eq(status().scan_token, 0);
	close_all();
}
END_TEST

/* --- which get one ---------------------------------------------------------
 */

static const struct {
	const char *label, *content, *sign;
	const char *says; /* the verdict's ISTag */
	enum scan_kind kind;
	bool known, mixed, bypassed, with, gets;
} signs[] = {
    {"clean", WITH_ZIP, "site", TAG, SCAN_CLEAN, .gets = true},
    {"known", WITH_ZIP, "site", TAG, SCAN_CLEAN, .known = true, .gets = true},
    {"nobody signs", WITH_ZIP, NULL, TAG, SCAN_CLEAN, .gets = false},
    {"no such key", WITH_ZIP, "gone", TAG, SCAN_CLEAN, .gets = false},
    {"nothing attached", PLAIN, "site", TAG, SCAN_CLEAN, .gets = false},
    {"readers differ", AMBIGUOUS, "site", TAG, SCAN_CLEAN, .gets = false},
    {"no ISTag", WITH_ZIP, "site", "", SCAN_CLEAN, .gets = false},
    {"an old verdict", WITH_ZIP, "site", "TAG-0", SCAN_CLEAN, .gets = false},
    {"several ISTags", WITH_ZIP, "site", TAG, SCAN_CLEAN, .mixed = true,
     .gets = false},
    {"no verdict", WITH_ZIP, "site", TAG, SCAN_ERROR, .gets = false},
    {"a bypass", WITH_ZIP, "site", TAG, SCAN_CLEAN, .bypassed = true,
     .gets = false},
    {"it came with a good one", WITH_ZIP, "site", TAG, SCAN_CLEAN, .with = true,
     .gets = false},
};

enum { SIGNS = sizeof(signs) / sizeof(signs[0]) };

START_TEST(which_get_one)
{
	char content[4096], want[TOKEN_LINE_MAX], *found;

	token_of(WITH_ZIP, &keys[1], clock_wall_s(), TAG, want);
	snprintf(content, sizeof(content), "%s%s", signs[_i].with ? want : "",
		 signs[_i].content);
	open_with(signs[_i].sign, 2);
	fake_scan_says(scan, signs[_i].kind, SCAN_WHY_NONE, "");
	strcpy(scan->verdict.istag, signs[_i].says);
	scan->known = signs[_i].known;
	scan->mixed = signs[_i].mixed;
	if (signs[_i].bypassed)
		scan->bypass_until_wall_s = clock_wall_s() + 3600;
	client_mail(&client, "alice@example.com", content, "250");
	world_accepts(&world, 1);
	found = strstr(world.prefix, TOKEN_FIELD);
	ck_assert_msg((found != NULL) == signs[_i].gets, "%s: %s",
		      signs[_i].label, world.prefix);
	ck_assert_msg(strncmp(world.prefix, "Received: ", 10) == 0, "%s",
		      world.prefix);
	if (found != NULL) { /* what a gateway of ours believes */
		snprintf(content, sizeof(content), "%s%s", world.prefix,
			 signs[_i].content);
		client_mail(&client, "alice@example.com", content, "250");
		world_accepts(&world, 2);
		ck_assert_uint_eq(status().scan_token, 1);
		ck_assert_ptr_null(strstr(world.prefix, TOKEN_FIELD));
	}
	close_all();
}
END_TEST

/* One that is of no use any more does not keep ours away. */
START_TEST(after_a_bad_one)
{
	char field[TOKEN_LINE_MAX], content[4096];

	token_of(WITH_ZIP, &keys[1], clock_wall_s() - 100000, TAG, field);
	snprintf(content, sizeof(content), "%s%s", field, WITH_ZIP);
	open_with("site", 2);
	client_mail(&client, "alice@example.com", content, "250");
	world_accepts(&world, 1);
	ck_assert_ptr_nonnull(strstr(world.prefix, TOKEN_FIELD));
	ck_assert_uint_eq(status().scan_token, 0);
	close_all();
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("front/token");
	TCase *tc = tcase_create("dot");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, whose_stand, 0, ROWS);
	tcase_add_test(tc, forged_and_infected);
	tcase_add_test(tc, without_keys);
	tcase_add_loop_test(tc, which_get_one, 0, SIGNS);
	tcase_add_test(tc, after_a_bad_one);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
