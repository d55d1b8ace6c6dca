/* When a server is asked how it is, and what its ISTags are worth. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/scan/eicar.h"
#include "gateway/scan/health.h"
#include "gateway/scan/words.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define CANARY_MS 600000
#define NOW 5000000

/*
 * A story of letters, a second apart:
 *   I C U E  a canary began and ended so (infected, clean, unscannable, error)
 *   e        a scan found nobody there
 *   x        another error of a scan
 *   a        an answer to one
 *   s        nothing came for long
 *   b        a canary had no answer in time, but scans did
 */
static void
play(struct health *health, const char *story, int64_t *now_ms)
{
	static const char letters[] = "CIUE"; /* as enum scan_kind */
	const char *kind;

	for (; *story; story++, *now_ms += 1000) {
		kind = strchr(letters, *story);
		if (kind) {
			health_asked(health, *now_ms);
			(void)health_canary(
			    health, (enum scan_kind)(kind - letters), *now_ms);
		} else if (*story == 'e' || *story == 'x') {
			(void)health_error(health, *story == 'e', *now_ms);
		} else if (*story == 'a') {
			health_answer(health);
		} else if (*story == 'b') {
			health_asked(health, *now_ms);
			health_busy(health, *now_ms);
		} else {
			(void)health_silent(health, *now_ms);
		}
	}
	*now_ms -= 1000;
}

START_TEST(stories)
{
	static const struct {
		const char *label, *story;
		enum scan_health state;
		int64_t due_ms; /* after the story's last letter */
	} rows[] = {
	    {"the first is good", "I", SCAN_UP, CANARY_MS},
	    {"the first is called clean", "C", SCAN_BLIND, 1000},
	    {"and again", "CC", SCAN_BLIND, 2000},
	    {"not looked at is not seen", "U", SCAN_BLIND, 1000},
	    {"the first fails", "E", SCAN_DOWN, 1000},
	    {"backs off", "EEEE", SCAN_DOWN, 8000},
	    {"but not for ever", "EEEEEEEEEE", SCAN_DOWN, 30000},
	    {"comes back", "EEEEI", SCAN_UP, CANARY_MS},
	    {"and starts anew", "EEEEIE", SCAN_DOWN, 1000},
	    {"sees again", "CI", SCAN_UP, CANARY_MS},
	    {"goes blind", "IC", SCAN_BLIND, 1000},
	    {"an error calls for one", "Ie", SCAN_UP, 0},
	    {"answers keep it up", "IeaeaeaeIae", SCAN_UP, 0},
	    {"nobody there, three times", "Ieee", SCAN_DOWN, 1000},
	    {"a file that it fails on", "Ixxxxxxx", SCAN_UP, -6000},
	    {"busy", "Ib", SCAN_UP, 1000},
	    {"busy for long", "Ibbbb", SCAN_UP, 8000},
	    {"busy no more", "IbbbbI", SCAN_UP, CANARY_MS},
	    {"a canary in between", "IeeIe", SCAN_UP, 0},
	    {"silent", "Is", SCAN_DOWN, 1000},
	    {"silent while it is down", "Es", SCAN_DOWN, 0},
	    {"errors of what it had left", "Eeee", SCAN_DOWN, -2000},
	    {"errors while it is blind", "Ceee", SCAN_BLIND, -2000},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct health health;
		int64_t now_ms = NOW;

		health_init(&health, CANARY_MS, now_ms);
		ck_assert_int_eq(health.state, SCAN_UNKNOWN);
		ck_assert(health_is_due(&health, now_ms));
		play(&health, rows[i].story, &now_ms);
		ck_assert_msg(health.state == rows[i].state, "%s: %s",
			      rows[i].label, scan_health_word(health.state));
		ck_assert_msg(health.due_ms - now_ms == rows[i].due_ms,
			      "%s: due in %lld", rows[i].label,
			      (long long)(health.due_ms - now_ms));
	}
}
END_TEST

START_TEST(doubts_do_not_make_a_flood)
{
	struct health health;

	health_init(&health, CANARY_MS, NOW);
	health_asked(&health, NOW);
	(void)health_canary(&health, SCAN_INFECTED, NOW + 3);
	for (int i = 10; i < 1000; i += 10) {
		health_doubt(&health, NOW + i);
		ck_assert(!health_is_due(&health, NOW + i));
	}
	ck_assert(health_is_due(&health, NOW + 1000));
	/* Behind a new tag answers wait: at once. */
	health_hurry(&health, NOW + 5);
	ck_assert(health_is_due(&health, NOW + 5));
}
END_TEST

START_TEST(a_shorter_time_counts_at_once)
{
	struct health health;

	health_init(&health, CANARY_MS, NOW);
	(void)health_canary(&health, SCAN_INFECTED, NOW);
	health_configure(&health, 60000, NOW + 10);
	ck_assert(!health_is_due(&health, NOW + 60009));
	ck_assert(health_is_due(&health, NOW + 60010));
}
END_TEST

/* Each letter is an answer's ISTag; '-' none; '.' a minute goes by. */
START_TEST(istags)
{
	static const struct {
		const char *label, *answers;
		bool unsteady;
	} rows[] = {
	    {"one", "aaaaaaaaaaaa", false},
	    {"definitions come", "aaaabbbbcccc", false},
	    {"four running", "abcde", false},
	    {"five running", "abcdef", true},
	    {"two nodes in turn", "ababab", true},
	    {"two nodes by chance", "aabbabaabbababb", true},
	    {"two nodes, rarely", "aaaabbbbaaaabbbb", false},
	    {"each minute another", "a.b.c.d.e.f.g.h", false},
	    {"never one", "----------", false},
	    {"none, now and then", "aaaa-aaaa-aaaa-aaaa-", false},
	    {"four without one", "a----", false},
	    {"five without one", "a-----", true},
	    {"each other is without one", "a-a-a-a-a-a-", true},
	    {"none, and then always", "a-----aaaaaaaaaaaaaaaa", false},
	    {"still so", "abcdefggggggggggggggg", true},
	    {"settles", "abcdefgggggggggggggggggg", false},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct istag istag = {.now = ""};
		int64_t now_ms = NOW;
		char last = 0;

		for (const char *p = rows[i].answers; *p; p++) {
			char tag[] = {*p, '\0'};

			now_ms += *p == '.' ? 60000 : 1;
			if (*p == '.')
				continue;
			ck_assert_msg(
			    istag_note(&istag, *p == '-' ? "" : tag, now_ms) ==
				(*p != '-' && *p != last),
			    "%s: %s", rows[i].label, p);
			last = *p == '-' ? last : *p;
		}
		ck_assert_msg(istag.unsteady == rows[i].unsteady, "%s",
			      rows[i].label);
	}
}
END_TEST

START_TEST(eicar_is_eicar)
{
	/* SHA-256 as published with the file. */
	static const char *const want = "275a021bbfb6489e54d471899f7db9d1"
					"663fc695ec2fe2a2c4538aabf651fd0f";
	struct digest *digest = digest_create();
	uint8_t sum[DIGEST_SIZE];
	char eicar[EICAR_SIZE], hex[2 * DIGEST_SIZE + 1];

	eicar_write(eicar);
	digest_add(digest, slice_of(eicar, sizeof(eicar)));
	digest_final(digest, sum);
	digest_destroy(&digest);
	for (size_t i = 0; i < DIGEST_SIZE; i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", sum[i]);
	ck_assert_str_eq(hex, want);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("health");
	TCase *tcase = tcase_create("health");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, stories);
	tcase_add_test(tcase, doubts_do_not_make_a_flood);
	tcase_add_test(tcase, a_shorter_time_counts_at_once);
	tcase_add_test(tcase, istags);
	tcase_add_test(tcase, eicar_is_eicar);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
