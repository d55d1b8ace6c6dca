/*
 * Decides who opens the next connection, and which one that opens is given up
 * for it; what it does about its mail is its destination's.
 *
 * Invariant: a destination stands in at most one queue. Whose turn it is, is
 * told by running it; it asks again then, and is let in if there still is room,
 * else it waits anew: nothing is promised that somebody else could take away.
 */
#include "gateway/back/conn_slots.h"

#include <assert.h>
#include <stdlib.h>

#include "gateway/back/conn.h"
#include "gateway/back/dest.h"
#include "gateway/back/relay.h"
#include "gateway/base/mem.h"

#define SLOW_MS 1000
#define SLOW_CROWDED_MS 300 /* others wait: a hand shake round the world */
#define BUCKETS 64	    /* credentials share them by hash */
#define SERVED_A_TURN 256

enum slot_rank { RANK_GOOD, RANK_NEW, RANK_BAD, RANKS };
enum slot_state { SLOT_NONE, SLOT_WAITS, SLOT_ITS_TURN };

TAILQ_HEAD(slot_queue, dest);
TAILQ_HEAD(slot_attempts, slot_attempt);

struct lane_slots {
	struct slot_attempts attempts; /* the oldest first */
	uint32_t opening[RANKS];
	uint32_t waiting[RANKS];
	uint32_t next[RANKS];	/* which bucket's turn */
	uint32_t served[RANKS]; /* in this turn of it */
	struct slot_queue queues[RANKS][BUCKETS];
};

struct conn_slots {
	struct relay *relay;
	struct lane_slots lanes[LANES];
};

static void
lane_init(struct lane_slots *lane)
{
	TAILQ_INIT(&lane->attempts);
	for (int rank = 0; rank < RANKS; rank++) {
		for (int i = 0; i < BUCKETS; i++)
			TAILQ_INIT(&lane->queues[rank][i]);
	}
}

struct conn_slots *
conn_slots_create(struct relay *relay)
{
	struct conn_slots *slots = mem_zalloc(sizeof(*slots));

	slots->relay = relay;
	for (int i = 0; i < LANES; i++)
		lane_init(&slots->lanes[i]);
	return slots;
}

void
conn_slots_destroy(struct conn_slots **slots)
{
	if (!*slots)
		return;
	assert(conn_slots_waiting(*slots) == 0);
	for (int i = 0; i < LANES; i++)
		assert(TAILQ_EMPTY(&(*slots)->lanes[i].attempts));
	free(*slots);
	*slots = NULL;
}

static uint32_t
waiting_in(const struct conn_slots *slots, unsigned lane)
{
	uint32_t n = 0;

	for (int rank = 0; rank < RANKS; rank++)
		n += slots->lanes[lane].waiting[rank];
	return n;
}

uint32_t
conn_slots_waiting(const struct conn_slots *slots)
{
	uint32_t n = 0;

	for (unsigned lane = 0; lane < LANES; lane++)
		n += waiting_in(slots, lane);
	return n;
}

static uint32_t
at_least_one(uint32_t n)
{
	return n > 0 ? n : 1;
}

static uint32_t
all_of(const struct conn_slots *slots)
{
	return slots->relay->settings->conf.connection_max;
}

/* What the lane could have when nobody else had any. */
static uint32_t
max_of(const struct conn_slots *slots, unsigned lane)
{
	uint32_t all = all_of(slots);

	return lane == LANE_PERSONAL
		   ? all
		   : settings_share(slots->relay->settings, all);
}

static uint32_t
a_fifth(const struct conn_slots *slots, unsigned lane)
{
	return at_least_one(max_of(slots, lane) / 5);
}

static enum slot_rank
rank_of(const struct dest *dest)
{
	if (dest->kind != DEST_SITE || dest->proven)
		return RANK_GOOD;
	return dest->trouble ? RANK_BAD : RANK_NEW;
}

static bool
is_full(const struct conn_slots *slots)
{
	return slots->relay->connection_count >= all_of(slots);
}

bool
conn_slots_has_room(const struct conn_slots *slots, unsigned lane)
{
	const uint32_t *conns = slots->relay->lane_connections;

	if (is_full(slots))
		return false;
	return lane == LANE_PERSONAL || conns[lane] == 0 ||
	       conns[LANE_BULK] + conns[LANE_DSN] < max_of(slots, lane);
}

bool
conn_slots_are_few(const struct conn_slots *slots, unsigned lane)
{
	const uint32_t *conns = slots->relay->lane_connections;
	uint32_t used = conns[LANE_BULK] + conns[LANE_DSN];

	if (lane == LANE_PERSONAL)
		used += conns[LANE_PERSONAL];
	if (used > max_of(slots, lane) / 2)
		return true;
	if (is_full(slots) && conn_slots_waiting(slots) > 0)
		return true;
	if (lane == LANE_PERSONAL)
		return waiting_in(slots, lane) > 0;
	return waiting_in(slots, LANE_BULK) + waiting_in(slots, LANE_DSN) > 0;
}

static bool
has_room(const struct conn_slots *slots, unsigned lane, enum slot_rank rank)
{
	const uint32_t *opening = slots->lanes[lane].opening;
	uint32_t unproven = opening[RANK_NEW] + opening[RANK_BAD];
	uint32_t fifth = a_fifth(slots, lane);

	if (!conn_slots_has_room(slots, lane))
		return false;
	if (rank == RANK_GOOD)
		return true;
	if (unproven >= at_least_one(max_of(slots, lane) - fifth))
		return false;
	return rank == RANK_NEW || opening[RANK_BAD] < fifth;
}

/* --- who waits ------------------------------------------------------------ */

static struct slot_queue *
queue_of(struct conn_slots *slots, const struct dest *dest)
{
	return &slots->lanes[dest->lane].queues[dest->slot_queue / BUCKETS]
					       [dest->slot_queue % BUCKETS];
}

static void
wait_for_turn(struct conn_slots *slots, struct dest *dest)
{
	unsigned rank = rank_of(dest);

	dest->slot_queue = (uint16_t)(rank * BUCKETS +
				      turns_next_cred(&dest->ready) % BUCKETS);
	dest->slot_state = SLOT_WAITS;
	TAILQ_INSERT_TAIL(queue_of(slots, dest), dest, slot_link);
	slots->lanes[dest->lane].waiting[rank]++;
}

void
conn_slots_leave(struct dest *dest)
{
	struct conn_slots *slots = dest->hop->relay->slots;

	if (dest->slot_state == SLOT_WAITS) {
		TAILQ_REMOVE(queue_of(slots, dest), dest, slot_link);
		slots->lanes[dest->lane].waiting[dest->slot_queue / BUCKETS]--;
	}
	dest->slot_state = SLOT_NONE;
}

/* Somebody stands before it. */
static bool
must_queue(const struct conn_slots *slots, const struct dest *dest)
{
	if (dest->slot_state == SLOT_ITS_TURN)
		return false;
	for (unsigned rank = 0; rank <= rank_of(dest); rank++) {
		if (slots->lanes[dest->lane].waiting[rank] > 0)
			return true;
	}
	return false;
}

bool
conn_slots_take(struct dest *dest)
{
	struct conn_slots *slots = dest->hop->relay->slots;

	if (dest->slot_state == SLOT_WAITS)
		return false;
	if (has_room(slots, dest->lane, rank_of(dest)) &&
	    !must_queue(slots, dest)) {
		dest->slot_state = SLOT_NONE;
		return true;
	}
	wait_for_turn(slots, dest);
	return false;
}

/* The one whose turn it was last may be the only one. */
static struct dest *
next_of_rank(struct lane_slots *lane, unsigned rank)
{
	for (uint32_t i = 0; i <= BUCKETS; i++) {
		uint32_t at = lane->next[rank] % BUCKETS;
		struct dest *dest = TAILQ_FIRST(&lane->queues[rank][at]);

		if (dest &&
		    lane->served[rank] < turns_next_weight(&dest->ready)) {
			lane->served[rank]++;
			return dest;
		}
		lane->next[rank]++;
		lane->served[rank] = 0;
	}
	return NULL;
}

static struct dest *
next_of_lane(struct conn_slots *slots, unsigned lane)
{
	for (unsigned rank = 0; rank < RANKS; rank++) {
		if (slots->lanes[lane].waiting[rank] > 0 &&
		    has_room(slots, lane, (enum slot_rank)rank))
			return next_of_rank(&slots->lanes[lane], rank);
	}
	return NULL;
}

/* A lane that has none is first, whichever it is. */
static struct dest *
next_in_turn(struct conn_slots *slots)
{
	static const uint8_t order[] = {LANE_PERSONAL, LANE_DSN, LANE_BULK};

	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < LANES; i++) {
			unsigned lane = order[i];
			struct dest *dest;

			if (round == 0 &&
			    slots->relay->lane_connections[lane] > 0)
				continue;
			dest = next_of_lane(slots, lane);
			if (dest)
				return dest;
		}
	}
	return NULL;
}

void
conn_slots_serve(struct conn_slots *slots)
{
	struct relay *relay = slots->relay;
	struct dest *dest;

	for (int i = 0; i < SERVED_A_TURN; i++) {
		dest = next_in_turn(slots);
		if (!dest)
			return;
		conn_slots_leave(dest);
		dest->slot_state = SLOT_ITS_TURN;
		if (dest_run(dest))
			relay_kick(relay, dest);
		if (dest->slot_state == SLOT_ITS_TURN)
			dest->slot_state = SLOT_NONE;
	}
	relay_run_soon(relay);
}

void
conn_slots_freed(struct conn_slots *slots)
{
	if (conn_slots_waiting(slots) > 0)
		relay_run_soon(slots->relay);
}

/* --- what opens ----------------------------------------------------------- */

void
conn_slots_open_begin(struct dest *dest, struct slot_attempt *attempt,
		      struct conn *conn)
{
	attempt->conn = conn;
	attempt->rank = (uint8_t)rank_of(dest);
	attempt->lane = dest->lane;
	attempt->counted = true;
	dest->hop->relay->slots->lanes[attempt->lane].opening[attempt->rank]++;
}

void
conn_slots_open_end(struct dest *dest, struct slot_attempt *attempt)
{
	struct conn_slots *slots = dest->hop->relay->slots;
	struct lane_slots *lane = &slots->lanes[dest->lane];

	if (attempt->listed)
		TAILQ_REMOVE(&lane->attempts, attempt, link);
	if (attempt->counted)
		lane->opening[attempt->rank]--;
	attempt->listed = attempt->counted = false;
	conn_slots_freed(slots);
}

void
conn_slots_attempt(struct dest *dest, struct slot_attempt *attempt)
{
	struct conn_slots *slots = dest->hop->relay->slots;
	struct lane_slots *lane = &slots->lanes[dest->lane];

	if (dest->kind != DEST_SITE)
		return;
	if (attempt->listed)
		TAILQ_REMOVE(&lane->attempts, attempt, link);
	attempt->listed = true;
	attempt->began_ms = relay_now_ms(slots->relay);
	TAILQ_INSERT_TAIL(&lane->attempts, attempt, link);
}

/* How many are slow, more than may be. */
static uint32_t
too_slow(const struct conn_slots *slots, unsigned lane)
{
	int64_t now_ms = relay_now_ms(slots->relay);
	int64_t slow_ms =
	    waiting_in(slots, lane) > 0 ? SLOW_CROWDED_MS : SLOW_MS;
	const struct slot_attempt *attempt;
	uint32_t n = 0, max = a_fifth(slots, lane);

	for (attempt = TAILQ_FIRST(&slots->lanes[lane].attempts);
	     attempt && now_ms - attempt->began_ms >= slow_ms;
	     attempt = TAILQ_NEXT(attempt, link))
		n++;
	return n > max ? n - max : 0;
}

void
conn_slots_tick(struct conn_slots *slots)
{
	for (unsigned lane = 0; lane < LANES; lane++) {
		struct slot_attempts *attempts = &slots->lanes[lane].attempts;

		/* One that is given up tries its next address as the newest. */
		for (uint32_t n = too_slow(slots, lane); n > 0; n--)
			conn_give_up(TAILQ_FIRST(attempts)->conn);
	}
}
