#include "dns/slots.h"

#include <string.h>

void
slots_init(struct slots *slots, uint32_t fast_max)
{
	memset(slots, 0, sizeof(*slots));
	slots->fast_max = fast_max;
	TAILQ_INIT(&slots->fast);
	TAILQ_INIT(&slots->turns);
	for (int i = 0; i < SLOTS_OWNERS; i++) {
		TAILQ_INIT(&slots->owners[i].waiting);
		TAILQ_INIT(&slots->owners[i].slow);
	}
}

void
slots_resize(struct slots *slots, uint32_t fast_max)
{
	slots->fast_max = fast_max;
}

void
slots_leave(struct slots *slots, struct slot *slot)
{
	struct slot_owner *owner = &slots->owners[slot->owner];

	switch (slot->state) {
	case SLOT_NONE:
		break;
	case SLOT_WAITING:
		TAILQ_REMOVE(&owner->waiting, slot, link);
		slots->waiting_count--;
		if (--owner->waiting_count == 0)
			TAILQ_REMOVE(&slots->turns, owner, turn);
		break;
	case SLOT_FAST:
		TAILQ_REMOVE(&slots->fast, slot, link);
		slots->fast_count--;
		owner->fast_count--;
		break;
	case SLOT_SLOW:
		TAILQ_REMOVE(&owner->slow, slot, link);
		slots->slow_count--;
		owner->slow_count--;
		break;
	}
	slot->state = SLOT_NONE;
}

static bool
is_over(const struct slots *slots, uint32_t count, unsigned factor)
{
	return count > (uint64_t)slots->fast_max * factor;
}

/* The longest waiting one of the owner with most of them. */
static struct slot *
waiting_victim(struct slots *slots)
{
	struct slot_owner *owner, *most = NULL;
	struct slot *victim;

	TAILQ_FOREACH (owner, &slots->turns, turn) {
		if (most == NULL || owner->waiting_count > most->waiting_count)
			most = owner;
	}
	if (most == NULL)
		return NULL;
	victim = TAILQ_FIRST(&most->waiting);
	slots_leave(slots, victim);
	return victim;
}

struct slot *
slots_wait(struct slots *slots, struct slot *slot, uint64_t owner_hash,
	   int64_t now_ms)
{
	struct slot_owner *owner;

	slot->owner = (uint8_t)(owner_hash % SLOTS_OWNERS);
	slot->state = SLOT_WAITING;
	slot->since_ms = now_ms;
	owner = &slots->owners[slot->owner];
	TAILQ_INSERT_TAIL(&owner->waiting, slot, link);
	slots->waiting_count++;
	if (owner->waiting_count++ == 0)
		TAILQ_INSERT_TAIL(&slots->turns, owner, turn);
	if (!is_over(slots, slots->waiting_count, SLOTS_WAITING_FACTOR))
		return NULL;
	return waiting_victim(slots);
}

static bool
may_take(const struct slots *slots, const struct slot_owner *owner)
{
	uint32_t free_count;

	if (slots->fast_count >= slots->fast_max)
		return false;
	free_count = slots->fast_max - slots->fast_count;
	return owner->fast_count / 3 < free_count;
}

struct slot *
slots_next(struct slots *slots, int64_t now_ms)
{
	struct slot_owner *owner;
	struct slot *slot;

	if (slots->fast_count >= slots->fast_max)
		return NULL;
	TAILQ_FOREACH (owner, &slots->turns, turn) {
		if (may_take(slots, owner))
			break;
	}
	if (owner == NULL)
		return NULL;
	slot = TAILQ_FIRST(&owner->waiting);
	if (owner->waiting_count > 1) {
		TAILQ_REMOVE(&slots->turns, owner, turn);
		TAILQ_INSERT_TAIL(&slots->turns, owner, turn);
	}
	slots_leave(slots, slot);
	slot->state = SLOT_FAST;
	slot->since_ms = now_ms;
	TAILQ_INSERT_TAIL(&slots->fast, slot, link);
	slots->fast_count++;
	owner->fast_count++;
	return slot;
}

static void
make_slow(struct slots *slots, struct slot *slot)
{
	struct slot_owner *owner = &slots->owners[slot->owner];

	slots_leave(slots, slot);
	slot->state = SLOT_SLOW;
	TAILQ_INSERT_TAIL(&owner->slow, slot, link);
	slots->slow_count++;
	owner->slow_count++;
}

static struct slot *
slow_victim(struct slots *slots)
{
	struct slot_owner *most = &slots->owners[0];
	struct slot *victim;

	for (int i = 1; i < SLOTS_OWNERS; i++) {
		if (slots->owners[i].slow_count > most->slow_count)
			most = &slots->owners[i];
	}
	victim = TAILQ_FIRST(&most->slow);
	slots_leave(slots, victim);
	return victim;
}

static struct slot *
waited_too_long(struct slots *slots, int64_t now_ms)
{
	struct slot_owner *owner;

	TAILQ_FOREACH (owner, &slots->turns, turn) {
		struct slot *slot = TAILQ_FIRST(&owner->waiting);

		if (now_ms - slot->since_ms >= SLOTS_WAIT_MS) {
			slots_leave(slots, slot);
			return slot;
		}
	}
	return NULL;
}

struct slot *
slots_tired(struct slots *slots, int64_t now_ms)
{
	struct slot *slot;

	while ((slot = TAILQ_FIRST(&slots->fast)) != NULL &&
	       now_ms - slot->since_ms >= SLOTS_FAST_MS) {
		make_slow(slots, slot);
		if (is_over(slots, slots->slow_count, SLOTS_SLOW_FACTOR))
			return slow_victim(slots);
	}
	return waited_too_long(slots, now_ms);
}
