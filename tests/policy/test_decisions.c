#include <pthread.h>

#include "policy/decisions.h"
#include "tests/policy/help.h"

static struct decision
limit(const char *cred, uint64_t session, uint64_t msg, const char *rule)
{
	struct decision d = {.kind = DECISION_LIMIT,
			     .session = session,
			     .msg = msg,
			     .code = 450,
			     .client = {{[15] = (uint8_t)session}}};

	/* Cut where it does not fit, and on purpose: gcc -O3 asks. */
	snprintf(d.cred, sizeof(d.cred), "%.*s", (int)sizeof(d.cred) - 1, cred);
	snprintf(d.hit.name, sizeof(d.hit.name), "%s", rule);
	return d;
}

START_TEST(a_reference_is_found)
{
	struct decisions *decisions = decisions_create(4);
	uint64_t refs[10];
	struct decision got;

	ck_assert(!decisions_get(decisions, 1, &got));
	for (size_t i = 0; i < COUNT(refs); i++) {
		struct decision d = limit("bob", 1, i + 1, "person");

		refs[i] = decisions_add(decisions, &d);
		ck_assert_uint_ne(refs[i], 0);
		for (size_t k = 0; k <= i; k++)
			ck_assert(decisions_get(decisions, refs[k], &got) ==
				  (k + 4 > i));
		ck_assert_uint_eq(decisions_get(decisions, refs[i], &got), 1);
		ck_assert_uint_eq(got.ref, refs[i]);
		ck_assert_uint_eq(got.msg, i + 1);
	}
	ck_assert(!decisions_get(decisions, 0, &got));
	ck_assert(!decisions_get(decisions, UINT64_MAX, &got));
	decisions_destroy(&decisions);
	ck_assert_ptr_null(decisions);
}
END_TEST

START_TEST(what_is_the_same)
{
	struct decision first = limit("bob", 7, 9, "person");
	struct decision sender = {.kind = DECISION_SENDER, .session = 7};
	struct decision block = {
	    .kind = DECISION_BLOCK, .session = 7, .block = 5};
	struct decision scan = {.kind = DECISION_SCAN, .session = 7};
	struct {
		const char *label;
		struct decision d;
		bool same;
	} rows[] = {
	    {"the same", first, true},
	    {"the message in another session", first, true},
	    {"another message", first, false},
	    {"no message: the session", first, false},
	    {"another rule", first, false},
	    {"another thing counted", first, false},
	    {"another period", first, false},
	    {"observed", first, false},
	    {"a sender", sender, false},
	    {"the sender again", sender, true},
	    {"a scan", scan, false},
	    {"the scan again", scan, true},
	    {"a block", block, false},
	    {"another block", block, false},
	    {"belongs to nothing", first, false},
	    {"nor does this", first, false},
	};
	struct decisions *decisions = decisions_create(0);
	uint64_t ref = decisions_add(decisions, &first), last = ref;
	struct decision got;

	rows[1].d.session = 8;
	rows[2].d.msg = 10;
	rows[3].d.msg = 0;
	strcpy(rows[4].d.hit.name, "address");
	rows[5].d.hit.counted = LIMIT_BYTES;
	rows[6].d.hit.period_ms = 3600000;
	rows[7].d.hit.observed = true;
	rows[13].d.block = 6;
	rows[14].d.session = rows[14].d.msg = 0;
	rows[15].d.session = rows[15].d.msg = 0;
	for (size_t i = 0; i < COUNT(rows); i++) {
		uint64_t now = decisions_add(decisions, &rows[i].d);

		ck_assert_msg((now == last) == rows[i].same, "%s",
			      rows[i].label);
		last = i < 2 ? ref : now;
	}
	ck_assert(decisions_get(decisions, ref, &got));
	ck_assert_uint_eq(got.again, 2);
	ck_assert_uint_eq(got.session, 7);
	decisions_destroy(&decisions);
}
END_TEST

START_TEST(a_knocking_client_pushes_nobody_out)
{
	struct decisions *decisions = decisions_create(2);
	struct decision other = limit("eve", 1, 0, "person");
	struct decision d = limit("bob", 2, 0, "person"), got;
	uint64_t ref = decisions_add(decisions, &other), first;

	first = decisions_add(decisions, &d);
	for (int i = 0; i < 1000; i++)
		ck_assert_uint_eq(decisions_add(decisions, &d), first);
	ck_assert(decisions_get(decisions, ref, &got));
	ck_assert(decisions_get(decisions, first, &got));
	ck_assert_uint_eq(got.again, 1000);
	/* once out of the ring it is a new one */
	d.session = 3;
	decisions_add(decisions, &d);
	d.session = 4;
	decisions_add(decisions, &d);
	d.session = 2;
	ck_assert_uint_ne(decisions_add(decisions, &d), first);
	decisions_destroy(&decisions);
}
END_TEST

START_TEST(of_a_login_or_an_address)
{
	struct decisions *decisions = decisions_create(10);
	struct ip_addr ip = {{[15] = 3}};
	struct decision out[20];
	char longest[DECISION_CRED_MAX + 50];
	struct decision d;

	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	for (unsigned i = 0; i < 14; i++) {
		d = limit(i % 2 ? "bob" : "eve", i % 4, 100 + i, "person");
		decisions_add(decisions, &d);
	}
	/* 104 .. 113 are left */
	ck_assert_uint_eq(decisions_of(decisions, NULL, NULL, out, 20), 10);
	ck_assert_uint_eq(out[0].msg, 113);
	ck_assert_uint_eq(out[9].msg, 104);
	ck_assert_uint_eq(decisions_of(decisions, "bob", NULL, out, 20), 5);
	ck_assert_uint_eq(out[0].msg, 113);
	ck_assert_uint_eq(out[4].msg, 105);
	ck_assert_uint_eq(decisions_of(decisions, "bob", NULL, out, 2), 2);
	ck_assert_uint_eq(decisions_of(decisions, NULL, &ip, out, 20), 2);
	ck_assert_uint_eq(out[0].msg, 111);
	ck_assert_uint_eq(decisions_of(decisions, "eve", &ip, out, 20), 0);
	ck_assert_uint_eq(decisions_of(decisions, "bo", NULL, out, 20), 0);
	ck_assert_uint_eq(decisions_of(decisions, longest, NULL, out, 20), 0);
	/* a login that was cut is found by its whole name */
	d = limit(longest, 1, 500, "person");
	decisions_add(decisions, &d);
	ck_assert_uint_eq(decisions_of(decisions, longest, NULL, out, 20), 1);
	decisions_destroy(&decisions);
}
END_TEST

static struct decisions *shared;

static void *
decide(void *arg)
{
	uint64_t session = (uint64_t)(uintptr_t)arg, last = 0;

	for (uint64_t i = 1; i <= 3000; i++) {
		struct decision d = limit("bob", session, 0, "person"), got;
		uint64_t ref;

		d.msg = session * 100000 + i;
		ref = decisions_add(shared, &d);
		ck_assert_uint_gt(ref, last);
		last = ref;
		if (decisions_get(shared, ref, &got))
			ck_assert_uint_eq(got.msg, d.msg);
	}
	return NULL;
}

START_TEST(threads_decide_together)
{
	pthread_t threads[3];
	struct decision out[64];

	shared = decisions_create(50);
	for (uintptr_t i = 0; i < COUNT(threads); i++)
		pthread_create(&threads[i], NULL, decide, (void *)(i + 1));
	for (int i = 0; i < 300; i++)
		decisions_of(shared, "bob", NULL, out, COUNT(out));
	for (size_t i = 0; i < COUNT(threads); i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_eq(decisions_of(shared, "bob", NULL, out, 64), 50);
	for (size_t i = 1; i < 50; i++)
		ck_assert_uint_lt(out[i].ref, out[i - 1].ref);
	decisions_destroy(&shared);
}
END_TEST

int
main(void)
{
	TCase *cases[1] = {tcase_create("ring")};

	id_start(1000000, 0);
	tcase_add_test(cases[0], a_reference_is_found);
	tcase_add_test(cases[0], what_is_the_same);
	tcase_add_test(cases[0], a_knocking_client_pushes_nobody_out);
	tcase_add_test(cases[0], of_a_login_or_an_address);
	tcase_add_test(cases[0], threads_decide_together);
	return run_suite("decisions", cases, COUNT(cases));
}
