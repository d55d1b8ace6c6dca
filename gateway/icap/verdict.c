/*
 * From a whole answer to a verdict. Fields that name something win over the
 * status: servers send them with 200, 204, 403 and 500 alike. Without any,
 * only two things are clean: 204, and a 200 that brings back the very bytes
 * that were sent. A block page instead is an infection without a name: it is
 * all that some servers say in their default settings.
 *
 * HTTP statuses inside a 200 that tell of the scanner's own trouble are
 * errors: nobody looked.
 */
#include "gateway/icap/verdict.h"

#include <string.h>

#include "gateway/base/digest.h"
#include "gateway/base/encode.h"
#include "gateway/icap/signs.h"
#include "gateway/icap/text.h"

#define ISTAG_HEAD 30  /* characters, then '~' and the digest */
#define ISTAG_DIGEST 8 /* bytes */

/* A fold in the middle is one blank to a reader. */
static void
threat_put(char *out, struct slice s)
{
	struct buf flat = {.cap = ICAP_HEAD_BYTES_MAX};
	bool gap = false;

	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (c == '\r' || c == '\n' || c == '\t' || c == ' ') {
			gap = flat.n > 0;
			continue;
		}
		if (gap)
			buf_add_byte(&flat, ' ');
		gap = false;
		buf_add_byte(&flat, c);
	}
	icap_text_escape(out, SCAN_THREAT_SIZE, buf_slice(&flat));
	buf_fini(&flat);
}

static void
istag_shorten(char *istag, struct slice tag)
{
	struct buf b = {.cap = SCAN_ISTAG_SIZE};
	struct digest *d = digest_create();
	uint8_t sum[DIGEST_SIZE];

	digest_add(d, tag);
	digest_final(d, sum);
	digest_destroy(&d);
	icap_text_escape(istag, ISTAG_HEAD + 1, tag);
	buf_add_str(&b, istag);
	buf_add_byte(&b, '~');
	hex_encode(&b, slice_of(sum, ISTAG_DIGEST));
	icap_text_put(istag, SCAN_ISTAG_SIZE, buf_slice(&b));
	buf_fini(&b);
}

void
icap_istag(const struct icap_head *head, char istag[SCAN_ISTAG_SIZE])
{
	struct slice tag = slice_trim(icap_head_get(head, "ISTag"));
	struct buf b = {.cap = ICAP_TEXT_MAX};

	if (tag.n >= 2 && tag.p[0] == '"' && tag.p[tag.n - 1] == '"')
		tag = slice_of(tag.p + 1, tag.n - 2);
	icap_text_add(&b, tag);
	if (b.n < SCAN_ISTAG_SIZE)
		icap_text_put(istag, SCAN_ISTAG_SIZE, buf_slice(&b));
	else
		istag_shorten(istag, tag);
	buf_fini(&b);
}

static bool
say(struct scan_verdict *v, enum scan_kind kind, enum scan_why why)
{
	v->kind = kind;
	v->why = why;
	return true;
}

/* The status line behind the protocol's name. */
static void
say_status(struct buf *error, const char *proto, struct slice line)
{
	buf_add_str(error, proto);
	icap_text_add(error, slice_from(line, slice_find(line, ' ')));
}

static bool
icap_error(const struct icap_answer *a, struct scan_verdict *v,
	   struct buf *error)
{
	struct slice code = icap_head_get(&a->icap, "X-Error-Code");

	say_status(error, "ICAP", icap_head_start(&a->icap));
	if (code.n > 0) {
		buf_add_str(error, ", X-Error-Code ");
		icap_text_add(error, code);
	}
	return say(v, SCAN_ERROR, SCAN_WHY_SERVER);
}

static bool
http_error(const struct icap_answer *a, struct scan_verdict *v,
	   struct buf *error)
{
	say_status(error, "HTTP", icap_head_start(&a->res));
	return say(v, SCAN_ERROR, SCAN_WHY_SERVER);
}

/* Statuses by which a server in front of the scanner, or the scanner, says
 * that it did not look. */
static bool
is_trouble(int http_status)
{
	return http_status >= 500 || http_status < 200 || http_status == 400 ||
	       http_status == 401 || http_status == 407 || http_status == 408 ||
	       http_status == 429;
}

static bool
blocks(int http_status)
{
	return http_status >= 300 && !is_trouble(http_status);
}

static bool
judge_ok(const struct icap_answer *a, enum icap_body body,
	 struct scan_verdict *v, struct buf *error)
{
	if (!a->encapsulated) {
		buf_add_str(error, "ICAP 200 without Encapsulated");
		return say(v, SCAN_ERROR, SCAN_WHY_PROTOCOL);
	}
	if (a->http_status != 0 && is_trouble(a->http_status))
		return http_error(a, v, error);
	if (blocks(a->http_status))
		return say(v, SCAN_INFECTED, SCAN_WHY_NONE);
	switch (body) {
	case ICAP_BODY_OPEN:
		return false;
	case ICAP_BODY_SAME:
		return say(v, SCAN_CLEAN, SCAN_WHY_NONE);
	case ICAP_BODY_OTHER:
		break;
	}
	return say(v, SCAN_INFECTED, SCAN_WHY_NONE);
}

static bool
judge_status(const struct icap_answer *a, const struct icap_profile *profile,
	     enum icap_body body, struct scan_verdict *v, struct buf *error)
{
	switch (a->status) {
	case 200:
	case 201:
		return judge_ok(a, body, v, error);
	case 204: /* has no page; with one it is what the page says */
		if (a->http_status != 0 && is_trouble(a->http_status))
			return http_error(a, v, error);
		if (blocks(a->http_status))
			return say(v, SCAN_INFECTED, SCAN_WHY_NONE);
		return say(v, SCAN_CLEAN, SCAN_WHY_NONE);
	case 403: /* with a page: this file; without: these clients */
		if (blocks(a->http_status))
			return say(v, SCAN_INFECTED, SCAN_WHY_NONE);
		break;
	case 413:
		return say(v, SCAN_UNSCANNABLE, SCAN_WHY_TOO_BIG);
	case 500:
		if (profile->error_code_encrypted &&
		    icap_head_get(&a->icap, "X-Error-Code").n > 0)
			return say(v, SCAN_UNSCANNABLE, SCAN_WHY_ENCRYPTED);
		break;
	default:
		break;
	}
	(void)icap_error(a, v, error);
	if (a->status < 400) /* 206 and the like were not asked for */
		v->why = SCAN_WHY_PROTOCOL;
	return true;
}

bool
icap_judge(const struct icap_answer *a, const struct icap_profile *profile,
	   enum icap_body body, struct scan_verdict *v, struct buf *error)
{
	struct icap_signs signs;

	icap_istag(&a->icap, v->istag);
	icap_signs_find(a, &signs);
	if (!signs.found) {
		v->threat[0] = '\0';
		return judge_status(a, profile, body, v, error);
	}
	threat_put(v->threat, signs.text);
	if (signs.kind == SCAN_ERROR)
		buf_add_str(error, v->threat);
	return say(v, signs.kind, signs.why);
}

bool
icap_judge_broken(const struct icap_answer *a, struct scan_verdict *v)
{
	struct icap_signs signs;

	if (!a->head)
		return false;
	icap_signs_find(a, &signs);
	if (!signs.found || signs.kind != SCAN_INFECTED)
		return false;
	icap_istag(&a->icap, v->istag);
	threat_put(v->threat, signs.text);
	return say(v, SCAN_INFECTED, SCAN_WHY_NONE);
}
