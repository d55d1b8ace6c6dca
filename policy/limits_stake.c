/*
 * The entries of a message. An entry whose slot has left the window counts
 * nowhere any more: its amount is kept as `gone`, because the dot has to
 * charge it anew, and its place is used again, so that a client that takes
 * hours over its recipients gathers no more entries than a quick one.
 *
 * GCRA knows no slots: its charges are gathered by a sixteenth of the time in
 * which a burst grows back, and stand at the earliest of their times, since a
 * refund must not give back what has run out meanwhile.
 */
#include "policy/limits_stake.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"

#define US_PER_S 1000000
#define GCRA_PARTS 16

void
stakes_init(struct stakes *s, struct rate_table *table,
	    const struct limit_binding *binding, struct stake *v,
	    struct stake_entry *entries)
{
	*s = (struct stakes){
	    .table = table,
	    .binding = *binding,
	    .v = v,
	    .entries = entries,
	    .size = binding->count,
	    .unused = STAKE_NONE,
	    .probe = {.amount = 1, .charged = true},
	};
	for (size_t i = 0; i < binding->count; i++)
		v[i] = (struct stake){.first = STAKE_NONE};
}

void
stakes_fini(struct stakes *s)
{
	if (s->grown)
		free(s->entries);
	*s = (struct stakes){0};
}

static void
entries_grow(struct stakes *s)
{
	struct stake_entry *start = s->grown ? NULL : s->entries;
	size_t size = s->size < 8 ? 8 : s->size * 2;

	s->entries = mem_resize(s->grown ? s->entries : NULL,
				size * sizeof(*s->entries));
	if (start != NULL && s->count > 0)
		memcpy(s->entries, start, s->count * sizeof(*start));
	s->size = size;
	s->grown = true;
}

static size_t
entry_new(struct stakes *s)
{
	size_t i = s->unused;

	if (i != STAKE_NONE) {
		s->unused = s->entries[i].next;
		return i;
	}
	if (s->count == s->size)
		entries_grow(s);
	return s->count++;
}

static void
entry_drop(struct stakes *s, size_t *link)
{
	size_t i = *link;

	*link = s->entries[i].next;
	s->entries[i].next = s->unused;
	s->unused = i;
}

static struct stake_entry *
entry_find(struct stakes *s, struct stake *stake, int64_t slot)
{
	size_t *link = &stake->first;

	while (*link != STAKE_NONE) {
		struct stake_entry *entry = &s->entries[*link];

		if (entry->slot == slot)
			return entry;
		if (entry->cell.expires_wall_s > s->now_us / US_PER_S) {
			link = &entry->next;
			continue;
		}
		stake->gone += entry->amount;
		entry_drop(s, link);
	}
	return NULL;
}

static int64_t
slot_of(const struct rate_charge *charge, const struct rate_cell *cell)
{
	int64_t part;

	if (charge->rule->kind != RATE_GCRA)
		return cell->slot;
	part = (int64_t)(charge->rule->limit / GCRA_PARTS + 1);
	if (part > INT64_MAX / charge->rule->period_us)
		return 0;
	return charge->at_us / (part * charge->rule->period_us);
}

static void
entry_merge(struct stake_entry *entry, const struct rate_charge *charge,
	    const struct rate_cell *cell)
{
	entry->amount += charge->amount;
	if (entry->at_us > charge->at_us)
		entry->at_us = charge->at_us;
	if (cell->slot >= 0)
		entry->cell.value += cell->value;
	else if (entry->cell.value < cell->value)
		entry->cell.value = cell->value;
	if (entry->cell.expires_wall_s < cell->expires_wall_s)
		entry->cell.expires_wall_s = cell->expires_wall_s;
}

void
stake_add(struct stakes *s, size_t index, const struct rate_charge *charge)
{
	struct stake *stake = &s->v[index];
	struct stake_entry *entry;
	struct rate_cell cell;
	int64_t slot;
	size_t i;

	if (charge->amount == 0 || !rate_cell_of(charge, &cell))
		return;
	stake->total += charge->amount;
	slot = slot_of(charge, &cell);
	entry = entry_find(s, stake, slot);
	if (entry != NULL) {
		entry_merge(entry, charge, &cell);
		return;
	}
	i = entry_new(s);
	s->entries[i] = (struct stake_entry){
	    .cell = cell,
	    .slot = slot,
	    .at_us = charge->at_us,
	    .amount = charge->amount,
	    .next = stake->first,
	};
	stake->first = i;
}

static void
entry_refund(struct stakes *s, size_t index, struct stake_entry *entry,
	     uint64_t amount)
{
	struct rate_charge charge;

	limit_charge_init(&charge, &s->binding, &s->binding.bound[index], 0, 0);
	charge.amount = amount;
	charge.at_us = entry->at_us;
	charge.charged = true;
	limit_refund(s->table, &charge, 1, s->now_us);
	entry->amount -= amount;
	if (entry->cell.slot >= 0)
		entry->cell.value -= amount;
}

void
stake_refund(struct stakes *s, size_t index, bool old, uint64_t amount)
{
	struct stake *stake = &s->v[index];
	size_t *link = &stake->first;

	while (*link != STAKE_NONE && amount > 0) {
		struct stake_entry *entry = &s->entries[*link];
		uint64_t part = entry->amount < amount ? entry->amount : amount;

		if (old && !entry->old) {
			link = &entry->next;
			continue;
		}
		entry_refund(s, index, entry, part);
		amount -= part;
		stake->total -= part;
		if (entry->amount == 0)
			entry_drop(s, link);
		else
			link = &entry->next;
	}
}

void
stake_forget(struct stakes *s, size_t index)
{
	struct stake *stake = &s->v[index];
	size_t *link = &stake->first;

	while (*link != STAKE_NONE) {
		struct stake_entry *entry = &s->entries[*link];

		if (!entry->old) {
			link = &entry->next;
			continue;
		}
		stake->total -= entry->amount;
		entry_drop(s, link);
	}
}

void
stake_leave(struct stakes *s, size_t index)
{
	stake_refund(s, index, false, UINT64_MAX);
	s->v[index].gone = s->v[index].total = 0;
	s->binding.bound[index].off = true;
}

/* The present slot of a window. */
static int64_t
slot_now(struct stakes *s, const struct rate_rule *rate)
{
	struct rate_cell cell;

	s->probe.rule = rate;
	s->probe.at_us = s->now_us;
	return rate_cell_of(&s->probe, &cell) ? cell.slot : 0;
}

void
stake_find_old(struct stakes *s, size_t index, struct stake_old *old)
{
	const struct rate_rule *rate = &s->binding.bound[index].rule->rate;
	bool burst = rate->kind == RATE_GCRA;
	int64_t slot;

	old->amount = s->v[index].gone;
	old->counted = 0;
	old->back_count = 0;
	old->any = false;
	if (s->v[index].first == STAKE_NONE)
		return;
	slot = burst ? 0 : slot_now(s, rate);
	for (size_t i = s->v[index].first; i != STAKE_NONE;
	     i = s->entries[i].next) {
		struct stake_entry *entry = &s->entries[i];

		entry->old = burst ? entry->at_us <= s->now_us - rate->period_us
				   : entry->slot < slot;
		if (!entry->old)
			continue;
		old->any = true;
		old->amount += entry->amount;
		if (burst)
			old->back[old->back_count++] = (struct rate_back){
			    .amount = entry->amount, .at_us = entry->at_us};
		else if (entry->at_us > s->now_us - rate->period_us)
			old->counted += entry->amount;
	}
}

void
stakes_changes(const struct stakes *s, struct limit_changes *out)
{
	const struct limit_binding *b = &s->binding;
	struct rate_cell few[16], *cells = few;

	if (s->count > sizeof(few) / sizeof(*few))
		cells = mem_array(s->count, sizeof(*cells));

	for (size_t k = 0; k < b->key_count; k++) {
		const struct limit_key *key = &b->keys[k];
		size_t n = 0;

		for (size_t i = 0; i < b->count; i++) {
			if (b->bound[i].key != k)
				continue;
			for (size_t e = s->v[i].first; e != STAKE_NONE;
			     e = s->entries[e].next)
				cells[n++] = s->entries[e].cell;
		}
		limit_changes_add(out, slice_of(key->name, key->n), cells, n,
				  s->now_us / US_PER_S);
	}
	if (cells != few)
		free(cells);
}
