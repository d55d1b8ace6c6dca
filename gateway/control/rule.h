#ifndef GATEWAY_CONTROL_RULE_H
#define GATEWAY_CONTROL_RULE_H

#include "gateway/control/call.h"
#include "policy/blocklist.h"

/*
 * A change of the block list by a command: in force at once, on its way to the
 * disk with its entry in the trail, and back looks again where something went.
 */
#define TRASH_S INT64_C(86400) /* how long a purge can be undone */

struct rule {
	/* in */
	enum block_kind kind;
	enum block_action action;
	unsigned flags;
	const char *value; /* normal form */
	const char *reason;
	int64_t until_wall_s, since_wall_s;
	bool looks; /* back is asked to look again by who adds it */
	/* out */
	uint64_t id;
	bool renewed;
	/* rule_add: the entry in the trail, for who goes on. Theirs. */
	struct change *tell;
};

/* False after a sentence; else return CALL_WAIT. */
bool rule_add(struct call *call, struct rule *rule);
/* False: there is no such rule. Else as above; call->work tells how many
 * recipients are free again. */
bool rule_del(struct call *call, struct rule *rule);
/* A hold may hold less than before, from a later time: back looks again at what
 * it held (0: at all that is held by rule). Nobody waits for it. */
void rule_look_again(struct control *control, uint64_t id);
/* Looks for it, through the list: not for what has to be quick. A list of more
 * than RULE_LOOK_MAX entries is not looked at to its end. found may be NULL. */
#define RULE_LOOK_MAX 200000
struct rule_found {
	uint64_t id;
	int64_t until_wall_s, since_wall_s;
	char reason[512];
};
bool rule_find(struct call *call, const struct rule *rule,
	       struct rule_found *found);

#endif
