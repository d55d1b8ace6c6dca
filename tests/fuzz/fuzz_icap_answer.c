/*
 * An ICAP answer: heads, Encapsulated, the body, and what is made of it. The
 * first byte is the size of the pieces the rest is given in: the outcome is
 * that of one piece. Text from it is printable, and only a 204, or a body that
 * may be the same, is clean.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/icap/options.h"
#include "gateway/icap/text.h"
#include "gateway/icap/verdict.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
	enum icap_answer_step step;
	int status, http_status;
	bool judged, broken;
	uint64_t body_bytes;
	size_t used;
	struct scan_verdict verdict;
	char error[160];
};

static bool
goes_on(enum icap_answer_step step)
{
	return step == ICAP_ANSWER_HEADS || step == ICAP_ANSWER_BODY ||
	       step == ICAP_ANSWER_CONTINUE;
}

static void
judge(const struct icap_answer *a, struct outcome *o)
{
	struct buf error = {.cap = ICAP_TEXT_MAX};
	enum icap_body body =
	    o->step == ICAP_ANSWER_END ? ICAP_BODY_SAME : ICAP_BODY_OPEN;

	if (!o->judged)
		o->judged = icap_judge(a, icap_profile_find("symantec"), body,
				       &o->verdict, &error);
	icap_text_put(o->error, sizeof(o->error), buf_slice(&error));
	buf_fini(&error);
}

static void
options(const struct icap_answer *a)
{
	struct icap_options o;
	struct icap_terms terms;

	icap_terms_init(&terms);
	icap_options_parse(&o, &terms, a, NULL, 1000);
	if (o.expires_ms < 6000 || o.expires_ms > 3601000)
		abort();
	if (icap_preview(&o, &terms, "a.exe", 0) > 4096)
		abort();
	icap_terms_fini(&terms);
}

static void
run(struct icap_answer *a, struct slice in, size_t piece, struct outcome *o)
{
	size_t total = in.n;
	struct slice part, data;

	memset(o, 0, sizeof(*o));
	icap_answer_init(a);
	o->step = ICAP_ANSWER_MORE;
	while (in.n > 0 && o->step == ICAP_ANSWER_MORE) {
		part = slice_head(in, piece);
		in = slice_from(in, part.n);
		do {
			o->step = icap_answer_next(a, &part, &data);
			if (o->step == ICAP_ANSWER_BODY)
				o->body_bytes += data.n;
			if (o->step == ICAP_ANSWER_HEADS)
				options(a);
			if (o->step == ICAP_ANSWER_HEADS ||
			    o->step == ICAP_ANSWER_END)
				judge(a, o);
		} while (goes_on(o->step));
		in.p = part.p;
		in.n += part.n;
	}
	if (!o->judged)
		o->broken = icap_judge_broken(a, &o->verdict);
	o->used = o->step == ICAP_ANSWER_BAD ? 0 : total - in.n;
	o->status = a->status;
	o->http_status = a->http_status;
	icap_answer_fini(a);
}

static void
check_text(const char *text, size_t size)
{
	if (memchr(text, '\0', size) == NULL)
		abort();
	for (; *text != '\0'; text++) {
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct outcome whole, pieces;
	struct icap_answer a;
	struct slice in;

	if (size < 2)
		return 0;
	in = slice_of(data + 1, size - 1);
	run(&a, in, in.n, &whole);
	run(&a, in, data[0] > 0 ? data[0] : 1, &pieces);
	if (memcmp(&whole.verdict, &pieces.verdict, sizeof(whole.verdict)) !=
		0 ||
	    whole.judged != pieces.judged || whole.broken != pieces.broken ||
	    whole.step != pieces.step || whole.used != pieces.used ||
	    whole.status != pieces.status ||
	    whole.body_bytes != pieces.body_bytes ||
	    strcmp(whole.error, pieces.error) != 0)
		abort();
	check_text(whole.verdict.threat, sizeof(whole.verdict.threat));
	check_text(whole.verdict.istag, sizeof(whole.verdict.istag));
	check_text(whole.error, sizeof(whole.error));
	if (whole.broken && whole.verdict.kind != SCAN_INFECTED)
		abort();
	if (whole.judged && whole.verdict.kind == SCAN_CLEAN &&
	    whole.status != 204 &&
	    (whole.status / 100 != 2 || whole.step != ICAP_ANSWER_END ||
	     whole.http_status >= 300))
		abort();
	return 0;
}
