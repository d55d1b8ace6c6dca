/* What shows how things stand: limits, grants, why, top, from, audit. Each
 * answer is held against its piece, and against 80 columns. */
#include "gateway/control/control_int.h"
#include "policy/audit.h"
#include "tests/control/ask.h"

static struct ip_addr client;

/* --- is it JSON? ------------------------------------------------------------
 */

static const char *value_end(const char *p);

static const char *
string_end(const char *p)
{
	for (p++; *p != '"'; p++) {
		if (*p == '\0')
			return p;
		p += *p == '\\' && p[1] != '\0';
	}
	return p + 1;
}

/* Behind the last of a list of values, or of keys and values; else at what is
 * wrong. */
static const char *
list_end(const char *p, char end)
{
	if (*p == end)
		return p + 1;
	for (;; p++) {
		if (end == '}') {
			if (*p != '"' || *(p = string_end(p)) != ':')
				return "?";
			p++;
		}
		p = value_end(p);
		if (*p == end)
			return p + 1;
		if (*p != ',')
			return "?";
	}
}

static const char *
value_end(const char *p)
{
	if (*p == '{')
		return list_end(p + 1, '}');
	if (*p == '[')
		return list_end(p + 1, ']');
	if (*p == '"')
		return string_end(p);
	if (strncmp(p, "null", 4) == 0 || strncmp(p, "true", 4) == 0)
		return p + 4;
	if (strncmp(p, "false", 5) == 0)
		return p + 5;
	return *p == '-' || (*p >= '0' && *p <= '9')
		   ? p + 1 + strspn(p + 1, "0123456789.")
		   : "?";
}

static bool
is_json(const char *text)
{
	return strcmp(value_end(text), "\n") == 0;
}

/* ----------------------------------------------------------------------------
 */

/* bob sent 3 messages to 2 each, was refused once; his 40 bursts are known. */
static void
start(void)
{
	static const struct slice domains[] = {{"example.org", 11},
					       {"example.net", 11}};
	struct limit_who who = {.cred = "bob"};
	struct limit_verdict verdict;

	world_start(true, NULL);
	(void)ip_parse(SLICE_LIT("192.0.2.7"), &client);
	who.ip = client;
	for (int i = 0; i < 3; i++) {
		const struct top_message m = {.cred = "bob",
					      .ip = client,
					      .from =
						  SLICE_LIT("bob@example.com"),
					      .domains = domains,
					      .recipient_count = 2};
		struct reservation *r = reservation_create(world.limits, &who);

		top_accepted(world.top, &m, clock_wall_s());
		for (int rcpt = 0; rcpt < 2; rcpt++)
			reservation_rcpt(r, false, 0, clock_mono_us(),
					 &verdict);
		reservation_settle(r, 1 << 20, clock_mono_us(), &verdict);
		reservation_commit(&r);
	}
	top_refused(world.top, "carl", &client, SLICE_LIT("\033[2J@x.org"),
		    SLICE_NONE, clock_wall_s());
	top_refused(world.top, "eve", &client, SLICE_LIT("e@x.org"),
		    SLICE_LIT("gone.lab"), clock_wall_s());
	top_dead_domain(world.top, "eve", &client, SLICE_LIT("e@x.org"),
			SLICE_LIT("gone.lab"), clock_wall_s());
}

static uint64_t
decide(enum decision_kind kind, int code, enum limit_action action)
{
	struct decision d = {
	    .kind = kind,
	    .wall_ms = clock_wall_ms(),
	    .cred = "bob",
	    .client = client,
	    .session = id_next(),
	    .stage = "RCPT",
	    .code = code,
	    .hit = {.name = "person",
		    .per = LIMIT_CRED,
		    .counted = LIMIT_RECIPIENTS,
		    .action = action,
		    .used = 400,
		    .limit = 400,
		    .amount = 1,
		    .period_ms = 3600000,
		    .frees_wall_s = clock_wall_s() + 600},
	    .scan = SCAN_UNSCANNABLE,
	    .detail = "eve@\033[2J.org",
	};

	return decisions_add(world.decisions, &d);
}

static void
try(const char *words, int exit, const char *said)
{
	struct answer a;
	struct slice rest, line;
	int fd = dial();

	ask(fd, words, NULL, false, true);
	hear(fd, &a);
	ck_assert_msg(a.exit == exit, "%s: %d %s", words, a.exit,
		      buf_cstr(&a.err));
	ck_assert_msg(strstr(buf_cstr(exit == 0 ? &a.out : &a.err), said) !=
			  NULL,
		      "%s: %s%s", words, buf_cstr(&a.out), buf_cstr(&a.err));
	ck_assert_ptr_null(strchr(buf_cstr(&a.out), '\033'));
	rest = buf_slice(&a.out);
	while (slice_split(&rest, '\n', &line))
		ck_assert_msg(line.n <= 80, "%s: %.*s", words, (int)line.n,
			      line.p);
	answer_fini(&a);
	if (exit != 0)
		return;
	a = command(words, NULL, true);
	ck_assert_msg(a.exit != 0 || is_json(buf_cstr(&a.out)), "%s: %s", words,
		      buf_cstr(&a.out));
	answer_fini(&a);
}

START_TEST(limits_and_grants)
{
	static const struct {
		const char *words;
		int exit;
		const char *said;
	} rows[] = {
	    {"limits", 0,
	     "person         login         messages "
	     "                    - 30/m burst 40\n"},
	    {"limits", 0, "observe: changes nothing\n"},
	    {"limits --cred BOB", 0,
	     "person         login         recipients                   6 "
	     "400/h\n"},
	    {"limits --cred bob", 0, "3.0 MiB 500 MiB/d"},
	    {"limits --ip 192.0.2.7", 0,
	     "address        address       "
	     "recipients                   6"},
	    {"limits --ip 192.0.2.0/24", 2, "--ip is one IP address"},
	    {"limits --cred a\tb", 2, "--cred is a login"},
	    {"grant", 2, "--cred is missing"},
	    {"grant --cred bob", 2, "either what is granted"},
	    {"grant --cred bob --recipients 10", 2, "--until is missing"},
	    {"grant --cred bob --recipients ten --until 2h", 2,
	     "--recipients takes a number"},
	    {"grant --cred bob --bytes x --until 2h", 2,
	     "--bytes takes a size"},
	    {"grant --cred bob --recipients 10 --until 1999-01-01", 2,
	     "over already"},
	    {"grant --cred bob --withdraw", 1, "nothing was granted"},
	    {"grant --cred bob --recipients 0", 1, "nothing was granted"},
	    {"grant --cred Bob --recipients 3000 --until 2h", 0,
	     "bob: 3,000 more recipients until "},
	    {"grant --cred bob --bytes 1G --messages 5 --until 2099-01-01", 0,
	     "bob: 1.0 GiB more bytes until 2099-01-01 00:00\n"},
	    {"limits --cred bob", 0, "3,400/h\n  granted 3,000 more until "},
	    {"limits", 0, "GRANTED TO"},
	    {"why cred bob", 0, "3,400/h"},
	    {"grant --cred bob --withdraw --until 2h", 2, "or --withdraw"},
	    {"audit", 0, "  sluice grant --cred Bob --recipients 3000"},
	};

	start();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		try(rows[i].words, rows[i].exit, rows[i].said);
	expect("grant --cred bob --recipients 0", NULL, 0,
	       "no grant of recipients any more");
	expect("grant --cred bob --withdraw", NULL, 0,
	       "no grant of messages any more\nbob: no grant of bytes");
	try("limits --cred bob", 0, "6 400/h\n");
	world_stop();
}
END_TEST

static uint64_t
count_durable_accounts(void)
{
	struct accounts *accounts = accounts_create();
	uint64_t granted;

	ck_assert_int_eq(
	    accounts_load(accounts, world.spool.store, clock_wall_s()), 0);
	granted = accounts_granted(accounts, "bob", LIMIT_RECIPIENTS,
				   clock_wall_s(), NULL);
	accounts_destroy(&accounts);
	return granted;
}

START_TEST(grants_are_durable_or_told)
{
	start();
	expect("grant --cred bob --recipients 7 --until 2h", NULL, 0, "7 more");
	ck_assert_uint_eq(count_durable_accounts(), 7);
	world.spool.change_err = GW_EIO;
	expect("grant --cred bob --recipients 9 --until 2h", NULL, 1,
	       "in force, but not durable");
	ck_assert_uint_eq(count_durable_accounts(), 7);
	ck_assert_uint_eq(accounts_granted(world.accounts, "bob",
					   LIMIT_RECIPIENTS, clock_wall_s(),
					   NULL),
			  9);
	world_stop();
}
END_TEST

START_TEST(senders)
{
	static const struct {
		const char *words;
		int exit;
		const char *said;
	} rows[] = {
	    {"from list", 0, "Nothing was added.\n"},
	    {"from add bob", 2, "PATTERN is missing"},
	    {"from bob", 2, "did you mean 'sluice from list bob'?"},
	    {"from add bob nonsense", 2, "is no sender"},
	    {"from del bob @example.com", 1, "was never added"},
	    {"from list bob", 0, "Nothing was added.\n"},
	};

	start();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		try(rows[i].words, rows[i].exit, rows[i].said);
	expect("from add BOB @Example.com", NULL, 0,
	       "bob: may send as @Example.com\n");
	expect("from add bob @example.com", NULL, 1, "there already");
	try("from list", 0, "bob                              @example.com\n");
	ck_assert(accounts_sender_ok(world.accounts, "bob",
				     SLICE_LIT("a@example.com")));
	expect("from del bob @example.com", NULL, 0, "may no longer send as");
	try("from list", 0, "Nothing was added.\n");
	world_stop();
}
END_TEST

START_TEST(busiest)
{
	static const struct {
		const char *words;
		int exit;
		const char *said;
	} rows[] = {
	    {"top", 0, "LOGIN "},
	    {"top", 0, "bob                           3        6       0"},
	    {"top --by ip", 0, "192.0.2.7                     3        6"},
	    {"top --by from", 0, "\\x1b[2j@x.org"},
	    {"top --by domain --window 1h", 0, "example.net "},
	    {"top --limit 1", 0, "bob"},
	    {"top", 0, "      1     1 100%      1"},
	    {"top --by login", 2, "--by is cred, ip, from or domain"},
	    {"top --window 2h", 2, "from 1m to 60m"},
	    {"top --window 10", 2, "from 1m to 60m"},
	    {"top --limit 0", 2, "from 1 to 2000"},
	};

	start();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		try(rows[i].words, rows[i].exit, rows[i].said);
	world_stop();
}
END_TEST

START_TEST(reasons)
{
	char words[64], id[ID_TEXT_SIZE];
	struct spool_msg *msg;

	start();
	id_format(decide(DECISION_LIMIT, 450, LIMIT_DEFER), id);
	snprintf(words, sizeof(words), "why %s", id);
	try(words, 0, "at RCPT: refused with 450\n");
	try(words, 0,
	    "because    limit person, recipients of each login: 400/h\n");
	try(words, 0, "counted    400, and 1 more asked for; room again at ");
	try(words, 0, "sluice grant --cred bob --recipients N");
	try(words, 0, "about      eve@\\x1b[2J.org\n");
	snprintf(words, sizeof(words), "why [%s]", id);
	try(words, 0, "refused with 450");
	id_format(decide(DECISION_LIMIT, 250, LIMIT_HOLD), id);
	snprintf(words, sizeof(words), "why %s", id);
	try(words, 0, "accepted with 250, but held\n");
	id_format(decide(DECISION_SENDER, 550, LIMIT_PASS), id);
	snprintf(words, sizeof(words), "why %s", id);
	try(words, 0, "sluice from add bob eve@");
	id_format(decide(DECISION_SCAN, 250, LIMIT_PASS), id);
	snprintf(words, sizeof(words), "why %s", id);
	try(words, 0, "accepted with 250, but held\n");
	try(words, 0, "because    the virus scanner cannot look inside\n");
	try("why cred bob", 0, "Decided last:\n");
	try("why cred bob", 0, "Limits that count something:\n");
	try("why ip 192.0.2.7", 0, "Decided last:\n");
	try("why cred nobody", 0, "Nothing blocks, holds or counts it");
	try("why cred", 2, "why REF, why cred NAME, or why ip ADDR");
	try("why bob", 2, "REF is 13 letters");
	try("why host bob", 2, "why REF, why cred");
	try("why 1000000000009", 1, "nothing is known of it");
	/* a message, and what holds it */
	msg = world_add_message(1ull << 60, "bob", "bob@example.com");
	spool_msg_add_rcpt(msg, SLICE_LIT("alice@example.org"));
	try("why 1000000000000", 0, "due now\n");
	expect("hold --cred bob --yes --reason virus", NULL, 0, "Held");
	try("why 1000000000000", 0, "held by the block list: ");
	try("queue list --state held", 0, "  held     0x admin");
	try("queue list --state queued", 0, "Nothing waits here.");
	try("queue show 1000000000000", 0, "held: admin (sluice why ");
	try("why cred bob", 0, "Held:\ncred   bob ");
	world_stop();
}
END_TEST

START_TEST(the_block_behind_a_reply)
{
	const struct block block = {.id = id_next(),
				    .kind = BLOCK_CRED,
				    .value = "bob",
				    .made_wall_s = clock_wall_s(),
				    .author = "uid 0 (root)",
				    .reason = "phished"};
	char words[64], id[ID_TEXT_SIZE];
	uint64_t ref;

	start();
	ck_assert_int_eq(blocklist_add(world.blocklist, &block, &ref, NULL), 0);
	id_format(ref, id);
	snprintf(words, sizeof(words), "why %s", id);
	try(words, 0, "uid 0 (root): phished\n");
	try("why cred bob", 0, "Blocked:\n");
	world_stop();
}
END_TEST

START_TEST(what_was_changed)
{
	start();
	try("audit", 0, "Nothing was changed.\n");
	expect("user add carl", "secret", 0, "added");
	expect("queue flush", NULL, 0, "due now");
	expect("reload", NULL, 0, "Reloaded");
	expect("block add ip 10.0.0.1 --reason a\033b", NULL, 0, "Blocked");
	try("audit", 0, "  sluice user add carl\n  => added\n");
	try("audit", 0, "  sluice queue flush\n  => due now\n");
	try("audit", 0, "  sluice reload\n  => reloaded\n");
	try("audit", 0, "  why: a\\x1bb\n");
	try("audit --limit 1", 0, "... and more");
	try("audit --since 1h", 0, "user add carl");
	try("audit --since 2099-01-01", 2, "still to come");
	try("audit --limit x", 2, "--limit takes a number");
	world_stop();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
	    limits_and_grants, grants_are_durable_or_told,
	    senders,	       busiest,
	    reasons,	       the_block_behind_a_reply,
	    what_was_changed};

	return RUN_TESTS("control/look", tests);
}
