#include "gateway/back/board.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/back/relay.h"
#include "gateway/base/mem.h"

void
board_init(struct board *board)
{
	pthread_mutex_init(&board->lock, NULL);
}

void
board_fini(struct board *board)
{
	pthread_mutex_destroy(&board->lock);
	free(board->hops);
	board->hops = NULL;
}

static void
show_hop(const struct hop *hop, struct back_hop_status *out)
{
	memset(out, 0, sizeof(*out));
	(void)snprintf(out->name, sizeof(out->name), "%s", hop->conf.name);
	memcpy(out->error, hop->error, sizeof(out->error));
	out->up = hop->up;
	out->since_wall_s = hop->since_wall_s;
	out->connections = hop->connections;
	out->delivered = hop->delivered;
	out->failed = hop->failed;
}

static bool
all_offer_utf8(const struct relay *relay)
{
	const struct back_conf *conf = &relay->settings->conf;

	for (size_t i = 0; i < conf->route_count; i++) {
		if (!hop_offers_utf8(relay->hops[conf->routes[i].hop]))
			return false;
	}
	return true;
}

void
board_publish(struct relay *relay)
{
	struct board *board = relay->board;
	size_t count = relay->settings->conf.hop_count;

	pthread_mutex_lock(&board->lock);
	if (count != board->count) {
		board->hops =
		    mem_resize(board->hops, (count + 1) * sizeof(*board->hops));
		board->count = count;
	}
	for (size_t i = 0; i < count; i++)
		show_hop(relay->hops[i], &board->hops[i]);
	pthread_mutex_unlock(&board->lock);
	atomic_store(&board->utf8, all_offer_utf8(relay));
}

size_t
board_get(const struct board *board, struct back_hop_status *out, size_t max)
{
	/* The lock is no part of what is shown. */
	pthread_mutex_t *lock = (pthread_mutex_t *)&board->lock;
	size_t count;

	pthread_mutex_lock(lock);
	count = board->count;
	for (size_t i = 0; i < count && i < max; i++)
		out[i] = board->hops[i];
	pthread_mutex_unlock(lock);
	return count;
}
