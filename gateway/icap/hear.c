/*
 * What a connection hears of an answer, and when that is a verdict.
 *
 * A verdict that hangs on the body (a 200 that may bring back what was sent)
 * is there at the body's end, or as soon as more has come than was sent: no
 * more of it is awaited than that, whatever the server sends. Bytes are
 * compared by digest, since those that were sent are gone.
 */
#include <stdio.h>
#include <string.h>

#include "gateway/icap/icap_int.h"
#include "gateway/icap/text.h"
#include "gateway/icap/verdict.h"

/* The ISTag is another: what OPTIONS said may be, too. */
static void
look_at_istag(struct icap_pool *pool, const struct scan_verdict *v)
{
	if (pool->options.known && v->istag[0] != '\0' &&
	    strcmp(v->istag, pool->options.istag) != 0)
		pool->options.expires_ms = loop_now_ms(pool->loop);
}

static void
judge_options(struct icap_conn *c)
{
	struct icap_pool *pool = c->pool;
	struct icap_op *op = c->op;
	char text[64];

	op->judged = true;
	icap_istag(&c->answer.icap, op->result.verdict.istag);
	if (c->answer.status != 200) {
		snprintf(text, sizeof(text), "OPTIONS: ICAP %d",
			 c->answer.status);
		icap_op_error(op, SCAN_WHY_SERVER, text);
		return;
	}
	icap_options_parse(&pool->options, &pool->terms, &c->answer,
			   pool->service.profile, loop_now_ms(pool->loop));
	if (pool->service.method == ICAP_RESPMOD ? pool->options.respmod
						 : pool->options.reqmod)
		op->result.verdict.kind = SCAN_CLEAN;
	else
		icap_op_error(op, SCAN_WHY_SERVER,
			      "this service does not offer the method");
}

/* Clean, of what it has not been given yet. */
static bool
is_premature(const struct icap_conn *c)
{
	return c->op->judged && c->op->result.verdict.kind == SCAN_CLEAN &&
	       !icap_all_is_sent(c);
}

static void
judge(struct icap_conn *c, enum icap_body body)
{
	struct icap_op *op = c->op;
	struct buf error = {.cap = ICAP_TEXT_MAX};

	if (op->judged)
		return;
	if (op->is_options) {
		judge_options(c);
		return;
	}
	op->judged = icap_judge(&c->answer, c->pool->terms.profile, body,
				&op->result.verdict, &error);
	icap_text_put(op->result.error, sizeof(op->result.error),
		      buf_slice(&error));
	buf_fini(&error);
	if (is_premature(c))
		icap_op_error(op, SCAN_WHY_PROTOCOL,
			      "called clean before all of it was sent");
	if (op->judged)
		look_at_istag(c->pool, &op->result.verdict);
}

static void
hear_heads(struct icap_conn *c)
{
	if (c->op == NULL)
		return;
	if (c->answer.has_body)
		judge(c, ICAP_BODY_OPEN);
	else
		judge(c,
		      c->op->req.bytes == 0 ? ICAP_BODY_SAME : ICAP_BODY_OTHER);
}

static void
hear_body(struct icap_conn *c, struct slice data)
{
	if (c->op == NULL || c->op->judged) {
		c->drained_bytes += data.n;
		return;
	}
	c->back_bytes += data.n;
	if (c->back_bytes > c->op->req.bytes)
		judge(c, ICAP_BODY_OTHER);
	else
		digest_add(c->back, data);
}

static void
hear_end(struct icap_conn *c)
{
	uint8_t sum[DIGEST_SIZE];
	bool same;

	if (c->op == NULL || c->op->judged)
		return;
	digest_final(c->back, sum);
	same = c->sending == ICAP_SEND_DONE &&
	       c->back_bytes == c->op->req.bytes &&
	       memcmp(sum, c->sent_sum, DIGEST_SIZE) == 0;
	judge(c, same ? ICAP_BODY_SAME : ICAP_BODY_OTHER);
}

enum icap_answer_step
icap_hear(struct icap_conn *c, struct slice *in)
{
	enum icap_answer_step step;
	struct slice data;

	for (;;) {
		step = icap_answer_next(&c->answer, in, &data);
		switch (step) {
		case ICAP_ANSWER_HEADS:
			hear_heads(c);
			break;
		case ICAP_ANSWER_BODY:
			hear_body(c, data);
			break;
		case ICAP_ANSWER_CONTINUE:
			if (c->sending != ICAP_SEND_WAIT || c->op == NULL)
				return step;
			icap_send_continue(c);
			break;
		case ICAP_ANSWER_END:
			hear_end(c);
			return step;
		case ICAP_ANSWER_MORE:
		case ICAP_ANSWER_BAD:
			return step;
		}
	}
}
