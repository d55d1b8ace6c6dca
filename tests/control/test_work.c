/* hold, release, purge, undo: what is asked of back, what is said, the trail.
 * size: one table holds every way to write them, in an order that matters. */
#include "gateway/control/control_int.h"
#include "policy/audit.h"
#include "tests/control/ask.h"

#define FIRST (1ull << 60)

static bool
add_audit(void *arg, const struct audit_entry *entry)
{
	buf_printf(arg, "%s => %s\n", entry->command, entry->effect);
	return true;
}

static const char *
trail(struct buf *out)
{
	buf_clear(out);
	audit_each(world.spool.store, 0, 100, add_audit, out);
	return buf_cstr(out);
}

/* Two messages in the queue, and back says that it knows of twelve. */
static void
start(void)
{
	struct spool_msg *msg;

	world_start(true, NULL);
	msg = world_add_message(FIRST, "bob", "bob@example.com");
	spool_msg_add_rcpt(msg, SLICE_LIT("alice@example.org"));
	msg->body.digest[0] = 0xab;
	msg->body.digest[1] = 0xcd;
	msg = world_add_message(FIRST + 1, "\033[2J", "");
	spool_msg_add_rcpt(msg, SLICE_LIT("\033[2Jeve@example.org"));
	world.back.answer = (struct back_work){
	    .messages = 12,
	    .recipients = 1300,
	    .held = 7,
	    .sample = {FIRST + 1, FIRST, FIRST + 9},
	    .sample_count = 3,
	};
}

START_TEST(what_is_asked)
{
	static const struct {
		const char *words;
		int exit;
		const char *asked; /* of back, in this order */
		const char *out, *err;
	} rows[] = {
	    /* selectors, in the form in which mail is compared */
	    {"purge --cred BOB --dry-run", 0, "count cred=bob;",
	     "login bob:\n  12 messages, 1,300 recipients in the queue, 7 held",
	     ""},
	    {"purge --ip 10.0.0.0/8 --dry-run", 0, "count ip=10.0.0.0/8;",
	     "address 10.0.0.0/8", ""},
	    {"purge --from @Example.COM --dry-run", 0,
	     "count from=@example.com;", "", ""},
	    {"purge --domain Example.ORG. --dry-run", 0,
	     "count domain=example.org;", "", ""},
	    {"purge --body 1000000000000 --dry-run", 0, "count body=abcd;",
	     "body abcd0000", ""},
	    {"purge --id 1000000000000 --dry-run", 0, "count id;", "", ""},
	    {"purge --since 2h --before 1h --dry-run", 0, "count since before;",
	     "since ", ""},
	    {"purge --cred bob --domain example.org --since 1h --dry-run", 0,
	     "count cred=bob domain=example.org since;", "", ""},
	    /* nothing without --yes */
	    {"purge --cred bob", 1, "count cred=bob;", "alice@example.org",
	     "the same with --yes does it"},
	    {"hold --cred bob", 1, "count cred=bob;", "", "--yes"},
	    {"release --cred bob", 1, "count cred=bob;", "", "--yes"},
	    {"purge --cred bob --yes --dry-run", 0, "count cred=bob;", "", ""},
	    /* not understood */
	    {"purge", 2, "", "", "say which"},
	    {"purge --yes", 2, "", "", "say which"},
	    {"release --yes", 2, "", "", "say which"},
	    {"hold --yes", 2, "", "", "a hold is by one of"},
	    {"hold --cred bob --ip 10.0.0.1 --yes", 2, "", "", "one of"},
	    {"hold cred bob", 2, "", "", "did you mean '--cred'?"},
	    {"hold --cred bob --before 1h", 2, "", "", "no such option"},
	    {"purge --ip 10.0.0.1/8", 2, "", "", "bits set"},
	    {"purge --body abc", 2, "", "", "SHA-256"},
	    {"purge --body 1000000000009", 1, "", "", "not in the queue"},
	    {"purge --id xyz", 2, "", "", "13 letters"},
	    {"purge --cred bob --since yesterday", 2, "", "",
	     "--since takes a time of day"},
	    {"purge --cred bob --since 2099-01-01", 2, "", "", "still to come"},
	    /* and done */
	    {"purge --cred bob --yes", 0, "count cred=bob;purge cred=bob;",
	     "Purged 12 messages, 1,300 recipients.\nFor 24 hours: sluice undo "
	     "1",
	     ""},
	    {"purge --cred bob --now --yes", 0,
	     "count cred=bob;purge cred=bob;", "Deleted 12 messages", ""},
	    {"release --cred bob --yes", 0, "count cred=bob;release cred=bob;",
	     "Released 12 messages, 1,300 recipients that limits held.\n"
	     "7 recipients stay held by something else.\n",
	     ""},
	    {"hold --cred bob --yes", 0, "count cred=bob;",
	     "Held, with what comes of it (", ""},
	    {"hold --cred bob --yes --for 2h", 0, "recheck;count cred=bob;",
	     "Held already, and renewed, with what comes of it, until ", ""},
	    {"block del cred bob", 1, "", "", "not blocked, only held"},
	    {"release --cred bob --since 1h --yes", 2, "", "",
	     "released whole, or up to a time"},
	    {"release --cred bob --before 10m --yes", 0,
	     "count cred=bob before;recheck;release cred=bob before;",
	     "goes on for what is younger; let go: 1,300 recipients", ""},
	    {"release --cred bob --domain example.org --yes", 0,
	     "count cred=bob domain=example.org;"
	     "release cred=bob domain=example.org;",
	     "", ""},
	    {"release --cred bob --yes", 0,
	     "count cred=bob;recheck;release cred=bob;", "The hold is gone",
	     ""},
	    {"hold --id 1000000000000 --yes", 0, "count body=abcd;",
	     "Held, with", ""},
	    {"release --body 1000000000000 --yes", 0,
	     "count body=abcd;recheck;release body=abcd;", "hold is gone", ""},
	    {"undo 1000000000000", 0, "undo;",
	     "Brought back 12 messages, 1,300 recipients.\n", ""},
	    {"undo bob", 2, "", "", "13 letters"},
	};

	start();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct answer a;

		buf_clear(&world.back.asked);
		a = command(rows[i].words, NULL, false);
		ck_assert_msg(a.exit == rows[i].exit, "%s: %d %s",
			      rows[i].words, a.exit, buf_cstr(&a.err));
		ck_assert_msg(
		    strcmp(buf_cstr(&world.back.asked), rows[i].asked) == 0,
		    "%s: %s", rows[i].words, buf_cstr(&world.back.asked));
		ck_assert_msg(strstr(buf_cstr(&a.out), rows[i].out) != NULL,
			      "%s: %s", rows[i].words, buf_cstr(&a.out));
		ck_assert_msg(strstr(buf_cstr(&a.err), rows[i].err) != NULL,
			      "%s: %s", rows[i].words, buf_cstr(&a.err));
		ck_assert_msg(rows[i].err[0] != '\0' || a.err.n == 0, "%s: %s",
			      rows[i].words, buf_cstr(&a.err));
		ck_assert_ptr_null(strchr(buf_cstr(&a.out), '\033'));
		answer_fini(&a);
	}
	ck_assert_uint_eq(blocklist_count(world.blocklist), 0);
	world_stop();
}
END_TEST

static bool
held(int64_t accepted_ago_s, struct block_hit *hit)
{
	int64_t now_s = clock_wall_s();
	const struct block_facts facts = {
	    .cred = "bob", .accepted_wall_s = now_s - accepted_ago_s};

	return blocklist_find(world.blocklist, &facts, true, now_s, hit);
}

/* A release up to a time leaves the hold as it was for what is younger. */
START_TEST(a_hold_made_narrower)
{
	struct block_hit before, after;

	start();
	expect("hold --cred bob --for 2h --reason odd --yes", NULL, 0, "Held");
	ck_assert(held(3600, &before));
	expect("release --cred bob --before 10m --yes", NULL, 0, "goes on");
	ck_assert(!held(3600, &after));
	ck_assert(held(0, &after));
	ck_assert_uint_eq(before.id, after.id);
	ck_assert_int_eq(before.until_wall_s, after.until_wall_s);
	expect("block list", NULL, 0, ": odd\n");
	/* and is as old as that now */
	expect("release --cred bob --before 20m --yes", NULL, 0,
	       "that limits held");
	ck_assert(held(0, &after));
	world_stop();
}
END_TEST

/* The intention is in the trail before the work begins, its end behind it;
 * the trail's id is the trash's. */
START_TEST(the_trail_of_a_purge)
{
	struct buf text = {.cap = 65536};
	struct answer a;
	char id[ID_TEXT_SIZE];
	int fd;

	start();
	world.back.hold_work = true;
	fd = dial();
	ask(fd, "purge --cred bob --yes --reason spam", NULL, true, false);
	TURN_UNTIL(world.loop, world.back.stuck != NULL);
	ck_assert_int_eq(world.back.stuck->verb, BACK_COUNT);
	world.back.stuck->done(world.back.stuck);
	world.back.stuck = NULL;
	TURN_UNTIL(world.loop, world.back.stuck != NULL);
	ck_assert_int_eq(world.back.stuck->verb, BACK_PURGE);
	ck_assert_str_eq(trail(&text),
			 "purge --cred bob --yes --reason spam => begun\n");
	id_format(world.back.trash, id);
	ck_assert_int_ge(world.back.trash_until_wall_s, clock_wall_s() + 86390);
	world.back.stuck->done(world.back.stuck);
	hear(fd, &a);
	ck_assert_int_eq(a.exit, 0);
	ck_assert_ptr_nonnull(strstr(buf_cstr(&a.out), id));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&a.out), "\"done\":true}\n"));
	answer_fini(&a);
	TURN_UNTIL(world.loop, strstr(trail(&text),
				      " => purged 12 messages, 1300 recipients"
				      "\n") != NULL);
	world.back.hold_work = false;
	expect("why 1000000000009", NULL, 1, "nothing is known of it");
	snprintf(text.p, 100, "why %s", id);
	a = command(text.p, NULL, false);
	ck_assert_msg(strstr(buf_cstr(&a.out), "is a change") != NULL, "%s",
		      buf_cstr(&a.out));
	answer_fini(&a);
	buf_fini(&text);
	world_stop();
}
END_TEST

/* The client goes in the middle: the work goes on, its end is told. */
START_TEST(gone_in_the_middle)
{
	struct buf text = {.cap = 65536};
	int fd;

	start();
	fd = dial();
	world.back.hold_work = true;
	ask(fd, "undo 1000000000000", NULL, false, false);
	TURN_UNTIL(world.loop, world.back.stuck != NULL);
	close(fd);
	turn_some(world.loop);
	world.back.stuck->done(world.back.stuck);
	TURN_UNTIL(world.loop, strstr(trail(&text), "brought back 12") != NULL);
	buf_fini(&text);
	world_stop();
}
END_TEST

/* sluiced stops while back works: nobody waits, nothing is used afterwards. */
START_TEST(control_goes_first)
{
	int fd;

	start();
	world.back.hold_work = true;
	fd = dial();
	ask(fd, "undo 1000000000000", NULL, false, false);
	TURN_UNTIL(world.loop, world.back.stuck != NULL);
	control_destroy(&world.control);
	world.back.stuck->done(world.back.stuck);
	close(fd);
	world_stop();
}
END_TEST

START_TEST(failures)
{
	static const struct {
		const char *label, *words;
		int commit, work;
		uint64_t failed;
		const char *err;
	} rows[] = {
	    {"disk", "purge --cred bob --yes", GW_ENOSPC, 0, 0,
	     "nothing was done"},
	    {"disk", "release --cred bob --yes", GW_ENOSPC, 0, 0,
	     "nothing was done"},
	    {"disk", "undo 1000000000000", GW_ENOSPC, 0, 0, "nothing was done"},
	    {"disk", "hold --cred bob --yes", GW_ENOSPC, 0, 0,
	     "in force, but not durable"},
	    {"some", "purge --cred bob --yes", 0, 0, 3,
	     "3 recipients could not be changed"},
	    {"nothing in the trash", "undo 1000000000000", 0, GW_ENOENT, 0,
	     "nothing to bring back"},
	    {"stopping", "purge --cred bob --yes", 0, GW_ECANCELED, 0,
	     "cannot be looked at: stopping"},
	};

	start();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct answer a;

		world.spool.change_err = rows[i].commit;
		world.back.answer.err = rows[i].work;
		world.back.answer.failed = rows[i].failed;
		a = command(rows[i].words, NULL, true);
		ck_assert_msg(a.exit == 1, "%s", rows[i].words);
		ck_assert_msg(strstr(buf_cstr(&a.err), rows[i].err) != NULL,
			      "%s: %s", rows[i].words, buf_cstr(&a.err));
		answer_fini(&a);
	}
	world_stop();
}
END_TEST

START_TEST(trash)
{
	struct buf text = {.cap = 65536};

	start();
	expect("trash", NULL, 0, "");
	expect("purge --cred bob --yes --reason spam", NULL, 0, "sluice undo");
	world.spool.trash[0] =
	    (struct spool_trash){.trash = world.back.trash,
				 .messages = 12,
				 .recipients = 1300,
				 .until_wall_s = clock_wall_s() + 86400};
	world.spool.trash_count = 1;
	expect("trash", NULL, 0, ": purge --cred bob --yes --reason spam\n");
	expect("trash", NULL, 0, "         12       1300");
	buf_fini(&text);
	world_stop();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {what_is_asked,
				      a_hold_made_narrower,
				      the_trail_of_a_purge,
				      gone_in_the_middle,
				      control_goes_first,
				      failures,
				      trash};

	return RUN_TESTS("control/work", tests);
}
