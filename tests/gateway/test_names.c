/*
 * What is known of domains, over a real spool: what a restart finds, what goes
 * from the disk, and that one piece at a time is on its way.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/base/id.h"
#include "gateway/names.h"
#include "gateway/store/env.h"
#include "tests/spool/fixture.h"

static char dir[64];
static struct loop *loop;
static struct spool *spool;
static struct names *names;

static void
accepted(void *arg, struct spool_msg **msg)
{
	(void)arg;
	spool_msg_destroy(msg);
}

static void
open_all(void)
{
	const struct names_conf conf = {.domains = {.check = true}};
	const struct spool_opts opts = {.path = dir,
					.map_bytes = 64 << 20,
					.reserve_bytes = 1 << 20,
					.accepted = accepted};
	char error[256] = "";

	loop = loop_create();
	ck_assert_msg(spool_open(&spool, &opts, error, sizeof(error)) == 0,
		      "%s", error);
	ck_assert_msg(
	    names_create(&names, loop, spool, &conf, error, sizeof(error)) == 0,
	    "%s", error);
}

static void
close_all(void)
{
	names_stop(names);
	spool_close(&spool);
	names_destroy(&names);
	loop_destroy(&loop);
}

static void
reopen(void)
{
	close_all();
	open_all();
}

static void
setup(void)
{
	strcpy(dir, "/tmp/sluice-names-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	id_start(clock_wall_ms(), 0);
	open_all();
}

static void
teardown(void)
{
	char command[128];

	close_all();
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	ck_assert_int_eq(system(command), 0);
}

static void
put(const char *domain)
{
	dns_cache_put(names_cache(names), slice_str(domain), DOMAIN_DEAD,
		      DOMAIN_WHY_NXDOMAIN, 3600, clock_wall_s());
}

static bool
known(const char *domain)
{
	struct domain_fact fact;

	return dns_cache_look(names_cache(names), slice_str(domain), &fact);
}

static bool
count_one(void *arg, struct slice key, struct slice value)
{
	(void)key;
	(void)value;
	++*(size_t *)arg;
	return true;
}

static size_t
on_disk(enum store_table table)
{
	struct store_txn *txn = store_read(spool_store(spool));
	size_t count = 0;

	store_each(txn, table, SLICE_NONE, count_one, &count);
	store_abort(&txn);
	return count;
}

/* Until as many records are there; commits end on another thread. */
static void
wait_disk(enum store_table table, size_t count)
{
	for (int i = 0; i < 60000 && on_disk(table) != count; i++) {
		loop_turn(loop);
		usleep(1000);
	}
	ck_assert_uint_eq(on_disk(table), count);
}

START_TEST(over_a_restart)
{
	put("a.lab");
	put("b.lab");
	names_keep(names);
	wait_disk(STORE_DNS, 2);
	put("c.lab"); /* the end keeps it */
	reopen();
	ck_assert(known("a.lab") && known("b.lab") && known("c.lab"));
	ck_assert(!known("d.lab"));
	ck_assert_uint_eq(on_disk(STORE_DNS), 3);
}
END_TEST

/* More than fit into a piece: one after the other, without a tick. */
START_TEST(many)
{
	char name[32];

	for (int i = 0; i < 1500; i++) {
		snprintf(name, sizeof(name), "d%d.lab", i);
		put(name);
	}
	names_keep(names);
	ck_assert_uint_lt(on_disk(STORE_DNS), 1500);
	wait_disk(STORE_DNS, 1500);
	for (int i = 0; i < 1500; i++) {
		snprintf(name, sizeof(name), "e%d.lab", i);
		put(name);
	}
	reopen();
	ck_assert_uint_eq(on_disk(STORE_DNS), 3000);
	ck_assert(known("d0.lab") && known("e1499.lab"));
}
END_TEST

START_TEST(flushed)
{
	put("a.lab");
	put("b.lab");
	reopen();
	dns_cache_flush(names_cache(names), SLICE_LIT("a.lab"));
	names_keep(names);
	wait_disk(STORE_DNS, 1);
	reopen();
	ck_assert(!known("a.lab") && known("b.lab"));
	dns_cache_flush(names_cache(names), SLICE_NONE);
	reopen();
	ck_assert_uint_eq(on_disk(STORE_DNS), 0);
}
END_TEST

static void
on_changed(struct spool_change *op)
{
	(void)op;
}

/* What the cache does not take at the start goes from the disk, all of it. */
START_TEST(unusable)
{
	enum { BAD = 1000 };
	static struct store_change changes[BAD];
	static char keys[BAD][16];
	static struct spool_change op;

	put("good.lab");
	for (int i = 0; i < BAD; i++) {
		snprintf(keys[i], sizeof(keys[i]), "x%d.lab", i);
		changes[i] = (struct store_change){
		    .table = STORE_DNS,
		    .key = slice_str(keys[i]),
		    .value = SLICE_LIT("no record at all")};
	}
	op = (struct spool_change){
	    .changes = changes, .change_count = BAD, .done = on_changed};
	spool_change_start(spool, &op);
	reopen();
	ck_assert_uint_eq(on_disk(STORE_DNS), BAD + 1);
	ck_assert(known("good.lab") && !known("x0.lab"));
	names_keep(names);
	wait_disk(STORE_DNS, 1);
}
END_TEST

START_TEST(ticks)
{
	int64_t now_s = clock_wall_s(), now_ms = loop_now_ms(loop);

	put("a.lab");
	names_tick(names, now_s, now_ms);
	wait_disk(STORE_DNS, 1);
	put("b.lab");
	names_tick(names, now_s + 1, now_ms + 1000);
	for (int i = 0; i < 20; i++) {
		loop_turn(loop);
		usleep(1000);
	}
	ck_assert_uint_eq(on_disk(STORE_DNS), 1); /* not yet */
	names_tick(names, now_s + 11, loop_now_ms(loop) + 11000);
	wait_disk(STORE_DNS, 2);
}
END_TEST

START_TEST(allows_end)
{
	int64_t now_s = clock_wall_s();
	struct domain_allow allow = {.domain = "a.lab",
				     .since_wall_s = now_s,
				     .until_wall_s = now_s + 100};
	struct domain_change *change;
	struct spool_change op = {.done = on_changed};

	ck_assert_int_eq(
	    domains_allow_add(names_domains(names), &allow, &change), 0);
	op.changes = domain_change_changes(change, &op.change_count);
	spool_change_start(spool, &op);
	wait_disk(STORE_DOMAIN, 1);
	names_tick(names, now_s + 99, 0);
	reopen();
	domain_change_free(&change);
	ck_assert_uint_eq(on_disk(STORE_DOMAIN), 1);
	ck_assert(
	    !domains_asks(names_domains(names), SLICE_LIT("a.lab"), now_s));
	names_tick(names, now_s + 100, 0);
	wait_disk(STORE_DOMAIN, 0);
	ck_assert(
	    domains_asks(names_domains(names), SLICE_LIT("a.lab"), now_s));
}
END_TEST

START_TEST(reload)
{
	struct names_conf conf = {.domains = {.check = false}};

	put("a.lab");
	names_reload(names, &conf);
	ck_assert(known("a.lab"));
	ck_assert(!domains_asks(names_domains(names), SLICE_LIT("a.lab"),
				clock_wall_s()));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("gateway/names");
	TCase *t = tcase_create("names");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, over_a_restart);
	tcase_add_test(t, many);
	tcase_add_test(t, flushed);
	tcase_add_test(t, unusable);
	tcase_add_test(t, ticks);
	tcase_add_test(t, allows_end);
	tcase_add_test(t, reload);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
