/* ICAP inside TLS: whom we talk to, and until when his certificate is good. */
#include "tests/icap/world.h"

#include <time.h>

#include "tests/net/cert_help.h"

static struct cert_dir dir;
static struct cert ca, other_ca;
static const char *ca_path;

static void
setup(void)
{
	cert_dir_create(&dir);
	ca = cert_create_ec(NULL, -1, 300, NULL);
	other_ca = cert_create_ec(NULL, -1, 300, NULL);
	ca_path = cert_write(&dir, "ca", &ca);
}

static void
teardown(void)
{
	cert_destroy(&ca);
	cert_destroy(&other_ca);
	cert_dir_destroy(&dir);
}

struct tls_row {
	const char *label, *san;
	int from, to;
	bool other, verify;
	const char *error; /* NULL: all is well */
};

static const struct tls_row rows[] = {
    {"good", "DNS:localhost", -1, 30, false, true, NULL},
    {"soon over", "DNS:localhost", -1, 1, false, true, NULL},
    {"another name", "DNS:wrong.test", -1, 30, false, true, "mismatch"},
    {"expired", "DNS:localhost", -30, -1, false, true, "expired"},
    {"not yet", "DNS:localhost", 1, 30, false, true, "not yet valid"},
    {"of somebody else", "DNS:localhost", -1, 30, true, true, "certificate"},
    {"another name, unverified", "DNS:wrong.test", -1, 30, true, false, NULL},
};

static void
tls_on(struct world *w, const struct tls_row *row)
{
	struct tls_client_opts copts = {.verify = row->verify,
					.ca_file = ca_path};
	struct cert cert = cert_create_ec(row->san, row->from, row->to,
					  row->other ? &other_ca : &ca);
	struct tls_server_opts sopts;
	struct tls_ctx *server, *client;
	char error[256];

	sopts.certificate = cert_write(&dir, "c", &cert);
	sopts.key = cert_write_key(&dir, "k", &cert, NULL);
	ck_assert_int_eq(
	    tls_server_create(&server, &sopts, error, sizeof(error)), 0);
	ck_assert_int_eq(
	    tls_client_create(&client, &copts, error, sizeof(error)), 0);
	cert_destroy(&cert);
	icap_server_tls(w->server, server);
	w->service.tls = client;
	world_pool(w);
	tls_ctx_destroy(&client); /* the pool has its own share */
	w->service.tls = NULL;
}

START_TEST(verified)
{
	static const struct icap_reply clean = {.when = AFTER_BODY};
	const struct tls_row *row = &rows[_i];
	int64_t expires_wall_s;
	struct world w;
	struct scan s;

	world_start(&w, &clean, 1);
	tls_on(&w, row);
	scan_init(&s, &w, row->label, 300000);
	scan_go(&s);
	scan_wait(&s);
	expires_wall_s = icap_pool_expires_wall_s(w.pool);
	if (row->error == NULL) {
		ck_assert_msg(s.result.verdict.kind == SCAN_CLEAN, "%s: %s",
			      row->label, s.result.error);
		ck_assert_uint_eq(icap_server_seen(w.server)->bytes, 300000);
		/* what c-icap can take in one go */
		ck_assert_uint_le(icap_server_seen(w.server)->chunk_most, 4096);
		ck_assert_int_ge(expires_wall_s,
				 time(NULL) + row->to * 86400 - 100);
		ck_assert_int_le(expires_wall_s, time(NULL) + row->to * 86400);
	} else {
		ck_assert_int_eq(s.result.verdict.kind, SCAN_ERROR);
		ck_assert_int_eq(s.result.verdict.why, SCAN_WHY_DOWN);
		ck_assert_msg(strstr(s.result.error, row->error) != NULL,
			      "%s: %s", row->label, s.result.error);
		/* not a byte of the mail left */
		ck_assert_uint_eq(s.reads, 0);
		ck_assert_int_eq(expires_wall_s, 0);
	}
	world_stop(&w);
}
END_TEST

/* A server without TLS where TLS is wanted, and one that does not answer the
 * handshake. */
START_TEST(no_tls_there)
{
	static const struct icap_reply replies[] = {
	    {.when = AT_ONCE, .text = "ICAP/1.0 204 No||"},
	    {.when = AFTER_BODY}};
	struct tls_client_opts opts = {.verify = true, .ca_file = ca_path};
	struct world w;
	struct scan s;
	char error[256];

	world_start(&w, &replies[_i], 1);
	ck_assert_int_eq(
	    tls_client_create(&w.service.tls, &opts, error, sizeof(error)), 0);
	w.service.connect_ms = 60;
	world_pool(&w);
	if (_i == 1)
		icap_server_freeze(w.server, true);
	scan_init(&s, &w, "no TLS there", 1000);
	scan_go(&s);
	scan_wait(&s);
	ck_assert_int_eq(s.result.verdict.kind, SCAN_ERROR);
	ck_assert_int_eq(s.result.verdict.why, SCAN_WHY_DOWN);
	ck_assert_uint_eq(s.reads, 0);
	tls_ctx_destroy(&w.service.tls);
	world_stop(&w);
}
END_TEST

/* Closed without notice inside TLS, too. */
START_TEST(kept_and_closed)
{
	static const struct icap_reply clean = {.when = AFTER_BODY};
	struct world w;
	struct scan s;

	world_start(&w, &clean, 1);
	tls_on(&w, &rows[0]);
	icap_server_most(w.server, 3);
	for (int i = 0; i < 10; i++) {
		scan_init(&s, &w, "one of ten", 2000);
		scan_go(&s);
		while (s.done == 0)
			loop_turn(w.loop);
		ck_assert_int_eq(s.result.verdict.kind, SCAN_CLEAN);
	}
	ck_assert_uint_ge(icap_server_seen(w.server)->accepted, 4);
	world_stop(&w);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("icap/tls");
	TCase *tc = tcase_create("tls");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, verified, 0,
			    (int)(sizeof(rows) / sizeof(rows[0])));
	tcase_add_loop_test(tc, no_tls_there, 0, 2);
	tcase_add_test(tc, kept_and_closed);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
