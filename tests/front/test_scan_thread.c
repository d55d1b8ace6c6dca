#include "gateway/base/mem.h"
#include "tests/front/world.h"
#include "tests/scan/fake_icap.h"

/*
 * A whole front with the real scan thread: what test_scan.c cannot show, since
 * there the test answers. Worth a run under ThreadSanitizer after every change
 * of gateway/front/inspection.c or of gateway/scan/work.c.
 */

#define ACCEPTED "250 2.0.0 Accepted as "
#define CLIENTS 24

static struct scan *scan;
static struct client client;

static struct scan_conf
servers(size_t count)
{
	static const struct scan_server_conf two[] = {
	    {.host = "127.0.0.1", .port = 1344, .service = "a", .weight = 1},
	    {.host = "127.0.0.2", .port = 1344, .service = "a", .weight = 1},
	};

	return (struct scan_conf){
	    .servers = two,
	    .server_count = count,
	    .dns = {.servers = "127.0.0.1:9"},
	};
}

static bool
is_up(void)
{
	struct scan_status status;

	scan_status_get(scan, &status);
	return status.up;
}

static uint64_t
jobs(void)
{
	struct scan_status status;

	scan_status_get(scan, &status);
	return status.jobs;
}

static void
open_with(struct world_conf conf, size_t count)
{
	const struct scan_conf sc = servers(count);
	char error[200];

	fake_reset();
	ck_assert_msg(scan_start(&scan, &(struct scan_opts){.conf = &sc}, error,
				 sizeof(error)) == 0,
		      "%s", error);
	while (count > 0 && !is_up())
		usleep(1000);
	conf.scan = scan;
	world_open(&conf);
	client_login(&client, "alice");
}

/* Server.c's order: nobody asks the scan thread when it stops. */
static void
close_all(void)
{
	if (client.fd >= 0)
		close(client.fd);
	world_close();
	ck_assert_uint_eq(jobs(), 0);
	scan_stop(&scan);
	ck_assert_uint_eq(fake_lock(0)->late_reads, 0);
	fake_unlock();
}

static void
behave(int server, enum fake_manner manner)
{
	fake_lock(server)->manner = manner;
	fake_unlock();
}

static unsigned
scans(int server)
{
	unsigned count = fake_lock(server)->scans;

	fake_unlock();
	return count;
}

/* One with an attachment that holds these words. */
static const char *
letter(const char *words)
{
	static char text[512];

	snprintf(text, sizeof(text),
		 "MIME-Version: 1.0\r\n"
		 "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
		 "--b\r\n\r\nhello\r\n"
		 "--b\r\nContent-Type: application/x; name=a.bin\r\n"
		 "Content-Disposition: attachment\r\n\r\n%s\r\n--b--\r\n",
		 words);
	return text;
}

static const char *
send_mail(const char *words, const char *want)
{
	return client_mail(&client, "alice@example.com", letter(words), want);
}

static void
begin_mail(struct client *c, const char *words)
{
	client_say(c, "MAIL FROM:<alice@example.com>", "250");
	client_say(c, "RCPT TO:<r@example.net>", "250");
	client_say(c, "DATA", "354");
	client_send(c, letter(words));
	client_send(c, ".\r\n");
}

static void
scans_await(int server, unsigned count)
{
	while (scans(server) < count)
		usleep(1000);
}

/* --- one client ------------------------------------------------------------
 */

START_TEST(asked_once)
{
	open_with((struct world_conf){0}, 1);
	for (int i = 0; i < 5; i++) {
		send_mail("harmless", ACCEPTED);
		send_mail("a VIRUS", "550 5.7.0 Attachment a.bin contains ");
		send_mail("CRYPT", "550 5.7.0 Attachment a.bin ");
	}
	client_say(&client, "NOOP", "250");
	world_accepts(&world, 5);
	ck_assert_int_eq(world.unheld, 5);
	/* two are facts, and known from then on */
	ck_assert_uint_le(scans(0), 2 + 5);
	close_all();
}
END_TEST

START_TEST(no_servers)
{
	open_with((struct world_conf){0}, 0);
	send_mail("a VIRUS", ACCEPTED);
	world_accepts(&world, 1);
	ck_assert_int_eq(world.unheld, 1);
	close_all();
}
END_TEST

START_TEST(it_fails)
{
	open_with((struct world_conf){0}, 2);
	behave(0, FAKE_FAILS);
	behave(1, FAKE_FAILS);
	for (int i = 0; i < 3; i++)
		ck_assert_ptr_nonnull(strstr(send_mail("a VIRUS", ACCEPTED),
					     ", waiting for virus check ["));
	world_accepts(&world, 3);
	ck_assert_int_eq(world.unheld, 0);
	close_all();
}
END_TEST

START_TEST(it_says_nothing)
{
	static const enum fake_manner manners[] = {FAKE_UNREAD, FAKE_MUTE,
						   FAKE_DEAD, FAKE_FROZEN};

	open_with((struct world_conf){.scan_wait_ms = 200}, 1);
	behave(0, manners[_i]);
	for (int i = 0; i < 3; i++)
		ck_assert_ptr_nonnull(strstr(send_mail("a VIRUS", ACCEPTED),
					     ", waiting for virus check ["));
	world_accepts(&world, 3);
	ck_assert_int_eq(world.unheld, 0);
	/* what it was sent is heard out, and the verdict known */
	behave(0, FAKE_ANSWERS);
	while (strncmp(send_mail("a VIRUS", ""), "550", 3) != 0)
		usleep(10000);
	close_all();
}
END_TEST

START_TEST(the_client_goes)
{
	static const enum fake_manner manners[] = {FAKE_UNREAD, FAKE_MUTE};

	open_with((struct world_conf){.scan_wait_ms = 60000}, 1);
	behave(0, manners[_i]);
	begin_mail(&client, "harmless");
	scans_await(0, 1);
	close(client.fd);
	while (jobs() > 0)
		usleep(1000);
	behave(0, FAKE_ANSWERS);
	client_login(&client, "alice");
	send_mail("harmless", ACCEPTED);
	world_accepts(&world, 1);
	close_all();
}
END_TEST

START_TEST(the_front_stops)
{
	static const enum fake_manner manners[] = {FAKE_UNREAD, FAKE_MUTE};

	open_with((struct world_conf){.scan_wait_ms = 60000}, 1);
	behave(0, manners[_i]);
	begin_mail(&client, "a VIRUS");
	scans_await(0, 1);
	front_stop(&world.front, 20000);
	ck_assert_ptr_nonnull(strstr(client_next(&client, ACCEPTED, "dot"),
				     ", waiting for virus check ["));
	client_next(&client, "421", "stop");
	world_accepts(&world, 1);
	ck_assert_int_eq(world.unheld, 0);
	close_all();
}
END_TEST

START_TEST(switched_on)
{
	const struct scan_conf one = servers(1);
	char error[200];

	open_with((struct world_conf){0}, 0);
	send_mail("a VIRUS", ACCEPTED);
	ck_assert_int_eq(scan_reload(scan, &one, error, sizeof(error)), 0);
	while (!is_up())
		usleep(1000);
	send_mail("a VIRUS", "550 5.7.0");
	world_accepts(&world, 1);
	close_all();
}
END_TEST

/* --- many ------------------------------------------------------------------
 */

/* Content that is now and then the same as another's. */
static const char *
words_of(int round, int i)
{
	static char text[64];

	snprintf(text, sizeof(text), "%s %d", i % 3 == 0 ? "VIRUS" : "harmless",
		 (round * CLIENTS + i) % 37);
	return text;
}

/* While the servers do whatever servers do, half of the clients go away in the
 * middle. Who hears 250 is in the spool; nothing with a virus leaves. */
START_TEST(crowd)
{
	static struct client clients[CLIENTS];
	static const enum fake_manner manners[] = {
	    FAKE_ANSWERS, FAKE_UNREAD, FAKE_FAILS, FAKE_MUTE, FAKE_ANSWERS};
	const char *reply;
	int heard = 0;

	open_with((struct world_conf){.scan_wait_ms = 100}, 2);
	for (int i = 0; i < CLIENTS; i++)
		client_login(&clients[i], "alice");
	for (int round = 0; round < 10; round++) {
		behave(0, manners[round % 5]);
		behave(1, manners[(round / 2 + 1) % 5]);
		for (int i = 0; i < CLIENTS; i++)
			begin_mail(&clients[i], words_of(round, i));
		behave(1, FAKE_ANSWERS);
		for (int i = 0; i < CLIENTS; i++) {
			if ((i + round) % 4 == 0) {
				close(clients[i].fd);
				client_login(&clients[i], "alice");
				continue;
			}
			reply = client_reply(&clients[i]);
			ck_assert_msg(strncmp(reply, ACCEPTED, 22) == 0 ||
					  strncmp(reply, "550 5.7.0", 9) == 0,
				      "%s", reply);
			if (reply[0] != '2')
				continue;
			heard++;
			ck_assert_msg(i % 3 != 0 ||
					  strstr(reply, "waiting") != NULL,
				      "%s", reply);
		}
	}
	for (int i = 0; i < CLIENTS; i++)
		begin_mail(&clients[i], words_of(11, i));
	front_stop(&world.front, 20000);
	for (int i = 0; i < CLIENTS; i++) {
		reply = client_reply(&clients[i]);
		heard += reply[0] == '2';
		close(clients[i].fd);
	}
	spool_close(&world.spool);
	ck_assert_int_ge(world.accepted, heard);
	ck_assert_int_gt(heard, CLIENTS);
	close_all();
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("scan-thread");
	TCase *tc = tcase_create("one"), *all = tcase_create("many");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, asked_once);
	tcase_add_test(tc, no_servers);
	tcase_add_test(tc, it_fails);
	tcase_add_loop_test(tc, it_says_nothing, 0, 4);
	tcase_add_loop_test(tc, the_client_goes, 0, 2);
	tcase_add_loop_test(tc, the_front_stops, 0, 2);
	tcase_add_test(tc, switched_on);
	tcase_set_timeout(all, 120);
	tcase_add_test(all, crowd);
	suite_add_tcase(suite, tc);
	suite_add_tcase(suite, all);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
