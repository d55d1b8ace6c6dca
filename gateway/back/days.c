/*
 * A record of the table STORE_DAY is a number, added to by commits; its key is
 * the day, a kind and 16 bytes: of a receiver its number, of a campaign that
 * was asked about its own, of a site a digest. So a record's size, and what a
 * day has of them, is bounded: over SITES_MAX all further sites count as one.
 *
 * Invariant: what is taken and not given back is reached, or under way; the
 * store has what is reached alone.
 */
#include "gateway/back/days.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/arena.h"
#include "gateway/base/digest.h"
#include "gateway/base/error.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/store/env.h"
#include "gateway/store/key.h"

/* gcc does not see that uthash keeps what it is given. */
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif

#define DAY_S INT64_C(86400)
#define SITES_MAX 100000
#define RECORD_KEY_SIZE (4 + DAY_KEY_SIZE)
#define SWEEP_CHANGES 256
#define SWEEP_AGAIN_S 60 /* after the disk failed */

enum { /* on disk: never renumber */
       KIND_RECEIVER = 'r',
       KIND_SITE = 's',
       KIND_ASKED = 'a',
};

struct day_count {
	UT_hash_handle hh;
	struct day_key key;
	uint64_t n;
};

struct days {
	struct relay *relay;
	int64_t day; /* since the epoch, of the counts */
	struct day_count *counts;
	struct idset asked;
	int64_t swept_day, sweep_wall_s;
	bool sweeping;
};

/* --- keys ----------------------------------------------------------------- */

static struct day_key
key_of_number(uint8_t kind, uint64_t number)
{
	struct day_key key = {{kind}};

	key_put_u64(key.b + 1, number);
	return key;
}

struct day_key
day_key_receiver(enum receiver receiver)
{
	return key_of_number(KIND_RECEIVER, (uint64_t)receiver);
}

struct day_key
day_key_site(const struct dest *dest)
{
	static const struct ip_addr none;
	const struct ip_addr *source = dest->source ? dest->source : &none;
	struct day_key key = {{KIND_SITE}};
	struct digest *digest = digest_create();
	uint8_t sum[DIGEST_SIZE];

	digest_add(digest, slice_of(dest->hop->conf.name,
				    strlen(dest->hop->conf.name) + 1));
	digest_add(digest, slice_of(dest->key, strlen(dest->key) + 1));
	digest_add(digest, slice_of(source->b, sizeof(source->b)));
	digest_final(digest, sum);
	digest_destroy(&digest);
	memcpy(key.b + 1, sum, sizeof(key.b) - 1);
	return key;
}

static void
record_key(int64_t day, const struct day_key *key, uint8_t out[RECORD_KEY_SIZE])
{
	key_put_u32(out, (uint32_t)day);
	memcpy(out + 4, key->b, DAY_KEY_SIZE);
}

/* --- counts --------------------------------------------------------------- */

static struct day_count *
count_find(const struct days *days, const struct day_key *key)
{
	struct day_count *count;

	HASH_FIND(hh, days->counts, key, sizeof(*key), count);
	return count;
}

/* The one it counts as. */
static struct day_key
counted_as(const struct days *days, const struct day_key *key)
{
	if (HASH_COUNT(days->counts) < SITES_MAX || key->b[0] != KIND_SITE ||
	    count_find(days, key))
		return *key;
	return key_of_number(KIND_SITE, 0);
}

static void
count_add(struct days *days, const struct day_key *key, uint64_t n)
{
	struct day_key as = counted_as(days, key);
	struct day_count *count = count_find(days, &as);

	if (!count) {
		count = mem_zalloc(sizeof(*count));
		count->key = as;
		HASH_ADD(hh, days->counts, key, sizeof(count->key), count);
	}
	count->n += n;
}

static void
forget(struct days *days)
{
	struct day_count *count, *next;

	HASH_ITER(hh, days->counts, count, next)
	{
		HASH_DEL(days->counts, count);
		free(count);
	}
	idset_fini(&days->asked);
}

int64_t
days_begin(struct days *days, int64_t now_wall_s)
{
	int64_t day = now_wall_s / DAY_S;

	if (day != days->day)
		forget(days);
	days->day = day;
	return day;
}

uint64_t
days_count(struct days *days, const struct day_key *key, int64_t now_wall_s)
{
	const struct day_count *count;
	struct day_key as;

	(void)days_begin(days, now_wall_s);
	as = counted_as(days, key);
	count = count_find(days, &as);
	return count ? count->n : 0;
}

void
days_take(struct days *days, const struct day_key *key, uint32_t n)
{
	if (n > 0)
		count_add(days, key, n);
}

void
days_give_back(struct days *days, int64_t day, const struct day_key *key,
	       uint32_t n)
{
	struct day_key as = counted_as(days, key);
	struct day_count *count = count_find(days, &as);

	if (day != days->day || !count)
		return;
	count->n -= n < count->n ? n : count->n;
}

/* --- on disk -------------------------------------------------------------- */

void
days_change(int64_t day, const struct day_key *key, uint32_t n,
	    struct arena *arena, struct store_change *change)
{
	uint8_t *name = arena_alloc(arena, RECORD_KEY_SIZE);
	uint8_t *value = arena_alloc(arena, 8);

	record_key(day, key, name);
	key_put_u64(value, n);
	*change = (struct store_change){
	    .table = STORE_DAY,
	    .kind = STORE_ADD,
	    .key = slice_of(name, RECORD_KEY_SIZE),
	    .value = slice_of(value, 8),
	};
}

static bool
load_record(void *arg, struct slice key, struct slice value)
{
	struct days *days = arg;
	struct day_key what;
	uint64_t n, campaign;

	if (key.n != RECORD_KEY_SIZE || value.n != 8 ||
	    key_get_u32(key.p) != (uint32_t)days->day)
		return true;
	memcpy(what.b, key.p + 4, DAY_KEY_SIZE);
	n = key_get_u64(value.p);
	if (n > INT64_MAX)
		n = 0;
	campaign = key_get_u64(key.p + 5);
	if (what.b[0] != KIND_ASKED)
		count_add(days, &what, n);
	else if (campaign != 0)
		(void)idset_add(&days->asked, campaign);
	return true;
}

struct days *
days_create(struct relay *relay, int64_t now_wall_s)
{
	struct days *days = mem_zalloc(sizeof(*days));
	struct store_txn *txn = store_read(spool_store(relay->spool));
	uint8_t from[4];

	days->relay = relay;
	days->day = now_wall_s / DAY_S;
	key_put_u32(from, (uint32_t)days->day);
	store_each(txn, STORE_DAY, slice_of(from, sizeof(from)), load_record,
		   days);
	if (store_error(txn) != 0)
		log_event(GW_LOG_ERROR, "days-load", LF_ERR(store_error(txn)));
	store_abort(&txn);
	return days;
}

void
days_destroy(struct days **days)
{
	if (!*days)
		return;
	forget(*days);
	free(*days);
	*days = NULL;
}

/* --- commits of our own --------------------------------------------------- */

struct day_write {
	struct inbound in; /* first: how it comes back */
	struct spool_change op;
	struct relay *relay;
	struct arena *arena;
	struct store_change changes[SWEEP_CHANGES];
	bool sweeps;
	int64_t now_wall_s;
};

static void
write_take(struct relay *relay, struct inbound *in)
{
	struct day_write *write = (struct day_write *)in;
	struct days *days = relay->days;

	if (write->op.err != 0)
		log_event(GW_LOG_ERROR, "days", LF_ERR(write->op.err));
	if (write->sweeps) {
		days->sweeping = false;
		if (write->op.err != 0)
			days->sweep_wall_s = write->now_wall_s + SWEEP_AGAIN_S;
	}
	arena_destroy(&write->arena);
	free(write);
	relay->outcome_count--;
	relay_check_stopped(relay);
}

/* On the store thread. */
static void
on_written(struct spool_change *op)
{
	struct day_write *write =
	    (struct day_write *)((char *)op - offsetof(struct day_write, op));

	queue_push(write->relay->queue, &write->in.item);
}

/* Takes the arena. */
static struct day_write *
write_create(struct days *days, struct arena **arena)
{
	struct day_write *write = mem_zalloc(sizeof(*write));

	write->in.take = write_take;
	write->op.changes = write->changes;
	write->op.done = on_written;
	write->relay = days->relay;
	write->arena = *arena;
	*arena = NULL;
	return write;
}

static void
write_start(struct day_write *write)
{
	write->relay->outcome_count++;
	spool_change_start(write->relay->spool, &write->op);
}

bool
days_ask(struct days *days, uint64_t campaign, int64_t now_wall_s)
{
	(void)days_begin(days, now_wall_s);
	return idset_add(&days->asked, campaign);
}

void
days_asked(struct days *days, uint64_t campaign, struct arena **arena,
	   const struct store_change *stop)
{
	struct day_key key = key_of_number(KIND_ASKED, campaign);
	struct day_write *write = write_create(days, arena);

	days_change(days->day, &key, 1, write->arena, &write->changes[0]);
	write->changes[1] = *stop;
	write->op.change_count = 2;
	write_start(write);
}

static bool
sweep_record(void *arg, struct slice key, struct slice value)
{
	struct day_write *write = arg;
	size_t n = write->op.change_count;
	uint8_t *copy;

	(void)value;
	if (key.n == RECORD_KEY_SIZE &&
	    key_get_u32(key.p) >= write->now_wall_s / DAY_S)
		return false;
	copy = arena_alloc(write->arena, key.n);
	memcpy(copy, key.p, key.n);
	write->changes[n] = (struct store_change){.table = STORE_DAY,
						  .kind = STORE_DELETE,
						  .key = slice_of(copy, key.n)};
	write->op.change_count = n + 1;
	return n + 1 < SWEEP_CHANGES;
}

void
days_tick(struct days *days, int64_t now_wall_s)
{
	struct store_txn *txn;
	struct day_write *write;
	struct arena *arena;

	if (days->sweeping || days->swept_day == now_wall_s / DAY_S ||
	    now_wall_s < days->sweep_wall_s)
		return;
	arena = arena_create(1024);
	write = write_create(days, &arena);
	write->sweeps = true;
	write->now_wall_s = now_wall_s;
	txn = store_read(spool_store(days->relay->spool));
	store_each(txn, STORE_DAY, SLICE_NONE, sweep_record, write);
	store_abort(&txn);
	if (write->op.change_count > 0) {
		days->sweeping = true;
		write_start(write);
		return;
	}
	days->swept_day = now_wall_s / DAY_S;
	arena_destroy(&write->arena);
	free(write);
}
