#ifndef GATEWAY_CONTROL_TRAIL_H
#define GATEWAY_CONTROL_TRAIL_H

#include "gateway/control/call.h"
#include "policy/audit.h"

#define TOLD_SIZE 512

/* One entry of the audit trail; texts are cut. */
struct told {
	uint64_t id;
	int64_t wall_s;
	char author[64];
	char command[TOLD_SIZE];
	char reason[TOLD_SIZE];
	char effect[TOLD_SIZE];
	bool found;
};

void trail_find(struct call *call, uint64_t id, struct told *told);
void trail_read(struct control *control, uint64_t id, struct told *told);

#endif
