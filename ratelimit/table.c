/*
 * The table of rate.h: locks, and what a charge, a refund, a look and a load
 * mean for each kind of rule. Where states live is shard.c's, what fits is
 * window.c's and gcra.c's.
 *
 * A call takes the locks of all shards it touches, in order, looks at every
 * charge, and only then charges any: nobody sees half of it. Nothing is kept
 * of a refused charge, nor of a look.
 */
#include "ratelimit/rate.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/hash.h"
#include "gateway/base/mem.h"
#include "gateway/base/secret.h"
#include "ratelimit/gcra.h"
#include "ratelimit/shard.h"
#include "ratelimit/window.h"

#define SHARD_BITS 6 /* a mask of locks is 64 bits */
#define KEY_MAX_DEFAULT 4000000
#define KEYS_PER_SHARD 1024 /* below, fewer shards: the cap is by shard */
#define US_PER_S 1000000

struct rate_table {
	unsigned shard_bits;
	struct shard *shards;
	pthread_mutex_t sweep_lock;
	size_t swept; /* shard */
};

static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static uint8_t name_keys[2][HASH_KEY_SIZE];

static void
make_keys(void)
{
	secret_random(name_keys, sizeof(name_keys));
}

struct rate_key
rate_key_of(struct slice name)
{
	struct rate_key key;

	pthread_once(&key_once, make_keys);
	for (int i = 0; i < 2; i++)
		key.h[i] = hash_siphash13(name_keys[i], name.p, name.n);
	return key;
}

struct rate_table *
rate_create(const struct rate_opts *opts)
{
	struct rate_table *table = mem_zalloc(sizeof(*table));
	uint64_t max = opts->key_max == 0 ? KEY_MAX_DEFAULT : opts->key_max;
	size_t bytes;

	while (table->shard_bits < SHARD_BITS &&
	       max >> (table->shard_bits + 1) >= KEYS_PER_SHARD)
		table->shard_bits++;
	max >>= table->shard_bits;
	bytes = sizeof(*table->shards) << table->shard_bits;
	table->shards = aligned_alloc(_Alignof(struct shard), bytes);
	if (table->shards == NULL)
		abort();
	for (size_t i = 0; i < (size_t)1 << table->shard_bits; i++)
		shard_init(&table->shards[i],
			   max > INT32_MAX ? INT32_MAX : (uint32_t)max);
	pthread_mutex_init(&table->sweep_lock, NULL);
	return table;
}

static size_t
shard_count(const struct rate_table *table)
{
	return (size_t)1 << table->shard_bits;
}

void
rate_destroy(struct rate_table **table)
{
	if (*table == NULL)
		return;
	for (size_t i = 0; i < shard_count(*table); i++)
		shard_fini(&(*table)->shards[i]);
	free((*table)->shards);
	pthread_mutex_destroy(&(*table)->sweep_lock);
	free(*table);
	*table = NULL;
}

static size_t
shard_index(const struct rate_table *table, const struct rate_key *key)
{
	return key->h[0] & (shard_count(table) - 1);
}

static struct shard *
shard_of(struct rate_table *table, const struct rate_key *key)
{
	return &table->shards[shard_index(table, key)];
}

static uint64_t
shards_lock(struct rate_table *table, const struct shard_call *call)
{
	uint64_t mask = 0;

	for (size_t i = 0; i < call->count; i++)
		mask |= (uint64_t)1
			<< shard_index(table, &call->charges[i].key);
	for (uint64_t left = mask; left != 0; left &= left - 1)
		pthread_mutex_lock(&table->shards[__builtin_ctzll(left)].lock);
	return mask;
}

static void
shards_unlock(struct rate_table *table, uint64_t mask)
{
	for (; mask != 0; mask &= mask - 1)
		pthread_mutex_unlock(
		    &table->shards[__builtin_ctzll(mask)].lock);
}

/* --- one charge ----------------------------------------------------------- */

static void
level_ask(const struct level *level, struct rate_charge *charge, int64_t now_us)
{
	charge->used = level == NULL ? 0 : level->count;
	charge->paced = 0;
	charge->at_us = now_us;
	charge->frees_us = 0;
	if (charge->amount > charge->limit)
		charge->result = RATE_NEVER;
	else if (charge->amount == 0 ||
		 charge->used <= charge->limit - charge->amount)
		charge->result = RATE_FITS;
	else
		charge->result = RATE_OVER;
}

/* Of a state as it would be without what the charge replaces. */
static void
ask_gcra(struct gcra *gcra, struct rate_charge *charge, int64_t now_us)
{
	struct gcra without;

	if (gcra == NULL) {
		gcra_ask(NULL, charge, now_us);
		return;
	}
	gcra_convert(gcra, charge->rule, now_us);
	without = *gcra;
	gcra_replace(&without, charge, now_us);
	gcra_ask(&without, charge, now_us);
}

static void
ask_window(const struct window *window, struct rate_charge *charge,
	   int64_t now_us)
{
	struct window_view view;

	window_read(window, window_width_us(charge->rule->period_us), now_us,
		    &view);
	window_ask(&view, charge, now_us);
}

static void
ask(struct state *state, struct rate_charge *charge, int64_t now_us)
{
	charge->charged = false;
	charge->tat_us = 0;
	switch (charge->rule->kind) {
	case RATE_WINDOW:
		if (!window_ask_packed((struct window *)state, charge, now_us))
			ask_window((struct window *)state, charge, now_us);
		break;
	case RATE_GCRA:
		ask_gcra((struct gcra *)state, charge, now_us);
		break;
	case RATE_LEVEL:
		level_ask((struct level *)state, charge, now_us);
		break;
	}
}

/* Finds what to charge, in one search for all rules of a key in a row. */
static void
ask_all(struct rate_table *table, const struct shard_call *call,
	struct rate_charge *charges, struct shard_found *found)
{
	const struct shard_found *last;

	for (size_t i = 0; i < call->count; i++) {
		last = NULL;
		if (i > 0 && memcmp(&charges[i].key, &charges[i - 1].key,
				    sizeof(charges[i].key)) == 0)
			last = &found[i - 1];
		shard_seek(shard_of(table, &charges[i].key), &charges[i].key,
			   charges[i].rule, last, &found[i]);
		ask(found[i].at.state, &charges[i], call->now_us);
	}
}

/* What was found, or is found again: earlier charges of the same call may have
 * moved it, or forgotten it. */
static struct state *
again(struct rate_table *table, const struct rate_charge *charge,
      const struct shard_found *found)
{
	struct shard *shard = shard_of(table, &charge->key);

	if (found->moves == shard->moves)
		return found->at.state;
	return shard_find(shard, &charge->key, charge->rule);
}

/* state: this charge's, or NULL. */
static struct state *
put(struct rate_table *table, const struct rate_charge *charge,
    struct state *state, struct state head, const struct shard_call *call)
{
	head.rule = charge->rule->id;
	head.kind = (uint8_t)charge->rule->kind;
	if (state != NULL && state_size(state) == state_size(&head)) {
		*state = head;
		return state;
	}
	return shard_put(shard_of(table, &charge->key), &charge->key, &head,
			 call);
}

static void
put_window(struct rate_table *table, const struct rate_charge *charge,
	   struct state *state, const struct window_view *view,
	   const struct shard_call *call)
{
	struct state head = {
	    .cell_log = view->cell_log,
	    .rows = (uint8_t)(view->count / WINDOW_SLOTS),
	    .full = state_full(window_total(view), charge->limit),
	};

	window_write((struct window *)put(table, charge, state, head, call),
		     view);
}

static void
apply_window(struct rate_table *table, const struct rate_charge *charge,
	     struct state *state, const struct shard_call *call)
{
	struct window *window = (struct window *)state;
	struct window_view view;

	if (window != NULL && window_add_packed(window, charge, call->now_us))
		return;
	window_read(window, window_width_us(charge->rule->period_us),
		    call->now_us, &view);
	window_add(&view, charge->at_us, charge->amount);
	put_window(table, charge, state, &view, call);
}

static void
apply(struct rate_table *table, struct rate_charge *charge, struct state *state,
      const struct shard_call *call)
{
	struct level *level;
	struct gcra *gcra;

	switch (charge->rule->kind) {
	case RATE_WINDOW:
		apply_window(table, charge, state, call);
		break;
	case RATE_GCRA:
		gcra = (struct gcra *)put(table, charge, state,
					  (struct state){0}, call);
		gcra_replace(gcra, charge, call->now_us);
		gcra_add(gcra, charge, call->now_us);
		gcra->state.full = state_full(
		    gcra_total(gcra, charge->rule->period_us, call->now_us),
		    charge->limit);
		break;
	case RATE_LEVEL:
		level = (struct level *)put(table, charge, state,
					    (struct state){.full = 255}, call);
		level->count = u64_add(level->count, charge->amount);
		break;
	}
	charge->charged = true;
}

static bool
fits(const struct rate_charge *charge)
{
	return charge->result == RATE_FITS || charge->result == RATE_PACED;
}

bool
rate_charge(struct rate_table *table, struct rate_charge *charges, size_t count,
	    int64_t now_us)
{
	struct shard_call call = {charges, count, now_us < 0 ? 0 : now_us};
	struct shard_found found[RATE_CHARGES_MAX];
	bool all = true;
	uint64_t mask;

	assert(count <= RATE_CHARGES_MAX);
	mask = shards_lock(table, &call);
	ask_all(table, &call, charges, found);
	for (size_t i = 0; i < count; i++)
		if (charges[i].mode == RATE_ENFORCE && !fits(&charges[i]))
			all = false;
	for (size_t i = 0; all && i < count; i++)
		if (charges[i].amount > 0 &&
		    (fits(&charges[i]) || charges[i].mode == RATE_OBSERVE))
			apply(table, &charges[i],
			      again(table, &charges[i], &found[i]), &call);
	shards_unlock(table, mask);
	return all;
}

void
rate_look(struct rate_table *table, struct rate_charge *charge, int64_t now_us)
{
	struct shard *shard = shard_of(table, &charge->key);
	uint64_t amount = charge->amount;

	if (amount == 0)
		charge->amount = 1;
	pthread_mutex_lock(&shard->lock);
	ask(shard_find(shard, &charge->key, charge->rule), charge,
	    now_us < 0 ? 0 : now_us);
	pthread_mutex_unlock(&shard->lock);
	charge->amount = amount;
}

/* --- giving back -----------------------------------------------------------
 */

static void
take(struct rate_table *table, const struct rate_charge *charge,
     const struct shard_call *call)
{
	struct state *state = shard_find(shard_of(table, &charge->key),
					 &charge->key, charge->rule);
	struct window_view view;
	struct level *level;

	if (state == NULL)
		return;
	switch (charge->rule->kind) {
	case RATE_WINDOW:
		window_read((struct window *)state,
			    window_width_us(charge->rule->period_us),
			    call->now_us, &view);
		window_take(&view, charge->at_us, charge->amount);
		put_window(table, charge, state, &view, call);
		break;
	case RATE_GCRA:
		gcra_convert((struct gcra *)state, charge->rule, call->now_us);
		gcra_take((struct gcra *)state, charge, call->now_us);
		break;
	case RATE_LEVEL:
		level = (struct level *)state;
		level->count -= charge->amount < level->count ? charge->amount
							      : level->count;
		break;
	}
}

void
rate_refund(struct rate_table *table, const struct rate_charge *charges,
	    size_t count, int64_t now_us)
{
	struct shard_call call = {charges, 0, now_us < 0 ? 0 : now_us};
	uint64_t mask;

	for (; count > 0; count -= call.count, call.charges += call.count) {
		call.count =
		    count < RATE_CHARGES_MAX ? count : RATE_CHARGES_MAX;
		mask = shards_lock(table, &call);
		/* the last first: of a pace that gives back most */
		for (size_t i = call.count; i-- > 0;)
			if (call.charges[i].charged)
				take(table, &call.charges[i], &call);
		shards_unlock(table, mask);
	}
}

/* --- the disk ---------------------------------------------------------------
 */

static int64_t
seconds_up(int64_t us)
{
	return us / US_PER_S + 1;
}

bool
rate_cell_of(const struct rate_charge *charge, struct rate_cell *cell)
{
	int64_t width_us;

	if (!charge->charged)
		return false;
	*cell = (struct rate_cell){.rule = charge->rule->id, .slot = -1};
	switch (charge->rule->kind) {
	case RATE_WINDOW:
		width_us = window_width_us(charge->rule->period_us);
		cell->slot = charge->at_us / width_us;
		cell->value = charge->amount;
		cell->expires_wall_s =
		    seconds_up((cell->slot + WINDOW_SLOTS) * width_us);
		return true;
	case RATE_GCRA:
		cell->value = (uint64_t)charge->tat_us;
		cell->expires_wall_s = seconds_up(charge->tat_us);
		return true;
	case RATE_LEVEL:
		return false;
	}
	return false;
}

void
rate_load(struct rate_table *table, const struct rate_key *key,
	  const struct rate_rule *rule, const struct rate_cell *cell,
	  int64_t now_us)
{
	struct rate_charge charge = {
	    .key = *key, .rule = rule, .limit = rule->limit};
	struct shard_call call = {&charge, 1, now_us < 0 ? 0 : now_us};
	struct shard *shard = shard_of(table, key);
	struct window_view view;
	struct state *state;
	struct gcra *gcra;

	pthread_mutex_lock(&shard->lock);
	state = shard_find(shard, key, rule);
	switch (rule->kind) {
	case RATE_WINDOW:
		window_read((struct window *)state,
			    window_width_us(rule->period_us), call.now_us,
			    &view);
		window_load(&view, rule, cell->slot, cell->value);
		if (!window_empty(&view))
			put_window(table, &charge, state, &view, &call);
		break;
	case RATE_GCRA:
		if (cell->value <= (uint64_t)call.now_us)
			break;
		gcra = (struct gcra *)put(table, &charge, state,
					  (struct state){0}, &call);
		gcra_load(gcra, rule, cell->value, call.now_us);
		gcra->state.full =
		    state_full(gcra_total(gcra, rule->period_us, call.now_us),
			       rule->limit);
		break;
	case RATE_LEVEL:
		break;
	}
	pthread_mutex_unlock(&shard->lock);
}

/* --- housekeeping ------------------------------------------------------------
 */

size_t
rate_sweep(struct rate_table *table, size_t max, int64_t now_us)
{
	struct shard_sweep sweep = {.max = max,
				    .now_us = now_us < 0 ? 0 : now_us};
	size_t ends = 0;

	pthread_mutex_lock(&table->sweep_lock);
	while (sweep.looked < max && ends <= shard_count(table)) {
		struct shard *shard = &table->shards[table->swept];
		bool end;

		pthread_mutex_lock(&shard->lock);
		end = shard_sweep(shard, &sweep);
		pthread_mutex_unlock(&shard->lock);
		if (end) {
			table->swept = (table->swept + 1) % shard_count(table);
			ends++;
		}
	}
	pthread_mutex_unlock(&table->sweep_lock);
	return sweep.gone;
}

void
rate_status_get(struct rate_table *table, struct rate_status *status)
{
	*status = (struct rate_status){.bytes = sizeof(*table)};
	for (size_t i = 0; i < shard_count(table); i++) {
		struct shard *shard = &table->shards[i];

		pthread_mutex_lock(&shard->lock);
		status->keys += shard->keys;
		status->states += shard->states;
		status->bytes += sizeof(*shard) + shard_bytes(shard);
		status->evicted += shard->evicted;
		pthread_mutex_unlock(&shard->lock);
	}
}
