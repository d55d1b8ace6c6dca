/* sluice quarantine: what is kept, and how it gets out: scanned afresh, once,
 * with the trail and the end of its record in one commit. */
#include <dirent.h>
#include <sys/stat.h>

#include "tests/control/ask.h"

#define ID UINT64_C(1000)
#define ID_TEXT "00000000000z8"
#define BODY                                                                 \
	"Subject: the report\r\nMIME-Version: 1.0\r\n"                       \
	"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nhi\r\n" \
	"--b\r\nContent-Type: application/x-thing; name=\"bad.exe\"\r\n"     \
	"Content-Disposition: attachment\r\n\r\nMALWARE\r\n--b--\r\n"

static int64_t
read_body(void *arg, uint64_t offset, void *p, size_t n)
{
	struct slice body = slice_from(slice_str(arg), (size_t)offset);

	body = slice_head(body, n);
	memcpy(p, body.p, body.n);
	return (int64_t)body.n;
}

static void
digest_of(const char *body, uint8_t digest[DIGEST_SIZE])
{
	struct digest *d = digest_create();

	digest_add(d, slice_str(body));
	digest_final(d, digest);
	digest_destroy(&d);
}

static void
put_record(struct store_txn *txn, uint64_t id, const char *cred,
	   const char *body)
{
	static const struct quarantine_rcpt rcpts[] = {
	    {"alice@example.org", "rfc822;alice@example.org", 3},
	    {"\033[2Jeve@example.net", NULL, 0}};
	struct quarantine_entry entry = {
	    .id = id,
	    .accepted_wall_ms = INT64_C(1700000000000),
	    .stored_wall_s = 1700000060,
	    .expires_wall_s = clock_wall_s() + 86400,
	    .cred = cred,
	    .session = "0abcdefghjkmn",
	    .mail_from = "bob@example.com",
	    .owner = "robert@example.com",
	    .ret = RET_HDRS,
	    .flags = MSG_EIGHTBIT | MSG_UNSCANNABLE_HOLD | MSG_DELAYED,
	    .prefix = SLICE_LIT("Received: here\r\n"),
	    .rcpts = rcpts,
	    .rcpt_count = 2,
	    .bytes = strlen(body),
	    .verdict = {.kind = SCAN_INFECTED, .istag = "T1"},
	    .part_name = "bad.exe",
	    .subject = "the report",
	};
	struct arena *arena = arena_create(1024);
	struct store_change change;

	snprintf(entry.verdict.threat, SCAN_THREAT_SIZE, "Eicar-Test");
	snprintf(entry.verdict.server, SCAN_SERVER_SIZE, "av:11344/avscan");
	(void)ip_parse(SLICE_LIT("192.0.2.7"), &entry.client);
	digest_of(body, entry.digest);
	quarantine_put_change(&entry, arena, &change);
	store_apply(txn, &change, 1);
	arena_destroy(&arena);
}

static void
put_away(uint64_t id, const char *cred, const char *body)
{
	uint8_t digest[DIGEST_SIZE];
	struct store_txn *txn;

	digest_of(body, digest);
	ck_assert_int_eq(quarantine_write(world.quarantine, id, strlen(body),
					  digest, read_body,
					  (void *)(uintptr_t)body),
			 0);
	txn = store_write(world.spool.store);
	put_record(txn, id, cred, body);
	ck_assert_int_eq(store_commit(&txn), 0);
}

static void
begin(void)
{
	world_start(true, NULL);
	world.scan.status.on = world.scan.status.up = true;
	put_away(ID, "bob", BODY);
}

static bool
is_there(uint64_t id)
{
	struct arena *arena = arena_create(1024);
	struct quarantine_entry entry;
	int err = quarantine_get(world.quarantine, id, arena, &entry);

	arena_destroy(&arena);
	return err == 0;
}

static unsigned
files(void)
{
	char path[128];
	struct dirent *e;
	unsigned n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/quarantine", world.dir);
	dir = opendir(path);
	while ((e = readdir(dir)) != NULL)
		n += e->d_name[0] != '.';
	closedir(dir);
	return n;
}

START_TEST(looking)
{
	static const struct {
		const char *words;
		bool json;
		int exit;
		const char *out, *err;
	} rows[] = {
	    {"quarantine list", false, 0, ID_TEXT "  2023-11-14", ""},
	    {"quarantine list", false, 0, "  bad.exe: infected, Eicar-Test\n",
	     ""},
	    {"quarantine list --cred BOB", false, 0, "bob@example.com", ""},
	    {"quarantine list --cred eve", true, 0, "[]\n", ""},
	    {"quarantine list --limit x", false, 2, "", "takes a number"},
	    {"quarantine list", true, 0,
	     "[{\"id\":\"" ID_TEXT "\",\"verdict\":\"infected\",\"why\":null,"
	     "\"threat\":\"Eicar-Test\",\"server\":\"av:11344/avscan\",",
	     ""},
	    {"quarantine show " ID_TEXT, false, 0,
	     "verdict     infected: Eicar-Test (av:11344/avscan)\n", ""},
	    {"quarantine show " ID_TEXT, false, 0,
	     "to          \\x1b[2Jeve@example.net\n", ""},
	    {"quarantine show " ID_TEXT, true, 0,
	     "\"recipients\":[\"alice@example.org\",\"\\u001b[2Jeve@", ""},
	    {"quarantine show nonsense", false, 2, "", "an id is 13"},
	    {"quarantine show 1000000000000", false, 1, "",
	     "is not in quarantine"},
	    {"quarantine " ID_TEXT, false, 2, "",
	     "did you mean 'sluice quarantine show " ID_TEXT "'?"},
	    {"quarantine del " ID_TEXT, false, 2, "",
	     "did you mean 'sluice quarantine delete"},
	    {"why " ID_TEXT, false, 0,
	     ID_TEXT " is a message in quarantine, login bob\n  infected: "
		     "Eicar-Test (av:11344/avscan)\n",
	     ""},
	    {"why " ID_TEXT, true, 0,
	     "{\"what\":\"quarantine\",\"id\":\"" ID_TEXT, ""},
	    {"queue show " ID_TEXT, false, 1, "",
	     "but in quarantine: 'sluice quarantine show " ID_TEXT "'"},
	    {"quarantine export 1000000000000", false, 1, "",
	     "is not in quarantine"},
	    {"quarantine export " ID_TEXT, true, 2, "", "not JSON"},
	    {"quarantine export " ID_TEXT, false, 0, "Received: here\r\n" BODY,
	     ""},
	    {"quarantine release " ID_TEXT, false, 2, "", "say why"},
	    {"quarantine delete " ID_TEXT, false, 2, "", "say why"},
	    {"quarantine release x --reason y", false, 2, "", "an id is 13"},
	    {"quarantine release 1000000000000 --reason y", false, 1, "",
	     "is not in quarantine"},
	    {"quarantine delete 1000000000000 --reason y", false, 1, "",
	     "is not in quarantine"},
	};

	begin();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct answer a = command(rows[i].words, NULL, rows[i].json);

		ck_assert_msg(a.exit == rows[i].exit, "%s: %d %s",
			      rows[i].words, a.exit, buf_cstr(&a.err));
		ck_assert_msg(strstr(buf_cstr(&a.out), rows[i].out) != NULL,
			      "%s: %s", rows[i].words, buf_cstr(&a.out));
		ck_assert_msg(strstr(buf_cstr(&a.err), rows[i].err) != NULL,
			      "%s: %s", rows[i].words, buf_cstr(&a.err));
		ck_assert_ptr_null(strchr(buf_cstr(&a.out), '\033'));
		answer_fini(&a);
	}
	ck_assert(is_there(ID));
	world_stop();
}
END_TEST

START_TEST(no_virus_on_a_terminal)
{
	struct answer a;
	int fd;

	begin();
	fd = dial();
	ask(fd, "quarantine export " ID_TEXT, NULL, false, true);
	hear(fd, &a);
	ck_assert_int_eq(a.exit, 2);
	ck_assert_uint_eq(a.out.n, 0);
	ck_assert_ptr_nonnull(strstr(buf_cstr(&a.err), "to the terminal"));
	answer_fini(&a);
	world_stop();
}
END_TEST

/* More than one slice, and a filter and a limit across them. */
START_TEST(long_list)
{
	struct answer a;
	size_t lines = 0;
	struct slice rest, line;
	struct store_txn *txn;

	world_start(true, NULL);
	txn = store_write(world.spool.store);
	for (uint64_t i = 0; i < 250; i++)
		put_record(txn, ID + i, i % 5 == 0 ? "carl" : "bob", "x");
	ck_assert_int_eq(store_commit(&txn), 0);
	a = command("quarantine list --cred carl", NULL, false);
	rest = buf_slice(&a.out);
	while (slice_split(&rest, '\n', &line))
		lines += line.n > 0;
	ck_assert_uint_eq(lines, 2 * 50);
	answer_fini(&a);
	a = command("quarantine list --limit 150", NULL, false);
	lines = 0;
	rest = buf_slice(&a.out);
	while (slice_split(&rest, '\n', &line))
		lines += line.n > 0;
	ck_assert_uint_eq(lines, 2 * 150);
	answer_fini(&a);
	world_stop();
}
END_TEST

static void
check_envelope(const struct spool_msg *mail)
{
	ck_assert_uint_ne(mail->id, ID);
	ck_assert_str_eq(mail->cred, "bob");
	ck_assert_str_eq(mail->mail_from, "bob@example.com");
	ck_assert_str_eq(mail->owner, "robert@example.com");
	ck_assert_str_eq(mail->session, "0abcdefghjkmn");
	ck_assert_ptr_null(mail->envid);
	ck_assert_int_eq(mail->ret, RET_HDRS);
	ck_assert_int_eq(mail->flags, MSG_EIGHTBIT);
	ck_assert(slice_eq(mail->prefix, SLICE_LIT("Received: here\r\n")));
	ck_assert(!mail->has_resub_key);
	ck_assert_uint_eq(mail->rcpt_count, 2);
	ck_assert_str_eq(mail->rcpts[0].orcpt, "rfc822;alice@example.org");
	ck_assert_int_eq(mail->rcpts[0].notify, 3);
	ck_assert_int_eq(mail->rcpts[0].state, RCPT_QUEUED);
	ck_assert_str_eq(mail->rcpts[1].address, "\033[2Jeve@example.net");
	ck_assert_int_eq(mail->rcpts[1].index, 1);
}

START_TEST(released)
{
	begin();
	world.spool.answer = SPOOL_ACCEPTED;
	ck_assert_uint_eq(files(), 1);
	expect("quarantine release " ID_TEXT " --reason false-alarm", NULL, 0,
	       ", to 2 recipients; clean.\n");
	ck_assert_uint_eq(world.scan.jobs, 1);
	ck_assert(world.scan.afresh && world.scan.late);
	ck_assert_str_eq(buf_cstr(&world.scan.asked),
			 "bad.exe application/x-thing 7;");
	ck_assert(slice_starts(buf_slice(&world.scan.bytes),
			       SLICE_LIT("MALWARE\r\n--b--")));
	ck_assert_uint_eq(world.spool.mail_count, 1);
	check_envelope(world.spool.mail);
	ck_assert_str_eq(buf_cstr(&world.spool.mail_body), BODY);
	ck_assert(!is_there(ID));
	ck_assert_uint_eq(files(), 0);
	expect("audit", NULL, 0, "why: false-alarm\n  => released as ");
	expect("quarantine release " ID_TEXT " --reason again", NULL, 1,
	       "is not in quarantine");
	ck_assert_uint_eq(world.spool.mail_count, 1);
	world_stop();
}
END_TEST

static const struct {
	const char *label;
	struct scan_verdict verdict;
	bool off; /* there is no scanner */
	const char *refused, *sent;
} looks[] = {
    {"infected",
     {.kind = SCAN_INFECTED, .threat = "Eicar\033", .server = "av:1/x"},
     false,
     "not released: bad.exe: still infected: Eicar\\x1b (av:1/x)",
     "; infected: Eicar\\x1b (av:1/x).\n"},
    {"unscannable",
     {.kind = SCAN_UNSCANNABLE, .why = SCAN_WHY_ENCRYPTED},
     false,
     "not released: bad.exe: still unscannable: it is encrypted",
     "; unscannable: it is encrypted.\n"},
    {"no answer",
     {.kind = SCAN_ERROR, .why = SCAN_WHY_TIMEOUT},
     false,
     "not released: it cannot be scanned now: no verdict: no answer in time",
     "; no verdict: no answer in time.\n"},
    {"no scanner",
     {.kind = SCAN_CLEAN},
     true,
     "not released: it cannot be scanned now: no verdict: no scanner can be",
     "; no verdict: no scanner can be asked.\n"},
};

START_TEST(not_clean)
{
	begin();
	world.spool.answer = SPOOL_ACCEPTED;
	world.scan.verdict = looks[_i].verdict;
	world.scan.status.on = !looks[_i].off;
	expect("quarantine release " ID_TEXT " --reason please", NULL, 1,
	       looks[_i].refused);
	ck_assert(is_there(ID));
	ck_assert_uint_eq(files(), 1);
	ck_assert_uint_eq(world.spool.mail_count, 0);
	expect("quarantine release " ID_TEXT " --reason please --anyway", NULL,
	       0, looks[_i].sent);
	ck_assert_uint_eq(world.spool.mail_count, 1);
	ck_assert(!is_there(ID));
	world_stop();
}
END_TEST

/* Clean, since a reload took the scanner away meanwhile. */
START_TEST(off_meanwhile)
{
	begin();
	world.spool.answer = SPOOL_ACCEPTED;
	world.scan.verdict = (struct scan_verdict){.kind = SCAN_CLEAN};
	world.scan.ends = true;
	expect("quarantine release " ID_TEXT " --reason please", NULL, 1,
	       "no scanner can be asked");
	ck_assert_uint_eq(world.scan.jobs, 1);
	ck_assert(is_there(ID));
	world_stop();
}
END_TEST

/* Nothing is lost when the commit does not happen. */
START_TEST(not_accepted)
{
	static const struct {
		enum spool_answer answer;
		const char *said;
	} rows[] = {
	    {SPOOL_FULL, "nothing was done: no space"},
	    {SPOOL_FAILED, "nothing was done: "},
	    {SPOOL_VETOED, "not released: the block list refuses it"},
	};

	begin();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		world.spool.answer = rows[i].answer;
		expect("quarantine release " ID_TEXT " --reason x", NULL, 1,
		       rows[i].said);
		ck_assert(is_there(ID));
		ck_assert_uint_eq(files(), 1);
	}
	world.spool.answer = SPOOL_ACCEPTED;
	expect("quarantine release " ID_TEXT " --reason x", NULL, 0,
	       "Released as ");
	world_stop();
}
END_TEST

START_TEST(deleted)
{
	begin();
	world.spool.change_err = GW_ENOSPC;
	expect("quarantine delete " ID_TEXT " --reason x", NULL, 1,
	       "nothing was done: no space");
	ck_assert(is_there(ID));
	world.spool.change_err = 0;
	expect("quarantine delete " ID_TEXT " --reason spam", NULL, 0,
	       "Deleted.\n");
	ck_assert(!is_there(ID));
	ck_assert_uint_eq(files(), 0);
	expect("audit", NULL, 0, "why: spam\n  => deleted\n");
	world_stop();
}
END_TEST

/* A file that lost bytes is told, and can still be thrown away. */
START_TEST(damaged)
{
	char path[160];

	begin();
	snprintf(path, sizeof(path), "rm %s/quarantine/*", world.dir);
	ck_assert_int_eq(system(path), 0);
	expect("quarantine release " ID_TEXT " --reason x --anyway", NULL, 1,
	       "sluice: ");
	expect("quarantine export " ID_TEXT, NULL, 1, "sluice: ");
	ck_assert(is_there(ID));
	expect("quarantine delete " ID_TEXT " --reason x", NULL, 0, "Deleted");
	world_stop();
}
END_TEST

/* What reads in two ways is scanned whole too. */
#define PIECE                                                            \
	"Content-Type: message/partial; id=a; number=1; total=2\r\n\r\n" \
	"Subject: x\r\n\r\nhi\r\n"

/* A piece of a message is unscannable however clean it is; but what is found
 * in it counts more. */
START_TEST(pieces)
{
	begin();
	world.spool.answer = SPOOL_ACCEPTED;
	put_away(ID + 1, "bob", PIECE);
	expect("quarantine release 00000000000z9 --reason x", NULL, 1,
	       "still unscannable: it is a piece of a message");
	ck_assert_ptr_nonnull(
	    strstr(buf_cstr(&world.scan.asked), "message/rfc822 "));
	world.scan.verdict = looks[0].verdict;
	expect("quarantine release 00000000000z9 --reason x", NULL, 1,
	       "still infected");
	world_stop();
}
END_TEST

START_TEST(parts)
{
	static const struct {
		const char *label, *body, *asked;
		bool texts;
	} rows[] = {
	    {"no attachment", "Subject: x\r\n\r\nhi\r\n", "", false},
	    {"texts", "Subject: x\r\n\r\nhi\r\n", " text/plain 4;", true},
	    {"no end",
	     "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
	     "Content-Type: image/png\r\n\r\nab\r\n",
	     " image/png 4; message/rfc822 81;", false},
	};

	begin();
	world.spool.answer = SPOOL_ACCEPTED;
	for (uint64_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned jobs = world.scan.jobs;
		struct control_conf conf = world.conf;
		char words[128], id[ID_TEXT_SIZE];

		conf.scan_texts = rows[i].texts;
		control_reload(world.control, &conf);
		put_away(ID + 1 + i, "bob", rows[i].body);
		id_format(ID + 1 + i, id);
		snprintf(words, sizeof(words),
			 "quarantine release %s --reason x", id);
		expect(words, NULL, 0, "Released as ");
		ck_assert_msg(world.scan.jobs == jobs + (rows[i].asked[0] != 0),
			      "%s", rows[i].label);
		if (rows[i].asked[0] != 0)
			ck_assert_str_eq(buf_cstr(&world.scan.asked),
					 rows[i].asked);
	}
	world_stop();
}
END_TEST

/* Two at once: one of them is first, and it is the only one. */
START_TEST(two_at_once)
{
	struct answer a;
	int fd[2], done = 0;

	begin();
	world.spool.answer = SPOOL_ACCEPTED;
	for (int i = 0; i < 2; i++) {
		fd[i] = dial();
		ask(fd[i], "quarantine release " ID_TEXT " --reason x", NULL,
		    true, false);
	}
	for (int i = 0; i < 2; i++) {
		hear(fd[i], &a);
		done += a.exit == 0;
		answer_fini(&a);
	}
	ck_assert_int_eq(done, 1);
	ck_assert_uint_eq(world.spool.mail_count, 1);
	world_stop();
}
END_TEST

/* The scanner does not answer: other commands do, the client may go, and a stop
 * does not wait for it. */
START_TEST(stop_in_a_scan)
{
	int fd;

	begin();
	world.scan.hold = true;
	world.spool.answer = SPOOL_ACCEPTED;
	fd = dial();
	ask(fd, "quarantine release " ID_TEXT " --reason x --anyway", NULL,
	    false, false);
	TURN_UNTIL(world.loop, world.scan.jobs == 1);
	expect("quarantine list", NULL, 0, ID_TEXT);
	close(fd);
	turn_some(world.loop);
	control_destroy(&world.control);
	ck_assert(world.scan.canceled);
	ck_assert_uint_eq(world.spool.mail_count, 0);
	ck_assert(is_there(ID));
	world_stop();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("control/quarantine");
	TCase *t = tcase_create("quarantine");
	SRunner *r;
	int failed;

	tcase_add_test(t, looking);
	tcase_add_test(t, no_virus_on_a_terminal);
	tcase_add_test(t, long_list);
	tcase_add_test(t, released);
	tcase_add_loop_test(t, not_clean, 0,
			    (int)(sizeof(looks) / sizeof(looks[0])));
	tcase_add_test(t, off_meanwhile);
	tcase_add_test(t, not_accepted);
	tcase_add_test(t, deleted);
	tcase_add_test(t, damaged);
	tcase_add_test(t, pieces);
	tcase_add_test(t, parts);
	tcase_add_test(t, two_at_once);
	tcase_add_test(t, stop_in_a_scan);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
