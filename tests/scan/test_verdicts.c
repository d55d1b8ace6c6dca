/* What is known of a content: for how long, of whom, and how many are asked
 * about anew when an ISTag changes. */
#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/scan/verdicts.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define AV1 1u
#define AV2 2u
#define DAY_MS 86400000
#define NOW 1000000

static const struct verdicts_conf usual = {
    .count_max = 100,
    .age_ms = DAY_MS,
    .rescans_per_s = 20,
    .policy = 7,
};

static const uint8_t *
digest_of(unsigned n)
{
	static uint8_t digest[DIGEST_SIZE];

	memset(digest, 0, sizeof(digest));
	memcpy(digest + 3, &n, sizeof(n));
	return digest;
}

static void
put(struct verdicts *verdicts, unsigned n, uint64_t service,
    enum scan_kind kind, const char *istag, int64_t now_ms)
{
	struct scan_verdict verdict = {.kind = kind}, stands;

	(void)snprintf(verdict.istag, sizeof(verdict.istag), "%s", istag);
	(void)snprintf(verdict.server, sizeof(verdict.server), "av%d",
		       (int)service);
	if (kind == SCAN_INFECTED)
		(void)snprintf(verdict.threat, sizeof(verdict.threat), "T-%u",
			       n);
	if (kind == SCAN_UNSCANNABLE)
		verdict.why = SCAN_WHY_ENCRYPTED;
	verdicts_put(verdicts, digest_of(n), service, &verdict, now_ms,
		     &stands);
}

/* -1: to be scanned */
static int
get(struct verdicts *verdicts, unsigned n, int64_t now_ms)
{
	struct scan_verdict verdict;

	if (!verdicts_get(verdicts, digest_of(n), now_ms, true, &verdict))
		return -1;
	return (int)verdict.kind;
}

START_TEST(each_kind_has_its_age)
{
	static const struct {
		const char *label;
		enum scan_kind kind;
		const char *istag; /* of the verdict; the service's is "a" */
		bool unsteady;
		int64_t age_ms;
		int found;
	} rows[] = {
	    {"clean, at once", SCAN_CLEAN, "a", false, 0, SCAN_CLEAN},
	    {"clean, a day less", SCAN_CLEAN, "a", false, DAY_MS - 1,
	     SCAN_CLEAN},
	    {"clean, too old", SCAN_CLEAN, "a", false, DAY_MS, -1},
	    {"infected", SCAN_INFECTED, "a", false, DAY_MS - 1, SCAN_INFECTED},
	    {"infected, too old", SCAN_INFECTED, "a", false, DAY_MS, -1},
	    {"unscannable", SCAN_UNSCANNABLE, "a", false, 599999,
	     SCAN_UNSCANNABLE},
	    {"unscannable is about settings", SCAN_UNSCANNABLE, "a", false,
	     600000, -1},
	    {"unscannable under another tag", SCAN_UNSCANNABLE, "b", false, 0,
	     -1},
	    {"an error is never kept", SCAN_ERROR, "a", false, 0, -1},
	    {"no ISTag at all is not this one", SCAN_CLEAN, "", false, 0, -1},
	    {"unsteady", SCAN_CLEAN, "x", true, 59999, SCAN_CLEAN},
	    {"unsteady, too old", SCAN_CLEAN, "x", true, 60000, -1},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct verdicts *verdicts = verdicts_create(&usual);

		verdicts_service(verdicts, AV1, "a", rows[i].unsteady);
		put(verdicts, 1, AV1, rows[i].kind, rows[i].istag, NOW);
		ck_assert_msg(get(verdicts, 1, NOW + rows[i].age_ms) ==
				  rows[i].found,
			      "%s", rows[i].label);
		ck_assert_int_eq(get(verdicts, 2, NOW), -1);
		verdicts_destroy(&verdicts);
		ck_assert_ptr_null(verdicts);
	}
}
END_TEST

START_TEST(tells_all_of_it)
{
	struct verdicts *verdicts = verdicts_create(&usual);
	struct scan_verdict verdict;

	verdicts_service(verdicts, AV1, "a", false);
	put(verdicts, 5, AV1, SCAN_INFECTED, "a", NOW);
	ck_assert(verdicts_get(verdicts, digest_of(5), NOW, false, &verdict));
	ck_assert_str_eq(verdict.threat, "T-5");
	ck_assert_str_eq(verdict.server, "av1");
	ck_assert_str_eq(verdict.istag, "a");
	/* Another word on it takes the old one's place. */
	put(verdicts, 5, AV1, SCAN_CLEAN, "a", NOW);
	ck_assert(verdicts_get(verdicts, digest_of(5), NOW, false, &verdict));
	ck_assert_int_eq(verdict.kind, SCAN_CLEAN);
	ck_assert_str_eq(verdict.threat, "");
	ck_assert_uint_eq(verdicts_count(verdicts), 1);
	verdicts_destroy(&verdicts);
}
END_TEST

START_TEST(another_tag_is_asked_about_at_a_rate)
{
	struct verdicts *verdicts = verdicts_create(&usual);
	int asked = 0;

	verdicts_service(verdicts, AV1, "a", false);
	for (unsigned i = 0; i < 100; i++)
		put(verdicts, i, AV1, SCAN_CLEAN, "a", NOW);
	verdicts_service(verdicts, AV1, "b", false);
	/* A second's worth at once; the old verdicts of the others count. */
	for (unsigned i = 0; i < 100; i++)
		asked += get(verdicts, i, NOW) == -1;
	ck_assert_int_eq(asked, 20);
	for (unsigned i = 0; i < 100; i++)
		asked += get(verdicts, i, NOW + 500) == -1;
	ck_assert_int_eq(asked, 30);
	/* What was scanned again is new. */
	put(verdicts, 99, AV1, SCAN_CLEAN, "b", NOW + 600);
	ck_assert_int_eq(get(verdicts, 99, NOW + 10000), SCAN_CLEAN);
	ck_assert_int_eq(get(verdicts, 98, NOW + 10000), -1);
	/* Back to the tag it had: nothing is old. */
	verdicts_service(verdicts, AV1, "a", false);
	ck_assert_int_eq(get(verdicts, 98, NOW + 20000), SCAN_CLEAN);
	verdicts_destroy(&verdicts);
}
END_TEST

START_TEST(a_look_uses_nothing_up)
{
	struct verdicts *verdicts = verdicts_create(&usual);
	struct scan_verdict verdict;

	put(verdicts, 1, AV1, SCAN_CLEAN, "a", NOW);
	verdicts_service(verdicts, AV1, "b", false);
	for (int i = 0; i < 100; i++)
		ck_assert(!verdicts_get(verdicts, digest_of(1), NOW, false,
					&verdict));
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(get(verdicts, 1, NOW), -1);
	ck_assert(verdicts_get(verdicts, digest_of(1), NOW, false, &verdict));
	verdicts_destroy(&verdicts);
}
END_TEST

START_TEST(of_two_services)
{
	struct verdicts *verdicts = verdicts_create(&usual);

	verdicts_service(verdicts, AV1, "a", false);
	verdicts_service(verdicts, AV2, "z", false);
	put(verdicts, 1, AV1, SCAN_CLEAN, "a", NOW);
	put(verdicts, 2, AV2, SCAN_CLEAN, "z", NOW);
	verdicts_service(verdicts, AV2, "y", false);
	ck_assert_int_eq(get(verdicts, 1, NOW), SCAN_CLEAN);
	ck_assert_int_eq(get(verdicts, 2, NOW), -1);
	/* It leaves the configuration: what it said is old, not gone. */
	verdicts_service_gone(verdicts, AV1);
	ck_assert_int_eq(get(verdicts, 1, NOW), -1);
	verdicts_service(verdicts, AV1, "a", false);
	ck_assert_int_eq(get(verdicts, 1, NOW), SCAN_CLEAN);
	verdicts_destroy(&verdicts);
}
END_TEST

/* A virus is known under AV1's tag "a"; what AV1's tag is then, and what is
 * said of it next, and when. */
START_TEST(another_does_not_take_a_virus_back)
{
	static const struct {
		const char *label, *tag; /* NULL: it is gone */
		uint64_t service;
		enum scan_kind kind;
		int64_t later_ms;
		uint32_t policy;
		bool stands;
	} rows[] = {
	    {"another, same tag", "a", AV2, SCAN_CLEAN, 1, 7, true},
	    {"another, new tag", "b", AV2, SCAN_CLEAN, 1, 7, true},
	    {"another cannot look", "b", AV2, SCAN_UNSCANNABLE, 1, 7, true},
	    {"another finds it too", "b", AV2, SCAN_INFECTED, 1, 7, false},
	    {"itself, same tag", "a", AV1, SCAN_CLEAN, 1, 7, false},
	    {"itself, new tag", "b", AV1, SCAN_CLEAN, 1, 7, false},
	    {"a day later", "b", AV2, SCAN_CLEAN, DAY_MS, 7, false},
	    {"it is not asked any more", NULL, AV2, SCAN_CLEAN, 1, 7, false},
	    {"another policy", "a", AV2, SCAN_CLEAN, 1, 8, false},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct verdicts *verdicts = verdicts_create(&usual);
		struct verdicts_conf conf = usual;
		struct scan_verdict said = {.kind = rows[i].kind, .istag = "z"};
		struct scan_verdict stands = {.kind = SCAN_CLEAN};
		int64_t now_ms = NOW + rows[i].later_ms;

		verdicts_service(verdicts, AV1, "a", false);
		verdicts_service(verdicts, AV2, "z", false);
		put(verdicts, 1, AV1, SCAN_INFECTED, "a", NOW);
		if (rows[i].tag)
			verdicts_service(verdicts, AV1, rows[i].tag, false);
		else
			verdicts_service_gone(verdicts, AV1);
		conf.policy = rows[i].policy;
		verdicts_configure(verdicts, &conf);
		if (rows[i].service == AV1 && rows[i].tag)
			(void)snprintf(said.istag, sizeof(said.istag), "%s",
				       rows[i].tag);
		ck_assert_msg(verdicts_put(verdicts, digest_of(1),
					   rows[i].service, &said, now_ms,
					   &stands) == rows[i].stands,
			      "%s", rows[i].label);
		if (rows[i].stands) {
			ck_assert_int_eq(stands.kind, SCAN_INFECTED);
			ck_assert_str_eq(stands.server, "av1");
			ck_assert_str_eq(stands.threat, "T-1");
			/* Not younger for it. */
			ck_assert_int_eq(get(verdicts, 1, NOW + DAY_MS), -1);
		} else {
			ck_assert_msg(get(verdicts, 1, now_ms) ==
					  (int)rows[i].kind,
				      "%s", rows[i].label);
		}
		verdicts_destroy(&verdicts);
	}
}
END_TEST

START_TEST(one_without_a_tag_is_not_kept)
{
	static const struct {
		const char *label, *tag, *said;
		bool unsteady;
		enum scan_kind kind;
		int then;
	} rows[] = {
	    {"has none", "", "", false, SCAN_CLEAN, SCAN_CLEAN},
	    {"has one, says it", "a", "a", false, SCAN_CLEAN, SCAN_CLEAN},
	    {"has one, does not say it", "a", "", false, SCAN_CLEAN, -1},
	    {"could not look", "a", "", false, SCAN_UNSCANNABLE, -1},
	    {"has many", "a", "", true, SCAN_CLEAN, SCAN_CLEAN},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct verdicts_conf conf = usual;
		struct verdicts *verdicts;

		conf.rescans_per_s = 0; /* whatever is known counts */
		verdicts = verdicts_create(&conf);
		verdicts_service(verdicts, AV1, rows[i].tag, rows[i].unsteady);
		put(verdicts, 1, AV1, rows[i].kind, rows[i].said, NOW);
		put(verdicts, 2, AV1, SCAN_INFECTED, rows[i].said, NOW);
		ck_assert_msg(get(verdicts, 1, NOW) == rows[i].then, "%s",
			      rows[i].label);
		ck_assert_int_eq(get(verdicts, 2, NOW), SCAN_INFECTED);
		verdicts_destroy(&verdicts);
	}
}
END_TEST

/* A server that calls itself something else with each answer, slowly enough
 * not to be found out, beside one that is well. */
START_TEST(tags_are_capped)
{
	struct verdicts_conf conf = usual;
	struct verdicts *verdicts;
	unsigned known = 0;
	char tag[16];

	conf.count_max = 20000;
	conf.rescans_per_s = 0;
	verdicts = verdicts_create(&conf);
	verdicts_service(verdicts, AV2, "z", false);
	for (unsigned i = 0; i < 1000; i++)
		put(verdicts, 10000 + i, AV2, SCAN_CLEAN, "z", NOW);
	for (unsigned i = 0; i < 5000; i++) {
		(void)snprintf(tag, sizeof(tag), "t%u", i);
		verdicts_service(verdicts, AV1, tag, false);
		put(verdicts, i, AV1, SCAN_CLEAN, tag, NOW);
	}
	for (unsigned i = 0; i < 5000; i++)
		known += get(verdicts, i, NOW) == SCAN_CLEAN;
	ck_assert_uint_ge(known, 200);
	ck_assert_uint_le(known, 256);
	ck_assert_int_eq(get(verdicts, 4999, NOW), SCAN_CLEAN);
	for (unsigned i = 0; i < 1000; i++)
		ck_assert_int_eq(get(verdicts, 10000 + i, NOW), SCAN_CLEAN);
	ck_assert_uint_eq(verdicts_count(verdicts), 1000 + known);
	ck_assert_uint_eq(verdicts_flush(verdicts), 1000 + known);
	verdicts_destroy(&verdicts);
}
END_TEST

START_TEST(the_blind_are_not_believed)
{
	struct verdicts *verdicts = verdicts_create(&usual);

	verdicts_service(verdicts, AV1, "a", false);
	put(verdicts, 1, AV1, SCAN_CLEAN, "a", NOW);
	put(verdicts, 2, AV1, SCAN_INFECTED, "a", NOW);
	put(verdicts, 3, AV1, SCAN_UNSCANNABLE, "a", NOW);
	put(verdicts, 4, AV2, SCAN_CLEAN, "a", NOW);
	verdicts_service(verdicts, AV2, "a", false);
	verdicts_distrust(verdicts, AV1);
	ck_assert_int_eq(get(verdicts, 1, NOW), -1);
	ck_assert_int_eq(get(verdicts, 2, NOW), SCAN_INFECTED);
	ck_assert_int_eq(get(verdicts, 3, NOW), -1);
	ck_assert_int_eq(get(verdicts, 4, NOW), SCAN_CLEAN);
	/* It sees again, under the same tag. */
	put(verdicts, 1, AV1, SCAN_CLEAN, "a", NOW);
	ck_assert_int_eq(get(verdicts, 1, NOW), SCAN_CLEAN);
	verdicts_destroy(&verdicts);
}
END_TEST

START_TEST(another_policy_knows_nothing)
{
	struct verdicts *verdicts = verdicts_create(&usual);
	struct verdicts_conf conf = usual;

	verdicts_service(verdicts, AV1, "a", false);
	put(verdicts, 1, AV1, SCAN_CLEAN, "a", NOW);
	conf.policy++;
	verdicts_configure(verdicts, &conf);
	ck_assert_int_eq(get(verdicts, 1, NOW), -1);
	verdicts_destroy(&verdicts);
}
END_TEST

START_TEST(is_capped)
{
	struct verdicts_conf conf = usual;
	struct verdicts *verdicts;

	conf.count_max = 3;
	verdicts = verdicts_create(&conf);
	verdicts_service(verdicts, AV1, "a", false);
	for (unsigned i = 0; i < 3; i++)
		put(verdicts, i, AV1, SCAN_CLEAN, "a", NOW);
	ck_assert_int_eq(get(verdicts, 0, NOW), SCAN_CLEAN);
	put(verdicts, 3, AV1, SCAN_CLEAN, "a", NOW);
	ck_assert_uint_eq(verdicts_count(verdicts), 3);
	ck_assert_int_eq(get(verdicts, 0, NOW), SCAN_CLEAN);
	ck_assert_int_eq(get(verdicts, 1, NOW), -1);
	/* Its own origin is that of the one that goes. */
	conf.count_max = 1;
	verdicts_configure(verdicts, &conf);
	ck_assert_uint_eq(verdicts_count(verdicts), 1);
	for (unsigned i = 10; i < 20; i++)
		put(verdicts, i, AV1, SCAN_INFECTED, "a", NOW);
	ck_assert_int_eq(get(verdicts, 19, NOW), SCAN_INFECTED);
	/* Many: the table grows with the cap, and nothing is lost. */
	conf.count_max = 50000;
	verdicts_configure(verdicts, &conf);
	for (unsigned i = 0; i < 50000; i++)
		put(verdicts, i, AV1, SCAN_CLEAN, "a", NOW);
	for (unsigned i = 0; i < 50000; i++)
		ck_assert_int_eq(get(verdicts, i, NOW), SCAN_CLEAN);
	verdicts_destroy(&verdicts);
}
END_TEST

START_TEST(forgets_all)
{
	struct verdicts *verdicts = verdicts_create(&usual);

	ck_assert_uint_eq(verdicts_flush(verdicts), 0);
	verdicts_service(verdicts, AV1, "a", false);
	for (unsigned i = 0; i < 10; i++)
		put(verdicts, i, AV1, SCAN_INFECTED, "a", NOW);
	ck_assert_uint_eq(verdicts_flush(verdicts), 10);
	ck_assert_uint_eq(verdicts_count(verdicts), 0);
	ck_assert_int_eq(get(verdicts, 1, NOW), -1);
	put(verdicts, 1, AV1, SCAN_CLEAN, "a", NOW);
	ck_assert_int_eq(get(verdicts, 1, NOW), SCAN_CLEAN);
	verdicts_destroy(&verdicts);
}
END_TEST

static void *
hammer(void *arg)
{
	struct verdicts *verdicts = arg;
	struct scan_verdict verdict = {.kind = SCAN_CLEAN}, stands;
	uint8_t digest[DIGEST_SIZE] = {0};

	for (unsigned i = 0; i < 2000; i++) {
		memcpy(digest, &(unsigned){i % 50}, sizeof(unsigned));
		verdicts_put(verdicts, digest, AV1, &verdict, NOW, &stands);
		(void)verdicts_get(verdicts, digest, NOW, true, &verdict);
		if (i % 100 == 0)
			(void)verdicts_flush(verdicts);
		if (i % 37 == 0)
			verdicts_service(verdicts, AV1, i % 2 ? "a" : "b",
					 false);
		if (i % 41 == 0)
			verdicts_distrust(verdicts, AV1);
	}
	return NULL;
}

START_TEST(any_thread)
{
	struct verdicts *verdicts = verdicts_create(&usual);
	pthread_t threads[3];

	for (size_t i = 0; i < COUNT(threads); i++)
		ck_assert_int_eq(
		    pthread_create(&threads[i], NULL, hammer, verdicts), 0);
	for (size_t i = 0; i < COUNT(threads); i++)
		pthread_join(threads[i], NULL);
	verdicts_destroy(&verdicts);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("verdicts");
	TCase *tcase = tcase_create("verdicts");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, each_kind_has_its_age);
	tcase_add_test(tcase, tells_all_of_it);
	tcase_add_test(tcase, another_tag_is_asked_about_at_a_rate);
	tcase_add_test(tcase, a_look_uses_nothing_up);
	tcase_add_test(tcase, of_two_services);
	tcase_add_test(tcase, another_does_not_take_a_virus_back);
	tcase_add_test(tcase, one_without_a_tag_is_not_kept);
	tcase_add_test(tcase, tags_are_capped);
	tcase_add_test(tcase, the_blind_are_not_believed);
	tcase_add_test(tcase, another_policy_knows_nothing);
	tcase_add_test(tcase, is_capped);
	tcase_add_test(tcase, forgets_all);
	tcase_add_test(tcase, any_thread);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
