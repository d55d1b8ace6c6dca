#include "gateway/control/rule.h"

#include <stdio.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/base/id.h"
#include "gateway/control/control_int.h"

static void
add_record(struct blocklist *list, uint64_t id, struct change *change)
{
	struct buf key = {.cap = BLOCK_RECORD_MAX};
	struct buf value = {.cap = BLOCK_RECORD_MAX};
	struct store_change row;

	blocklist_change(list, id, &key, &value, &row);
	change_add(change, &row);
	buf_fini(&key);
	buf_fini(&value);
}

void
rule_look_again(struct control *control, uint64_t id)
{
	struct work_req req = {.verb = BACK_RECHECK, .rule = id};

	work_start(control->works, &req);
}

bool
rule_add(struct call *call, struct rule *rule)
{
	struct control *control = call->control;
	struct buf error = {.cap = 512};
	struct change *change = call_change(call);
	char author[128];
	struct block block = {
	    .id = id_next(),
	    .kind = rule->kind,
	    .action = rule->action,
	    .flags = rule->flags,
	    .value = rule->value,
	    .made_wall_s = clock_wall_s(),
	    .until_wall_s = rule->until_wall_s,
	    .since_wall_s = rule->since_wall_s,
	    .author = author,
	    .reason = rule->reason != NULL ? rule->reason : "",
	};
	int err;

	snprintf(author, sizeof(author), "uid %u (%s)", (unsigned)call->uid,
		 change_author(change));
	err = blocklist_add(control->blocklist, &block, &rule->id, &error);
	rule->renewed = err == GW_EEXIST;
	if (err != 0 && !rule->renewed) {
		call_usage(call, "%s", buf_cstr(&error));
		change_destroy(&change);
	} else {
		if (rule->kind == BLOCK_CRED && rule->action == BLOCK_REFUSE)
			auth_pool_forget(control->auth, slice_str(rule->value));
		change_effect(change, rule->renewed ? "renewed" : "in force");
		rule->tell = change_again(change);
		add_record(control->blocklist, rule->id, change);
		call_commit(call, &change);
		if (rule->renewed && rule->action == BLOCK_HOLD && !rule->looks)
			rule_look_again(control, rule->id);
	}
	buf_fini(&error);
	return err == 0 || rule->renewed;
}

bool
rule_del(struct call *call, struct rule *rule)
{
	struct control *control = call->control;
	struct work_req req = {.verb = BACK_RECHECK};
	struct change *change;

	if (blocklist_del(control->blocklist, rule->kind, rule->action,
			  slice_str(rule->value), &rule->id, NULL) != 0)
		return false;
	/* before the disk is asked: unblocking is as fast as blocking */
	req.rule = rule->id;
	call_work(call, &req);
	change = call_change(call);
	change_effect(change, "removed");
	add_record(control->blocklist, rule->id, change);
	call_commit(call, &change);
	return true;
}

struct wanted {
	enum block_kind kind;
	enum block_action action;
	const char *value;
	struct rule_found *found;
	bool stands;
};

static bool
on_block(void *arg, const struct block *block)
{
	struct wanted *wanted = arg;

	if (block->kind != wanted->kind || block->action != wanted->action ||
	    strcmp(block->value, wanted->value) != 0)
		return true;
	wanted->stands = true;
	if (wanted->found != NULL) {
		wanted->found->id = block->id;
		wanted->found->until_wall_s = block->until_wall_s;
		wanted->found->since_wall_s = block->since_wall_s;
		snprintf(wanted->found->reason, sizeof(wanted->found->reason),
			 "%s", block->reason);
	}
	return false;
}

bool
rule_find(struct call *call, const struct rule *rule, struct rule_found *found)
{
	struct wanted wanted = {
	    .kind = rule->kind,
	    .action = rule->action,
	    .value = rule->value,
	    .found = found,
	};

	blocklist_each(call->control->blocklist, 0, RULE_LOOK_MAX, on_block,
		       &wanted);
	return wanted.stands;
}
