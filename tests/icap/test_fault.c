/* Servers that answer wrongly, slowly, twice, or not at all: the verdict is an
 * error, and never clean. What is infected stays it. */
#include "tests/icap/world.h"

#include <stdio.h>

#define HEAD200 "ICAP/1.0 200 OK|ISTag: \"T-1\"|"
#define INFECTION "X-Infection-Found: Type=0; Resolution=2; Threat=Test.Virus;|"
#define ENC "Encapsulated: res-hdr=0, res-body=19||"
#define PAGE "HTTP/1.1 403 Forbidden|Content-Type: text/html||5|<p/>!|0||"

struct fault_row {
	const char *label;
	struct icap_reply reply;
	enum scan_kind kind;
	enum scan_why why;
};

#define ERR(w) SCAN_ERROR, SCAN_WHY_##w

static const struct fault_row rows[] = {
    {"500", {.text = "ICAP/1.0 500 Server error||"}, ERR(SERVER)},
    {"503", {.text = "ICAP/1.0 503 Overloaded|ISTag: x||"}, ERR(SERVER)},
    {"404", {.text = "ICAP/1.0 404 Not found||"}, ERR(SERVER)},
    {"405", {.text = "ICAP/1.0 405 Forbidden||"}, ERR(SERVER)},
    {"408", {.text = "ICAP/1.0 408 Timeout||"}, ERR(SERVER)},
    {"400", {.text = "ICAP/1.0 400 Bad request||"}, ERR(SERVER)},
    {"418", {.text = "ICAP/1.0 418 Bad composition||"}, ERR(SERVER)},
    {"539",
     {.text = "ICAP/1.0 539 Aborted - No AV scanning license||"},
     ERR(SERVER)},
    {"403 is for the client",
     {.text = "ICAP/1.0 403 Forbidden||"},
     ERR(SERVER)},
    {"403 with a page is for the file",
     {.text = "ICAP/1.0 403 Forbidden|" ENC PAGE},
     SCAN_INFECTED,
     0},
    {"403 with a name",
     {.text = "ICAP/1.0 403 No|X-Virus-ID: T|Encapsulated: null-body=0||"},
     SCAN_INFECTED,
     0},
    {"204 with a page",
     {.text = "ICAP/1.0 204 No|" ENC PAGE},
     SCAN_INFECTED,
     0},
    {"204 with the scanner's own trouble",
     {.text = "ICAP/1.0 204 No|" ENC "HTTP/1.1 503 Busy||0||"},
     ERR(SERVER)},
    {"206", {.text = "ICAP/1.0 206 Partial|" ENC PAGE}, ERR(PROTOCOL)},
    {"302", {.text = "ICAP/1.0 302 Elsewhere||"}, ERR(PROTOCOL)},
    {"413",
     {.text = "ICAP/1.0 413 Too large||"},
     SCAN_UNSCANNABLE,
     SCAN_WHY_TOO_BIG},
    {"100 for ever", {.text = "", .continues = 200}, ERR(PROTOCOL)},
    {"100 once, unasked", {.continues = 1}, ERR(PROTOCOL)},
    {"bad chunk", {.text = HEAD200 ENC "HTTP/1.1 200 OK||ZZ|"}, ERR(PROTOCOL)},
    {"no end of chunks",
     {.text = HEAD200 ENC "HTTP/1.1 200 OK||3|abc|", .then = THEN_CLOSE},
     ERR(PROTOCOL)},
    {"no end of chunks, infected",
     {.text = HEAD200 INFECTION ENC "HTTP/1.1 403 No||3|abc|",
      .then = THEN_CLOSE},
     SCAN_INFECTED,
     0},
    {"bad chunk, infected by the page alone",
     {.text = HEAD200 ENC "HTTP/1.1 403 No||ZZ|"},
     SCAN_INFECTED,
     0},
    {"negative offset",
     {.text = HEAD200 "Encapsulated: res-hdr=99999, res-body=-4||"},
     ERR(PROTOCOL)},
    {"negative offset, infected",
     {.text = HEAD200 INFECTION "Encapsulated: res-hdr=9, res-body=-4||"},
     SCAN_INFECTED,
     0},
    {"no ISTag", {.text = "ICAP/1.0 204 No||"}, SCAN_CLEAN, 0},
    {"a head without an end",
     {.text = "ICAP/1.0 204 No|ISTag: x|", .then = THEN_CLOSE},
     ERR(PROTOCOL)},
    {"HTTP", {.text = "HTTP/1.1 200 OK|Content-Length: 2||ok"}, ERR(PROTOCOL)},
    {"garbage", {.text = "\001\002\003\004\005\006"}, ERR(PROTOCOL)},
    {"SMTP", {.text = "220 mx.example.com ESMTP|"}, ERR(PROTOCOL)},
    {"version", {.text = "ICAP/9.9 204 No|ISTag: x||"}, ERR(PROTOCOL)},
    {"no status", {.text = "ICAP/1.0 OK||"}, ERR(PROTOCOL)},
    {"a status of two digits", {.text = "ICAP/1.0 20 OK||"}, ERR(PROTOCOL)},
    {"a status of four digits", {.text = "ICAP/1.0 2040 OK||"}, ERR(PROTOCOL)},
    {"folded",
     {.text = HEAD200 "X-Infection-Found: Type=0;| Resolution=2;|"
		      " Threat=Test.Virus;|" ENC PAGE},
     SCAN_INFECTED,
     0},
    {"LF only, clean",
     {.text = "ICAP/1.0 204 No\nISTag: x\n\n"},
     SCAN_CLEAN,
     0},
    {"LF only, infected",
     {.text = "ICAP/1.0 200 OK\nEncapsulated: res-hdr=0, res-body=26\n\n"
	      "HTTP/1.1 403 Forbidden\n\n3\nabc\n0\n\n"},
     SCAN_INFECTED,
     0},
    {"a byte at a time", {.drip_ms = 1}, SCAN_CLEAN, 0},
    {"a byte at a time, infected",
     {.text = HEAD200 INFECTION ENC PAGE, .drip_ms = 1},
     SCAN_INFECTED,
     0},
    {"a 200 without Encapsulated",
     {.text = "ICAP/1.0 200 OK||"},
     ERR(PROTOCOL)},
    {"a head that is no HTTP",
     {.text = HEAD200 ENC "SIP/2.0 200 OK||0||"},
     ERR(PROTOCOL)},
    {"HTTP 500 inside",
     {.text = HEAD200 ENC "HTTP/1.1 500 Scan error||0||"},
     ERR(SERVER)},
    {"HTTP 400 inside",
     {.text = HEAD200 ENC "HTTP/1.1 400 Bad||0||"},
     ERR(SERVER)},
    {"HTTP 307 inside",
     {.text = HEAD200 ENC "HTTP/1.0 307 There||0||"},
     SCAN_INFECTED,
     0},
    {"closed after the request", {.text = "", .then = THEN_CLOSE}, ERR(DOWN)},
    {"reset after the request", {.text = "", .then = THEN_RESET}, ERR(DOWN)},
    {"closed after the head",
     {.when = AFTER_HEAD, .text = "", .then = THEN_CLOSE},
     ERR(DOWN)},
    {"an answer to nothing", {.when = AT_ONCE}, ERR(DOWN)},
    {"early infected, then gone",
     {.when = AFTER_HEAD,
      .text = HEAD200 INFECTION ENC PAGE,
      .then = THEN_CLOSE},
     SCAN_INFECTED,
     0},
    {"early infected, reads on",
     {.when = AFTER_HEAD, .text = HEAD200 INFECTION ENC PAGE},
     SCAN_INFECTED,
     0},
    {"early error",
     {.when = AFTER_HEAD, .text = "ICAP/1.0 503 Busy||", .then = THEN_CLOSE},
     ERR(SERVER)},
};

#define ROW_COUNT ((int)(sizeof(rows) / sizeof(rows[0])))

static void
check(struct scan *s, enum scan_kind kind, enum scan_why why)
{
	ck_assert_msg(
	    s->result.verdict.kind == kind && s->result.verdict.why == why,
	    "%s: kind %d why %d: %s", s->label, s->result.verdict.kind,
	    s->result.verdict.why, s->result.error);
	ck_assert_msg((s->result.error[0] != '\0') == (kind == SCAN_ERROR),
		      "%s: error \"%s\"", s->label, s->result.error);
}

/* Those that do not read on also with a file that fills every buffer. */
START_TEST(faults)
{
	const struct fault_row *row = &rows[_i / 2];
	bool large = _i % 2 == 1;
	struct world w;
	struct scan s;

	if (large && row->reply.when == AFTER_BODY)
		return;
	world_start(&w, &row->reply, 1);
	for (int again = 0; again < 2; again++) {
		scan_init(&s, &w, row->label, large ? 9000000 : 3000);
		scan_go(&s);
		scan_wait(&s);
		check(&s, row->kind, row->why);
		if (row->kind == SCAN_INFECTED &&
		    strstr(row->reply.text, "Threat=") != NULL)
			ck_assert_str_eq(s.result.verdict.threat, "Test.Virus");
		ck_assert(strncmp(s.result.verdict.server, "localhost:", 10) ==
			  0);
	}
	world_stop(&w);
}
END_TEST

/* A head of two megabytes is not kept. */
START_TEST(long_head)
{
	struct icap_reply reply = {.when = AFTER_BODY};
	struct buf text = {.cap = 3u << 20};
	struct world w;
	struct scan s;

	buf_add_str(&text, "ICAP/1.0 204 No|X-Long: ");
	for (int i = 0; i < 2000000; i++)
		buf_add_byte(&text, 'a');
	buf_add_str(&text, "||");
	reply.text = buf_cstr(&text);
	world_start(&w, &reply, 1);
	scan_init(&s, &w, "long head", 1000);
	scan_go(&s);
	scan_wait(&s);
	check(&s, ERR(PROTOCOL));
	world_stop(&w);
	buf_fini(&text);
}
END_TEST

START_TEST(many_fields)
{
	struct icap_reply reply = {.when = AFTER_BODY};
	struct buf text = {.cap = 1u << 20};
	struct world w;
	struct scan s;

	buf_add_str(&text, "ICAP/1.0 204 No|");
	for (int i = 0; i < 200; i++)
		buf_add_str(&text, "X: y|");
	buf_add_str(&text, "|");
	reply.text = buf_cstr(&text);
	world_start(&w, &reply, 1);
	scan_init(&s, &w, "many fields", 1000);
	scan_go(&s);
	scan_wait(&s);
	check(&s, ERR(PROTOCOL));
	world_stop(&w);
	buf_fini(&text);
}
END_TEST

/* No answer: the whole time is over, or nothing moves for too long, or for
 * what is too long since a moment ago. */
START_TEST(silence)
{
	static const struct icap_reply never = {.when = NEVER};
	struct world w;
	struct scan s;

	world_start(&w, &never, 1);
	if (_i == 1) {
		w.service.io_ms = 60;
		world_pool(&w);
	}
	scan_init(&s, &w, _i == 0 ? "in all" : "no byte moves", 2000);
	if (_i == 2)
		icap_pool_set_io_ms(w.pool, 60);
	if (_i == 0)
		s.req.timeout_ms = 60;
	scan_go(&s);
	scan_wait(&s);
	check(&s, ERR(TIMEOUT));
	ck_assert(s.result.sent);
	TURN_UNTIL(w.loop, icap_server_seen(w.server)->open == 0, s.label);
	world_stop(&w);
}
END_TEST

/* A byte now and then moves, but the time in all is over some time. */
START_TEST(drip)
{
	static const struct icap_reply slow = {.drip_ms = 20};
	static const struct icap_reply infected = {.text = HEAD200 INFECTION ENC
						   "HTTP/1.1 403 No|X: "};
	struct world w;
	struct scan s;

	world_start(&w, _i == 0 ? &slow : &infected, 1);
	w.service.io_ms = 100;
	world_pool(&w);
	scan_init(&s, &w, "drip", 2000);
	s.req.timeout_ms = 300;
	scan_go(&s);
	scan_wait(&s);
	if (_i == 0)
		check(&s, ERR(TIMEOUT));
	else
		ck_assert_int_eq(s.result.verdict.kind, SCAN_INFECTED);
	world_stop(&w);
}
END_TEST

/* The verdict does not wait for the end of its page, and a page without end
 * does not keep the connection. */
START_TEST(page_without_end)
{
	static const struct icap_reply replies[] = {
	    {.text = HEAD200 INFECTION ENC "HTTP/1.1 403 No||5|<p/>!|"},
	    {.when = AFTER_BODY}};
	struct world w;
	struct scan s;
	struct icap_pool_status status;

	world_start(&w, replies, 2);
	scan_init(&s, &w, "page", 2000);
	scan_go(&s);
	scan_wait(&s);
	ck_assert_int_eq(s.result.verdict.kind, SCAN_INFECTED);
	icap_pool_status_get(w.pool, &status);
	ck_assert_uint_eq(status.connections, 1);
	ck_assert_uint_eq(status.busy, 1);
	/* the next has one of its own */
	scan_init(&s, &w, "next", 2000);
	scan_go(&s);
	scan_wait(&s);
	ck_assert_int_eq(s.result.verdict.kind, SCAN_CLEAN);
	ck_assert_uint_eq(icap_server_seen(w.server)->accepted, 2);
	/* nor may the first be used later */
	TURN_UNTIL(w.loop, icap_server_seen(w.server)->open == 1, "dropped");
	/* where there is only one place, it gives way at once */
	w.service.connection_max = 1;
	world_pool(&w);
	world_stop(&w);
}
END_TEST

/* Those whose pages are known to have no end are not waited for at all. */
START_TEST(profile_without_drain)
{
	static const struct icap_reply reply = {.text = HEAD200 INFECTION ENC
						"HTTP/1.1 403 No||5|<p/>!|"};
	struct world w;
	struct scan s;

	world_start(&w, &reply, 1);
	w.service.profile = "mcafee";
	w.service.connection_max = 1;
	world_pool(&w);
	for (int i = 0; i < 3; i++) {
		scan_init(&s, &w, "page", 2000);
		scan_go(&s);
		scan_wait(&s);
		ck_assert_int_eq(s.result.verdict.kind, SCAN_INFECTED);
		TURN_UNTIL(w.loop, icap_server_seen(w.server)->open == 0,
			   s.label);
	}
	world_stop(&w);
}
END_TEST

/* Clean, while half of the body is still here: nobody has looked at that. The
 * rest is not sent, and the connection is not used again, since it would be
 * read as a request. */
START_TEST(early_clean)
{
	static const struct {
		const char *label;
		bool preview;
		const char *text;
	} early[] = {
	    {"204 to the head", false, NULL},
	    {"204 right behind 100", true,
	     "ICAP/1.0 100 Continue||ICAP/1.0 204 No|ISTag: x||"},
	};

	for (size_t i = 0; i < sizeof(early) / sizeof(early[0]); i++) {
		struct icap_reply replies[] = {
		    {.when = AFTER_HEAD, .text = early[i].text},
		    {.when = AFTER_BODY}};
		struct world w;
		struct scan s;

		world_start(&w, replies, 2);
		if (early[i].preview)
			world_options(&w, NULL);
		scan_init(&s, &w, early[i].label, 30u << 20);
		scan_go(&s);
		scan_wait(&s);
		check(&s, SCAN_ERROR, SCAN_WHY_PROTOCOL);
		ck_assert(!s.result.sent && !s.result.retried);
		ck_assert_uint_lt(s.read_most, 30u << 20);
		scan_init(&s, &w, "next", 2000);
		scan_go(&s);
		scan_wait(&s);
		check(&s, SCAN_CLEAN, 0);
		ck_assert_uint_eq(icap_server_seen(w.server)->accepted, 2);
		world_stop(&w);
	}
}
END_TEST

/* Two answers to one request: the second must not be the next file's. */
START_TEST(answers_twice)
{
	static const struct icap_reply replies[] = {
	    {.text = "ICAP/1.0 204 No|ISTag: x||ICAP/1.0 204 No|ISTag: x||"},
	    {.text = HEAD200 INFECTION ENC PAGE}};
	struct world w;
	struct scan s;

	world_start(&w, replies, 2);
	scan_init(&s, &w, "first", 2000);
	scan_go(&s);
	scan_wait(&s);
	check(&s, SCAN_CLEAN, 0);
	TURN_UNTIL(w.loop, icap_server_seen(w.server)->open == 0, s.label);
	scan_init(&s, &w, "second", 2000);
	scan_go(&s);
	scan_wait(&s);
	check(&s, SCAN_INFECTED, 0);
	/* and one that comes while nothing is asked */
	icap_server_say(w.server, "ICAP/1.0 204 No|ISTag: x||");
	scan_init(&s, &w, "third", 2000);
	scan_go(&s);
	scan_wait(&s);
	check(&s, SCAN_INFECTED, 0);
	world_stop(&w);
}
END_TEST

/* OPTIONS that were not had: an error that says why, and what was known before
 * stays as old as it was. */
START_TEST(options_fail)
{
	static const char *const texts[] = {
	    "garbage|",
	    "ICAP/9.9 200 OK||",
	    "ICAP/1.0 200 OK|Encapsulated: null-body=-1||",
	    "ICAP/1.0 100 Continue||",
	};
	/* where nothing listens */
	static const struct ip_addr nobody = {
	    {[10] = 0xff, [11] = 0xff, 127, 9, 8, 7}};
	struct icap_reply reply = {.when = AFTER_BODY};
	struct icap_result result;
	struct world w;

	world_start(&w, &reply, 1);
	world_options(&w, NULL);
	for (size_t i = 0; i <= sizeof(texts) / sizeof(texts[0]); i++) {
		if (i < sizeof(texts) / sizeof(texts[0]))
			icap_server_options(w.server, texts[i]);
		else
			icap_pool_set_addresses(w.pool, &nobody, 1);
		world_options(&w, &result);
		ck_assert_msg(result.verdict.kind == SCAN_ERROR, "%zu", i);
		ck_assert_msg(result.error[0] != '\0', "%zu", i);
		ck_assert(icap_pool_options(w.pool)->known);
	}
	world_stop(&w);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("icap/fault");
	TCase *tc = tcase_create("fault");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, faults, 0, 2 * ROW_COUNT);
	tcase_add_test(tc, long_head);
	tcase_add_test(tc, many_fields);
	tcase_add_loop_test(tc, silence, 0, 3);
	tcase_add_loop_test(tc, drip, 0, 2);
	tcase_add_test(tc, page_without_end);
	tcase_add_test(tc, profile_without_drain);
	tcase_add_test(tc, early_clean);
	tcase_add_test(tc, answers_twice);
	tcase_add_test(tc, options_fail);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
