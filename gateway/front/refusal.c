/*
 * Late answers. Each waits for its own time behind the one before it, so a
 * client that pipelines gains nothing; the engine keeps the order with answers
 * that are not late. At most SMTP_TICKETS_MAX exist in a session.
 */
#include "gateway/front/refusal.h"

#include <stdlib.h>

#include "gateway/base/mem.h"
#include "gateway/front/session.h"

#define DELAY_FIRST_MS 100
#define DELAY_MAX_MS 5000
#define DEAD_FREE 20 /* in a row: what one message is refused by default */

struct late {
	struct late *next;
	int64_t due_ms;
	uint32_t ticket;
	uint64_t ref;
	struct reply reply;
};

static void on_due(void *arg);

void
refusal_init(struct refusal *refusal, const struct reply *reply)
{
	*refusal = (struct refusal){.why = "refused"};
	refusal->reply = *reply;
}

void
refusal_make(struct refusal *refusal, enum reply_id id,
	     const struct reply_arg *args, size_t count)
{
	refusal->ref = 0;
	refusal->why = "refused";
	refusal->slow = refusal->dead = refusal->last = false;
	reply_make(&refusal->reply, id, args, count);
}

static int64_t
delay_ms(unsigned refused)
{
	int64_t delay = DELAY_FIRST_MS;

	if (refused == 0)
		return 0;
	while (--refused > 0 && delay < DELAY_MAX_MS)
		delay *= 2;
	return delay < DELAY_MAX_MS ? delay : DELAY_MAX_MS;
}

static void
arm(struct session *session)
{
	struct guard *guard = &session->guard;
	struct loop *loop = session->worker->loop;

	timer_cancel(&guard->timer);
	if (guard->late != NULL)
		guard->timer =
		    timer_start(loop, guard->late->due_ms - loop_now_ms(loop),
				on_due, session);
}

static void
answer_first(struct session *session)
{
	struct guard *guard = &session->guard;
	struct late *late = guard->late;

	guard->late = late->next;
	if (guard->late == NULL)
		guard->late_end = &guard->late;
	smtp_server_reply_ref(session->server, late->ticket, late->reply.code,
			      late->reply.enhanced, late->reply.text,
			      late->ref);
	free(late);
}

static void
on_due(void *arg)
{
	struct session *session = arg;

	session->guard.timer = NULL;
	answer_first(session);
	if (session->state != SESSION_CLOSING)
		arm(session);
}

static void
put_off(struct session *session, uint32_t ticket, const struct refusal *refusal,
	int64_t delay)
{
	struct guard *guard = &session->guard;
	int64_t now_ms = loop_now_ms(session->worker->loop);
	struct late *late = mem_zalloc(sizeof(*late));
	bool first = guard->late == NULL;

	if (guard->due_ms < now_ms)
		guard->due_ms = now_ms;
	guard->due_ms += delay;
	late->due_ms = guard->due_ms;
	late->ticket = ticket;
	late->ref = refusal->ref;
	late->reply = refusal->reply;
	if (first)
		guard->late_end = &guard->late;
	*guard->late_end = late;
	guard->late_end = &late->next;
	if (first)
		arm(session);
}

void
refusal_say(struct session *session, uint32_t ticket,
	    const struct refusal *refusal)
{
	const struct reply *reply = &refusal->reply;
	struct reply goodbye;
	int64_t delay = 0;

	if (refusal->dead && session->guard.dead < DEAD_FREE)
		session->guard.dead++;
	else if ((refusal->slow || refusal->dead) && !refusal->last &&
		 reply->code != 421)
		delay = delay_ms(session->guard.refused++);
	if (delay > 0) {
		put_off(session, ticket, refusal, delay);
		return;
	}
	smtp_server_reply_ref(session->server, ticket, reply->code,
			      reply->enhanced, reply->text, refusal->ref);
	if (!refusal->last)
		return;
	reply_make(&goodbye, REPLY_GOODBYE, NULL, 0);
	session_end(session, goodbye.code, goodbye.enhanced, goodbye.text,
		    "blocked");
}

void
refusal_forgive(struct session *session)
{
	session->guard.refused = session->guard.dead = 0;
}

void
refusal_hurry(struct session *session)
{
	timer_cancel(&session->guard.timer);
	while (session->guard.late != NULL)
		answer_first(session);
}

void
refusal_fini(struct session *session)
{
	struct guard *guard = &session->guard;
	struct late *late;

	timer_cancel(&guard->timer);
	while ((late = guard->late) != NULL) {
		guard->late = late->next;
		free(late);
	}
	free(guard->blocked);
	guard->blocked = NULL;
}
