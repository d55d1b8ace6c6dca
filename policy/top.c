/*
 * Who sends most. A table for each of login, address, sender and domain, with a
 * lock of its own; a member has counts for each of the last 61 minutes and sets
 * of what it was seen with (top_distinct.c).
 *
 * A table takes whoever comes. When it has grown TOP_SLACK over TOP_MEMBERS the
 * least busy of the last hour go together, the longest silent first: so a new
 * name costs little even in a flood of names, and the busiest stay. A member
 * that goes takes its counts along; coming back it starts from nothing, and
 * its line says since when.
 *
 * v6 clients are counted by /64, as limits do: a host has all of it. Refused
 * commands count for the distinct names too, since a hijacked login rotates its
 * FROM whether it is let in or not.
 */
#include "policy/top.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/address.h"
#include "gateway/base/hash.h"
#include "gateway/base/mem.h"
#include "policy/fold.h"
#include "policy/top_int.h"

#define POOL_SEEN (1U << 19) /* 8 MiB a table */
#define NAME_ROOM 1024

struct top {
	struct top_table tables[TOP_BYS];
};

struct name {
	uint64_t hash;
	struct slice text; /* n 0: not known */
	char room[NAME_ROOM];
};

struct event {
	struct name names[TOP_BYS];
	int64_t now_wall_s;
};

struct top *
top_create(void)
{
	struct top *top = mem_zalloc(sizeof(*top));

	for (int by = 0; by < TOP_BYS; by++) {
		pthread_mutex_init(&top->tables[by].lock, NULL);
		top->tables[by].pool.left = POOL_SEEN;
	}
	return top;
}

void
top_destroy(struct top **top)
{
	if (*top == NULL)
		return;
	for (int by = 0; by < TOP_BYS; by++) {
		top_table_clear(&(*top)->tables[by]);
		pthread_mutex_destroy(&(*top)->tables[by].lock);
	}
	free(*top);
	*top = NULL;
}

/* --- counting --- */

static void
member_seen_with(struct top_table *table, struct top_member *member,
		 enum top_by by, const struct event *event)
{
	const struct name *names = event->names;

	if (by != TOP_FROM && names[TOP_FROM].text.n > 0)
		distinct_add(&member->froms, &table->pool, names[TOP_FROM].hash,
			     table->minute);
	if (by != TOP_IP && names[TOP_IP].text.n > 0)
		distinct_add(&member->ips, &table->pool, names[TOP_IP].hash,
			     table->minute);
	if (by != TOP_CRED && names[TOP_CRED].text.n > 0)
		distinct_add(&member->creds, &table->pool, names[TOP_CRED].hash,
			     table->minute);
}

static void
count_one(struct top *top, enum top_by by, const struct event *event,
	  const struct top_counts *add)
{
	struct top_table *table = &top->tables[by];
	struct top_member *member;

	if (event->names[by].text.n == 0)
		return;
	pthread_mutex_lock(&table->lock);
	top_table_advance(table, event->now_wall_s);
	member = top_member_get(table, event->names[by].hash,
				event->names[by].text, event->now_wall_s);
	member->event = ++table->events;
	top_member_count(member, add);
	member_seen_with(table, member, by, event);
	pthread_mutex_unlock(&table->lock);
}

static void
name_set(struct name *name, struct slice text)
{
	name->text = text;
	if (text.n > 0)
		name->hash = hash_bytes(text.p, text.n);
}

static void
name_from(struct name *name, struct slice from)
{
	size_t n = fold_address(from, name->room, sizeof(name->room));

	/* no path of SMTP is as long; its own bytes tell it apart as well */
	name_set(name, n > 0 ? slice_of(name->room, n) : from);
}

static void
name_domain(struct name *name, struct slice domain)
{
	size_t n = address_domain_fold(domain, name->room, sizeof(name->room));

	name_set(name, n > 0 ? slice_of(name->room, n) : domain);
}

static void
name_ip(struct name *name, const struct ip_addr *ip)
{
	struct ip_prefix prefix;

	ip_prefix_of(ip, ip_is_v4(ip) ? 128 : 64, &prefix);
	ip_prefix_format(&prefix, name->room);
	name_set(name, slice_str(name->room));
}

static void
event_init(struct event *event, const char *cred, const struct ip_addr *ip,
	   int64_t now_wall_s)
{
	for (int by = 0; by < TOP_BYS; by++)
		name_set(&event->names[by], SLICE_NONE);
	event->now_wall_s = now_wall_s;
	name_set(&event->names[TOP_CRED], slice_str(cred));
	if (ip != NULL)
		name_ip(&event->names[TOP_IP], ip);
}

struct group {
	uint64_t hash;
	size_t at; /* in the message's domains */
};

static int
group_cmp(const void *a, const void *b)
{
	const struct group *x = a, *y = b;

	return (x->hash > y->hash) - (x->hash < y->hash);
}

/* The recipients of one domain together: a message counts once for each, and
 * a large one to few domains takes the lock few times. */
static void
count_domains(struct top *top, struct event *event, const struct slice *domains,
	      size_t count)
{
	struct name *name = &event->names[TOP_DOMAIN];
	struct group few[64], *groups = few;
	size_t next;

	if (count > sizeof(few) / sizeof(few[0]))
		groups = mem_array(count, sizeof(*groups));
	for (size_t i = 0; i < count; i++) {
		name->hash = 0;
		name_domain(name, domains[i]);
		groups[i] = (struct group){name->hash, i};
	}
	qsort(groups, count, sizeof(*groups), group_cmp);
	for (size_t i = 0; i < count; i = next) {
		struct top_counts add = {.messages = 1};

		for (next = i;
		     next < count && groups[next].hash == groups[i].hash;)
			next++;
		add.recipients = (uint32_t)(next - i);
		name_domain(name, domains[groups[i].at]);
		count_one(top, TOP_DOMAIN, event, &add);
	}
	if (groups != few)
		free(groups);
}

void
top_accepted(struct top *top, const struct top_message *m, int64_t now_wall_s)
{
	struct top_counts add = {.messages = 1};
	struct event event;

	add.recipients = m->recipient_count > UINT32_MAX
			     ? UINT32_MAX
			     : (uint32_t)m->recipient_count;
	event_init(&event, m->cred, &m->ip, now_wall_s);
	name_from(&event.names[TOP_FROM],
		  m->from.n > 0 ? m->from : SLICE_LIT("<>"));
	for (int by = 0; by < TOP_DOMAIN; by++)
		count_one(top, (enum top_by)by, &event, &add);
	count_domains(top, &event, m->domains, m->recipient_count);
}

static void
count_bad(struct top *top, struct event *event, struct slice from,
	  struct slice domain, const struct top_counts *add)
{
	name_from(&event->names[TOP_FROM], from);
	name_domain(&event->names[TOP_DOMAIN], domain);
	for (int by = 0; by < TOP_BYS; by++)
		count_one(top, (enum top_by)by, event, add);
}

void
top_refused(struct top *top, const char *cred, const struct ip_addr *ip,
	    struct slice from, struct slice domain, int64_t now_wall_s)
{
	static const struct top_counts add = {.refused = 1};
	struct event event;

	event_init(&event, cred, ip, now_wall_s);
	count_bad(top, &event, from, domain, &add);
}

void
top_dead_domain(struct top *top, const char *cred, const struct ip_addr *ip,
		struct slice from, struct slice domain, int64_t now_wall_s)
{
	static const struct top_counts add = {.dead = 1};
	struct event event;

	event_init(&event, cred, ip, now_wall_s);
	count_bad(top, &event, from, domain, &add);
}

/* --- looking --- */

static void
member_line(const struct top_member *member, uint32_t from_min,
	    struct top_line *line)
{
	top_member_sum(member, from_min, line);
	memcpy(line->name, member->name, sizeof(line->name));
	line->froms =
	    distinct_count(&member->froms, from_min, &line->froms_more);
	line->ips = distinct_count(&member->ips, from_min, &line->ips_more);
	line->creds =
	    distinct_count(&member->creds, from_min, &line->creds_more);
	line->since_wall_s =
	    member->late && member->since_wall_s > (int64_t)from_min * 60
		? member->since_wall_s
		: 0;
}

/* Everybody's weight in the window, under one hold of the lock. */
static size_t
table_ranks(struct top_table *table, unsigned window_min, int64_t now_wall_s,
	    struct top_rank *ranks, uint32_t *from_min)
{
	struct top_member *member, *next;
	struct top_line sum;
	size_t count = 0;

	pthread_mutex_lock(&table->lock);
	top_table_advance(table, now_wall_s);
	*from_min = table->minute > window_min ? table->minute - window_min : 0;
	HASH_ITER(hh, table->members, member, next)
	{
		top_member_sum(member, *from_min, &sum);
		if (sum.recipients + sum.refused + sum.dead_domains > 0)
			ranks[count++] =
			    (struct top_rank){sum.recipients + sum.refused,
					      member->event, member->hash};
	}
	pthread_mutex_unlock(&table->lock);
	qsort(ranks, count, sizeof(*ranks), top_rank_cmp);
	return count;
}

static int
line_cmp(const void *a, const void *b)
{
	const struct top_line *x = a, *y = b;
	uint64_t wx = x->recipients + x->refused;
	uint64_t wy = y->recipients + y->refused;

	if (wx != wy)
		return wx < wy ? 1 : -1;
	return strcmp(x->name, y->name);
}

size_t
top_get(struct top *top, enum top_by by, unsigned window_min,
	int64_t now_wall_s, struct top_line *out, size_t max)
{
	struct top_table *table = &top->tables[by];
	struct top_rank *ranks =
	    mem_array(TOP_MEMBERS + TOP_SLACK, sizeof(*ranks));
	uint32_t from_min;
	size_t given = 0, count;

	if (window_min > TOP_WINDOW_MAX_MIN)
		window_min = TOP_WINDOW_MAX_MIN;
	count = table_ranks(table, window_min, now_wall_s, ranks, &from_min);
	/* The sets are large: one member under one hold of the lock. */
	for (; count > 0 && given < max; count--) {
		const struct top_member *member;

		pthread_mutex_lock(&table->lock);
		member = top_member_find(table, ranks[count - 1].hash);
		if (member != NULL)
			member_line(member, from_min, &out[given++]);
		pthread_mutex_unlock(&table->lock);
	}
	qsort(out, given, sizeof(*out), line_cmp);
	free(ranks);
	return given;
}
