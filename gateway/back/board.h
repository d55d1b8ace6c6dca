#ifndef GATEWAY_BACK_BOARD_H
#define GATEWAY_BACK_BOARD_H

#include <pthread.h>
#include <stdatomic.h>

#include "gateway/back/back.h"

/* What the relay thread shows of its next hops; any thread reads. */
struct board {
	pthread_mutex_t lock;
	struct back_hop_status *hops;
	size_t count;
	_Atomic bool utf8;
};

struct relay;

void board_init(struct board *board);
void board_fini(struct board *board);
void board_publish(struct relay *relay);
size_t board_get(const struct board *board, struct back_hop_status *out,
		 size_t max);

#endif
