/*
 * The members of one table of `top`: their counts by the minute, who goes when
 * there are too many, and what time is. The caller holds the table's lock.
 */
#include "policy/top_int.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"

static void
member_free(struct top_table *table, struct top_member *member)
{
	HASH_DEL(table->members, member);
	distinct_fini(&member->froms, &table->pool);
	distinct_fini(&member->ips, &table->pool);
	distinct_fini(&member->creds, &table->pool);
	free(member);
}

void
top_table_clear(struct top_table *table)
{
	struct top_member *member, *next;

	HASH_ITER(hh, table->members, member, next)
	{
		member_free(table, member);
	}
}

static uint64_t
weight_of(const struct top_counts *c)
{
	return (uint64_t)c->recipients + c->refused + c->dead;
}

/* The slots of minutes that nobody counted in are emptied. */
static void
member_advance(struct top_member *member, uint32_t minute)
{
	uint32_t from = member->minute + 1;

	if (minute >= TOP_SLOTS && from < minute - TOP_SLOTS + 1)
		from = minute - TOP_SLOTS + 1;
	for (; from <= minute; from++) {
		struct top_counts *slot = &member->slots[from % TOP_SLOTS];

		member->weight -= weight_of(slot);
		*slot = (struct top_counts){0};
	}
	if (member->minute < minute)
		member->minute = minute;
}

int
top_rank_cmp(const void *a, const void *b)
{
	const struct top_rank *x = a, *y = b;

	if (x->weight != y->weight)
		return x->weight > y->weight ? 1 : -1;
	return (x->last > y->last) - (x->last < y->last);
}

struct top_member *
top_member_find(struct top_table *table, uint64_t hash)
{
	struct top_member *member;

	HASH_FIND(hh, table->members, &hash, sizeof(hash), member);
	return member;
}

static void
table_evict(struct top_table *table)
{
	struct top_rank *ranks =
	    mem_array(HASH_COUNT(table->members) + 1u, sizeof(*ranks));
	struct top_member *member, *next;
	size_t count = 0;

	HASH_ITER(hh, table->members, member, next)
	{
		member_advance(member, table->minute);
		ranks[count++] = (struct top_rank){member->weight,
						   member->event, member->hash};
	}
	qsort(ranks, count, sizeof(*ranks), top_rank_cmp);
	for (size_t i = 0; i < count && count - i > TOP_MEMBERS; i++) {
		if (ranks[i].weight > 0)
			table->evicted = true;
		member_free(table, top_member_find(table, ranks[i].hash));
	}
	free(ranks);
}

struct top_member *
top_member_get(struct top_table *table, uint64_t hash, struct slice name,
	       int64_t now_wall_s)
{
	struct top_member *member = top_member_find(table, hash);
	struct slice shown = slice_head(name, sizeof(member->name) - 1);

	if (member != NULL) {
		member_advance(member, table->minute);
		return member;
	}
	if (HASH_COUNT(table->members) >= TOP_MEMBERS + TOP_SLACK)
		table_evict(table);
	member = mem_zalloc(sizeof(*member));
	member->hash = hash;
	member->minute = table->minute;
	member->since_wall_s = now_wall_s;
	member->late = table->evicted;
	memcpy(member->name, shown.p, shown.n);
	HASH_ADD(hh, table->members, hash, sizeof(member->hash), member);
	return member;
}

/* Lets the time only go on. A clock that was set back by more than the windows
 * reach would leave members in a future that lasts: begin anew. */
void
top_table_advance(struct top_table *table, int64_t now_wall_s)
{
	uint32_t minute = now_wall_s > 0 ? (uint32_t)(now_wall_s / 60) : 0;

	if (minute < table->minute && table->minute - minute > TOP_SLOTS) {
		top_table_clear(table);
		table->minute = minute;
	}
	if (minute > table->minute)
		table->minute = minute;
}

static void
saturate(uint32_t *to, uint32_t add)
{
	*to = *to > UINT32_MAX - add ? UINT32_MAX : *to + add;
}

void
top_member_count(struct top_member *member, const struct top_counts *add)
{
	struct top_counts *slot = &member->slots[member->minute % TOP_SLOTS];

	member->weight -= weight_of(slot);
	saturate(&slot->messages, add->messages);
	saturate(&slot->recipients, add->recipients);
	saturate(&slot->refused, add->refused);
	saturate(&slot->dead, add->dead);
	member->weight += weight_of(slot);
}

/* A domain that was found dead behind its 250 may be told of in a later minute
 * than its recipient. */
static unsigned
percent_of(uint64_t dead, uint64_t tried)
{
	if (dead >= tried)
		return dead > 0 ? 100 : 0;
	return (unsigned)((dead * 100 + tried - 1) / tried);
}

void
top_member_sum(const struct top_member *member, uint32_t from_min,
	       struct top_line *line)
{
	uint32_t oldest =
	    member->minute >= TOP_SLOTS ? member->minute - TOP_SLOTS + 1 : 0;
	uint32_t minute = from_min > oldest ? from_min : oldest;

	line->messages = line->recipients = line->refused = 0;
	line->dead_domains = 0;
	for (; minute <= member->minute; minute++) {
		const struct top_counts *c = &member->slots[minute % TOP_SLOTS];

		line->messages += c->messages;
		line->recipients += c->recipients;
		line->refused += c->refused;
		line->dead_domains += c->dead;
	}
	line->dead_percent =
	    percent_of(line->dead_domains, line->recipients + line->refused);
}
