/*
 * sluice scan test: OPTIONS, the test virus and a clean file on each server,
 * now. It looks for the answers ten times a second, since the scan thread
 * knows nothing of calls; at the end of its patience it tells what there is.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/mem.h"
#include "gateway/control/call.h"
#include "gateway/control/control_int.h"
#include "gateway/control/text.h"
#include "gateway/net/loop.h"
#include "gateway/scan/words.h"

#define LOOK_MS 100
#define PATIENCE_MS 40000 /* three steps of ten seconds, and some */
#define SERVERS_MAX 32

struct testing {
	struct timer_op *timer;
	struct call *call;
	uint64_t number;
	int64_t until_ms;
	size_t count;
	struct scan_test tests[SERVERS_MAX];
};

static const char *const labels[SCAN_TEST_STEPS] = {"OPTIONS", "test virus",
						    "clean file"};
static const char *const keys[SCAN_TEST_STEPS] = {"options", "test_virus",
						  "clean_file"};
/* What each is to be. */
static const enum scan_kind rights[SCAN_TEST_STEPS] = {
    SCAN_CLEAN, SCAN_INFECTED, SCAN_CLEAN};

static bool
is_right(const struct scan_test *test, size_t step)
{
	return test->answers[step].ended &&
	       test->answers[step].kind == rights[step];
}

static bool
is_well(const struct scan_test *test)
{
	bool well = true;

	for (size_t i = 0; i < SCAN_TEST_STEPS; i++)
		well = well && is_right(test, i);
	return well;
}

/* --- words ------------------------------------------------------------------
 */

static void
put_options(const struct scan_test *test, struct buf *out)
{
	buf_printf(out, "profile %s",
		   test->profile != NULL ? test->profile : "none");
	buf_add_str(out, test->istag[0] != '\0' ? ", ISTag " : ", no ISTag");
	text_last(out, slice_str(test->istag), 0);
	if (test->preview >= 0)
		buf_printf(out, ", preview %d", (int)test->preview);
}

static void
put_kind(const struct scan_test *test, size_t step, struct buf *out)
{
	const struct scan_test_answer *answer = &test->answers[step];

	if (answer->kind == SCAN_ERROR) {
		buf_add_str(out, "FAILED: ");
		text_last(out, slice_str(answer->error), 0);
	} else if (step == SCAN_TEST_OPTIONS) {
		put_options(test, out);
	} else if (answer->kind == SCAN_INFECTED) {
		buf_add_str(out,
			    is_right(test, step) ? "found, " : "INFECTED, ");
		text_last(out,
			  slice_str(answer->threat[0] != '\0' ? answer->threat
							      : "no name"),
			  0);
	} else {
		buf_add_str(out, is_right(test, step) ? "clean"
				 : answer->kind == SCAN_CLEAN
				     ? "NOT FOUND, called clean"
				     : "NOT LOOKED AT");
	}
}

static void
put_server(const struct scan_test *test, struct buf *out)
{
	text_last(out, slice_str(test->name), 0);
	buf_printf(out, "\n  %-12s  %s\n", "health",
		   scan_health_word(test->health));
	for (size_t i = 0; i < SCAN_TEST_STEPS; i++) {
		buf_printf(out, "  %-12s  ", labels[i]);
		if (!test->answers[i].ended) {
			buf_add_str(out, "NO ANSWER yet\n");
			continue;
		}
		put_kind(test, i, out);
		buf_printf(out, " (%lld ms)\n", (long long)test->answers[i].ms);
	}
}

static void
put_json(const struct scan_test *test, struct json *j)
{
	json_open_object(j, NULL);
	json_str(j, "server", test->name);
	json_str(j, "health", scan_health_word(test->health));
	json_bool(j, "well", is_well(test));
	json_str(j, "profile", test->profile);
	json_str(j, "istag", test->istag[0] != '\0' ? test->istag : NULL);
	for (size_t i = 0; i < SCAN_TEST_STEPS; i++) {
		const struct scan_test_answer *answer = &test->answers[i];

		json_open_object(j, keys[i]);
		json_bool(j, "right", is_right(test, i));
		json_str(j, "verdict",
			 answer->ended ? scan_kind_word(answer->kind) : NULL);
		json_u64(j, "ms", (uint64_t)answer->ms);
		json_str(j, "threat",
			 answer->threat[0] != '\0' ? answer->threat : NULL);
		json_str(j, "error",
			 answer->error[0] != '\0' ? answer->error : NULL);
		json_close_object(j);
	}
	json_close_object(j);
}

static void
put_all(struct call *call, const struct testing *t)
{
	struct json j;

	if (!call->request.json) {
		for (size_t i = 0; i < t->count; i++) {
			if (i > 0)
				buf_add_byte(&call->out, '\n');
			put_server(&t->tests[i], &call->out);
		}
		return;
	}
	json_init(&j, &call->out);
	json_open_object(&j, NULL);
	json_open_array(&j, "servers");
	for (size_t i = 0; i < t->count; i++)
		put_json(&t->tests[i], &j);
	json_close_array(&j);
	json_close_object(&j);
	buf_add_byte(&call->out, '\n');
}

/* --- waiting ----------------------------------------------------------------
 */

static void
on_timer(void *arg)
{
	struct testing *t = arg;

	t->timer = NULL;
	call_ended(t->call);
}

static enum call_next
wait_a_little(struct call *call)
{
	struct testing *t = call->state;

	call->under_way++;
	call->patient = true;
	t->timer = timer_start(call->control->loop, LOOK_MS, on_timer, t);
	return CALL_WAIT;
}

static void
testing_fini(void *state)
{
	timer_cancel(&((struct testing *)state)->timer);
}

static enum call_next
look(struct call *call)
{
	struct testing *t = call->state;
	size_t ill = 0;
	bool ended;

	t->count = scan_test_get(call->control->scan, t->number, t->tests,
				 SERVERS_MAX, &ended);
	if (t->count > SERVERS_MAX)
		t->count = SERVERS_MAX;
	if (!ended && clock_mono_ms() < t->until_ms)
		return wait_a_little(call);
	if (t->count == 0) {
		call_fail(call, "no server is configured: nothing is scanned");
		return CALL_DONE;
	}
	put_all(call, t);
	for (size_t i = 0; i < t->count; i++)
		ill += !is_well(&t->tests[i]);
	if (ill > 0)
		call_fail(call, "%zu of %zu servers did not pass", ill,
			  t->count);
	return CALL_DONE;
}

enum call_next
command_scan_test(struct call *call)
{
	struct testing *t;

	if (call->control->scan == NULL) {
		call_fail(call, "this daemon scans nothing");
		return CALL_DONE;
	}
	t = mem_zalloc(sizeof(*t));
	t->call = call;
	t->until_ms = clock_mono_ms() + PATIENCE_MS;
	t->number = scan_test_start(call->control->scan);
	call->state = t;
	call->state_fini = testing_fini;
	call->step = look;
	return wait_a_little(call);
}
