/*
 * Recipients, from the command to the answer.
 *
 * Most are decided inside the engine's call, without a copy. One whose domain
 * must be asked about waits in a list of its transaction, and so does every
 * one behind it: that one's question leaves at once too, but its checks are
 * run when its turn comes. The list is worked off from its head, so recipients
 * are charged, stored and answered in the order of their commands.
 *
 * A message waits for domains while at least one of its recipients has a
 * question open; that time has an end (front_conf), behind which nothing is
 * asked any more and what is not known is accepted unverified.
 *
 * An answer may end the transaction (too many errors, a block): whoever
 * answers looks it up anew and takes the recipient off the list first.
 */
#include "gateway/front/recipients.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/address.h"
#include "gateway/base/mem.h"

void
recipients_init(struct transaction *t, int64_t waited_ms)
{
	STAILQ_INIT(&t->line.waiting);
	t->line.waited_ms = waited_ms;
}

void
recipients_fini(struct transaction *t)
{
	struct rcpt_check *c;

	while ((c = STAILQ_FIRST(&t->line.waiting)) != NULL) {
		STAILQ_REMOVE_HEAD(&t->line.waiting, next);
		checks_ask_cancel(&c->check);
		free(c);
	}
}

bool
recipients_waiting(const struct transaction *t, uint32_t *ticket)
{
	const struct rcpt_check *first = STAILQ_FIRST(&t->line.waiting);

	if (first != NULL)
		*ticket = first->check.ticket;
	return first != NULL;
}

/* --- time ----------------------------------------------------------------- */

int64_t
recipients_wait_left_ms(const struct transaction *t)
{
	const struct front_conf *conf = &t->session->snapshot->conf;
	const struct rcpt_line *line = &t->line;
	int64_t left_ms = conf->domain_wait_message_ms - line->waited_ms;

	if (line->asking > 0)
		left_ms -=
		    loop_now_ms(t->session->worker->loop) - line->since_ms;
	return left_ms;
}

void
recipients_asking(struct transaction *t)
{
	if (t->line.asking++ == 0)
		t->line.since_ms = loop_now_ms(t->session->worker->loop);
}

void
recipients_asked(struct transaction *t)
{
	struct rcpt_line *line = &t->line;

	if (--line->asking == 0)
		line->waited_ms +=
		    loop_now_ms(t->session->worker->loop) - line->since_ms;
}

/* --- one recipient -------------------------------------------------------- */

/* A copy that outlives the command. */
static struct rcpt_check *
keep(const struct rcpt_check *from)
{
	struct slice address = from->rcpt.recipient, orcpt = from->rcpt.orcpt;
	struct rcpt_check *c = mem_alloc(sizeof(*c) + address.n + orcpt.n);

	*c = *from;
	memcpy(c->bytes, address.p, address.n);
	c->rcpt.recipient = slice_of(c->bytes, address.n);
	c->domain = address_domain(c->rcpt.recipient);
	if (orcpt.n > 0)
		memcpy(c->bytes + address.n, orcpt.p, orcpt.n);
	if (orcpt.p != NULL)
		c->rcpt.orcpt = slice_of(c->bytes + address.n, orcpt.n);
	return c;
}

static void
note_wait(const struct rcpt_check *c)
{
	struct worker *worker = c->check.session->worker;
	int64_t now_ms = loop_now_ms(worker->loop);

	if (c->check.ask.since_ms != 0)
		histogram_add(&worker->rcpt_wait,
			      (uint64_t)(now_ms - c->check.ask.since_ms) * 1000,
			      now_ms);
}

static void
tally(const struct rcpt_check *c)
{
	struct domain_tally *tally = &c->transaction->tally;
	const struct domain_ask *ask = &c->check.ask;

	switch (c->state) {
	case RCPT_DOMAIN_FINE:
		return;
	case RCPT_DOMAIN_UNDECIDED:
		COUNT(c->check.session->worker, domain_unverified);
		tally->unverified++;
		break;
	case RCPT_DOMAIN_DEAD:
		COUNT(c->check.session->worker, domain_dropped);
		tally->dropped++;
		break;
	}
	if (tally->first != NULL)
		return;
	tally->first = slice_dup(slice_of(ask->key, ask->key_n));
	tally->why = ask->fact.reason;
}

/* The transaction may be gone afterwards. */
static void
decided(const struct rcpt_check *c)
{
	note_wait(c);
	if (!c->check.refused && !c->repeated) {
		transaction_add(c->transaction, c);
		tally(c);
	}
	checks_answer(&c->check);
}

void
recipients_rcpt(void *arg, uint32_t ticket, const struct smtp_rcpt *rcpt)
{
	struct session *session = arg;
	struct transaction *t = session->transaction;
	struct rcpt_check check = {
	    .check = {.session = session, .ticket = ticket},
	    .transaction = t,
	    .rcpt = *rcpt,
	    .domain = address_domain(rcpt->recipient),
	    .position = t->line.position++,
	};
	struct domain_ask *ask = &check.check.ask;
	bool first = STAILQ_EMPTY(&t->line.waiting);
	struct rcpt_check *c;

	ask->key_n =
	    address_domain_fold(check.domain, ask->key, sizeof(ask->key));
	if (first && checks_rcpt(&check) == STEP_DONE) {
		decided(&check);
		return;
	}
	c = keep(&check);
	STAILQ_INSERT_TAIL(&t->line.waiting, c, next);
	if (first)
		checks_rcpt_ask(c);
	else
		checks_rcpt_foresee(c);
}

/* Decided without its own answer: repeated, blocked or exempt meanwhile. */
static void
ask_no_more(struct rcpt_check *c)
{
	if (c->check.ask.op == NULL)
		return;
	checks_ask_cancel(&c->check);
	recipients_asked(c->transaction);
}

void
recipients_resume(struct session *session)
{
	struct transaction *t;
	struct rcpt_check *c;

	while ((t = session->transaction) != NULL &&
	       (c = STAILQ_FIRST(&t->line.waiting)) != NULL) {
		if (checks_rcpt(c) == STEP_WAIT) {
			if (c->check.ask.op == NULL)
				checks_rcpt_ask(c);
			return;
		}
		STAILQ_REMOVE_HEAD(&t->line.waiting, next);
		ask_no_more(c);
		decided(c);
		free(c);
	}
}
