#ifndef TESTS_CONTROL_TRAIL_H
#define TESTS_CONTROL_TRAIL_H

#include "policy/audit.h"
#include "tests/control/ask.h"

/* What stands in the trail: "command (reason) => effect". */

static inline bool
add_audit(void *arg, const struct audit_entry *entry)
{
	buf_printf(arg, "%s (%s) => %s\n", entry->command, entry->reason,
		   entry->effect);
	return true;
}

static inline bool
trail_finds(const char *line)
{
	struct buf out = {.cap = 65536};
	bool found;

	audit_each(world.spool.store, 0, 100, add_audit, &out);
	found = strstr(buf_cstr(&out), line) != NULL;
	buf_fini(&out);
	return found;
}

/* Some of it is told behind the answer. */
static inline void
trail_has(const char *line)
{
	TURN_UNTIL(world.loop, trail_finds(line));
}

#endif
