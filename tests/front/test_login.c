#include "tests/front/world.h"

/*
 * Failed logins are limited by address, and those under way count. Found with
 * forty-five connections that each sent a wrong password at once: all of them
 * heard 535, because a failure was counted only when it was over.
 */
#define KNOCKERS 45
#define GUESSES 10
#define TOO_MANY \
	"421 4.7.0 Too many failed logins from your address, try again after "

static struct client clients[KNOCKERS], client;

static void
open_with(int64_t fail_delay_ms)
{
	const struct limit_rate rate = {LIMIT_FAILED_LOGINS, GUESSES, 600000,
					0};
	const struct limit_conf guess = {
	    .name = "guess",
	    .per = LIMIT_IP,
	    .bits4 = 32,
	    .bits6 = 64,
	    .rates = &rate,
	    .rate_count = 1,
	    .over = LIMIT_DEFER,
	};
	const struct limits_conf limits = {.limits = &guess, .limit_count = 1};

	world_open(&(struct world_conf){.limits = &limits,
					.fail_delay_ms = fail_delay_ms});
}

static void
setup(void)
{
	open_with(0);
}

/* Longer than any test: what is wrong stays under way. */
static void
setup_slow(void)
{
	open_with(3600000);
}

static void
close_first(int count)
{
	for (int i = 0; i < count; i++)
		close(clients[i].fd);
}

static bool
add_used(void *arg, const struct limit_line *line)
{
	*(uint64_t *)arg += line->hit.used;
	return true;
}

/* Failures, and logins under way. */
static uint64_t
used(void)
{
	struct limit_who who = {0};
	uint64_t n = 0;

	ck_assert_int_eq(ip_parse(slice_str("127.0.0.1"), &who.ip), 0);
	limits_each(world.limits, &who, clock_mono_us(), add_used, &n);
	return n;
}

static void
until_used(uint64_t count)
{
	while (used() != count)
		usleep(1000);
}

static void
all_say(const char *line, int first, int last)
{
	for (int i = first; i < last; i++) {
		client_send(&clients[i], line);
		client_send(&clients[i], "\r\n");
	}
}

static const char *
wrong(int i)
{
	char password[16];

	snprintf(password, sizeof(password), "wrong%d", i);
	return client_auth("alice", password);
}

/* PLAIN with its words, and LOGIN, where all stand at the password. */
START_TEST(all_at_once)
{
	int denied = 0, refused = 0;
	const char *text;

	for (int i = 0; i < KNOCKERS; i++) {
		client_open(&clients[i]);
		if (_i == 0)
			continue;
		client_say(&clients[i], "AUTH LOGIN", "334");
		client_say(&clients[i], "YWxpY2U=", "334");
	}
	for (int i = 0; i < KNOCKERS; i++)
		all_say(_i == 0 ? wrong(i) : "d3Jvbmc=", i, i + 1);
	for (int i = 0; i < KNOCKERS; i++) {
		text = client_reply(&clients[i]);
		denied += strncmp(text, "535 5.7.8", 9) == 0;
		refused += strncmp(text, TOO_MANY, strlen(TOO_MANY)) == 0;
	}
	ck_assert_int_eq(denied, GUESSES);
	ck_assert_int_eq(refused, KNOCKERS - GUESSES);
	client_open(&client);
	client_say(&client, client_auth("alice", "alice"), TOO_MANY);
	client_closed(&client);
	close_first(KNOCKERS);
}
END_TEST

/* What is no failure leaves every place free. */
static const struct {
	const char *label, *said[3], *replies[3];
} free_rows[] = {
    {"right", {"AUTH PLAIN AGFsaWNlAGFsaWNl"}, {"235"}},
    {"right, in steps",
     {"AUTH LOGIN", "YWxpY2U=", "YWxpY2U="},
     {"334", "334", "235"}},
    {"not base64", {"AUTH PLAIN ?"}, {"501"}},
    {"not of the mechanism", {"AUTH PLAIN YWxpY2U="}, {"501"}},
    {"not base64, a step later", {"AUTH LOGIN", "?"}, {"334", "501"}},
    {"cancelled", {"AUTH LOGIN", "*"}, {"334", "501"}},
    {"cancelled at the password",
     {"AUTH LOGIN", "YWxpY2U=", "*"},
     {"334", "334", "501"}},
    {"waits for its client", {"AUTH PLAIN"}, {"334"}},
    {"waits at the password", {"AUTH LOGIN", "YWxpY2U="}, {"334", "334"}},
};

enum { FREE_ROWS = sizeof(free_rows) / sizeof(free_rows[0]) };

START_TEST(no_failure)
{
	const char *const *said = free_rows[_i].said;
	const char *label = free_rows[_i].label;

	for (int i = 0; i < GUESSES + 2; i++) {
		client_open(&clients[i]);
		for (int j = 0; j < 3 && said[j] != NULL; j++) {
			all_say(said[j], i, i + 1);
			client_next(&clients[i], free_rows[_i].replies[j],
				    label);
		}
	}
	ck_assert_msg(used() == 0, "%s", label);
	for (int i = 0; i < GUESSES; i++) {
		client_open(&client);
		client_say(&client, wrong(i), "535");
		close(client.fd);
	}
	ck_assert_uint_eq(used(), GUESSES);
	close_first(GUESSES + 2);
}
END_TEST

/* A right answer comes at once, so who hangs up on the wrong one's delay knows
 * it: that guess counts. */
START_TEST(gone_meanwhile)
{
	struct front_status status;

	for (int i = 0; i < GUESSES; i++) {
		client_open(&clients[i]);
		all_say(wrong(i), i, i + 1);
	}
	until_used(GUESSES);
	close_first(GUESSES);
	do {
		usleep(1000);
		front_status_get(world.front, &status);
	} while (status.sessions > 0);
	ck_assert_uint_eq(used(), GUESSES);
	client_open(&client);
	client_say(&client, client_auth("alice", "alice"), TOO_MANY);
	client_closed(&client);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("front/login");
	TCase *tc = tcase_create("login"), *slow = tcase_create("under way");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tc, setup, world_close);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, all_at_once, 0, 2);
	tcase_add_loop_test(tc, no_failure, 0, FREE_ROWS);
	suite_add_tcase(suite, tc);
	tcase_add_checked_fixture(slow, setup_slow, world_close);
	tcase_set_timeout(slow, 60);
	tcase_add_test(slow, gone_meanwhile);
	suite_add_tcase(suite, slow);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
