/* Blocks by command: in force at once, durable or told, in the trail; import
 * and export. */
#include "gateway/control/control_int.h"
#include "policy/audit.h"
#include "tests/control/ask.h"

static bool
blocked(const char *cred, bool *stealth)
{
	const struct block_facts facts = {.cred = cred};
	struct block_hit hit;
	bool yes = blocklist_find(world.blocklist, &facts, false,
				  clock_wall_s(), &hit);

	if (yes && stealth != NULL)
		*stealth = (hit.flags & BLOCK_STEALTH) != 0;
	return yes;
}

/* What a restart would find. */
static uint64_t
on_disk(void)
{
	struct blocklist *list = blocklist_create();
	uint64_t count;

	ck_assert_int_eq(
	    blocklist_load(list, world.spool.store, clock_wall_s()), 0);
	count = blocklist_count(list);
	blocklist_destroy(&list);
	return count;
}

static bool
add_audit(void *arg, const struct audit_entry *entry)
{
	buf_printf(arg, "%s|%s|%s|%s\n",
		   entry->uid == getuid() ? "me" : entry->author,
		   entry->command, entry->reason, entry->effect);
	return true;
}

static const char *
trail(struct buf *out)
{
	buf_clear(out);
	audit_each(world.spool.store, 0, 100, add_audit, out);
	return buf_cstr(out);
}

START_TEST(what_is_said)
{
	static const struct {
		const char *words;
		bool json;
		int exit;
		const char *out, *err;
	} rows[] = {
	    {"block list", true, 0, "[]\n", ""},
	    {"block cred bob", false, 2, "",
	     "did you mean 'sluice block add cred bob'?"},
	    {"unblock bob", false, 2, "", "'sluice block del cred bob'?"},
	    {"block add cred", false, 2, "",
	     "VALUE is missing: sluice block add KIND VALUE"},
	    {"block add user bob", false, 2, "", "KIND is cred, ip, from"},
	    {"block add ip 10.0.0.1/8", false, 2, "",
	     "the prefix is 10.0.0.0/8"},
	    {"block add ip bob", false, 2, "", "neither an address nor"},
	    {"block add hash abc", false, 2, "", "SHA-256"},
	    {"block add from <>", false, 2, "", "null sender"},
	    {"block add cred bob --for 2", false, 2, "",
	     "--for takes how long"},
	    {"block add cred bob --for 2h --until 18:00", false, 2, "",
	     "either --for or --until"},
	    {"block add cred bob --until 2020-01-01", false, 2, "",
	     "over already"},
	    {"block add ip 10.0.0.1 --stealth", false, 2, "",
	     "--stealth is for logins"},
	    {"block del cred bob", false, 1, "", "not in the block list"},
	    {"block add cred BOB@example.com --for 2h --reason spam", false, 0,
	     "Blocked: cred bob until ", ""},
	    {"block add cred bob --stealth", true, 0,
	     "\"value\":\"bob\",\"action\":\"refuse\",\"stealth\":true", ""},
	    {"block add cred bob", true, 0,
	     "\"result\":\"renewed\",\"durable\":true}\n", ""},
	    {"block add ip 10.0.0.0/8 --reason a\tb", true, 0,
	     "\"reason\":\"a\\tb\"", ""},
	    {"block list", false, 0,
	     "cred   bob                                refuse", ""},
	    {"block list", false, 0, "a\\x09b\n", ""},
	    {"block list ip", true, 0, "[{\"id\":\"", ""},
	    {"block list cred bob", true, 0, "\"value\":\"bob\"", ""},
	    {"block list cred carl", true, 0, "[]\n", ""},
	    {"block list frob", false, 2, "", "KIND is cred, ip"},
	    {"block list --limit x", false, 2, "", "--limit takes a number"},
	    {"block export", false, 0, "\nip 10.0.0.0/8 made=", ""},
	    {"block del ip 10.0.0.0/8", false, 0,
	     "Not blocked any more: ip 10.0.0.0/8.\n", ""},
	    {"block del cred Bob", true, 0, "\"result\":\"deleted\"", ""},
	    {"block list", false, 0, "", ""},
	};

	world_start(true, NULL);
	world.control->conf.auth_domain = mem_strdup("example.com");
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
		answer_fini(&a);
	}
	ck_assert_uint_eq(on_disk(), 0);
	world_stop();
}
END_TEST

START_TEST(in_force_durable_and_told)
{
	struct buf text = {.cap = 65536};
	bool stealth = false;

	world_start(true, NULL);
	expect("block add cred bob --stealth --reason spam", NULL, 0, "held.");
	ck_assert(blocked("bob", &stealth) && stealth);
	ck_assert_str_eq(world.auth.forgotten, "bob");
	ck_assert_uint_eq(on_disk(), 1);
	ck_assert_str_eq(
	    trail(&text),
	    "me|block add cred bob --stealth --reason spam|spam|in force\n");
	world.back.answer.recipients = 1234;
	expect("block del cred bob --reason mistake", NULL, 0,
	       "1,234 recipients that it held");
	ck_assert(!blocked("bob", NULL));
	ck_assert_uint_eq(on_disk(), 0);
	ck_assert_str_eq(buf_cstr(&world.back.asked), "recheck;");
	ck_assert_uint_ne(world.back.rule, 0);
	ck_assert_ptr_nonnull(strstr(trail(&text), "|mistake|removed\n"));
	buf_fini(&text);
	world_stop();
}
END_TEST

/* The disk fails: it acts all the same, and the exit status tells. */
START_TEST(in_force_but_not_durable)
{
	struct answer a;

	world_start(true, NULL);
	world.spool.change_err = GW_ENOSPC;
	expect("block add cred bob", NULL, 1, "in force, but not durable");
	ck_assert(blocked("bob", NULL));
	a = command("block add cred carl --reject-queued", NULL, true);
	ck_assert_int_eq(a.exit, 1);
	ck_assert_ptr_nonnull(strstr(buf_cstr(&a.out), "\"durable\":false"));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&a.err), "was not purged"));
	answer_fini(&a);
	ck_assert_uint_eq(world.back.asked.n, 0);
	expect("block del cred bob", NULL, 1, "in force, but not durable");
	ck_assert(!blocked("bob", NULL));
	world_stop();
}
END_TEST

/* The client goes while the disk works: nothing is lost by it. */
START_TEST(gone_before_the_answer)
{
	int fd;

	world_start(true, NULL);
	world.spool.hold_change = true;
	fd = dial();
	ask(fd, "block add cred bob", NULL, false, false);
	TURN_UNTIL(world.loop, world.spool.threaded);
	ck_assert(blocked("bob", NULL));
	close(fd);
	turn_some(world.loop);
	pthread_mutex_lock(&world.spool.lock);
	world.spool.hold_change = false;
	pthread_mutex_unlock(&world.spool.lock);
	control_destroy(&world.control);
	ck_assert_uint_eq(on_disk(), 1);
	world_stop();
}
END_TEST

START_TEST(reject_queued)
{
	static const struct {
		const char *words, *asked;
	} rows[] = {
	    {"block add cred bob --reject-queued", "purge cred=bob;"},
	    {"block add ip 2001:db8::/32 --reject-queued",
	     "purge ip=2001:db8::/32;"},
	    {"block add from @.Example.net --reject-queued",
	     "purge from=@.example.net;"},
	    {"block add domain example.net. --reject-queued",
	     "purge domain=example.net;"},
	    {"block add hash "
	     "ABCDabcdabcdabcdabcdabcdabcdabcdabcdabcdabcdabcdabcdabcdabcdabcd"
	     " --reject-queued",
	     "purge body=abcd;"},
	};
	struct buf text = {.cap = 65536};

	world_start(true, NULL);
	world.back.answer.messages = 2;
	world.back.answer.recipients = 3;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		buf_clear(&world.back.asked);
		expect(rows[i].words, NULL, 0, "Purged 2 messages; for 24");
		ck_assert_str_eq(buf_cstr(&world.back.asked), rows[i].asked);
		ck_assert_uint_ne(world.back.trash, 0);
		ck_assert_int_ge(world.back.trash_until_wall_s,
				 clock_wall_s() + 86390);
		/* the last entry of the trail names the trash and tells */
		TURN_UNTIL(world.loop,
			   strstr(trail(&text), "|purged 2 messages, 3 "
						"recipients") != NULL);
	}
	buf_fini(&text);
	world_stop();
}
END_TEST

/* --- import -----------------------------------------------------------------
 */

static struct answer
import(const char *text, size_t most, bool json)
{
	struct answer a;
	int fd = dial();

	ask_input(fd, "block import -", slice_str(text), most, json);
	hear(fd, &a);
	return a;
}

START_TEST(import_all_or_nothing)
{
	static const struct {
		const char *label, *text;
		int exit;
		uint64_t count;
		const char *out, *err;
	} rows[] = {
	    {"nothing", "", 0, 0, "Imported 0 entries", ""},
	    {"comments", "# a\n\n   \n", 0, 0, "Imported 0 entries", ""},
	    {"one, no newline", "cred bob", 0, 1, "1 entries: 1 new", ""},
	    {"normalised", "cred BOB\ncred bob\r\n", 0, 1, "1 new, 1 renewed",
	     ""},
	    {"all kinds",
	     "cred bob\nip 10.0.0.0/8 reason=\"a b\"\nfrom @example.net\n"
	     "domain .example.org stealth\nip ::1 hold\n",
	     0, 5, "5 new", ""},
	    {"over already", "cred bob until=2020-01-01T00:00:00Z\ncred al\n",
	     0, 1, "1 were over already", ""},
	    {"one wrong line of three", "cred bob\nip 10.0.0.1/8\ncred carl\n",
	     1, 0, "", "line 2: '10.0.0.1/8' has bits set"},
	    {"two wrong", "frob\ncred bob x\n", 1, 0, "", "2 of 2 lines"},
	};
	static const size_t frames[] = {1, 7, 60000};

	for (size_t f = 0; f < 3; f++) {
		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
			struct answer a;

			world_start(true, NULL);
			a = import(rows[i].text, frames[f], false);
			ck_assert_msg(a.exit == rows[i].exit, "%s: %s",
				      rows[i].label, buf_cstr(&a.err));
			ck_assert_msg(
			    strstr(buf_cstr(&a.out), rows[i].out) != NULL,
			    "%s: %s", rows[i].label, buf_cstr(&a.out));
			ck_assert_msg(
			    strstr(buf_cstr(&a.err), rows[i].err) != NULL,
			    "%s: %s", rows[i].label, buf_cstr(&a.err));
			ck_assert_uint_eq(blocklist_count(world.blocklist),
					  rows[i].count);
			ck_assert_uint_eq(on_disk(), rows[i].count);
			answer_fini(&a);
			world_stop();
		}
	}
}
END_TEST

/* Every line wrong: the first ones are told, and how many there are. */
START_TEST(import_of_nonsense)
{
	struct buf text = {.cap = 1 << 20};
	struct answer a;

	world_start(true, NULL);
	for (int i = 0; i < 3000; i++)
		buf_add_str(&text, "nonsense \033[2J\n");
	a = import(buf_cstr(&text), 60000, false);
	ck_assert_int_eq(a.exit, 1);
	ck_assert_ptr_nonnull(strstr(buf_cstr(&a.err), "line 20: "));
	ck_assert_ptr_null(strstr(buf_cstr(&a.err), "line 21: "));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&a.err), "2980 lines more"));
	ck_assert_ptr_null(strchr(buf_cstr(&a.err), '\033'));
	answer_fini(&a);
	a = import(buf_cstr(&text), 60000, true);
	ck_assert_ptr_nonnull(
	    strstr(buf_cstr(&a.out), "\"result\":\"refused\",\"entries\":0"));
	answer_fini(&a);
	buf_fini(&text);
	world_stop();
}
END_TEST

/* What is exported is read back as the same list; other commands are answered
 * in between. */
START_TEST(there_and_back)
{
	struct buf text = {.cap = 1 << 20};
	struct answer a, again;
	int fd;

	world_start(true, NULL);
	for (int i = 0; i < 3000; i++)
		buf_printf(&text, "ip 10.%d.%d.0/24 reason=\"net %d\"\n",
			   i / 256, i % 256, i);
	fd = dial();
	ask_input(fd, "block import x", buf_slice(&text), 60000, false);
	expect("status", NULL, 0, "sluiced");
	hear(fd, &a);
	ck_assert_ptr_nonnull(strstr(buf_cstr(&a.out), "3,000 entries: 3,000"));
	answer_fini(&a);
	a = command("block export", NULL, false);
	ck_assert_int_eq(a.exit, 0);
	blocklist_destroy(&world.blocklist);
	world.control->blocklist = world.blocklist = blocklist_create();
	again = import(buf_cstr(&a.out), 60000, false);
	ck_assert_int_eq(again.exit, 0);
	answer_fini(&again);
	again = command("block export", NULL, false);
	/* but for the head, which has the time */
	ck_assert_str_eq(strchr(buf_cstr(&a.out), '\n'),
			 strchr(buf_cstr(&again.out), '\n'));
	answer_fini(&a);
	answer_fini(&again);
	buf_fini(&text);
	world_stop();
}
END_TEST

START_TEST(import_on_a_failing_disk)
{
	struct buf text = {.cap = 1 << 20};
	struct answer a;

	world_start(true, NULL);
	for (int i = 0; i < 1000; i++)
		buf_printf(&text, "cred user%d\n", i);
	world.spool.change_err = GW_EIO;
	a = import(buf_cstr(&text), 60000, true);
	ck_assert_int_eq(a.exit, 1);
	ck_assert_ptr_nonnull(strstr(buf_cstr(&a.err), "perhaps not durable"));
	ck_assert_ptr_nonnull(
	    strstr(buf_cstr(&a.out), "\"result\":\"incomplete\""));
	answer_fini(&a);
	buf_fini(&text);
	world_stop();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {what_is_said,
				      in_force_durable_and_told,
				      in_force_but_not_durable,
				      gone_before_the_answer,
				      reject_queued,
				      import_all_or_nothing,
				      import_of_nonsense,
				      there_and_back,
				      import_on_a_failing_disk};

	return RUN_TESTS("control/block", tests);
}
