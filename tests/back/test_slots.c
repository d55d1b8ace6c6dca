/*
 * Who may open the next connection, of twenty: the shares, and that what ends
 * to open gives back what it took. (How the shares work out over sockets is
 * test_site.c.)
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/back/conn_slots.h"
#include "gateway/back/relay.h"
#include "gateway/back/weights.h"
#include "gateway/base/mem.h"

#define SLOTS 20
#define DESTS 60

struct lab {
	struct settings settings;
	struct relay relay;
	struct hop hop;
	struct result trouble;
	struct dest dests[DESTS];
	struct slot_attempt attempts[DESTS];
	bool opens[DESTS];
	unsigned count;
};

static struct lab *
lab_open(uint32_t slots)
{
	struct lab *lab = mem_zalloc(sizeof(*lab));

	lab->settings.conf.connection_max = slots;
	lab->settings.conf.bulk.reserved = 70;
	lab->relay.settings = &lab->settings;
	lab->relay.loop = loop_create();
	lab->relay.slots = conn_slots_create(&lab->relay);
	lab->hop.relay = &lab->relay;
	return lab;
}

static void
open_end(struct lab *lab, unsigned i)
{
	conn_slots_open_end(&lab->dests[i], &lab->attempts[i]);
	lab->relay.connection_count--;
	lab->relay.lane_connections[lab->dests[i].lane]--;
	lab->opens[i] = false;
}

static void
lab_close(struct lab *lab)
{
	for (unsigned i = 0; i < lab->count; i++) {
		conn_slots_leave(&lab->dests[i]);
		if (lab->opens[i])
			open_end(lab, i);
	}
	conn_slots_destroy(&lab->relay.slots);
	timer_cancel(&lab->relay.run_op);
	loop_destroy(&lab->relay.loop);
	free(lab);
}

/* 'g' was let in of late, 'n' is new, 'b' failed, 'h' is a next hop; capital
 * letters are of the bulk lane, 'd' is a known one of the dsn lane. */
static bool
ask(struct lab *lab, char kind)
{
	unsigned i = lab->count++;
	struct dest *dest = &lab->dests[i];

	ck_assert_uint_lt(i, DESTS);
	dest->hop = &lab->hop;
	if (kind == 'd') {
		dest->lane = LANE_DSN;
		kind = 'g';
	} else if (kind >= 'A' && kind <= 'Z') {
		dest->lane = LANE_BULK;
		kind = (char)(kind - 'A' + 'a');
	}
	dest->kind = kind == 'h' ? DEST_SMTP : DEST_SITE;
	dest->proven = kind == 'g';
	dest->trouble = kind == 'b' || kind == 'h' ? &lab->trouble : NULL;
	lab->opens[i] = conn_slots_take(dest);
	if (lab->opens[i]) {
		conn_slots_open_begin(dest, &lab->attempts[i], NULL);
		lab->relay.connection_count++;
		lab->relay.lane_connections[dest->lane]++;
	}
	return lab->opens[i];
}

static unsigned
ask_many(struct lab *lab, const char *kinds)
{
	unsigned n = 0;

	for (; *kinds != '\0'; kinds++)
		n += ask(lab, *kinds);
	return n;
}

#define TEN(k) k k k k k k k k k k

static const struct share_case {
	const char *label;
	uint32_t slots;
	const char *before, *kinds;
	unsigned let_in; /* of kinds */
} cases[] = {
    {"failed ones: a fifth", 20, "", TEN("b"), 4},
    {"new ones: four fifths", 20, "", TEN("n") TEN("n"), 16},
    {"both together: four fifths", 20, TEN("n") "nnnn", TEN("b"), 2},
    {"failed ones leave room for new ones", 20, TEN("b"), "n", 1},
    {"and for known ones", 20, TEN("b") TEN("n") TEN("n"), TEN("g"), 4},
    {"known ones take all there is", 20, "", TEN("g") TEN("g") "g", 20},
    {"a next hop is no site", 20, "", TEN("h") TEN("h") "h", 20},
    {"one slot: whoever comes", 1, "", "b", 1},
    {"one slot is one slot", 1, "b", "g", 0},
    {"four slots: one", 4, "", "bb", 1},
    {"bulk: what is not reserved", 20, "", TEN("G"), 6},
    {"bulk and dsn have it together", 20, "GGGG", TEN("d"), 2},
    {"dsn has one all the same", 20, TEN("G"), "dd", 1},
    {"and bulk", 20, TEN("d"), "GG", 1},
    {"personal mail has all the rest", 20, TEN("G"), TEN("g") TEN("g"), 14},
    {"or all", 20, "", TEN("g") TEN("g") TEN("G"), 20},
    {"none is left for one of each", 20, TEN("g") TEN("g"), "Gd", 0},
    {"failed ones of bulk: a fifth of its share", 20, "", TEN("B"), 1},
    {"they take none from personal mail", 20, TEN("B"), TEN("b"), 4},
    {"new ones of bulk: not all of its share", 20, "", TEN("N"), 5},
    {"they take none from personal mail's", 20, TEN("N"), TEN("n") TEN("n"),
     15},
    {"two slots: one each", 2, "G", "gG", 1},
};

START_TEST(test_shares)
{
	const struct share_case *c = &cases[_i];
	struct lab *lab = lab_open(c->slots);

	ask_many(lab, c->before);
	ck_assert_msg(ask_many(lab, c->kinds) == c->let_in, "%s", c->label);
	lab_close(lab);
}
END_TEST

/* What it was when it began is what it gives back. */
START_TEST(test_all_comes_back)
{
	struct lab *lab = lab_open(SLOTS);

	for (int round = 0; round < 10; round++) {
		lab->count = 0;
		memset(lab->dests, 0, sizeof(lab->dests));
		ck_assert_uint_eq(ask_many(lab, "bbbb" TEN("n")), 14);
		for (unsigned i = 0; i < lab->count; i++) {
			lab->dests[i].proven = i % 2 == 0;
			lab->dests[i].trouble =
			    lab->dests[i].trouble ? NULL : &lab->trouble;
			conn_slots_attempt(&lab->dests[i], &lab->attempts[i]);
			conn_slots_attempt(&lab->dests[i], &lab->attempts[i]);
			open_end(lab, i);
		}
	}
	ck_assert_uint_eq(conn_slots_waiting(lab->relay.slots), 0);
	lab_close(lab);
}
END_TEST

/* --- whose turn it is ----------------------------------------------------- */

static char served[DESTS + 1];
static size_t served_count;

bool __wrap_dest_run(struct dest *dest);

/* Instead of dest.c's: tells who was run. */
bool
__wrap_dest_run(struct dest *dest)
{
	served[served_count++] = dest->key[0];
	return false;
}

/* Letters as ask() has them, of who waits when there is no slot; p is a
 * credential that weighs 3, q one that weighs 1. */
static const struct {
	const char *label, *waiting, *order;
} turns[] = {
    {"one of each", "qrqrqr", "qrqrqr"},
    {"three for one", "ppppppqq", "pppqpppq"},
    {"however many more it has", "pppppppppq", "pppqpppppp"},
    {"alone all of it", "ppppp", "ppppp"},
    {"one alone that weighs 1", "qqq", "qqq"},
};

/* Turns go by hash: a name of whom they come to in the order of letters. */
static void
name_of(char c, char out[32])
{
	uint64_t hash, third = 64 / 3, from = (uint64_t)(c - 'p') * third;

	for (unsigned i = 0;; i++) {
		(void)snprintf(out, 32, "%c%u", c, i);
		hash = hash_bytes(out, strlen(out)) % 64;
		if (hash >= from && hash < from + third)
			return;
	}
}

static void
wait_for_slot(struct lab *lab, struct catalog *catalog, char c,
	      const struct weight *weight)
{
	static const struct ip_addr ip;
	struct dest *dest = &lab->dests[lab->count];
	struct job *job = job_create(lab->count);
	char cred[32];

	name_of(c, cred);
	job_set_source(job, catalog_source(catalog, cred, &ip, 0));
	job_add_rcpt(job, 0, catalog_domain(catalog, SLICE_LIT("a.test")));
	catalog_add(catalog, job);
	job->source->sender->weight = weight;
	ready_init(&dest->ready);
	sched_ready(lab->relay.sched, &dest->ready, job, false);
	dest->key[0] = c;
	ck_assert(!ask(lab, 'n'));
}

static void
drop_ready(struct lab *lab, struct catalog *catalog)
{
	for (unsigned i = 0; i < lab->count; i++) {
		struct job *job =
		    sched_take(lab->relay.sched, &lab->dests[i].ready);

		if (!job)
			continue;
		catalog_remove(catalog, job);
		job_destroy(&job);
	}
}

START_TEST(test_turns)
{
	struct weight *weight = mem_zalloc(sizeof(*weight) + 1);
	struct catalog *catalog = catalog_create();
	struct lab *lab = lab_open(1);

	weight->value = 3;
	lab->relay.sched = sched_create();
	served_count = 0;
	memset(served, 0, sizeof(served));
	ck_assert(ask(lab, 'n'));
	for (const char *p = turns[_i].waiting; *p != '\0'; p++)
		wait_for_slot(lab, catalog, *p, *p == 'p' ? weight : NULL);
	lab->settings.conf.connection_max = 1000;
	conn_slots_serve(lab->relay.slots);
	ck_assert_uint_eq(served_count, strlen(turns[_i].waiting));
	ck_assert_msg(strcmp(served, turns[_i].order) == 0, "%s: %s",
		      turns[_i].label, served);
	drop_ready(lab, catalog);
	sched_destroy(&lab->relay.sched);
	lab_close(lab);
	catalog_destroy(&catalog);
	free(weight);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("back/slots");
	TCase *tc = tcase_create("slots");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tc, test_shares, 0,
			    sizeof(cases) / sizeof(cases[0]));
	tcase_add_test(tc, test_all_comes_back);
	tcase_add_loop_test(tc, test_turns, 0,
			    sizeof(turns) / sizeof(turns[0]));
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
