/*
 * Control as a whole, over its socket: commands of every kind, clients that
 * are slow, rude or gone, the HTTP port, alerts as mail and as a program.
 */
#include <sys/stat.h>

#include "gateway/auth/user.h"
#include "gateway/control/control_int.h"
#include "gateway/control/socket.h"
#include "tests/control/ask.h"

#define ALICE "alice@example.org"

static void
queue_of_three(void)
{
	struct spool_msg *msg;

	msg = world_add_message(1ull << 60, "bob", "bob@example.com");
	spool_msg_add_rcpt(msg, SLICE_LIT(ALICE));
	spool_msg_add_rcpt(msg, SLICE_LIT("\033[2Jeve@Example.NET"));
	msg = world_add_message((1ull << 60) + 1, "", "");
	msg->lane = LANE_DSN;
	spool_msg_add_rcpt(msg, SLICE_LIT("carol@example.org"))->state =
	    RCPT_HELD;
	msg->rcpts[0].holds = HOLD_ALTERED | HOLD_ADMIN;
	msg->rcpts[0].last_reply = "451 later";
}

/* What each command answers: exit, and a piece of what is written where. */
START_TEST(commands)
{
	static const struct {
		const char *words;
		bool json;
		int exit;
		const char *out, *err;
	} rows[] = {
	    {"status", false, 0, "ledger       balances", ""},
	    {"status", true, 0, "\"ledger_balances\":true", ""},
	    {"stats", false, 0, "\nsessions=0\n", ""},
	    {"stats", true, 0, "\"sessions\":0,", ""},
	    {"config show", false, 0, "hostname mail.example.com;\n", ""},
	    {"config show", true, 0, "{\"hostname\"", ""},
	    {"config check", false, 2, "", "not a command for the daemon"},
	    {"reload", false, 0, "Reloaded.\n", ""},
	    {"user list", true, 0, "[]\n", ""},
	    {"user del nobody", false, 1, "", "there is no login nobody\n"},
	    {"user passwd nobody", false, 1, "", "a password is needed"},
	    {"frob", false, 2, "", "no such command"},
	    {"status --help", false, 2, "", "not a command for the daemon"},
	    {"queue list", false, 0, "bob@example.com", ""},
	    {"queue list", false, 0, "\\x1b[2Jeve", ""},
	    {"queue list --cred BOB", true, 0, ALICE "\"", ""},
	    {"queue list --cred carl", true, 0, "[]\n", ""},
	    {"queue list --lane bulk", true, 0, "[]\n", ""},
	    {"queue list --state held", true, 0,
	     "\"holds\":[\"altered\",\"admin\"]", ""},
	    {"queue list --domain EXAMPLE.net.", true, 0, "\\u001b[2Jeve", ""},
	    {"queue list --domain a\x1b[2Jb", false, 2, "",
	     "--domain takes the name of a domain"},
	    {"queue list --domain bob@example.net", false, 2, "",
	     "--domain takes"},
	    {"queue flush --domain \x7f", false, 2, "", "--domain takes"},
	    {"queue list --limit x", false, 2, "", "--limit takes a number"},
	    {"queue list --lane x", false, 2, "", "personal, bulk or dsn"},
	    {"queue show 1000000000000", false, 0,
	     "to         \\x1b[2Jeve@Example.NET", ""},
	    {"queue show 1000000000001", true, 0,
	     "\"last_reply\":\"451 later\"", ""},
	    {"queue show 1000000000009", false, 1, "", "not in the queue"},
	    {"queue show nonsense", false, 1, "", "an id is 13"},
	    {"queue flush 1000000000009", false, 1, "", "not in the queue"},
	    {"queue flush --hop nix", false, 1, "", "no next hop of that"},
	    {"queue flush --hop hub --domain a", false, 2, "", "at a time"},
	    {"queue flush --hop hub", false, 0, "is due now", ""},
	};

	world_start(true, NULL);
	queue_of_three();
	world.back.hop_count = 1;
	snprintf(world.back.hops[0].name, 64, "hub");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct answer a = command(rows[i].words, NULL, rows[i].json);

		ck_assert_msg(a.exit == rows[i].exit, "%s: %d %s",
			      rows[i].words, a.exit, buf_cstr(&a.err));
		ck_assert_msg(strstr(buf_cstr(&a.out), rows[i].out) != NULL,
			      "%s: %s", rows[i].words, buf_cstr(&a.out));
		ck_assert_msg(strstr(buf_cstr(&a.err), rows[i].err) != NULL,
			      "%s: %s", rows[i].words, buf_cstr(&a.err));
		ck_assert_msg(rows[i].err[0] != '\0' || a.err.n == 0, "%s: %s",
			      rows[i].words, buf_cstr(&a.err));
		ck_assert_ptr_null(strchr(buf_cstr(&a.out), '\033'));
		answer_fini(&a);
	}
	ck_assert_str_eq(world.back.flush_hop, "hub");
	ck_assert_uint_eq(world.back.flush_count, 1);
	ck_assert_uint_eq(world.reload_count, 1);
	world_stop();
}
END_TEST

START_TEST(reload_refused)
{
	struct answer a;

	world_start(true, NULL);
	world.reload_err = GW_EINVAL;
	a = command("reload", NULL, false);
	ck_assert_int_eq(a.exit, 1);
	ck_assert_ptr_nonnull(strstr(buf_cstr(&a.err), "conf:3:1: no such"));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&a.err), "conf:9:4: not a size"));
	answer_fini(&a);
	a = command("reload", NULL, true);
	ck_assert_ptr_nonnull(
	    strstr(buf_cstr(&a.out), "\"problems\":[\"gateway.conf:3:1"));
	answer_fini(&a);
	world_stop();
}
END_TEST

START_TEST(life_of_a_user)
{
	struct user first, second;
	struct store_env *store;

	world_start(true, NULL);
	store = world.spool.store;
	world.control->conf.auth_domain = mem_strdup("example.com");
	expect("user add Bob@example.com --class staff --address b@x.org",
	       "secret", 0, "bob added");
	ck_assert_str_eq(world.auth.forgotten, "bob");
	ck_assert_int_eq(user_get(store, SLICE_LIT("bob"), &first), 0);
	ck_assert_str_eq(first.class, "staff");
	expect("user add BOB", "other", 1, "the login bob is there already");
	expect("user passwd bob", "new", 0, "bob has a new password");
	ck_assert_int_eq(user_get(store, SLICE_LIT("bob"), &second), 0);
	ck_assert_str_ne(first.hash, second.hash);
	ck_assert_str_eq(second.owner_address, "b@x.org");
	ck_assert_int_eq(first.created_wall_s, second.created_wall_s);
	expect("user add a\tb", "x", 1, "a login has");
	expect("user add carl --address nobody", "x", 1, "one mail address");
	expect("user add carl", "", 1, "a password is needed");
	world.spool.change_err = GW_ENOSPC;
	expect("user add carl", "x", 1, "carl: nothing was changed: no space");
	world.spool.change_err = 0;
	expect("user list", NULL, 0, "bob  ");
	world.auth.forgotten[0] = '\0';
	expect("user del bob", NULL, 0, "bob deleted");
	ck_assert_str_eq(world.auth.forgotten, "bob");
	expect("user list", NULL, 0, "");
	user_fini(&first);
	user_fini(&second);
	world_stop();
}
END_TEST

/* Ten at once for one name: one is the first. */
START_TEST(adds_of_one_name)
{
	struct answer a;
	int fd[10], done = 0;

	world_start(true, NULL);
	for (int i = 0; i < 10; i++) {
		fd[i] = dial();
		ask(fd[i], "user add bob", "secret", false, false);
	}
	for (int i = 0; i < 10; i++) {
		hear(fd[i], &a);
		done += a.exit == 0;
		answer_fini(&a);
	}
	ck_assert_int_eq(done, 1);
	world_stop();
}
END_TEST

/* The client goes while the commit is under way: it is made all the same, also
 * when control is told to stop meanwhile. */
START_TEST(gone_before_the_answer)
{
	struct user user;
	int fd;

	world_start(true, NULL);
	world.spool.hold_change = true;
	fd = dial();
	ask(fd, "user add bob", "secret", false, false);
	TURN_UNTIL(world.loop, world.spool.threaded);
	close(fd);
	turn_some(world.loop);
	pthread_mutex_lock(&world.spool.lock);
	world.spool.hold_change = false;
	pthread_mutex_unlock(&world.spool.lock);
	control_destroy(&world.control);
	ck_assert_int_eq(user_get(world.spool.store, SLICE_LIT("bob"), &user),
			 0);
	user_fini(&user);
	world_stop();
}
END_TEST

START_TEST(dovecot_has_the_users)
{
	world_start(false, NULL);
	expect("user list", NULL, 1, "Dovecot");
	expect("user add bob", "secret", 1, "Dovecot");
	world_stop();
}
END_TEST

/* A listing that nobody reads stands still; commands of others do not. */
START_TEST(slow_reader)
{
	struct answer a;
	struct slice rest, entry;
	size_t lines = 0;
	int fd;

	world_start(true, NULL);
	for (uint64_t i = 0; i < 20; i++) {
		struct spool_msg *msg =
		    world_add_message(i + 1, "bob", "bob@example.com");

		for (int r = 0; r < 1000; r++)
			spool_msg_add_rcpt(msg, SLICE_LIT(ALICE));
	}
	fd = dial();
	ask(fd, "queue list --limit 0", NULL, true, false);
	turn_some(world.loop);
	expect("status", NULL, 0, "sluiced");
	for (int i = 0; i < 50; i++)
		turn_some(world.loop);
	hear(fd, &a);
	ck_assert_int_eq(a.exit, 0);
	rest = buf_slice(&a.out);
	while (slice_split(&rest, '{', &entry))
		lines += memmem(entry.p, entry.n, ALICE, strlen(ALICE)) != NULL;
	ck_assert_uint_eq(lines, 20000);
	ck_assert(slice_iends(buf_slice(&a.out), SLICE_LIT("}]\n")));
	answer_fini(&a);
	fd = dial(); /* and one that leaves in the middle */
	ask(fd, "queue list", NULL, true, false);
	turn_some(world.loop);
	close(fd);
	expect("queue list --limit 3", NULL, 0, ALICE);
	world_stop();
}
END_TEST

START_TEST(rude_clients)
{
	static const struct {
		const char *label, *bytes;
		size_t n;
	} rows[] = {
	    {"HTTP", "GET / HTTP/1.1\r\n\r\n", 18},
	    {"an answer", "\x10\0\0\0\1x", 6},
	    {"a secret first", "\2\0\0\0\1x", 6},
	    {"too long", "\1\xff\xff\xff\xff", 5},
	};
	struct buf in = {.cap = 1000};

	world_start(true, NULL);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int fd = dial();

		ck_assert_int_eq(send(fd, rows[i].bytes, rows[i].n, 0),
				 (ssize_t)rows[i].n);
		TURN_UNTIL(world.loop, recv_now(fd, &in) == 0);
		ck_assert_msg(in.n == 0, "%s", rows[i].label);
		close(fd);
	}
	world_stop();
}
END_TEST

START_TEST(at_most_so_many)
{
	int fd[ADMIN_CLIENTS], extra;
	struct buf in = {.cap = 1000};

	world_start(true, NULL);
	for (int i = 0; i < ADMIN_CLIENTS; i++) {
		fd[i] = dial();
		turn_some(world.loop);
	}
	extra = dial();
	TURN_UNTIL(world.loop, recv_now(extra, &in) == 0);
	close(extra);
	for (int i = 0; i < ADMIN_CLIENTS; i++)
		close(fd[i]);
	turn_some(world.loop);
	expect("status", NULL, 0, "sluiced");
	world_stop();
}
END_TEST

START_TEST(the_socket_itself)
{
	char error[256];
	struct control_opts opts;
	struct control *second = NULL;
	struct stat st;
	FILE *f;

	world_start(true, NULL);
	ck_assert_int_eq(stat(world.socket_path, &st), 0);
	ck_assert_int_eq(st.st_mode & 0777, 0660);
	opts = world_opts(true, NULL);
	ck_assert_int_eq(control_create(&second, &opts, error, sizeof(error)),
			 GW_EEXIST); /* a live one */
	ck_assert_ptr_nonnull(strstr(error, "another sluiced"));
	expect("status", NULL, 0, "sluiced");
	control_destroy(&world.control);
	ck_assert_int_ne(stat(world.socket_path, &st), 0);
	f = fopen(world.socket_path, "w"); /* somebody's file stays */
	fclose(f);
	ck_assert_int_eq(control_create(&second, &opts, error, sizeof(error)),
			 GW_EEXIST);
	ck_assert_int_eq(stat(world.socket_path, &st), 0);
	unlink(world.socket_path);
	ck_assert_int_eq(
	    control_create(&world.control, &opts, error, sizeof(error)), 0);
	world_stop();
}
END_TEST

static void
http_get(uint16_t port, const char *request, struct buf *in)
{
	int fd = tcp_connect(port);

	send_str(fd, request);
	buf_clear(in);
	TURN_UNTIL(world.loop, recv_now(fd, in) == 0);
	close(fd);
}

START_TEST(http_pages)
{
	static const struct {
		const char *label, *request, *status;
	} rows[] = {
	    {"metrics", "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
	     "HTTP/1.1 200 "},
	    {"health", "GET /healthz HTTP/1.0\r\n\r\n", "HTTP/1.1 200 "},
	    {"rebinding", "GET /metrics HTTP/1.1\r\nHost: evil\r\n\r\n",
	     "HTTP/1.1 403 "},
	    {"no Host", "GET /metrics HTTP/1.1\r\n\r\n", "HTTP/1.1 400 "},
	    {"no such page", "GET / HTTP/1.0\r\n\r\n", "HTTP/1.1 404 "},
	    {"POST", "POST /metrics HTTP/1.0\r\n\r\n", "HTTP/1.1 405 "},
	    {"garbage", "\x16\x03\x01\r\n\r\n", "HTTP/1.1 400 "},
	};
	struct buf in = {.cap = 1 << 20};
	struct sock_addr addr;
	int fd = tcp_listen(1, &addr.port); /* a free port */

	close(fd);
	(void)ip_parse(SLICE_LIT("127.0.0.1"), &addr.ip);
	world_start(true, &addr);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		http_get(addr.port, rows[i].request, &in);
		ck_assert_msg(
		    slice_starts(buf_slice(&in), slice_str(rows[i].status)),
		    "%s: %s", rows[i].label, buf_cstr(&in));
	}
	world.spool.status.full = true;
	http_get(addr.port, rows[1].request, &in);
	ck_assert_ptr_nonnull(strstr(buf_cstr(&in), " 503 "));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&in), "spool full"));
	buf_fini(&in);
	world_stop();
}
END_TEST

static bool
file_has(const char *path, const char *what)
{
	char text[4096];
	FILE *f = fopen(path, "r");
	size_t n = f == NULL ? 0 : fread(text, 1, sizeof(text) - 1, f);

	if (f != NULL)
		fclose(f);
	text[n] = '\0';
	return strstr(text, what) != NULL;
}

START_TEST(alert_mail_and_program)
{
	char script[128], seen[128];
	struct control_conf conf;
	FILE *f;

	world_start(true, NULL);
	snprintf(script, sizeof(script), "%s/page", world.dir);
	snprintf(seen, sizeof(seen), "%s/seen", world.dir);
	f = fopen(script, "w");
	fprintf(f,
		"#!/bin/sh\necho \"$1 $2 $SLUICE_ALERT_CAUSE "
		"$SLUICE_ALERT_HOST $HOME\" >%s.new && mv %s.new %s\n",
		seen, seen, seen);
	fclose(f);
	chmod(script, 0700);
	conf = world.conf;
	conf.alert_mail = "admin@example.com";
	conf.alert_exec = script;
	control_reload(world.control, &conf);
	world.spool.answer = SPOOL_ACCEPTED;
	world.certificate_wall_s = 1; /* long expired */
	TURN_UNTIL(world.loop,
		   world.spool.mail_count > 0 &&
		       file_has(seen,
				"certificate the TLS certificate has "
				"expired certificate mail.example.com \n"));
	ck_assert_str_eq(world.spool.mail->mail_from, "");
	ck_assert_str_eq(world.spool.mail->rcpts[0].address,
			 "admin@example.com");
	ck_assert_int_eq(world.spool.mail->flags, MSG_GENERATED);
	ck_assert_ptr_nonnull(memmem(world.spool.mail->prefix.p,
				     world.spool.mail->prefix.n,
				     "Auto-Submitted: auto-generated\r\n", 32));
	ck_assert(slice_iends(world.spool.mail->prefix, SLICE_LIT("\r\n\r\n")));
	ck_assert_ptr_nonnull(
	    strstr(buf_cstr(&world.spool.mail_body), "sluice reload\r\n"));
	expect("status", NULL, 0, "ALERTS       the TLS certificate has");
	ck_assert_uint_eq(world.spool.mail_count, 1);
	world_stop();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {commands,
				      reload_refused,
				      life_of_a_user,
				      adds_of_one_name,
				      gone_before_the_answer,
				      dovecot_has_the_users,
				      slow_reader,
				      rude_clients,
				      at_most_so_many,
				      the_socket_itself,
				      http_pages,
				      alert_mail_and_program};

	return RUN_TESTS("control/control", tests);
}
