/* Which purge was of which campaign: the trail has it under the purge's id. */
#include "gateway/control/campaign_trash.h"

#include <stdlib.h>

#include "gateway/base/mem.h"
#include "gateway/control/campaign_text.h"
#include "gateway/control/control_int.h"
#include "gateway/control/trail.h"

#define PURGES_MAX 1000

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
