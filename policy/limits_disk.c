/*
 * Counts and STORE_RATE. A message's charges are kept by the transaction that
 * accepts it; those of connections and logins are gathered here and kept by
 * whoever takes them, each second; all as STORE_TALLY changes, one a key.
 *
 * A record that is over is not deleted but tallied with nothing: between this
 * look and the commit a message may have charged it, and a delete would lose
 * that charge.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/base/error.h"
#include "gateway/base/hash.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/store/tally.h"
#include "policy/limits_int.h"

/* A second of connections from everywhere; what is more is counted, and only
 * lost when the process dies within that second. */
#define LAG_KEYS_MAX 100000
#define US_PER_S 1000000
/* Three keys with ten cells. */
#define BYTES_FIRST 500

/* --- changes --------------------------------------------------------- */

void
limit_changes_init(struct limit_changes *list)
{
	*list = (struct limit_changes){0};
	buf_init(&list->bytes, SIZE_MAX / 2);
}

void
limit_changes_fini(struct limit_changes *list)
{
	buf_fini(&list->bytes);
	free(list->spans);
	free(list->changes);
	limit_changes_init(list);
}

static struct limit_span *
span_add(struct limit_changes *list, struct slice key)
{
	struct limit_span *span;

	if (list->count == list->size) {
		list->size = list->size == 0 ? 4 : list->size * 2;
		list->spans =
		    mem_resize(list->spans, list->size * sizeof(*list->spans));
	}
	span = &list->spans[list->count++];
	span->key = list->bytes.n;
	span->key_n = key.n;
	buf_add_slice(&list->bytes, key);
	span->value = list->bytes.n;
	return span;
}

static int
by_slot(const void *pa, const void *pb)
{
	const struct rate_cell *a = pa, *b = pb;

	if (a->rule != b->rule)
		return a->rule < b->rule ? -1 : 1;
	return a->slot < b->slot ? -1 : a->slot > b->slot;
}

/* Mostly a few, and nearly in order. */
static void
sort_cells(struct rate_cell *cells, size_t count)
{
	if (count > 32) {
		qsort(cells, count, sizeof(*cells), by_slot);
		return;
	}
	for (size_t i = 1; i < count; i++) {
		struct rate_cell cell = cells[i];
		size_t j = i;

		for (; j > 0 && by_slot(&cells[j - 1], &cell) > 0; j--)
			cells[j] = cells[j - 1];
		cells[j] = cell;
	}
}

static void
cell_put(struct buf *out, const struct rate_cell *cell)
{
	const struct tally_cell tally = {
	    .id = cell->rule,
	    .slot = cell->slot,
	    .value = cell->value,
	    .expires_wall_s = cell->expires_wall_s,
	    .largest = cell->slot < 0,
	};

	tally_put(out, &tally);
}

void
limit_changes_add(struct limit_changes *list, struct slice key,
		  struct rate_cell *cells, size_t count, int64_t now_s)
{
	struct limit_span *span = NULL;
	size_t in_span = 0;

	sort_cells(cells, count);
	for (size_t i = 0; i < count; i++) {
		if (cells[i].expires_wall_s <= now_s || cells[i].value == 0)
			continue;
		if (list->bytes.n == 0)
			buf_reserve(&list->bytes, BYTES_FIRST);
		if (span == NULL || in_span == TALLY_CELLS_MAX) {
			span = span_add(list, key);
			tally_begin(&list->bytes, now_s);
			in_span = 0;
		}
		cell_put(&list->bytes, &cells[i]);
		in_span++;
		span->value_n = list->bytes.n - span->value;
	}
}

const struct store_change *
limit_changes_get(struct limit_changes *list, size_t *count)
{
	*count = list->count;
	if (list->count == 0)
		return NULL;
	list->changes =
	    mem_resize(list->changes, list->count * sizeof(*list->changes));
	for (size_t i = 0; i < list->count; i++) {
		const struct limit_span *span = &list->spans[i];
		const char *p = list->bytes.p;

		list->changes[i] = (struct store_change){
		    .table = STORE_RATE,
		    .kind = STORE_TALLY,
		    .key = slice_of(p + span->key, span->key_n),
		    .value = slice_of(p + span->value, span->value_n),
		};
	}
	return list->changes;
}

/* --- what lags ------------------------------------------------------- */

struct limit_lag_key {
	UT_hash_handle hh;
	struct rate_cell *cells;
	size_t count, size;
	size_t n;
	char name[];
};

static struct limit_lag_key *
lag_key(struct limits *limits, const struct limit_key *key)
{
	struct limit_lag_key *lag;

	HASH_FIND(hh, limits->lag, key->name, key->n, lag);
	if (lag != NULL || limits->lag_count >= LAG_KEYS_MAX)
		return lag;
	lag = mem_zalloc(sizeof(*lag) + key->n);
	lag->n = key->n;
	memcpy(lag->name, key->name, key->n);
	HASH_ADD_KEYPTR(hh, limits->lag, lag->name, lag->n, lag);
	limits->lag_count++;
	return lag;
}

static void
lag_cell(struct limit_lag_key *lag, const struct rate_cell *cell)
{
	for (size_t i = 0; i < lag->count; i++) {
		struct rate_cell *old = &lag->cells[i];

		if (by_slot(old, cell) != 0)
			continue;
		if (cell->slot >= 0)
			old->value += cell->value;
		else if (old->value < cell->value)
			old->value = cell->value;
		if (old->expires_wall_s < cell->expires_wall_s)
			old->expires_wall_s = cell->expires_wall_s;
		return;
	}
	if (lag->count == lag->size) {
		lag->size = lag->size == 0 ? 2 : lag->size * 2;
		lag->cells =
		    mem_resize(lag->cells, lag->size * sizeof(*lag->cells));
	}
	lag->cells[lag->count++] = *cell;
}

void
limits_lag_add(struct limits *limits, const struct limit_binding *binding,
	       const struct limit_bound *bound,
	       const struct rate_charge *charge)
{
	struct limit_lag_key *lag;
	struct rate_cell cell;

	if (!charge->charged || !rate_cell_of(charge, &cell))
		return;
	pthread_mutex_lock(&limits->lag_lock);
	lag = lag_key(limits, &binding->keys[bound->key]);
	if (lag != NULL)
		lag_cell(lag, &cell);
	pthread_mutex_unlock(&limits->lag_lock);
}

struct limits_lag {
	struct limit_changes changes;
	const struct store_change *v;
	size_t count;
};

/* NULL when there is nothing in it. */
static struct limits_lag *
lag_close(struct limits_lag *lag)
{
	lag->v = limit_changes_get(&lag->changes, &lag->count);
	if (lag->count == 0)
		limits_lag_free(&lag);
	return lag;
}

struct limits_lag *
limits_lag_take(struct limits *limits)
{
	int64_t now_s = atomic_load(&limits->now_us) / US_PER_S;
	struct limit_lag_key *keys, *key, *next;
	struct limits_lag *lag;

	pthread_mutex_lock(&limits->lag_lock);
	keys = limits->lag;
	limits->lag = NULL;
	limits->lag_count = 0;
	pthread_mutex_unlock(&limits->lag_lock);
	if (keys == NULL)
		return NULL;
	lag = mem_zalloc(sizeof(*lag));
	limit_changes_init(&lag->changes);
	HASH_ITER(hh, keys, key, next)
	{
		limit_changes_add(&lag->changes, slice_of(key->name, key->n),
				  key->cells, key->count, now_s);
		HASH_DEL(keys, key);
		free(key->cells);
		free(key);
	}
	return lag_close(lag);
}

const struct store_change *
limits_lag_changes(const struct limits_lag *lag, size_t *count)
{
	*count = lag->count;
	return lag->v;
}

void
limits_lag_free(struct limits_lag **lag)
{
	if (*lag == NULL)
		return;
	limit_changes_fini(&(*lag)->changes);
	free(*lag);
	*lag = NULL;
}

/* --- reading --------------------------------------------------------- */

struct loading {
	struct limits *limits;
	const struct limit_rules *rules;
	int64_t now_us;
	uint64_t records, bad;
};

/* -1: it cannot be read. Else 1 when any cell counts at now, or 0. */
static int
record_state(struct slice key, struct slice value, int64_t now_s)
{
	struct tally_reader reader;
	struct tally_cell cell;
	int rc, state = 0;

	if (!limit_key_valid(key) || tally_read(&reader, value) != 0)
		return -1;
	while ((rc = tally_next(&reader, &cell)) == 1)
		if (cell.expires_wall_s > now_s)
			state = 1;
	return rc == 0 ? state : -1;
}

static void
cells_load(struct loading *l, struct slice key, struct slice value)
{
	struct rate_key name = rate_key_of(key);
	struct tally_reader reader;
	struct tally_cell cell;

	tally_read(&reader, value);
	while (tally_next(&reader, &cell) == 1) {
		const struct limit_rule *rule =
		    limit_rules_find(l->rules, cell.id);
		const struct rate_cell charge = {
		    .rule = cell.id,
		    .slot = cell.slot,
		    .value = cell.value,
		    .expires_wall_s = cell.expires_wall_s,
		};

		if (rule != NULL)
			rate_load(l->limits->table, &name, &rule->rate, &charge,
				  l->now_us);
	}
}

static bool
load_record(void *arg, struct slice key, struct slice value)
{
	struct loading *l = arg;
	int state = record_state(key, value, l->now_us / US_PER_S);

	l->records++;
	if (state > 0)
		cells_load(l, key, value);
	else if (state < 0)
		l->bad++;
	return true;
}

int
limits_load(struct limits *limits, struct store_env *store)
{
	struct limit_rules *rules = limits_rules(limits);
	struct loading l = {.limits = limits,
			    .rules = rules,
			    .now_us = atomic_load(&limits->now_us)};
	struct store_txn *txn = store_read(store);
	int err;

	store_each(txn, STORE_RATE, SLICE_NONE, load_record, &l);
	err = store_error(txn);
	store_abort(&txn);
	limit_rules_unref(&rules);
	if (l.bad > 0)
		log_event(GW_LOG_ERROR, "limit-records-bad",
			  LF_U64("count", l.bad), LF_U64("of", l.records));
	return err == 0 ? 0 : GW_EIO;
}

/* --- pruning --------------------------------------------------------- */

struct pruning {
	struct limits_lag *lag;
	struct buf *cursor;
	int64_t now_s;
	size_t left;
	bool more;
};

static bool
prune_record(void *arg, struct slice key, struct slice value)
{
	struct pruning *p = arg;
	struct buf *bytes = &p->lag->changes.bytes;
	struct limit_span *span;

	if (p->left-- == 0) {
		p->more = true;
		buf_add_slice(p->cursor, key);
		return false;
	}
	if (record_state(key, value, p->now_s) > 0)
		return true;
	span = span_add(&p->lag->changes, key);
	tally_begin(bytes, p->now_s);
	span->value_n = bytes->n - span->value;
	return true;
}

struct limits_lag *
limits_prune(struct limits *limits, struct store_env *store, size_t max,
	     struct buf *cursor)
{
	struct limits_lag *lag = mem_zalloc(sizeof(*lag));
	struct store_txn *txn = store_read(store);
	struct slice start = slice_of(NULL, 0);
	char *from = NULL;
	struct pruning p = {
	    .lag = lag,
	    .cursor = cursor,
	    .now_s = atomic_load(&limits->now_us) / US_PER_S,
	    .left = max,
	};

	limit_changes_init(&lag->changes);
	if (cursor->n > 0) {
		from = slice_dup(buf_slice(cursor)); /* may hold NULs */
		start = slice_of(from, cursor->n);
	}
	buf_clear(cursor);
	store_each(txn, STORE_RATE, start, prune_record, &p);
	store_abort(&txn);
	free(from);
	return lag_close(lag);
}
