#include "tests/icap/world.h"

#include <stdio.h>

void
world_start(struct world *w, const struct icap_reply *replies, size_t count)
{
	memset(w, 0, sizeof(*w));
	w->loop = loop_create();
	ck_assert_ptr_nonnull(w->loop);
	w->server = icap_server_create(w->loop, replies, count);
	w->service = (struct icap_service){
	    .host = "localhost",
	    .port = icap_server_port(w->server),
	    .service = "avscan",
	    .idle_ms = 600000, /* a busy machine is slower than the default */
	};
	world_pool(w);
}

void
world_pool(struct world *w)
{
	struct ip_addr ip;

	icap_pool_destroy(&w->pool);
	w->pool = icap_pool_create(w->loop, &w->service);
	ck_assert_int_eq(ip_parse(SLICE_LIT("127.0.0.1"), &ip), 0);
	icap_pool_set_addresses(w->pool, &ip, 1);
}

void
world_stop(struct world *w)
{
	icap_pool_destroy(&w->pool);
	icap_server_destroy(&w->server);
	loop_destroy(&w->loop);
}

static char
pattern(uint64_t i)
{
	return (char)((i * 2654435761u) >> 13);
}

static int64_t
body_read(void *arg, uint64_t offset, void *p, size_t n)
{
	struct scan *s = arg;
	char *out = p;

	ck_assert_msg(s->done == 0, "%s: read after done", s->label);
	s->reads++;
	if (offset == 0)
		s->again++;
	if (s->fail_at >= 0 && offset + n > (uint64_t)s->fail_at)
		return GW_EIO;
	if (offset >= s->really)
		return 0;
	if (n > s->really - offset)
		n = (size_t)(s->really - offset);
	if (s->read_max > 0 && n > s->read_max)
		n = s->read_max;
	for (size_t i = 0; i < n; i++)
		out[i] =
		    s->text != NULL ? s->text[offset + i] : pattern(offset + i);
	if (offset + n > s->read_most)
		s->read_most = offset + n;
	return (int64_t)n;
}

void
scan_init(struct scan *s, struct world *w, const char *label, uint64_t bytes)
{
	memset(s, 0, sizeof(*s));
	s->label = label;
	s->w = w;
	s->fail_at = -1;
	s->really = bytes;
	s->req = (struct icap_req){
	    .bytes = bytes,
	    .read = body_read,
	    .read_arg = s,
	    .name = "report.pdf",
	    .type = "application/pdf",
	    .timeout_ms = TURN_PATIENCE_MS,
	};
}

void
scan_text(struct scan *s, struct world *w, const char *label, const char *text)
{
	scan_init(s, w, label, strlen(text));
	s->text = text;
}

static void
on_done(void *arg, const struct icap_result *result)
{
	struct scan *s = arg;

	s->op = NULL;
	s->done++;
	s->result = *result;
	if (s->destroy_pool)
		icap_pool_destroy(&s->w->pool);
	if (s->next) {
		s->next = false;
		s->done = 0;
		scan_go(s);
	}
}

void
scan_go(struct scan *s)
{
	s->op = icap_scan_start(s->w->pool, &s->req, on_done, s);
	ck_assert_ptr_nonnull(s->op);
}

void
scan_wait(struct scan *s)
{
	TURN_UNTIL(s->w->loop, s->done > 0, s->label);
	turn_some(s->w->loop);
	ck_assert_msg(s->done == 1, "%s: done %u times", s->label, s->done);
}

void
scan_digest(const struct scan *s, uint8_t out[DIGEST_SIZE])
{
	struct digest *d = digest_create();

	for (uint64_t i = 0; i < s->really; i++) {
		char c = s->text != NULL ? s->text[i] : pattern(i);

		digest_add(d, slice_of(&c, 1));
	}
	digest_final(d, out);
	digest_destroy(&d);
}

void
world_options(struct world *w, struct icap_result *result)
{
	struct scan s;

	scan_init(&s, w, "OPTIONS", 0);
	s.op = icap_options_start(w->pool, TURN_PATIENCE_MS, on_done, &s);
	scan_wait(&s);
	if (result != NULL)
		*result = s.result;
	else
		ck_assert_msg(s.result.verdict.kind == SCAN_CLEAN,
			      "OPTIONS: %s", s.result.error);
}

int
world_run(const char *name, const TTest *const *tests, size_t count)
{
	Suite *suite = suite_create(name);
	TCase *tcase = tcase_create(name);
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 120);
	for (size_t i = 0; i < count; i++)
		tcase_add_test(tcase, tests[i]);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
