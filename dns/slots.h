#ifndef DNS_SLOTS_H
#define DNS_SLOTS_H

#include <bsd/sys/queue.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Who may be on the wire. A question waits, gets a fast slot, leaves it after
 * SLOTS_FAST_MS for the slow pool, and there the oldest is given up when it is
 * full: silent domains cannot stop the others.
 *
 * Shares are kept apart by owner (256 of them; equal hashes share one). An
 * owner may take a further fast slot while it has less than three times what
 * is free, so one alone leaves a quarter for those who come, and each of ten
 * finds some; the waiting are served in turns; and what must be given up is
 * taken from whoever has most. So a flood costs those who ask for it.
 *
 * No clock, no network: time is an argument, a slot is embedded in what holds
 * it.
 */
#define SLOTS_OWNERS 256
#define SLOTS_FAST_MS 300
#define SLOTS_WAIT_MS 3000
#define SLOTS_SLOW_FACTOR 2
#define SLOTS_WAITING_FACTOR 16

enum slot_state { SLOT_NONE, SLOT_WAITING, SLOT_FAST, SLOT_SLOW };

struct slot {
	TAILQ_ENTRY(slot) link;
	enum slot_state state;
	uint8_t owner;
	int64_t since_ms; /* in the queue, then on the wire */
};
TAILQ_HEAD(slot_list, slot);

struct slot_owner {
	TAILQ_ENTRY(slot_owner) turn; /* while it has waiting ones */
	struct slot_list waiting, slow;
	uint32_t waiting_count, fast_count, slow_count;
};

struct slots {
	uint32_t fast_max;
	uint32_t waiting_count, fast_count, slow_count;
	struct slot_list fast; /* of all owners, oldest first */
	TAILQ_HEAD(slot_turns, slot_owner) turns;
	struct slot_owner owners[SLOTS_OWNERS];
};

void slots_init(struct slots *slots, uint32_t fast_max);
/* Those over a smaller cap stay until they leave. */
void slots_resize(struct slots *slots, uint32_t fast_max);

/* Into the queue. Returns who must be given up for it, already out: perhaps
 * slot itself; NULL: nobody. */
struct slot *slots_wait(struct slots *slots, struct slot *slot, uint64_t owner,
			int64_t now_ms);
/* The next to ask, now in a fast slot; NULL: none waits, or none may. */
struct slot *slots_next(struct slots *slots, int64_t now_ms);
/* Moves on what is slow. Returns one to be given up, already out, as long as
 * there is one: waited too long, or too many are slow. */
struct slot *slots_tired(struct slots *slots, int64_t now_ms);
/* Out of wherever it is. */
void slots_leave(struct slots *slots, struct slot *slot);

#endif
