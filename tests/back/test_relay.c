#include <check.h>
#include <dirent.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/base/clock.h"
#include "gateway/base/mem.h"
#include "tests/back/world.h"
#include "tests/support/turn.h"

static const char wanted[] = "Received: by gate.example.org\r\n"
			     "From: ann@example.org\r\n"
			     "Subject: hello\r\n"
			     "\r\n"
			     ".a line that begins with a dot\r\n"
			     "the body\r\n";

START_TEST(test_delivers)
{
	struct world w;
	const struct sink_mail *mail;
	struct letter letter = {.to = "bob@example.net eve@example.net"};

	world_open(&w, NULL);
	world_start(&w);
	world_accept(&w, &letter);
	UNTIL(&w, status_of(&w).delivered == 2, "two recipients, one message");
	ck_assert_uint_eq(sink_count(w.sink), 1);
	mail = sink_mail(w.sink, 0);
	ck_assert_str_eq(mail->from, "ann@example.org");
	ck_assert_str_eq(mail->rcpts, "bob@example.net eve@example.net");
	ck_assert_str_eq(mail->body, wanted);
	UNTIL(&w, world_ledger(&w).by_state[RCPT_DELIVERED] == 2, "marked");
	ck_assert_uint_eq(status_of(&w).queued, 0);
	world_close(&w);
}
END_TEST

START_TEST(test_retries)
{
	struct world w;
	struct spool_msg *msg;
	struct letter letter = {.to = "451-x@example.net bob@example.net"};
	uint64_t id;

	world_open(&w, NULL);
	w.retry_s[0] = 3600;
	world_start(&w);
	id = world_accept(&w, &letter);
	UNTIL(&w, status_of(&w).delivered == 1 && status_of(&w).deferred == 1,
	      "one is taken, one is told to wait");
	UNTIL(&w, world_ledger(&w).by_state[RCPT_DELIVERED] == 1, "marked");
	ck_assert_int_eq(spool_load(w.spool, id, &msg), 0);
	ck_assert_uint_eq(msg->rcpt_count, 1);
	ck_assert_str_eq(msg->rcpts[0].address, "451-x@example.net");
	ck_assert_uint_eq(msg->rcpts[0].attempts, 1);
	ck_assert_str_eq(msg->rcpts[0].last_reply,
			 "451 4.1.1 no such user here");
	ck_assert_int_ge(msg->rcpts[0].next_wall_s, clock_wall_s() + 3500);
	spool_msg_destroy(&msg);
	ck_assert_uint_eq(status_of(&w).queued, 1);

	/* A flush of another domain leaves it alone, its own does not. */
	back_flush(w.back, &(struct back_flush){.hop = "other"});
	back_flush(w.back, &(struct back_flush){.domain = "Example.NET"});
	UNTIL(&w, status_of(&w).deferred == 2, "flushed by domain");
	back_flush(w.back, &(struct back_flush){.id = id});
	UNTIL(&w, status_of(&w).deferred == 3, "flushed by id");
	back_flush(w.back, &(struct back_flush){.hop = "hub"});
	UNTIL(&w, status_of(&w).deferred == 4, "flushed by hop");
	world_close(&w);
}
END_TEST

START_TEST(test_due_again_after_restart)
{
	struct world w;
	struct letter letter = {.to = "bob@example.net"};

	world_open(&w, NULL);
	for (int i = 0; i < 150; i++) /* nobody takes them: more than a slice */
		world_accept(&w, &letter);
	world_reopen_spool(&w);
	world_start(&w);
	world_accept(&w, &letter); /* while the queue is read */
	UNTIL(&w, status_of(&w).delivered == 151, "what was queued, and new");
	world_stop(&w, 3000);
	world_reopen_spool(&w);
	ck_assert_int_eq(world_ledger(&w).by_state[RCPT_DELIVERED], 151);
	world_start(&w);
	world_accept(&w, &letter);
	UNTIL(&w, status_of(&w).delivered == 1, "only the new one");
	ck_assert_uint_eq(sink_count(w.sink), 152);
	world_close(&w);
}
END_TEST

START_TEST(test_many_recipients)
{
	struct world w;
	struct buf to;
	struct letter letter = {0};
	size_t got = 0;

	buf_init(&to, 1 << 20);
	for (int i = 0; i < 1050; i++)
		buf_printf(&to, "%su%d@d%d.example.net", i ? " " : "", i,
			   i % 7);
	world_open(&w, NULL);
	world_start(&w);
	letter.to = buf_cstr(&to);
	world_accept(&w, &letter);
	UNTIL(&w, status_of(&w).delivered == 1050, "in chunks of 100");
	for (size_t i = 0; i < sink_count(w.sink); i++) {
		struct slice rest = slice_str(sink_mail(w.sink, i)->rcpts);
		struct slice one;

		while (slice_split(&rest, ' ', &one))
			got++;
	}
	ck_assert_uint_eq(got, 1050);
	ck_assert_uint_eq(sink_count(w.sink), 11);
	buf_fini(&to);
	world_close(&w);
}
END_TEST

START_TEST(test_ten_thousand)
{
	struct world w;
	struct letter letter = {.to = "bob@example.net"};
	int64_t began_ms;

	world_open(&w, NULL);
	world_start(&w);
	began_ms = clock_mono_ms();
	for (int i = 0; i < 20; i++) {
		world_accept_many(&w, &letter, 500);
		loop_turn(w.loop);
	}
	UNTIL(&w, status_of(&w).delivered == 10000, "all");
	printf("10000 messages in %lld ms over %zu connections\n",
	       (long long)(clock_mono_ms() - began_ms),
	       sink_connections(w.sink));
	ck_assert_uint_eq(sink_count(w.sink), 10000);
	/* 4 at once, 1000 messages each; a few more when they end together. */
	ck_assert_uint_le(sink_connections(w.sink), 30);
	UNTIL(&w, world_ledger(&w).by_state[RCPT_DELIVERED] == 10000, "marked");
	world_close(&w);
}
END_TEST

/* Story: one login floods; a colleague's one message went behind all of it. */
START_TEST(test_flood_does_not_delay_others)
{
	struct world w;
	struct letter flood = {.to = "victim@example.net", .cred = "flood"};
	struct letter one = {.to = "colleague@example.net", .cred = "ann"};
	size_t at = SIZE_MAX;

	world_open(&w, NULL);
	w.hops[0].connection_max = 1;
	world_start(&w);
	world_accept_many(&w, &flood, 5000);
	world_accept(&w, &one);
	UNTIL(&w, status_of(&w).delivered == 5001, "all");
	for (size_t i = 0; i < sink_count(w.sink); i++) {
		if (strcmp(sink_mail(w.sink, i)->rcpts,
			   "colleague@example.net") == 0)
			at = i;
	}
	/* The sink did not turn until the last was accepted. */
	ck_assert_uint_lt(at, 100);
	world_close(&w);
}
END_TEST

START_TEST(test_altered_is_held)
{
	struct world w;
	struct letter letter = {
	    .to = "bob@example.net eve@example.net",
	    .body = "Subject: x\r\n\r\nsomething unmistakable here\r\n"};

	world_open(&w, NULL);
	world_accept(&w, &letter);
	world_alter(&w, "unmistakable");
	world_start(&w);
	UNTIL(&w, status_of(&w).altered == 1, "found out");
	UNTIL(&w, world_ledger(&w).by_state[RCPT_HELD] == 2, "held");
	ck_assert_uint_eq(sink_count(w.sink), 0);
	ck_assert_uint_eq(status_of(&w).queued, 0);
	world_close(&w);
}
END_TEST

START_TEST(test_altered_never_reaches_a_maildir)
{
	struct world w;
	char path[128];
	struct dirent *entry;
	DIR *dir;
	struct letter letter = {
	    .to = "bob@example.net",
	    .body = "Subject: x\r\n\r\nsomething unmistakable here\r\n"};

	world_open(&w, NULL);
	world_maildir(&w);
	world_accept(&w, &letter);
	world_alter(&w, "unmistakable");
	world_start(&w);
	UNTIL(&w, world_ledger(&w).by_state[RCPT_HELD] == 1, "held");
	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/deep/mail/%s", w.dir,
			 i ? "new" : "tmp");
		dir = opendir(path);
		ck_assert_ptr_nonnull(dir);
		while ((entry = readdir(dir)) != NULL)
			ck_assert_int_eq(entry->d_name[0], '.');
		closedir(dir);
	}
	world_close(&w);
}
END_TEST

START_TEST(test_hop_down_and_up)
{
	struct world w;
	struct back_hop_status hop;
	struct letter letter = {.to = "bob@example.net"};

	world_open(&w, NULL);
	w.retry_s[0] = 3600;
	sink_close(w.sink);
	world_start(&w);
	world_accept_many(&w, &letter, 300);
	UNTIL(&w, status_of(&w).deferred == 300, "without a connect each");
	ck_assert_uint_eq(back_hops_get(w.back, &hop, 1), 1);
	UNTIL(&w, (back_hops_get(w.back, &hop, 1), !hop.up), "shown as down");
	ck_assert_ptr_nonnull(strstr(hop.error, "127.0.0.1"));
	ck_assert_uint_eq(status_of(&w).queued, 300);
	sink_open(w.sink);
	/* The host rests for 30 s; the administrator does not want to. */
	back_flush(w.back, &(struct back_flush){.hop = "hub"});
	UNTIL(&w, status_of(&w).delivered == 300, "all, by one flush");
	UNTIL(&w, (back_hops_get(w.back, &hop, 1), hop.up), "shown as up");
	world_close(&w);
}
END_TEST

/* Takes a connection if one is there, and hangs up. */
static int
hang_up(int listener)
{
	int fd = accept(listener, NULL, NULL);

	if (fd >= 0)
		close(fd);
	return fd >= 0 ? 1 : 0;
}

/* The connection that asks whether the hop is back was itself taken for the
 * answer: at each such question hop-up was logged, and all that waited was
 * tried, counted and logged once more. */
START_TEST(test_hop_down_is_asked_by_one)
{
	struct world w;
	struct back_hop_status hop;
	struct letter letter = {.to = "bob@example.net"};
	struct sockaddr_in sin = {.sin_family = AF_INET};
	socklen_t size = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), asked = 0;

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sin, size), 0);
	ck_assert_int_eq(listen(fd, 8), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&sin, &size), 0);
	world_open(&w, NULL);
	w.retry_s[0] = 3600;
	w.host.port = ntohs(sin.sin_port);
	world_start(&w);
	world_accept_many(&w, &letter, 20);
	UNTIL(&w, (asked += hang_up(fd), status_of(&w).deferred >= 20), "down");
	asked = 0;
	UNTIL(&w, (asked += hang_up(fd)) == 2, "asked again, twice");
	ck_assert_uint_eq(status_of(&w).deferred, 20);
	back_hops_get(w.back, &hop, 1);
	ck_assert(!hop.up);
	world_close(&w);
	close(fd);
}
END_TEST

START_TEST(test_fail_over)
{
	struct world w;
	struct sink *second;
	struct back_host hosts[2];
	struct letter letter = {.to = "bob@example.net"};

	world_open(&w, NULL);
	second = sink_create(w.loop, NULL);
	hosts[0] = w.host;
	hosts[1] = (struct back_host){.name = "127.0.0.1",
				      .port = sink_port(second),
				      .weight = 1,
				      .priority = 10};
	w.hops[0].hosts = hosts;
	w.hops[0].host_count = 2;
	world_start(&w);
	world_accept(&w, &letter);
	UNTIL(&w, status_of(&w).delivered == 1, "by the first");
	ck_assert_uint_eq(sink_count(w.sink), 1);
	sink_close(w.sink);
	world_accept(&w, &letter);
	UNTIL(&w, status_of(&w).delivered == 2, "by the second");
	ck_assert_uint_eq(sink_count(second), 1);
	ck_assert_uint_eq(status_of(&w).deferred, 0);
	world_stop(&w, 3000);
	sink_destroy(&second);
	world_close(&w);
}
END_TEST

/* The reply to the dot was lost: nobody knows; the same bytes go again. */
START_TEST(test_outcome_unknown)
{
	struct world w;
	struct letter letter = {.to = "lose-x@example.net"};

	world_open(&w, NULL);
	world_start(&w);
	world_accept(&w, &letter);
	UNTIL(&w, sink_count(w.sink) == 2, "once more");
	ck_assert_str_eq(sink_mail(w.sink, 0)->body,
			 sink_mail(w.sink, 1)->body);
	world_close(&w);
}
END_TEST

/* 0 was taken for "not set", which is 5 s. */
START_TEST(test_idle_of_0_closes_at_once)
{
	struct world w;
	struct letter letter = {.to = "bob@example.net"};
	int64_t began_us = clock_mono_us();

	world_open(&w, NULL);
	w.hops[0].idle_ms = 0;
	world_start(&w);
	UNTIL(&w, back_offers_utf8(w.back), "asked at start");
	for (size_t i = 0; i < 3; i++) {
		UNTIL(&w, sink_connections_now(w.sink) == 0, "closed");
		world_accept(&w, &letter);
		UNTIL(&w, status_of(&w).delivered == i + 1, "each");
	}
	ck_assert_uint_ge(sink_connections(w.sink), 4);
	ck_assert_int_lt(clock_mono_us() - began_us, 50000000);
	world_close(&w);
}
END_TEST

START_TEST(test_connections_are_reused_and_closed)
{
	struct world w;
	struct letter letter = {.to = "bob@example.net"};

	world_open(&w, NULL);
	w.hops[0].messages_max = 3;
	w.hops[0].connection_max = 1;
	w.hops[0].idle_ms = 300;
	world_start(&w);
	UNTIL(&w, back_offers_utf8(w.back), "asked at start");
	for (int i = 0; i < 6; i++) {
		world_accept(&w, &letter);
		UNTIL(&w, status_of(&w).delivered == (uint64_t)i + 1, "each");
	}
	ck_assert_uint_ge(sink_connections(w.sink), 2);
	ck_assert_uint_le(sink_connections(w.sink), 3);
	UNTIL(&w, sink_connections_now(w.sink) == 0, "idle ones are closed");
	UNTIL(&w, status_of(&w).connections == 0, "and forgotten");
	world_close(&w);
}
END_TEST

START_TEST(test_reload_moves_the_queue)
{
	struct world w;
	struct sink *second;
	struct back_host host;
	struct letter letter = {.to = "bob@example.net"};
	char error[256];

	world_open(&w, NULL);
	second = sink_create(w.loop, NULL);
	sink_close(w.sink);
	w.retry_s[0] = 3600;
	world_start(&w);
	world_accept_many(&w, &letter, 50);
	UNTIL(&w, status_of(&w).deferred == 50, "the old hop is down");
	host = (struct back_host){
	    .name = "127.0.0.1", .port = sink_port(second), .weight = 1};
	w.hops[0].name = "newhub";
	w.hops[0].hosts = &host;
	ck_assert_int_eq(back_reload(w.back, &w.conf, error, sizeof(error)), 0);
	UNTIL(&w, status_of(&w).delivered == 50, "by the new one");
	ck_assert_uint_eq(sink_count(second), 50);
	w.routes[0].hop = 7;
	ck_assert_int_ne(back_reload(w.back, &w.conf, error, sizeof(error)), 0);
	world_stop(&w, 3000);
	sink_destroy(&second);
	world_close(&w);
}
END_TEST

START_TEST(test_stop_waits_for_the_answer)
{
	struct world w;
	struct letter letter = {.to = "bob@example.net"};

	world_open(&w, NULL);
	w.hops[0].connection_max = 1;
	world_start(&w);
	sink_pause_ms(w.sink, 60000);
	world_accept(&w, &letter);
	UNTIL(&w, status_of(&w).active == 1, "under way");
	turn_some(w.loop);
	/* Nobody turns the sink: the grace ends it, and nothing is lost. */
	world_stop(&w, 200);
	ck_assert_int_eq(world_ledger(&w).by_state[RCPT_QUEUED], 1);
	sink_pause_ms(w.sink, 0);
	world_start(&w);
	UNTIL(&w, status_of(&w).delivered == 1, "after the restart");
	world_close(&w);
}
END_TEST

static char *
read_file(const char *path)
{
	char *text = mem_zalloc(65536);
	FILE *f = fopen(path, "r");

	ck_assert_ptr_nonnull(f);
	ck_assert_uint_lt(fread(text, 1, 65535, f), 65535);
	fclose(f);
	return text;
}

START_TEST(test_maildir_gets_the_exact_bytes)
{
	struct world w;
	struct letter letter = {.to = "bob@example.net eve@example.net"};
	struct dirent *entry;
	char dir_path[128], path[512];
	unsigned count = 0;
	DIR *dir;

	world_open(&w, NULL);
	world_maildir(&w);
	world_start(&w);
	ck_assert(back_offers_utf8(w.back));
	world_accept_many(&w, &letter, 60);
	UNTIL(&w, status_of(&w).delivered == 120, "all");
	snprintf(dir_path, sizeof(dir_path), "%s/deep/mail/new", w.dir);
	dir = opendir(dir_path);
	ck_assert_ptr_nonnull(dir);
	while ((entry = readdir(dir)) != NULL) {
		char *text;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir_path, entry->d_name);
		text = read_file(path);
		ck_assert_str_eq(text, wanted);
		free(text);
		count++;
	}
	closedir(dir);
	ck_assert_uint_eq(count, 120);
	world_close(&w);
}
END_TEST

START_TEST(test_maildir_that_cannot_be_written)
{
	struct world w;
	struct letter letter = {.to = "bob@example.net"};

	world_open(&w, NULL);
	w.retry_s[0] = 3600;
	w.hops[0] = (struct back_hop){
	    .name = "box", .kind = BACK_MAILDIR, .maildir = "/proc/no/such"};
	world_start(&w);
	world_accept_many(&w, &letter, 10);
	UNTIL(&w, status_of(&w).deferred == 10, "deferred");
	ck_assert_uint_eq(status_of(&w).delivered, 0);
	world_close(&w);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("back/relay");
	TCase *tc = tcase_create("relay");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, test_delivers);
	tcase_add_test(tc, test_retries);
	tcase_add_test(tc, test_due_again_after_restart);
	tcase_add_test(tc, test_many_recipients);
	tcase_add_test(tc, test_ten_thousand);
	tcase_add_test(tc, test_flood_does_not_delay_others);
	tcase_add_test(tc, test_altered_is_held);
	tcase_add_test(tc, test_altered_never_reaches_a_maildir);
	tcase_add_test(tc, test_hop_down_and_up);
	tcase_add_test(tc, test_hop_down_is_asked_by_one);
	tcase_add_test(tc, test_fail_over);
	tcase_add_test(tc, test_outcome_unknown);
	tcase_add_test(tc, test_idle_of_0_closes_at_once);
	tcase_add_test(tc, test_connections_are_reused_and_closed);
	tcase_add_test(tc, test_reload_moves_the_queue);
	tcase_add_test(tc, test_stop_waits_for_the_answer);
	tcase_add_test(tc, test_maildir_gets_the_exact_bytes);
	tcase_add_test(tc, test_maildir_that_cannot_be_written);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
