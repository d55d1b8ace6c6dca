#ifndef GATEWAY_CONTROL_CAMPAIGN_TRASH_H
#define GATEWAY_CONTROL_CAMPAIGN_TRASH_H

#include <stdint.h>

struct control;

/* The purge that holds what 'campaign cancel' took, and until when; 0: none,
 * or its time is over. */
uint64_t campaign_trash_find(struct control *control, uint64_t campaign,
			     int64_t *until_wall_s);
/* The same, of one that was canceled just now and whose purge did not begin:
 * the trail has what it was to be. */
uint64_t campaign_trash_begin(struct control *control, uint64_t campaign,
			      int64_t *until_wall_s);
/* The campaign that the words of a command in the trail canceled; 0: none. */
uint64_t campaign_trash_of(const char *command);

#endif
