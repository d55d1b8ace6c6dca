#include "gateway/control/trail.h"

#include <string.h>

#include "gateway/control/control_int.h"

static void
copy_cut(char *out, size_t size, const char *text)
{
	size_t n = strnlen(text, size - 1);

	memcpy(out, text, n);
	out[n] = '\0';
}

static bool
on_entry(void *arg, const struct audit_entry *entry)
{
	struct told *told = arg;

	told->found = entry->id == told->id;
	if (told->found) {
		told->wall_s = entry->wall_s;
		copy_cut(told->author, sizeof(told->author), entry->author);
		copy_cut(told->command, sizeof(told->command), entry->command);
		copy_cut(told->reason, sizeof(told->reason), entry->reason);
		copy_cut(told->effect, sizeof(told->effect), entry->effect);
	}
	return false;
}

void
trail_find(struct call *call, uint64_t id, struct told *told)
{
	trail_read(call->control, id, told);
}

void
trail_read(struct control *control, uint64_t id, struct told *told)
{
	memset(told, 0, sizeof(*told));
	told->id = id;
	if (id != UINT64_MAX)
		audit_each(spool_store(control->spool), id + 1, 1, on_entry,
			   told);
}
