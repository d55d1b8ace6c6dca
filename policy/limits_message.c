/*
 * A message's reservation, from its first recipient to the dot.
 *
 * A message follows the rules as they are when it is charged, not as they were
 * at its MAIL: a reload that tightens a limit is meant for those who are
 * sending at this moment. One that has nothing charged yet is bound anew. One
 * that has keeps its rules and their keys, since it must give back what it
 * took, but no limit is higher for it than it is now: what is gone since counts
 * on as it did, what is new binds its next message. A burst grows back for it
 * as fast as it did at first.
 *
 * A window promises that no more than N are accepted in any of its periods,
 * and a message is accepted at its dot, not at its RCPT. Who trickles a body
 * for an hour would else pile up reservations of several periods and have them
 * accepted at once. So at the dot what stands in an older slot moves to the
 * present one: charged there with the old charge added to the limit, then
 * given back here, so that at no moment it is counted nowhere and nobody can
 * take the place that was promised.
 *
 * Of a burst it is the same, with what has run out since: who keeps messages
 * open while the bucket grows back would have several bursts accepted at once.
 * What is older than one step is charged anew in place of the old charge.
 *
 * A rule that holds a message, or sends it to bulk, gives back what it was
 * charged for it: the message does not leave by that rule.
 *
 * Rules that count dead domains are not charged here, only looked at: with each
 * recipient, and at the dot, when those of the last recipients are known too.
 *
 * size: the life of one object, of which each step uses nearly all.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "policy/limits_stake.h"

#define US_PER_S 1000000

struct wait {
	int64_t until_us;
	struct limit_hit hit;
};

struct move;

struct reservation {
	struct limits *limits;
	struct limit_shared *shared; /* what it was bound to */
	uint64_t reloads;	     /* of the rules that it has seen */
	struct stakes stakes;
	void *room;		     /* of all that is one a bound rule */
	struct rate_charge *charges; /* under way */
	size_t *of;		     /* the bound rule of a charge */
	struct move *moves;
	struct rate_back *backs; /* where that is not too few */
	size_t charge_count;
	bool started;		    /* has a recipient */
	struct limit_verdict stuck; /* hold or bulk; never less */
	struct wait floor;	    /* of the whole message */
	struct wait latest;	    /* of its last recipient */
	uint64_t granted[LIMIT_COUNTED];
	uint64_t grants_seen;
	int64_t grants_until_us;
	struct limit_changes changes;
};

/* --- its rules ------------------------------------------------------- */

/* What the dot changes in one rule: a charge first, then refunds. */
struct move {
	struct stake_old old;
	uint64_t less;			  /* back, of what is not old */
	const struct rate_charge *charge; /* NULL: none */
};

/* n of one size; size only where room is NULL. */
static void *
room_take(char *room, size_t *used, size_t n, size_t size)
{
	char *p = room == NULL ? NULL : room + *used;

	*used += n * size;
	return p;
}

/* Everything has sizes that are multiples of eight. */
static size_t
room_lay(struct reservation *r, const struct limit_binding *from)
{
	struct limit_binding binding = *from;
	size_t n = from->count, used = 0;
	struct stake_entry *entries;
	struct stake *v;

	binding.bound = room_take(r->room, &used, n, sizeof(*binding.bound));
	v = room_take(r->room, &used, n, sizeof(*v));
	entries = room_take(r->room, &used, n, sizeof(*entries));
	r->charges = room_take(r->room, &used, n, sizeof(*r->charges));
	r->of = room_take(r->room, &used, n, sizeof(*r->of));
	r->moves = room_take(r->room, &used, n, sizeof(*r->moves));
	r->backs = room_take(r->room, &used, n, sizeof(*r->backs));
	if (r->room == NULL)
		return used;
	if (n > 0)
		memcpy(binding.bound, from->bound, n * sizeof(*binding.bound));
	stakes_init(&r->stakes, r->limits->table, &binding, v, entries);
	return used;
}

/* Takes the reference. */
static void
bind_to(struct reservation *r, struct limit_shared *shared)
{
	r->shared = shared;
	r->room = NULL;
	r->room = mem_alloc(room_lay(r, &shared->binding) + 1);
	room_lay(r, &shared->binding);
}

static void
unbind(struct reservation *r)
{
	stakes_fini(&r->stakes);
	free(r->room);
	limit_shared_unref(&r->shared);
}

static const struct limit_bound *
bound_of_id(const struct limit_binding *b, uint32_t id)
{
	for (size_t i = 0; i < b->count; i++)
		if (b->bound[i].rule->rate.id == id)
			return &b->bound[i];
	return NULL;
}

/* A burst of bytes may be counted in other units than before. */
static uint64_t
limit_in_units_of(const struct limit_rule *rule, const struct limit_rule *now)
{
	uint64_t limit = now->rate.limit;

	if (now->unit == rule->unit)
		return limit;
	return limit_units(rule, limit * now->unit);
}

static void
tighten(struct limit_binding *b, const struct limit_binding *now)
{
	for (size_t i = 0; i < b->count; i++) {
		struct limit_bound *bound = &b->bound[i];
		const struct limit_bound *other =
		    bound_of_id(now, bound->rule->rate.id);
		uint64_t limit;

		if (other == NULL || (other->observe && !bound->observe))
			continue;
		bound->observe = other->observe;
		limit = limit_in_units_of(bound->rule, other->rule);
		if (limit < bound->limit)
			bound->limit = limit;
	}
}

static void
follow_reloads(struct reservation *r)
{
	struct limit_shared *now;

	if (r->reloads == r->limits->reloads)
		return;
	now = limits_bind_message(r->limits,
				  &(struct limit_who){.cred = r->shared->cred,
						      .class = r->shared->class,
						      .ip = r->shared->ip},
				  &r->reloads);
	if (r->started) {
		tighten(&r->stakes.binding, &now->binding);
		limit_shared_unref(&now);
	} else {
		unbind(r);
		bind_to(r, now);
	}
}

struct reservation *
reservation_create(struct limits *limits, const struct limit_who *who)
{
	struct reservation *r = mem_zalloc(sizeof(*r));

	r->limits = limits;
	bind_to(r, limits_bind_message(limits, who, &r->reloads));
	r->grants_until_us = INT64_MIN;
	limit_changes_init(&r->changes);
	return r;
}

static void
reservation_free(struct reservation **rp)
{
	struct reservation *r = *rp;

	*rp = NULL;
	limit_changes_fini(&r->changes);
	unbind(r);
	free(r);
}

static void
look_at_grants(struct reservation *r)
{
	int64_t now_us = r->stakes.now_us;
	uint64_t seen;

	if (r->limits->accounts == NULL || r->shared->cred == NULL)
		return;
	seen = accounts_generation(r->limits->accounts);
	if (seen == r->grants_seen && now_us < r->grants_until_us)
		return;
	r->grants_seen = seen;
	r->grants_until_us = INT64_MAX;
	for (int i = 0; i < LIMIT_COUNTED; i++)
		r->granted[i] = limits_granted(r->limits, r->shared->cred,
					       (enum limit_counted)i, now_us,
					       &r->grants_until_us);
}

/* --- charging -------------------------------------------------------- */

static struct rate_charge *
charge_add(struct reservation *r, size_t index, uint64_t amount)
{
	struct limit_bound *bound = &r->stakes.binding.bound[index];
	struct rate_charge *charge = &r->charges[r->charge_count];

	limit_charge_init(charge, &r->stakes.binding, bound, amount,
			  r->granted[bound->rule->counted]);
	r->of[r->charge_count++] = index;
	return charge;
}

static bool
charge_all(struct reservation *r)
{
	return limit_charge(r->limits->table, r->charges, r->charge_count,
			    r->stakes.now_us);
}

/* Charges nothing: what is said to somebody who is refused in any case. */
static void
look_all(struct reservation *r)
{
	for (size_t i = 0; i < r->charge_count; i++)
		rate_look(r->limits->table, &r->charges[i], r->stakes.now_us);
}

/* False: a login that met too many dead domains is refused. */
static bool
dead_lets(struct reservation *r, struct limit_verdict *verdict)
{
	limit_dead_look(r->limits->table, &r->stakes.binding,
			r->granted[LIMIT_DEAD_DOMAINS], r->stakes.now_us,
			verdict);
	if (verdict->action == LIMIT_PASS)
		return true;
	if (verdict->action >= LIMIT_DEFER)
		return false;
	limit_verdict_offer(&r->stuck, &verdict->hit);
	return true;
}

static void
tell_refused(struct reservation *r, struct limit_verdict *verdict)
{
	for (size_t i = 0; i < r->charge_count; i++)
		if (r->charges[i].mode == RATE_ENFORCE &&
		    r->charges[i].result != RATE_PACED)
			limit_verdict_over(verdict,
					   &r->stakes.binding.bound[r->of[i]],
					   &r->charges[i]);
}

static void
wait_for(struct wait *wait, const struct limit_rule *rule,
	 const struct rate_charge *charge)
{
	if (charge->at_us <= wait->until_us)
		return;
	wait->until_us = charge->at_us;
	limit_hit_fill(&wait->hit, rule, charge);
}

/* Notes what was charged. all: what waits is the whole message. */
static void
take(struct reservation *r, bool all, struct limit_verdict *verdict,
     struct wait *wait)
{
	for (size_t i = 0; i < r->charge_count; i++) {
		const struct rate_charge *charge = &r->charges[i];
		size_t index = r->of[i];
		struct limit_bound *bound = &r->stakes.binding.bound[index];
		const struct limit_rule *rule = bound->rule;

		if (charge->charged)
			stake_add(&r->stakes, index, charge);
		if (charge->result == RATE_PACED) {
			wait_for(wait, rule, charge);
			if (all || rule->counted == LIMIT_MESSAGES ||
			    rule->counted == LIMIT_BYTES)
				wait_for(&r->floor, rule, charge);
		} else if (bound->observe) {
			limit_verdict_over(verdict, bound, charge);
		} else if (!charge->charged) {
			limit_verdict_over(&r->stuck, bound, charge);
			stake_leave(&r->stakes, index);
		}
	}
}

/* --- recipients ------------------------------------------------------ */

enum whom { EXTERNAL, INTERNAL, NOBODY };

static uint64_t
amount_of(const struct reservation *r, enum limit_counted counted,
	  enum whom whom, uint64_t declared_bytes)
{
	switch (counted) {
	case LIMIT_MESSAGES:
		return !r->started;
	case LIMIT_BYTES:
		return r->started ? 0 : declared_bytes;
	case LIMIT_RECIPIENTS:
		return whom == EXTERNAL;
	case LIMIT_INTERNAL_RECIPIENTS:
		return whom == INTERNAL;
	case LIMIT_ALL_RECIPIENTS:
		return whom != NOBODY;
	case LIMIT_CONNECTIONS:
	case LIMIT_NEW_CONNECTIONS:
	case LIMIT_FAILED_LOGINS:
	case LIMIT_DEAD_DOMAINS:
	case LIMIT_COUNTED:
		break;
	}
	return 0;
}

static bool
is_waiting(const struct reservation *r, const struct wait *wait)
{
	return wait->until_us > r->stakes.now_us;
}

static void
offer(const struct reservation *r, const struct wait *wait,
      struct limit_verdict *verdict)
{
	if (is_waiting(r, wait)) {
		verdict->not_before_wall_s = limit_wall_s(wait->until_us);
		limit_verdict_offer(verdict, &wait->hit);
	}
	if (r->stuck.action != LIMIT_PASS)
		limit_verdict_offer(verdict, &r->stuck.hit);
}

static void
reserve(struct reservation *r, enum whom whom, uint64_t declared_bytes,
	int64_t mono_us, struct limit_verdict *verdict)
{
	const struct limit_binding *b = &r->stakes.binding;
	struct wait wait = {0};
	bool lets;

	limit_verdict_init(verdict);
	follow_reloads(r);
	r->stakes.now_us = limits_time(r->limits, mono_us);
	look_at_grants(r);
	lets = dead_lets(r, verdict);
	r->charge_count = 0;
	for (size_t i = 0; i < b->count; i++) {
		uint64_t amount = amount_of(r, b->bound[i].rule->counted, whom,
					    declared_bytes);

		if (!b->bound[i].off && amount > 0)
			charge_add(r, i, amount);
	}
	if (!lets)
		look_all(r);
	if (!lets || !charge_all(r)) {
		tell_refused(r, verdict);
		limit_verdict_tell(verdict, r->limits);
		return;
	}
	r->started = true;
	take(r, false, verdict, &wait);
	if (r->floor.until_us > wait.until_us)
		wait = r->floor;
	if (wait.until_us > r->latest.until_us)
		r->latest = wait;
	offer(r, &wait, verdict);
	limit_verdict_tell(verdict, r->limits);
}

void
reservation_rcpt(struct reservation *r, bool internal, uint64_t declared_bytes,
		 int64_t mono_us, struct limit_verdict *verdict)
{
	reserve(r, internal ? INTERNAL : EXTERNAL, declared_bytes, mono_us,
		verdict);
}

void
reservation_nobody(struct reservation *r, uint64_t declared_bytes,
		   int64_t mono_us, struct limit_verdict *verdict)
{
	if (r->started)
		limit_verdict_init(verdict);
	else
		reserve(r, NOBODY, declared_bytes, mono_us, verdict);
}

/* --- the dot --------------------------------------------------------- */

static void
move_charge(struct reservation *r, size_t index, uint64_t bytes,
	    struct move *move)
{
	const struct limit_rule *rule = r->stakes.binding.bound[index].rule;
	uint64_t have = r->stakes.v[index].total, want = have, amount;
	struct stake_old *old = &move->old;
	struct rate_charge *charge;

	move->less = 0;
	stake_find_old(&r->stakes, index, old);
	amount = old->amount;
	if (rule->counted == LIMIT_BYTES)
		want = limit_units(rule, bytes);
	if (want >= have) {
		amount += want - have;
	} else {
		uint64_t part = have - want < amount ? have - want : amount;

		amount -= part;
		move->less = have - want - part;
	}
	if (amount == 0)
		return;
	charge = charge_add(r, index, 0);
	charge->amount = amount;
	charge->back = old->back;
	charge->back_count = old->back_count;
	/* What is new may fit although the whole never will. */
	if (rule->counted == LIMIT_BYTES && want > charge->limit &&
	    charge->mode != RATE_OBSERVE) {
		charge->amount = want;
		old->counted = 0;
	}
	charge->limit += old->counted;
	move->charge = charge;
}

static void
move_finish(struct reservation *r, size_t index, const struct move *move)
{
	struct stake *stake = &r->stakes.v[index];
	const struct rate_charge *charge = move->charge;

	if (r->stakes.binding.bound[index].off)
		return;
	stake->total -= stake->gone;
	stake->gone = 0;
	if (charge != NULL && charge->charged && move->old.back_count > 0)
		stake_forget(&r->stakes, index);
	else if (move->old.any)
		stake_refund(&r->stakes, index, true, UINT64_MAX);
	if (move->less > 0)
		stake_refund(&r->stakes, index, false, move->less);
}

void
reservation_settle(struct reservation *r, uint64_t bytes, int64_t mono_us,
		   struct limit_verdict *verdict)
{
	size_t n = r->started ? r->stakes.binding.count : 0, used = 0;
	struct rate_back *backs = r->backs;
	struct move *moves = r->moves;
	bool ok;

	limit_verdict_init(verdict);
	if (r->started)
		follow_reloads(r);
	r->stakes.now_us = limits_time(r->limits, mono_us);
	r->charge_count = 0;
	if (n > 0 && !dead_lets(r, verdict)) {
		limit_verdict_tell(verdict, r->limits);
		return;
	}
	if (r->stakes.count > n)
		backs = mem_array(r->stakes.count, sizeof(*backs));
	for (size_t i = 0; i < n; i++) {
		moves[i].charge = NULL;
		if (r->stakes.binding.bound[i].off)
			continue;
		moves[i].old.back = backs + used;
		move_charge(r, i, bytes, &moves[i]);
		used += moves[i].old.back_count;
	}
	ok = charge_all(r);
	for (size_t i = 0; i < r->charge_count; i++) {
		r->charges[i].limit -= moves[r->of[i]].old.counted;
		r->charges[i].back_count = 0; /* they are not kept */
	}
	if (ok) {
		/* The old goes first: the new must not be taken for it. */
		for (size_t i = 0; i < n; i++)
			move_finish(r, i, &moves[i]);
		take(r, true, verdict, &r->latest);
		if (is_waiting(r, &r->floor))
			verdict->all_not_before_wall_s =
			    limit_wall_s(r->floor.until_us);
		offer(r, &r->latest, verdict);
	} else {
		tell_refused(r, verdict);
	}
	limit_verdict_tell(verdict, r->limits);
	if (backs != r->backs)
		free(backs);
}

/* --- the end --------------------------------------------------------- */

const struct store_change *
reservation_changes(struct reservation *r, size_t *count)
{
	limit_changes_fini(&r->changes);
	stakes_changes(&r->stakes, &r->changes);
	return limit_changes_get(&r->changes, count);
}

void
reservation_commit(struct reservation **r)
{
	if (*r != NULL)
		reservation_free(r);
}

void
reservation_cancel(struct reservation **rp, int64_t mono_us)
{
	struct reservation *r = *rp;

	if (r == NULL)
		return;
	r->stakes.now_us = limits_time(r->limits, mono_us);
	for (size_t i = 0; i < r->stakes.binding.count; i++)
		stake_refund(&r->stakes, i, false, UINT64_MAX);
	reservation_free(rp);
}
