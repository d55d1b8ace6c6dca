/* One scan at a time against a server that behaves. */
#include "tests/icap/world.h"

#include <stdio.h>

#define INFECTED                                                       \
	"ICAP/1.0 200 OK|ISTag: \"T-1\"|"                              \
	"X-Infection-Found: Type=0; Resolution=2; Threat=Test.Virus;|" \
	"Encapsulated: res-hdr=0, res-body=49||"                       \
	"HTTP/1.0 403 Forbidden|Content-Type: text/html||"             \
	"5|<p/>!|0||"
#define SAME                                     \
	"ICAP/1.0 200 OK|ISTag: \"T-1\"|"        \
	"Encapsulated: res-hdr=0, res-body=19||" \
	"HTTP/1.1 200 OK||"

static void
check(struct scan *s, enum scan_kind kind)
{
	ck_assert_msg(s->result.verdict.kind == kind, "%s: kind %d why %d: %s",
		      s->label, s->result.verdict.kind, s->result.verdict.why,
		      s->result.error);
}

static void
check_body_arrived(struct scan *s)
{
	const struct icap_seen *seen = icap_server_seen(s->w->server);
	uint8_t digest[DIGEST_SIZE];

	scan_digest(s, digest);
	ck_assert_msg(seen->bytes == s->really, "%s: %llu bytes arrived",
		      s->label, (unsigned long long)seen->bytes);
	ck_assert_msg(memcmp(seen->digest, digest, DIGEST_SIZE) == 0,
		      "%s: other bytes", s->label);
	ck_assert_msg(seen->trouble[0] == '\0', "%s: %s", s->label,
		      seen->trouble);
	ck_assert_msg(s->result.sent, "%s: not said to be sent", s->label);
	ck_assert_msg(memcmp(s->result.digest, digest, DIGEST_SIZE) == 0,
		      "%s: another digest said", s->label);
}

static const uint64_t sizes[] = {
    0,	    1,	   4,	  1023,		1024,	      1025,
    65535,  65536, 65537, 65536 + 1024, 65537 + 1024, 300000,
    3000000};

#define SIZE_COUNT ((int)(sizeof(sizes) / sizeof(sizes[0])))

/* Without OPTIONS no preview is sent, and Allow: 204 is. */
START_TEST(whole)
{
	static const struct icap_reply clean = {.when = AFTER_BODY};
	static const size_t reads[] = {0, 1000, 7};
	char label[64];
	struct world w;
	struct scan s;

	world_start(&w, &clean, 1);
	for (size_t r = 0; r < 3; r++) {
		if (reads[r] == 7 && sizes[_i] > 70000)
			continue;
		snprintf(label, sizeof(label), "%llu bytes, reads of %zu",
			 (unsigned long long)sizes[_i], reads[r]);
		scan_init(&s, &w, label, sizes[_i]);
		s.read_max = reads[r];
		scan_go(&s);
		scan_wait(&s);
		check(&s, SCAN_CLEAN);
		check_body_arrived(&s);
		ck_assert_int_eq(icap_server_seen(w.server)->preview_bytes, -1);
		ck_assert_uint_le(icap_server_seen(w.server)->chunk_most,
				  65536);
		ck_assert_str_eq(s.result.verdict.istag, "T-1");
		ck_assert_int_eq(s.result.status, 204);
	}
	ck_assert_uint_eq(icap_server_seen(w.server)->accepted, 1);
	world_stop(&w);
}
END_TEST

/* With a preview: ieof when that is all, else 100 and the rest. */
START_TEST(previewed)
{
	static const struct icap_reply clean = {.when = AFTER_BODY};
	const struct icap_seen *seen;
	struct world w;
	struct scan s;

	world_start(&w, &clean, 1);
	seen = icap_server_seen(w.server);
	world_options(&w, NULL);
	scan_init(&s, &w, "preview", sizes[_i]);
	scan_go(&s);
	scan_wait(&s);
	check(&s, SCAN_CLEAN);
	check_body_arrived(&s);
	ck_assert_int_eq(seen->preview_bytes,
			 (int64_t)(sizes[_i] < 1024 ? sizes[_i] : 1024));
	ck_assert_int_eq(seen->ieof, sizes[_i] <= 1024);
	ck_assert_int_eq(seen->continued, sizes[_i] > 1024);
	ck_assert_uint_eq(seen->accepted, 1);
	world_stop(&w);
}
END_TEST

/* A server that has seen enough: not a byte more is read than was shown. */
START_TEST(decided_by_preview)
{
	static const struct icap_reply replies[] = {
	    {.when = AFTER_PREVIEW},
	    {.when = AFTER_PREVIEW, .text = INFECTED},
	    {.when = AFTER_PREVIEW, .text = SAME "3|abc|0||"},
	};
	static const enum scan_kind kinds[] = {SCAN_CLEAN, SCAN_INFECTED,
					       SCAN_INFECTED};
	struct world w;
	struct scan s;

	world_start(&w, replies, 3);
	world_options(&w, NULL);
	for (int i = 0; i < 3; i++) {
		scan_init(&s, &w, "preview", 1000000);
		scan_go(&s);
		scan_wait(&s);
		check(&s, kinds[i]);
		ck_assert_uint_eq(s.read_most, 1024);
		ck_assert(!s.result.sent);
	}
	/* the answers ended where they should: one connection for all */
	ck_assert_uint_eq(icap_server_seen(w.server)->accepted, 1);
	world_stop(&w);
}
END_TEST

struct preview_row {
	const char *label, *options, *name;
	uint32_t most;
	int64_t preview;
};

#define OPTIONS "ICAP/1.0 200 OK|Methods: RESPMOD|ISTag: x|"
#define END "Encapsulated: null-body=0||"

static const struct preview_row preview_rows[] = {
    {"none offered", OPTIONS END, "a.exe", 0, -1},
    {"of nothing", OPTIONS "Preview: 0|" END, "a.exe", 0, 0},
    {"a number", OPTIONS "Preview: 30|" END, "a.exe", 0, 30},
    {"no number", OPTIONS "Preview: all|" END, "a.exe", 0, -1},
    {"negative", OPTIONS "Preview: -1|" END, "a.exe", 0, -1},
    {"large", OPTIONS "Preview: 1000000|" END, "a.exe", 0, 4096},
    {"large, allowed", OPTIONS "Preview: 100000|" END, "a.exe", 50000, 50000},
    {"large, allowed too much", OPTIONS "Preview: 1000000|" END, "a.exe",
     900000, 65536},
    {"our most", OPTIONS "Preview: 1024|" END, "a.exe", 100, 100},
    {"whole by name", OPTIONS "Preview: 9|Transfer-Complete: zip, EXE|" END,
     "a.exe", 0, -1},
    {"whole, another name", OPTIONS "Preview: 9|Transfer-Complete: zip|" END,
     "a.exe", 0, 9},
    {"whole, two fields",
     OPTIONS "Preview: 9|Transfer-Complete: a|Transfer-Complete: exe|" END,
     "a.exe", 0, -1},
    {"whole for all",
     OPTIONS "Preview: 9|Transfer-Preview: zip|Transfer-Complete: *|" END, "a",
     0, -1},
    {"an empty item is no extension",
     OPTIONS "Preview: 9|Transfer-Complete: ,|" END, "a.", 0, 9},
    {"what to ignore is not for them to say",
     OPTIONS "Preview: 9|Transfer-Ignore: exe|" END, "a.exe", 0, 9},
};

START_TEST(preview_sizes)
{
	static const struct icap_reply clean = {.when = AFTER_BODY};
	const struct preview_row *row = &preview_rows[_i];
	struct world w;
	struct scan s;

	world_start(&w, &clean, 1);
	w.service.preview_max = row->most;
	world_pool(&w);
	icap_server_options(w.server, row->options);
	world_options(&w, NULL);
	scan_init(&s, &w, row->label, 200000);
	s.req.name = row->name;
	scan_go(&s);
	scan_wait(&s);
	check(&s, SCAN_CLEAN);
	check_body_arrived(&s);
	ck_assert_msg(icap_server_seen(w.server)->preview_bytes == row->preview,
		      "%s: %lld", row->label,
		      (long long)icap_server_seen(w.server)->preview_bytes);
	world_stop(&w);
}
END_TEST

/* A server that never says 204: clean is only what comes back unchanged. */
START_TEST(body_comes_back)
{
	static const struct icap_reply same = {.text = SAME, .same = true};
	struct world w;
	struct scan s;

	world_start(&w, &same, 1);
	if (_i % 2 == 1)
		world_options(&w, NULL);
	scan_init(&s, &w, "same", sizes[_i / 2]);
	scan_go(&s);
	scan_wait(&s);
	check(&s, SCAN_CLEAN);
	check_body_arrived(&s);
	scan_init(&s, &w, "same again", sizes[_i / 2]);
	scan_go(&s);
	scan_wait(&s);
	check(&s, SCAN_CLEAN);
	ck_assert_uint_eq(icap_server_seen(w.server)->accepted, 1);
	world_stop(&w);
}
END_TEST

struct back_row {
	const char *label, *body, *answer;
	enum scan_kind kind;
};

static const struct back_row back_rows[] = {
    {"same", "abc", SAME "3|abc|0||", SCAN_CLEAN},
    {"same in pieces", "abc", SAME "1|a|2|bc|0||", SCAN_CLEAN},
    {"another byte", "abc", SAME "3|abd|0||", SCAN_INFECTED},
    {"shorter", "abc", SAME "2|ab|0||", SCAN_INFECTED},
    {"longer", "abc", SAME "4|abcd|0||", SCAN_INFECTED},
    {"without an end, but longer", "abc", SAME "4|abcd|", SCAN_INFECTED},
    {"nothing", "abc", SAME "0||", SCAN_INFECTED},
    {"null-body", "abc",
     "ICAP/1.0 200 OK|Encapsulated: res-hdr=0, null-body=19||"
     "HTTP/1.1 200 OK||",
     SCAN_INFECTED},
    {"nothing of nothing", "", SAME "0||", SCAN_CLEAN},
    {"null-body of nothing", "",
     "ICAP/1.0 200 OK|Encapsulated: res-hdr=0, null-body=19||"
     "HTTP/1.1 200 OK||",
     SCAN_CLEAN},
    {"something of nothing", "", SAME "1|x|0||", SCAN_INFECTED},
    {"same, and yet infected", "abc",
     "ICAP/1.0 200 OK|X-Virus-ID: Test|"
     "Encapsulated: res-hdr=0, res-body=19||HTTP/1.1 200 OK||3|abc|0||",
     SCAN_INFECTED},
    {"only the body", "abc",
     "ICAP/1.0 200 OK|Encapsulated: res-body=0||3|abc|0||", SCAN_CLEAN},
};

START_TEST(body_compared)
{
	const struct back_row *row = &back_rows[_i];
	struct icap_reply reply = {.text = row->answer};
	struct world w;
	struct scan s;

	world_start(&w, &reply, 1);
	scan_text(&s, &w, row->label, row->body);
	scan_go(&s);
	scan_wait(&s);
	check(&s, row->kind);
	world_stop(&w);
}
END_TEST

START_TEST(reqmod)
{
	static const struct icap_reply replies[] = {
	    {.when = AFTER_BODY},
	    {.text = "ICAP/1.0 200 OK|Encapsulated: req-hdr=0, req-body=38||"
		     "POST http://attachment.invalid/ HTTP/1.1||4|abcd|0||"},
	    {.text = INFECTED},
	};
	static const enum scan_kind kinds[] = {SCAN_CLEAN, SCAN_CLEAN,
					       SCAN_INFECTED};
	const struct icap_seen *seen;
	struct world w;
	struct scan s;

	world_start(&w, replies, 3);
	w.service.method = ICAP_REQMOD;
	world_pool(&w);
	seen = icap_server_seen(w.server);
	for (int i = 0; i < 3; i++) {
		scan_text(&s, &w, "REQMOD", "abcd");
		scan_go(&s);
		scan_wait(&s);
		check(&s, kinds[i]);
		check_body_arrived(&s);
	}
	ck_assert(slice_starts(buf_slice(&seen->head), SLICE_LIT("REQMOD ")));
	ck_assert(slice_starts(buf_slice(&seen->http), SLICE_LIT("POST ")));
	world_stop(&w);
}
END_TEST

/* Only a service that does what we want is of use. */
START_TEST(methods)
{
	static const struct icap_reply clean = {.when = AFTER_BODY};
	struct icap_result result;
	struct world w;

	world_start(&w, &clean, 1);
	icap_server_options(w.server,
			    "ICAP/1.0 200 OK|Methods: REQMOD|ISTag: \"x\"||");
	world_options(&w, &result);
	ck_assert_int_eq(result.verdict.kind, SCAN_ERROR);
	ck_assert_int_eq(result.verdict.why, SCAN_WHY_SERVER);
	w.service.method = ICAP_REQMOD;
	world_pool(&w);
	world_options(&w, &result);
	ck_assert_int_eq(result.verdict.kind, SCAN_CLEAN);
	icap_server_options(w.server,
			    "ICAP/1.0 404 Service not found|ISTag: \"x\"||");
	world_options(&w, &result);
	ck_assert_int_eq(result.verdict.kind, SCAN_ERROR);
	ck_assert_int_eq(result.status, 404);
	world_stop(&w);
}
END_TEST

/* What OPTIONS said is had from the pool, its end included. */
START_TEST(options_kept)
{
	static const struct icap_reply replies[] = {
	    {.when = AFTER_BODY}, {.text = "ICAP/1.0 204 No|ISTag: \"new\"||"}};
	const struct icap_options *o;
	int64_t now_ms;
	struct world w;
	struct scan s;

	world_start(&w, replies, 2);
	o = icap_pool_options(w.pool);
	ck_assert(!o->known);
	world_options(&w, NULL);
	now_ms = loop_now_ms(w.loop);
	ck_assert(o->known && o->allow_204 && o->respmod && o->reqmod);
	ck_assert_int_eq(o->preview, 1024);
	ck_assert_str_eq(o->istag, "T-1");
	ck_assert_str_eq(o->service, "test");
	ck_assert_int_gt(o->expires_ms, now_ms + 50000);
	ck_assert_int_le(o->expires_ms, now_ms + 60000);
	scan_text(&s, &w, "same tag", "x");
	scan_go(&s);
	scan_wait(&s);
	ck_assert_int_gt(o->expires_ms, now_ms + 50000);
	scan_text(&s, &w, "another tag", "x");
	scan_go(&s);
	scan_wait(&s);
	ck_assert_str_eq(s.result.verdict.istag, "new");
	ck_assert_int_le(o->expires_ms, loop_now_ms(w.loop));
	world_stop(&w);
}
END_TEST

/* The content turns out shorter, longer, or gone: it was not scanned. */
START_TEST(content_is_not_as_said)
{
	static const struct icap_reply clean = {.when = AFTER_BODY};
	static const struct {
		const char *label;
		uint64_t said, really;
		int64_t fail_at;
	} rows[] = {
	    {"shorter", 100, 99, -1},
	    {"longer", 100, 101, -1},
	    {"empty", 1, 0, -1},
	    {"not empty", 0, 1, -1},
	    {"gone", 100, 100, 50},
	    {"gone later", 500000, 500000, 400000},
	    {"gone at once", 100, 100, 0},
	};
	struct world w;
	struct scan s;

	world_start(&w, &clean, 1);
	if (_i % 2 == 1)
		world_options(&w, NULL);
	scan_init(&s, &w, rows[_i / 2].label, rows[_i / 2].said);
	s.really = rows[_i / 2].really;
	s.fail_at = rows[_i / 2].fail_at;
	scan_go(&s);
	scan_wait(&s);
	check(&s, SCAN_ERROR);
	ck_assert_int_eq(s.result.verdict.why, SCAN_WHY_READ);
	ck_assert_msg(icap_server_seen(w.server)->ieof == false &&
			  icap_server_seen(w.server)->open == 0,
		      "%s: the connection went on", s.label);
	world_stop(&w);
}
END_TEST

/* A frozen server: no more is read than a chunk and what the kernel holds. */
START_TEST(memory_is_bounded)
{
	static const struct icap_reply clean = {.when = AFTER_BODY};
	struct world w;
	struct scan s;

	world_start(&w, &clean, 1);
	icap_server_freeze(w.server, true);
	scan_init(&s, &w, "frozen", 64u << 20);
	scan_go(&s);
	for (int i = 0; i < 40; i++)
		turn_some(w.loop);
	ck_assert_uint_gt(s.read_most, 65536);
	ck_assert_uint_lt(s.read_most, 16u << 20);
	ck_assert_uint_eq(s.done, 0);
	icap_scan_cancel(&s.op);
	turn_some(w.loop);
	ck_assert_uint_eq(s.done, 0);
	world_stop(&w);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("icap/scan");
	TCase *tc = tcase_create("scan");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, whole, 0, SIZE_COUNT);
	tcase_add_loop_test(tc, previewed, 0, SIZE_COUNT);
	tcase_add_test(tc, decided_by_preview);
	tcase_add_loop_test(
	    tc, preview_sizes, 0,
	    (int)(sizeof(preview_rows) / sizeof(preview_rows[0])));
	tcase_add_loop_test(tc, body_comes_back, 0, 2 * SIZE_COUNT);
	tcase_add_loop_test(tc, body_compared, 0,
			    (int)(sizeof(back_rows) / sizeof(back_rows[0])));
	tcase_add_test(tc, reqmod);
	tcase_add_test(tc, methods);
	tcase_add_test(tc, options_kept);
	tcase_add_loop_test(tc, content_is_not_as_said, 0, 14);
	tcase_add_test(tc, memory_is_bounded);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
