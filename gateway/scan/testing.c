/*
 * A test that an administrator asks for: OPTIONS, the test virus and a clean
 * file, now, on each server, one after the other. The first two are the probes
 * as ever and count as such: a server that was down and answers is up again.
 *
 * One test at a time: who asks meanwhile hears of the one under way. What has
 * no free connection waits for one; who waits for that has his own patience.
 */
#include <string.h>

#include "gateway/base/error.h"
#include "gateway/scan/scan_int.h"

static const char clean_file[] =
    "A test of the virus scanner, by its administrator. Nothing is in here.\n";

static void
end_step(struct scan_server *server)
{
	server->testing.under_way = false;
	if (++server->testing.step == SCAN_TEST_STEPS)
		server->testing.wanted = false;
}

/* What is known of it behind its OPTIONS. */
static void
describe(struct scan_server *server, struct scan_test *test)
{
	const struct icap_options *options = icap_pool_options(server->pool);

	memcpy(test->istag, options->istag, sizeof(test->istag));
	test->preview = options->known ? options->preview : -1;
	test->profile = icap_pool_profile(server->pool);
}

void
scan_testing_note(struct scan_server *server, enum scan_test_step step,
		  const struct icap_result *result)
{
	struct testing *testing = &server->testing;
	struct scan_test_answer *answer = &testing->test.answers[step];
	int64_t now_ms = loop_now_ms(server->scan->loop);

	if (!testing->under_way || testing->step != step)
		return;
	pthread_mutex_lock(&server->scan->lock);
	answer->ended = true;
	answer->ms = now_ms - testing->since_ms;
	answer->kind = result->verdict.kind;
	memcpy(answer->threat, result->verdict.threat, sizeof(answer->threat));
	memcpy(answer->error, result->error, sizeof(answer->error));
	if (step == SCAN_TEST_OPTIONS)
		describe(server, &testing->test);
	end_step(server);
	pthread_mutex_unlock(&server->scan->lock);
}

void
scan_testing_fail(struct scan_server *server, const char *error)
{
	struct scan_test *test = &server->testing.test;

	if (!server->testing.wanted)
		return;
	pthread_mutex_lock(&server->scan->lock);
	while (server->testing.wanted) {
		struct scan_test_answer *answer =
		    &test->answers[server->testing.step];

		answer->ended = true;
		answer->kind = SCAN_ERROR;
		strncpy(answer->error, error, sizeof(answer->error) - 1);
		end_step(server);
	}
	pthread_mutex_unlock(&server->scan->lock);
}

static int64_t
clean_read(void *arg, uint64_t offset, void *p, size_t n)
{
	const size_t size = sizeof(clean_file) - 1;

	(void)arg;
	if (offset > size)
		return GW_EINVAL;
	if (n > size - offset)
		n = size - (size_t)offset;
	memcpy(p, clean_file + offset, n);
	return (int64_t)n;
}

static void
on_clean(void *arg, const struct icap_result *result)
{
	struct scan_server *server = arg;

	server->probe_op = NULL;
	if (result->verdict.kind != SCAN_ERROR) {
		server->answered_ms = loop_now_ms(server->scan->loop);
		scan_server_tag(server, result->verdict.istag);
	}
	scan_testing_note(server, SCAN_TEST_CLEAN, result);
	scan_probe_tick(server);
	content_pump(server->scan);
}

void
scan_testing_clean(struct scan_server *server, int64_t timeout_ms)
{
	static const struct ip_addr nobody;
	struct icap_req req = {
	    .bytes = sizeof(clean_file) - 1,
	    .read = clean_read,
	    .name = "test.txt",
	    .type = "text/plain",
	    .client = &nobody,
	    .timeout_ms = timeout_ms,
	};

	server->probe_op =
	    icap_scan_start(server->pool, &req, on_clean, server);
}

void
scan_testing_begin(struct scan *scan, uint64_t number)
{
	struct scan_server *server;

	pthread_mutex_lock(&scan->lock);
	TAILQ_FOREACH (server, &scan->servers, link) {
		struct testing *testing = &server->testing;

		testing->number = number;
		if (testing->wanted)
			continue;
		memset(&testing->test, 0, sizeof(testing->test));
		testing->test.preview = -1;
		testing->step = SCAN_TEST_OPTIONS;
		testing->wanted = true;
	}
	scan->tested = number;
	pthread_mutex_unlock(&scan->lock);
	TAILQ_FOREACH (server, &scan->servers, link) {
		/* A name that led nowhere is looked up anew. */
		if (!server->addressed)
			server->resolve_ms = 0;
		scan_probe_tick(server);
	}
}

size_t
scan_test_get(struct scan *scan, uint64_t number, struct scan_test *out,
	      size_t max, bool *ended)
{
	struct scan_server *server;
	size_t n = 0;

	pthread_mutex_lock(&scan->lock);
	*ended = scan->tested >= number;
	TAILQ_FOREACH (server, &scan->servers, link) {
		/* It came by a reload since. */
		if (server->testing.number < number)
			continue;
		if (n < max) {
			out[n] = server->testing.test;
			memcpy(out[n].name, server->status.name,
			       sizeof(out[n].name));
			out[n].health = server->status.health;
		}
		n++;
		if (server->testing.wanted)
			*ended = false;
	}
	pthread_mutex_unlock(&scan->lock);
	return n;
}
