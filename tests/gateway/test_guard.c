/*
 * The guard over a real spool: what it loads and keeps, its veto, and what a
 * tick does. Time is an argument; the store thread's answers are waited for by
 * closing the spool, which answers all.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/clock.h"
#include "gateway/base/id.h"
#include "gateway/guard.h"
#include "gateway/store/env.h"
#include "tests/spool/fixture.h"

static char dir[64];
static struct loop *loop;
static struct guard *guard;
static struct spool *spool;
static const struct guard_parts *parts;

static const struct limit_rate connects = {
    .counted = LIMIT_NEW_CONNECTIONS, .limit = 3, .period_ms = 3600000};
static const struct limit_conf doors[] = {{.name = "door",
					   .per = LIMIT_IP,
					   .bits4 = 32,
					   .bits6 = 64,
					   .rates = &connects,
					   .rate_count = 1,
					   .over = LIMIT_DEFER}};
static const struct limits_conf some = {.limits = doors, .limit_count = 1};
static const struct limits_conf none;

static void
accepted(void *arg, struct spool_msg **msg)
{
	(void)arg;
	spool_msg_destroy(msg);
}

static void
open_all(const struct limits_conf *conf)
{
	char error[256] = "";
	struct spool_opts opts = {.path = dir,
				  .map_bytes = 64 << 20,
				  .reserve_bytes = 1 << 20,
				  .accepted = accepted,
				  .veto = guard_veto};

	loop = loop_create();
	guard = guard_create(loop);
	parts = guard_parts(guard);
	opts.veto_arg = guard;
	ck_assert_msg(spool_open(&spool, &opts, error, sizeof(error)) == 0,
		      "%s", error);
	ck_assert_msg(guard_load(guard, spool, conf, error, sizeof(error)) == 0,
		      "%s", error);
}

static void
close_all(void)
{
	guard_stop(guard);
	spool_close(&spool);
	guard_destroy(&guard);
	loop_destroy(&loop);
}

static void
setup(void)
{
	strcpy(dir, "/tmp/sluice-guard-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	id_start(clock_wall_ms(), 0);
}

static void
teardown(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	ck_assert_int_eq(system(command), 0);
}

static uint64_t
block(enum block_kind kind, enum block_action action, const char *value,
      int64_t until_wall_s)
{
	struct block b = {.id = id_next(),
			  .kind = kind,
			  .action = action,
			  .value = value,
			  .made_wall_s = clock_wall_s(),
			  .until_wall_s = until_wall_s,
			  .author = "test",
			  .reason = ""};
	struct buf error = {.cap = 256};
	uint64_t id = b.id;
	int err = blocklist_add(parts->blocklist, &b, &id, &error);

	ck_assert_msg(err == 0, "%s: %s", value, buf_cstr(&error));
	buf_fini(&error);
	return id;
}

/* --- the veto ---------------------------------------------------------------
 */

static const char digest_hex[] =
    "abababababababababababababababababababababababababababababababab";

static const struct {
	const char *label;
	enum block_kind kind;
	enum block_action action;
	const char *value;
	bool vetoed;
} vetoes[] = {
    {"the login", BLOCK_CRED, BLOCK_REFUSE, "bob", true},
    {"another login", BLOCK_CRED, BLOCK_REFUSE, "bobby", false},
    {"the address", BLOCK_IP, BLOCK_REFUSE, "192.0.2.0/24", true},
    {"another address", BLOCK_IP, BLOCK_REFUSE, "198.51.100.0/24", false},
    {"the sender", BLOCK_FROM, BLOCK_REFUSE, "s@example.com", true},
    {"the sender's domain", BLOCK_FROM, BLOCK_REFUSE, "@example.com", true},
    {"another sender", BLOCK_FROM, BLOCK_REFUSE, "t@example.com", false},
    {"the first domain", BLOCK_DOMAIN, BLOCK_REFUSE, "a.example", true},
    {"a domain in the middle", BLOCK_DOMAIN, BLOCK_REFUSE, "b.example", true},
    {"the last domain", BLOCK_DOMAIN, BLOCK_REFUSE, "c.example", true},
    {"another domain", BLOCK_DOMAIN, BLOCK_REFUSE, "d.example", false},
    {"the body", BLOCK_HASH, BLOCK_REFUSE, digest_hex, true},
    {"what is only held", BLOCK_CRED, BLOCK_HOLD, "bob", false},
    {"a domain that is only held", BLOCK_DOMAIN, BLOCK_HOLD, "b.example",
     false},
};

static struct spool_msg *
message(void)
{
	static const char *const to[] = {"1@a.example", "2@a.example",
					 "1@b.example", "1@c.example"};
	struct spool_msg *msg = spool_msg_create();

	msg->cred = "bob";
	msg->mail_from = "s@example.com";
	ck_assert_int_eq(ip_parse(slice_str("192.0.2.7"), &msg->client), 0);
	memset(msg->body.digest, 0xab, sizeof(msg->body.digest));
	for (size_t i = 0; i < 4; i++)
		spool_msg_add_rcpt(msg, slice_str(to[i]));
	return msg;
}

START_TEST(veto)
{
	struct spool_msg *msg = message();

	open_all(&none);
	ck_assert(!guard_veto(guard, msg));
	block(vetoes[_i].kind, vetoes[_i].action, vetoes[_i].value, 0);
	ck_assert_msg(guard_veto(guard, msg) == vetoes[_i].vetoed, "%s",
		      vetoes[_i].label);
	close_all();
	spool_msg_destroy(&msg);
}
END_TEST

START_TEST(veto_of_what_is_new)
{
	struct spool_msg *msg = message();

	open_all(&none);
	block(BLOCK_DOMAIN, BLOCK_REFUSE, "other.example", 0);
	msg->block_generation = blocklist_generation(parts->blocklist);
	ck_assert(!guard_veto(guard, msg));
	/* the front looked before this one came */
	block(vetoes[0].kind, vetoes[0].action, vetoes[0].value, 0);
	ck_assert(guard_veto(guard, msg));
	/* as if it had come before: nothing is looked at twice */
	msg->block_generation = blocklist_generation(parts->blocklist);
	ck_assert(!guard_veto(guard, msg));
	close_all();
	spool_msg_destroy(&msg);
}
END_TEST

/* --- ticks -------------------------------------------------------------------
 */

static struct back_work *works[8];
static size_t work_count;

static void
start_work(void *arg, struct back_work *work)
{
	ck_assert_str_eq(arg, "back");
	ck_assert_uint_lt(work_count, 8);
	works[work_count++] = work;
}

static bool
count_record(void *arg, struct slice key, struct slice value)
{
	(void)key;
	(void)value;
	++*(size_t *)arg;
	return true;
}

static size_t
records(enum store_table table)
{
	struct store_txn *txn = store_read(spool_store(spool));
	size_t n = 0;

	store_each(txn, table, SLICE_NONE, count_record, &n);
	ck_assert_int_eq(store_error(txn), 0);
	store_abort(&txn);
	return n;
}

/* Adds it, and keeps it as control does. */
static uint64_t
keep(const char *value, int64_t until_wall_s)
{
	uint64_t id = block(BLOCK_CRED, BLOCK_REFUSE, value, until_wall_s);
	struct buf key = {.cap = 511}, record = {.cap = 65536};
	struct store_change change;

	blocklist_change(parts->blocklist, id, &key, &record, &change);
	ck_assert_int_eq(change.kind, STORE_PUT);
	ck_assert_int_eq(fixture_change(spool, &change, 1), 0);
	buf_fini(&key);
	buf_fini(&record);
	return id;
}

/* Ticks of one moment until so many blocks are on disk. */
static void
tick_until(int64_t now_wall_s, size_t want)
{
	int64_t end = clock_mono_ms() + 60000;

	do {
		guard_tick(guard, now_wall_s, clock_mono_us());
		usleep(1000);
		loop_turn(loop);
	} while (records(STORE_BLOCK) != want && clock_mono_ms() < end);
	ck_assert_uint_eq(records(STORE_BLOCK), want);
}

static void
done_work(size_t i)
{
	ck_assert_uint_lt(i, work_count);
	works[i]->done(works[i]);
	loop_turn(loop);
}

START_TEST(expiry)
{
	int64_t now = clock_wall_s();
	uint64_t first;

	open_all(&none);
	guard_start(guard, start_work, "back");
	first = keep("first", now + 1000);
	keep("second", now + 2000);
	keep("for-good", 0);
	tick_until(now + 999, 3);
	ck_assert_uint_eq(work_count, 0);
	tick_until(now + 1000, 2);
	ck_assert_uint_eq(work_count, 1);
	ck_assert_int_eq(works[0]->verb, BACK_RECHECK);
	ck_assert_uint_eq(works[0]->rule, first);
	/* the second goes while the first is still looked at: again, for all */
	tick_until(now + 2000, 1);
	ck_assert_uint_eq(work_count, 1);
	done_work(0);
	ck_assert_uint_eq(work_count, 2);
	ck_assert_uint_eq(works[1]->rule, 0);
	done_work(1);
	ck_assert_uint_eq(work_count, 2);
	ck_assert_uint_eq(blocklist_count(parts->blocklist), 1);
	close_all();
	open_all(&none);
	ck_assert_uint_eq(blocklist_count(parts->blocklist), 1);
	ck_assert_uint_eq(records(STORE_BLOCK), 1);
	close_all();
}
END_TEST

/* More than fit into one change: the queue is looked at twice, not for each. */
START_TEST(many)
{
	int64_t now = clock_wall_s();
	char name[16];

	open_all(&none);
	guard_start(guard, start_work, "back");
	for (int i = 0; i < 2500; i++) {
		snprintf(name, sizeof(name), "user%d", i);
		block(BLOCK_CRED, BLOCK_REFUSE, name, now + 1000);
	}
	keep("for-good", 0);
	while (blocklist_count(parts->blocklist) > 1) {
		tick_until(now + 1000, 1);
		if (work_count == 1)
			done_work(0);
	}
	ck_assert_uint_eq(work_count, 2);
	ck_assert_uint_eq(works[0]->rule, 0);
	ck_assert_uint_eq(works[1]->rule, 0);
	done_work(1);
	ck_assert_uint_eq(work_count, 2);
	close_all();
}
END_TEST

/* A block that ended while the daemon was down: gone at the first tick. */
START_TEST(ended_before)
{
	int64_t now = clock_wall_s();

	open_all(&none);
	keep("bob", now + 1000);
	close_all();
	open_all(&none);
	ck_assert_uint_eq(records(STORE_BLOCK), 1);
	tick_until(now + 1000, 0);
	ck_assert_uint_eq(blocklist_count(parts->blocklist), 0);
	close_all();
}
END_TEST

/* The queue's work ends after the guard was told to stop. */
START_TEST(stopped)
{
	int64_t now = clock_wall_s();

	open_all(&none);
	guard_start(guard, start_work, "back");
	keep("a", now + 1000);
	keep("b", now + 2000);
	tick_until(now + 1000, 1);
	tick_until(now + 2000, 0);
	guard_stop(guard);
	works[0]->done(works[0]);
	loop_turn(loop);
	ck_assert_uint_eq(work_count, 1);
	close_all();
}
END_TEST

/* --- counts ------------------------------------------------------------------
 */

static bool
connects_now(const char *from)
{
	struct limit_verdict verdict;
	struct presence *presence;
	struct ip_addr ip;
	bool in;

	ck_assert_int_eq(ip_parse(slice_str(from), &ip), 0);
	presence =
	    limits_connect(parts->limits, &ip, clock_mono_us(), &verdict);
	in = presence != NULL;
	presence_end(&presence, clock_mono_us());
	return in;
}

/* Kept by the tick, or by the stop. */
START_TEST(counts)
{
	open_all(&some);
	for (int i = 0; i < 3; i++)
		ck_assert(connects_now("192.0.2.7"));
	ck_assert(!connects_now("192.0.2.7"));
	if (_i == 0)
		guard_tick(guard, clock_wall_s(), clock_mono_us());
	close_all();
	open_all(&some);
	ck_assert(!connects_now("192.0.2.7"));
	ck_assert(connects_now("192.0.2.8"));
	ck_assert_uint_eq(records(STORE_RATE), 1);
	close_all();
}
END_TEST

START_TEST(reload)
{
	open_all(&some);
	for (int i = 0; i < 3; i++)
		ck_assert(connects_now("192.0.2.7"));
	ck_assert(!connects_now("192.0.2.7"));
	guard_reload(guard, &none);
	ck_assert(connects_now("192.0.2.7"));
	close_all();
}
END_TEST

/* A file without limit blocks limits nothing. */
START_TEST(nothing)
{
	const struct limit_who who = {.cred = "bob"};
	struct limit_verdict verdict;
	struct attempt *attempt;
	struct reservation *r;
	size_t count;

	open_all(&none);
	for (int i = 0; i < 1000; i++) {
		ck_assert(connects_now("192.0.2.7"));
		attempt = attempt_create(parts->limits, &who.ip);
		ck_assert(attempt_begin(attempt, clock_mono_us(), &verdict));
		attempt_fail(&attempt, clock_mono_us());
	}
	r = reservation_create(parts->limits, &who);
	for (int i = 0; i < 1000; i++) {
		reservation_rcpt(r, i % 2 == 0, 1 << 30, clock_mono_us(),
				 &verdict);
		ck_assert_int_eq(verdict.action, LIMIT_PASS);
		ck_assert_uint_eq(verdict.observed_count, 0);
	}
	reservation_settle(r, (uint64_t)1 << 40, clock_mono_us(), &verdict);
	ck_assert_int_eq(verdict.action, LIMIT_PASS);
	reservation_changes(r, &count);
	ck_assert_uint_eq(count, 0);
	reservation_commit(&r);
	guard_tick(guard, clock_wall_s(), clock_mono_us());
	close_all();
	open_all(&none);
	ck_assert_uint_eq(records(STORE_RATE), 0);
	close_all();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("gateway/guard");
	TCase *t = tcase_create("guard");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, veto_of_what_is_new);
	tcase_add_loop_test(t, veto, 0,
			    (int)(sizeof(vetoes) / sizeof(vetoes[0])));
	tcase_add_test(t, expiry);
	tcase_add_test(t, many);
	tcase_add_test(t, ended_before);
	tcase_add_test(t, stopped);
	tcase_add_loop_test(t, counts, 0, 2);
	tcase_add_test(t, reload);
	tcase_add_test(t, nothing);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
