/*
 * Which heads are inside, and whether a body follows, is Encapsulated's to
 * say; where they end is said by their empty lines. Servers get the offsets
 * wrong, and proxies, which never look at them, taught them that nobody
 * minds; what is not even a list of offsets is BAD.
 *
 * Without Encapsulated nothing follows the head (204, errors). Whoever waits
 * for more in vain would hang on a connection that is fine.
 */
#include "gateway/icap/answer.h"

#define ENTITIES_MAX 4

void
icap_answer_init(struct icap_answer *a)
{
	*a = (struct icap_answer){0};
	icap_head_init(&a->icap);
	icap_head_init(&a->req);
	icap_head_init(&a->res);
}

void
icap_answer_fini(struct icap_answer *a)
{
	icap_head_fini(&a->icap);
	icap_head_fini(&a->req);
	icap_head_fini(&a->res);
}

void
icap_answer_reset(struct icap_answer *a)
{
	struct icap_head icap = a->icap, req = a->req, res = a->res;

	*a = (struct icap_answer){.icap = icap, .req = req, .res = res};
	icap_head_reset(&a->icap);
	icap_head_reset(&a->req);
	icap_head_reset(&a->res);
	icap_chunked_init(&a->chunked);
}

static enum icap_answer_step
bad(struct icap_answer *a, const char *why)
{
	a->state = ANSWER_AT_BAD;
	a->bad = why;
	return ICAP_ANSWER_BAD;
}

/* "PROTO/1.x NNN text"; 0 when it is not that. */
static int
status_of(struct slice line, struct slice proto)
{
	struct slice rest = slice_from(line, proto.n), code;
	uint64_t status;
	bool ok = slice_starts(line, proto) && rest.n >= 5 &&
		  rest.p[0] >= '0' && rest.p[0] <= '9' && rest.p[1] == ' ';

	if (!ok)
		return 0;
	rest = slice_trim(slice_from(rest, 2));
	code = slice_head(rest, slice_find(rest, ' '));
	if (code.n != 3 || !slice_u64(code, &status) || status < 100 ||
	    status > 599)
		return 0;
	return (int)status;
}

/* One "name=offset"; false: it is none. */
static bool
entity_take(struct icap_answer *a, struct slice entity, uint64_t *last)
{
	size_t sep = slice_find(entity, '=');
	struct slice name = slice_trim(slice_head(entity, sep));
	uint64_t at;

	if (sep == entity.n || a->has_body ||
	    !slice_u64(slice_trim(slice_from(entity, sep + 1)), &at) ||
	    at < *last)
		return false;
	*last = at;
	if (slice_ieq(name, SLICE_LIT("req-hdr")) && !a->has_req &&
	    !a->has_res) {
		a->has_req = true;
		return true;
	}
	if (slice_ieq(name, SLICE_LIT("res-hdr")) && !a->has_res) {
		a->has_res = true;
		return true;
	}
	if (slice_ieq(name, SLICE_LIT("null-body")))
		return true;
	a->has_body = slice_ieq(name, SLICE_LIT("req-body")) ||
		      slice_ieq(name, SLICE_LIT("res-body")) ||
		      slice_ieq(name, SLICE_LIT("opt-body"));
	return a->has_body;
}

static bool
encapsulated_parse(struct icap_answer *a)
{
	struct slice value, entity;
	uint64_t last = 0;
	uint32_t at = 0, count = 0;

	if (!icap_head_next(&a->icap, "Encapsulated", &at, &value))
		return true;
	a->encapsulated = true;
	while (slice_split(&value, ',', &entity)) {
		if (++count > ENTITIES_MAX ||
		    !entity_take(a, slice_trim(entity), &last))
			return false;
	}
	return count > 0 &&
	       !icap_head_next(&a->icap, "Encapsulated", &at, &value);
}

static enum icap_answer_state
after_head(const struct icap_answer *a)
{
	if (a->has_req && a->state == ANSWER_AT_HEAD)
		return ANSWER_AT_REQ;
	if (a->has_res && a->state != ANSWER_AT_RES)
		return ANSWER_AT_RES;
	return ANSWER_AT_HEADS_END;
}

/* false: goes on; true: *step is what to say. */
static bool
head_end(struct icap_answer *a, enum icap_answer_step *step)
{
	a->status = status_of(icap_head_start(&a->icap), SLICE_LIT("ICAP/1."));
	if (a->status == 0) {
		*step = bad(a, "no ICAP/1.0 status line");
		return true;
	}
	if (a->status == 100) {
		icap_answer_reset(a);
		*step = ICAP_ANSWER_CONTINUE;
		return true;
	}
	a->head = true;
	a->close = icap_head_lists(&a->icap, "Connection", "close");
	if (!encapsulated_parse(a)) {
		*step = bad(a, "bad Encapsulated header");
		return true;
	}
	a->state = after_head(a);
	return false;
}

/* What will never be an ICAP answer is not waited for. */
static bool
looks_wrong(const struct icap_answer *a)
{
	struct slice text = icap_head_text(&a->icap);

	return text.n >= 5 && !slice_starts(text, SLICE_LIT("ICAP/"));
}

static bool
at_head(struct icap_answer *a, struct slice *in, enum icap_answer_step *step)
{
	switch (icap_head_add(&a->icap, in)) {
	case ICAP_HEAD_DONE:
		return head_end(a, step);
	case ICAP_HEAD_BAD:
		*step = bad(a, "head too big");
		return true;
	case ICAP_HEAD_MORE:
		break;
	}
	*step = looks_wrong(a) ? bad(a, "no ICAP answer") : ICAP_ANSWER_MORE;
	return true;
}

/* One of the HTTP heads. */
static bool
at_http(struct icap_answer *a, struct slice *in, enum icap_answer_step *step)
{
	bool res = a->state == ANSWER_AT_RES;
	struct icap_head *head = res ? &a->res : &a->req;

	switch (icap_head_add(head, in)) {
	case ICAP_HEAD_DONE:
		break;
	case ICAP_HEAD_BAD:
		*step = bad(a, "HTTP head too big");
		return true;
	case ICAP_HEAD_MORE:
		*step = ICAP_ANSWER_MORE;
		return true;
	}
	if (res) {
		a->http_status =
		    status_of(icap_head_start(head), SLICE_LIT("HTTP/1."));
		if (a->http_status == 0) {
			*step = bad(a, "no HTTP status line");
			return true;
		}
	}
	a->state = after_head(a);
	return false;
}

static enum icap_answer_step
at_body(struct icap_answer *a, struct slice *in, struct slice *data)
{
	switch (icap_chunked_next(&a->chunked, in, data)) {
	case ICAP_CHUNKED_DATA:
		return ICAP_ANSWER_BODY;
	case ICAP_CHUNKED_END:
		a->state = ANSWER_AT_END;
		return ICAP_ANSWER_END;
	case ICAP_CHUNKED_BAD:
		return bad(a, "bad chunk");
	case ICAP_CHUNKED_MORE:
		break;
	}
	return ICAP_ANSWER_MORE;
}

enum icap_answer_step
icap_answer_next(struct icap_answer *a, struct slice *in, struct slice *data)
{
	enum icap_answer_step step;

	for (;;) {
		switch (a->state) {
		case ANSWER_AT_HEAD:
			if (at_head(a, in, &step))
				return step;
			break;
		case ANSWER_AT_REQ:
		case ANSWER_AT_RES:
			if (at_http(a, in, &step))
				return step;
			break;
		case ANSWER_AT_HEADS_END:
			a->state = a->has_body ? ANSWER_AT_BODY : ANSWER_AT_END;
			return ICAP_ANSWER_HEADS;
		case ANSWER_AT_BODY:
			return at_body(a, in, data);
		case ANSWER_AT_END:
			return ICAP_ANSWER_END;
		case ANSWER_AT_BAD:
			return ICAP_ANSWER_BAD;
		}
	}
}
