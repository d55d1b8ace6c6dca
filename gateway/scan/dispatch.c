/*
 * Which content is asked about next, and whom: those that somebody waits for
 * at a dot before the late ones, each queue in its order; among the servers by
 * weight. A content whose servers are all busy is looked past for a while, so
 * that one which has tried the idle server already does not keep the others
 * from it.
 */
#include "gateway/scan/scan_int.h"

/* How many are looked past in a turn. */
#define LOOK_PAST_MAX 64

enum choice {
	CHOICE_SERVER,
	CHOICE_WAIT,   /* those that could are full, or not asked yet */
	CHOICE_NOBODY, /* none is left */
};

/* Whether it takes this content at all, now or later. */
static bool
is_hopeful(const struct scan_server *server, const struct content *content)
{
	return !(content->tried & server->bit) &&
	       (server->health.state == SCAN_UP ||
		server->health.state == SCAN_UNKNOWN);
}

/*
 * Smooth weighted turns among those that have room: each gets its weight of
 * credit, the richest is asked and pays for all. Weight 0 is a reserve.
 */
static enum choice
choose(struct content *content, struct scan_server **chosen)
{
	struct scan_server *server, *best = NULL;
	enum choice choice = CHOICE_NOBODY;
	int64_t total = 0;
	bool reserve = true;

	TAILQ_FOREACH (server, &content->scan->servers, link) {
		if (is_hopeful(server, content) && server->conf.weight > 0)
			reserve = false;
	}
	TAILQ_FOREACH (server, &content->scan->servers, link) {
		if (!is_hopeful(server, content) ||
		    (server->conf.weight > 0) == reserve)
			continue;
		choice = CHOICE_WAIT;
		if (scan_server_room(server, content->late) == 0)
			continue;
		server->credit += reserve ? 1 : server->conf.weight;
		total += reserve ? 1 : server->conf.weight;
		if (!best || server->credit > best->credit)
			best = server;
	}
	if (!best)
		return choice;
	best->credit -= total;
	*chosen = best;
	return CHOICE_SERVER;
}

/* One content of the queue asked, or ended; false: nothing to do. */
static bool
pump_one(struct content_list *queue)
{
	struct scan_server *server;
	struct content *content;
	int looked = 0;

	TAILQ_FOREACH (content, queue, link) {
		if (looked++ == LOOK_PAST_MAX)
			break;
		switch (choose(content, &server)) {
		case CHOICE_SERVER:
			content_ask(content, server);
			return true;
		case CHOICE_NOBODY:
			content_give_up(content);
			return true;
		case CHOICE_WAIT:
			break;
		}
	}
	return false;
}

void
content_pump(struct scan *scan)
{
	/* What ends here begins the next parts of its work, which are queued:
	 * one loop does it all, however deep it was called. */
	if (scan->pumping)
		return;
	scan->pumping = true;
	while (pump_one(&scan->queue_front) || pump_one(&scan->queue_late))
		;
	scan->pumping = false;
}
