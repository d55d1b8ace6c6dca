/*
 * sluice hold|release|purge: what is meant is counted and shown first; without
 * --yes that is all.
 *
 * A hold is a rule of the block list, so it is in force before anything is
 * counted, and costs the same for one message as for a million. Purging and
 * releasing are back's work; it goes on when the client leaves. The trail has
 * the intention before the work begins, and how it ended when it does.
 *
 * A release takes away the hold of just what it names. With --before the hold
 * goes on for what is younger; a rule that holds only what is older there is
 * not, so --since cannot be said of a hold.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/base/id.h"
#include "gateway/base/mem.h"
#include "gateway/control/block_text.h"
#include "gateway/control/call.h"
#include "gateway/control/control_int.h"
#include "gateway/control/plan_text.h"
#include "gateway/control/rule.h"
#include "gateway/control/text.h"

struct task {
	struct json json;
	struct selection what;
	char value[SELECTION_VALUE_SIZE];
	struct rule rule;
	struct rule_found found;
	bool has_rule; /* there is a hold of just this */
	bool yes, dry_run;
	bool acted;
	struct change *change; /* the intention */
	uint64_t id;
	int64_t trash_until_wall_s;
	uint64_t freed; /* recipients that a hold let go */
};

static void
task_fini(void *state)
{
	struct task *task = state;

	change_destroy(&task->change);
	change_destroy(&task->rule.tell);
}

static struct task *
task_create(struct call *call)
{
	struct task *task = mem_zalloc(sizeof(*task));

	call->state = task;
	call->state_fini = task_fini;
	json_init(&task->json, &call->out);
	task->dry_run = command_option(&call->line, "dry-run") != NULL;
	task->yes =
	    command_option(&call->line, "yes") != NULL && !task->dry_run;
	task->rule.action = BLOCK_HOLD;
	task->rule.value = task->value;
	task->rule.reason = command_option(&call->line, "reason");
	return task;
}

/* --- looking ----------------------------------------------------------------
 */

static enum call_next
count_then(struct call *call, call_fn *next)
{
	struct task *task = call->state;
	struct work_req req = {.verb = BACK_COUNT, .what = task->what};

	call->step = next;
	call_work(call, &req);
	return CALL_WAIT;
}

/* The count and the sample, which open the answer. */
static bool
put_plan(struct call *call)
{
	struct task *task = call->state;
	struct json *j = &task->json;

	if (call->work.err != 0) {
		call_fail(call, "the queue cannot be looked at: %s",
			  gw_err_text(call->work.err));
		return false;
	}
	if (call->request.json) {
		struct buf what = {.cap = 2048};

		selection_text(&task->what, clock_wall_s(), &what);
		json_open_object(j, NULL);
		json_slice(j, "what", buf_slice(&what));
		plan_json(call, j, &call->work);
		buf_fini(&what);
	} else {
		plan_text(call, &task->what, &call->work);
	}
	return true;
}

static enum call_next
end(struct call *call)
{
	struct task *task = call->state;

	if (call->request.json) {
		json_bool(&task->json, "done", task->acted);
		json_close_object(&task->json);
		buf_add_byte(&call->out, '\n');
	}
	return CALL_DONE;
}

/* Nothing but a look: asked for, or for want of --yes. */
static enum call_next
only_looked(struct call *call)
{
	struct task *task = call->state;

	if (!put_plan(call))
		return CALL_DONE;
	if (!task->dry_run)
		call_fail(call, "nothing was done yet: the same with --yes "
				"does it");
	return end(call);
}

static void
put_durable(struct call *call)
{
	struct task *task = call->state;

	task->acted = true;
	call_check_durable(call);
	if (call->request.json)
		json_bool(&task->json, "durable", call->commit_err == 0);
}

static void
json_amounts(struct json *j, const char *key, const struct back_work *work)
{
	json_open_object(j, key);
	json_u64(j, "messages", work->messages);
	json_u64(j, "recipients", work->recipients);
	json_u64(j, "held", work->held);
	json_u64(j, "under_way", work->busy);
	json_u64(j, "failed", work->failed);
	json_close_object(j);
}

static void
tell_failed(struct call *call, const struct back_work *work)
{
	if (work->err != 0)
		call_fail(call, "it ended early: %s", gw_err_text(work->err));
	else if (work->failed > 0)
		call_fail(call,
			  "%llu recipients could not be changed on the disk: "
			  "see the log, and try again",
			  (unsigned long long)work->failed);
}

/* --- hold -------------------------------------------------------------------
 */

static bool
rule_fields(void *arg, const struct block *block)
{
	block_json(block, arg);
	return false;
}

static enum call_next
held(struct call *call)
{
	struct task *task = call->state;
	char id[ID_TEXT_SIZE], until[CLOCK_HUMAN_SIZE];
	struct buf *out = &call->out;

	if (!put_plan(call)) {
		buf_add_str(&call->err, "sluice: the hold is in force\n");
		return CALL_DONE;
	}
	if (call->request.json) {
		json_open_object(&task->json, "rule");
		(void)blocklist_get(call->control->blocklist, task->rule.id,
				    rule_fields, &task->json);
		json_close_object(&task->json);
	} else {
		id_format(task->rule.id, id);
		buf_printf(out, "%s, with what comes of it",
			   task->rule.renewed ? "Held already, and renewed"
					      : "Held");
		if (task->rule.until_wall_s != 0) {
			clock_human(task->rule.until_wall_s, clock_wall_s(),
				    until);
			buf_printf(out, ", until %s", until);
		}
		buf_printf(out, " (%s).\n", id);
	}
	put_durable(call);
	return end(call);
}

static bool
is_one_message(const struct selection *what)
{
	return selection_count(what) == 1 && what->id != 0;
}

/* A message is held by its body: a rule about one id would outlive it. */
static int
by_body(struct call *call, struct selection *what)
{
	struct spool_msg *msg = NULL;
	int err = spool_load(call->control->spool, what->id, &msg);

	if (err == 0) {
		memcpy(what->body, msg->body.digest, DIGEST_SIZE);
		what->has_body = true;
		what->id = 0;
	}
	spool_msg_destroy(&msg);
	return err;
}

static bool
hold_by_body(struct call *call, struct task *task)
{
	char id[ID_TEXT_SIZE];
	int err;

	if (!is_one_message(&task->what))
		return true;
	id_format(task->what.id, id);
	err = by_body(call, &task->what);
	if (err != 0)
		call_fail(call, "%s is not in the queue: %s", id,
			  gw_err_text(err));
	return err == 0;
}

enum call_next
command_hold(struct call *call)
{
	struct task *task = task_create(call);

	if (!selection_parse(call, &task->what) ||
	    !until_option(call, &task->rule.until_wall_s))
		return CALL_DONE;
	if (!hold_by_body(call, task))
		return CALL_DONE;
	if (task->what.campaign != 0) {
		call_usage(call,
			   "a campaign is held by 'sluice campaign pause "
			   "C%" PRIu64 "'",
			   task->what.campaign);
		return CALL_DONE;
	}
	if (!selection_rule(&task->what, &task->rule.kind, task->value)) {
		call_usage(call, "a hold is by one of --cred, --ip, --from, "
				 "--domain, --body and --id (all mail: --ip "
				 "::/0)");
		return CALL_DONE;
	}
	if (!task->yes)
		return count_then(call, only_looked);
	task->rule.since_wall_s = task->what.since_wall_s;
	if (!rule_add(call, &task->rule))
		return CALL_DONE;
	return count_then(call, held);
}

/* --- work that is announced --------------------------------------------------
 */

static enum call_next
work_next(struct call *call, enum back_verb verb, uint64_t trash, call_fn *next)
{
	struct task *task = call->state;
	struct work_req req = {
	    .verb = verb,
	    .what = task->what,
	    .trash = trash,
	    .trash_until_wall_s = task->trash_until_wall_s,
	    .tell = task->change,
	};

	task->change = NULL;
	call->step = next;
	call_work(call, &req);
	return CALL_WAIT;
}

/* The trail first; then the call goes on with next. */
static enum call_next
announce(struct call *call, call_fn *next)
{
	struct task *task = call->state;
	struct change *change = call_change(call);

	change_effect(change, "begun");
	task->change = change_again(change);
	task->id = change_id(change);
	call->step = next;
	call_commit(call, &change);
	return CALL_WAIT;
}

static bool
announced(struct call *call)
{
	if (call->commit_err == 0)
		return true;
	call_fail(call, "nothing was done: the disk does not take it: %s",
		  gw_err_text(call->commit_err));
	end(call);
	return false;
}

static bool
says_what(struct call *call, const struct task *task)
{
	if (selection_count(&task->what) > 0 || task->what.since_wall_s != 0 ||
	    task->what.before_wall_s != 0)
		return true;
	call_usage(call, "say which: --cred, --ip, --from, --domain, --body, "
			 "--id, --campaign, --since, --before (all mail: --ip "
			 "::/0)");
	return false;
}

/* --- purge ------------------------------------------------------------------
 */

static enum call_next
purged(struct call *call)
{
	struct task *task = call->state;
	bool now = task->trash_until_wall_s == 0;
	struct json *j = &task->json;
	struct buf *out = &call->out;
	char id[ID_TEXT_SIZE];

	id_format(task->id, id);
	tell_failed(call, &call->work);
	task->acted = true;
	if (call->request.json) {
		json_amounts(j, "purged", &call->work);
		json_str(j, "id", id);
		json_time(j, "undo_until", task->trash_until_wall_s);
		return end(call);
	}
	buf_add_str(out, now ? "Deleted " : "Purged ");
	amounts_text(out, &call->work);
	buf_add_str(out, ".\n");
	if (call->work.busy > 0) {
		text_times(out, call->work.busy, "recipient");
		buf_add_str(out, " stayed, being delivered just then.\n");
	}
	if (!now && call->work.recipients > 0)
		buf_printf(out, "For 24 hours: sluice undo %s\n", id);
	return CALL_DONE;
}

static enum call_next
purge_work(struct call *call)
{
	struct task *task = call->state;
	bool now = command_option(&call->line, "now") != NULL;

	if (!announced(call))
		return CALL_DONE;
	if (!now)
		task->trash_until_wall_s = clock_wall_s() + TRASH_S;
	return work_next(call, BACK_PURGE, now ? 0 : task->id, purged);
}

static enum call_next
purge_planned(struct call *call)
{
	if (!put_plan(call))
		return CALL_DONE;
	return announce(call, purge_work);
}

enum call_next
command_purge(struct call *call)
{
	struct task *task = task_create(call);

	if (!selection_parse(call, &task->what) || !says_what(call, task))
		return CALL_DONE;
	return count_then(call, task->yes ? purge_planned : only_looked);
}

/* --- release ----------------------------------------------------------------
 */

static enum call_next
released(struct call *call)
{
	struct task *task = call->state;
	struct json *j = &task->json;
	struct buf *out = &call->out;

	tell_failed(call, &call->work);
	if (call->request.json) {
		json_amounts(j, "released", &call->work);
		json_u64(j, "recipients_freed", task->freed);
		json_bool(j, "rule_removed",
			  task->has_rule && task->what.before_wall_s == 0);
		put_durable(call);
		return end(call);
	}
	if (task->has_rule) {
		buf_add_str(out, task->what.before_wall_s == 0
				     ? "The hold is gone"
				     : "The hold goes on for what is younger");
		if (task->freed > 0) {
			buf_add_str(out, "; let go: ");
			text_times(out, task->freed, "recipient");
		}
		buf_add_str(out, ".\n");
	}
	if (call->work.recipients > 0 || !task->has_rule) {
		buf_add_str(out, "Released ");
		amounts_text(out, &call->work);
		buf_add_str(out, " that limits held.\n");
	}
	if (call->work.held > 0) {
		text_times(out, call->work.held, "recipient");
		buf_add_str(out, " stay held by something else.\n");
	}
	put_durable(call);
	return CALL_DONE;
}

/* Behind the hold that went, and the trail. */
static enum call_next
release_marks(struct call *call)
{
	struct task *task = call->state;

	if (task->has_rule)
		task->freed = call->work.recipients;
	else if (!announced(call))
		return CALL_DONE;
	return work_next(call, BACK_RELEASE, 0, released);
}

/* The hold, from --before on. */
static bool
narrow(struct call *call, struct task *task)
{
	struct work_req req = {.verb = BACK_RECHECK};
	struct rule *rule = &task->rule;

	rule->until_wall_s = task->found.until_wall_s;
	rule->since_wall_s = task->what.before_wall_s;
	rule->reason = task->found.reason;
	rule->looks = true;
	if (!rule_add(call, rule))
		return false;
	req.rule = rule->id;
	call_work(call, &req);
	return true;
}

static enum call_next
release_planned(struct call *call)
{
	struct task *task = call->state;

	if (!put_plan(call))
		return CALL_DONE;
	if (!task->has_rule)
		return announce(call, release_marks);
	call->step = release_marks;
	if (task->what.before_wall_s != 0 ? narrow(call, task)
					  : rule_del(call, &task->rule))
		return CALL_WAIT;
	/* released by another command just now, or its time is over */
	task->has_rule = false;
	return announce(call, release_marks);
}

/* The hold that these words, or the same words of `hold`, made. */
static bool
find_hold(struct call *call, struct task *task)
{
	struct selection body = task->what;
	bool one = is_one_message(&task->what);

	if (one && by_body(call, &body) != 0)
		return false;
	if (!selection_rule(&body, &task->rule.kind, task->value) ||
	    !rule_find(call, &task->rule, &task->found))
		return false;
	task->what = body;
	return true;
}

enum call_next
command_release(struct call *call)
{
	struct task *task = task_create(call);
	int64_t since_s, before_s;

	if (!selection_parse(call, &task->what) || !says_what(call, task))
		return CALL_DONE;
	since_s = task->what.since_wall_s;
	before_s = task->what.before_wall_s;
	task->has_rule = find_hold(call, task);
	if (task->has_rule && since_s > task->found.since_wall_s) {
		call_usage(call, "a hold is released whole, or up to a time "
				 "(--before): leave out --since");
		return CALL_DONE;
	}
	/* nothing of it is as old as that */
	if (before_s != 0 && before_s <= task->found.since_wall_s)
		task->has_rule = false;
	return count_then(call, task->yes ? release_planned : only_looked);
}
