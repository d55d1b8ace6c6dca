/*
 * Which purge was of which campaign: the trail has it under the purge's id. A
 * purge that a stop of sluiced came before is told from the trail alone.
 */
#include "gateway/control/campaign_trash.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/mem.h"
#include "gateway/control/campaign_text.h"
#include "gateway/control/control_int.h"
#include "gateway/control/rule.h"
#include "gateway/control/trail.h"

#define PURGES_MAX 1000
#define TRAIL_MAX 500

uint64_t
campaign_trash_of(const char *command)
{
	struct slice rest = slice_str(command), word;
	uint64_t id;

	if (!slice_starts(rest, SLICE_LIT("campaign cancel C")))
		return 0;
	rest = slice_from(rest, sizeof("campaign cancel ") - 1);
	if (!slice_split(&rest, ' ', &word) || !campaign_number(word, &id))
		return 0;
	return id;
}

uint64_t
campaign_trash_find(struct control *control, uint64_t campaign,
		    int64_t *until_wall_s)
{
	struct spool_trash *all = mem_array(PURGES_MAX, sizeof(*all));
	size_t n = spool_trash_list(control->spool, all, PURGES_MAX);
	struct told told;
	uint64_t found = 0;

	if (n > PURGES_MAX)
		n = PURGES_MAX;
	/* the newest first: it is the likely one */
	for (size_t i = n; i > 0 && found == 0; i--) {
		trail_read(control, all[i - 1].trash, &told);
		if (!told.found || campaign_trash_of(told.command) != campaign)
			continue;
		found = all[i - 1].trash;
		*until_wall_s = all[i - 1].until_wall_s;
	}
	free(all);
	return found;
}

struct look {
	uint64_t campaign, found;
	int64_t wall_s;
};

/* The newest of the campaign decides. */
static bool
on_entry(void *arg, const struct audit_entry *entry)
{
	struct look *look = arg;

	if (campaign_trash_of(entry->command) != look->campaign)
		return true;
	if (strstr(entry->command, " --undo") == NULL)
		look->found = entry->id;
	look->wall_s = entry->wall_s;
	return false;
}

uint64_t
campaign_trash_begin(struct control *control, uint64_t campaign,
		     int64_t *until_wall_s)
{
	struct look look = {.campaign = campaign};

	audit_each(spool_store(control->spool), 0, TRAIL_MAX, on_entry, &look);
	*until_wall_s = look.wall_s + TRASH_S;
	return *until_wall_s > clock_wall_s() ? look.found : 0;
}
