#ifndef GATEWAY_CONTROL_GATHER_H
#define GATEWAY_CONTROL_GATHER_H

#include "gateway/control/metrics.h"

/* Reads every figure, now. */
struct control;
void gather(struct control *control, struct metrics *m);

#endif
