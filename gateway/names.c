/*
 * The cache of domains on disk: what changed is put there in pieces of some
 * hundred records, so that no commit of mail waits for a large one, and one
 * piece at a time is on its way. Losing a piece loses nothing but questions.
 *
 * The cache says what changed and what it dropped. What it did not take at the
 * start, because it is too old or cannot be read, is deleted afterwards: a walk
 * through the table, once, some records with each piece.
 *
 * What administrators allowed for a time is taken off the disk when that is
 * over; if that fails, the next start does it.
 *
 * Commits end on the store thread, which only pushes to the queue of the main
 * loop. That queue goes last, when the spool is closed and nobody can push.
 */
#include "gateway/names.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/buf.h"
#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/net/queue.h"

#define TICK_MS 1000
#define KEEP_MS 10000
#define PUTS 200
#define LOOKS 300
#define ROWS (PUTS + LOOKS)
#define PIECE_BYTES_MAX ((size_t)1 << 20)

struct row {
	enum store_change_kind kind;
	size_t key, key_n, value, value_n; /* in bytes, which may move */
};

struct piece { /* on its way to the store */
	struct queue_item item;
	struct names *names;
	struct spool_change op;
	struct buf bytes;
	struct row rows[ROWS];
	struct store_change changes[ROWS];
	size_t count;
	bool more;		    /* there is more to keep at once */
	struct domain_change *over; /* instead of all that; or NULL */
};

struct names {
	struct loop *loop;
	struct spool *spool;
	struct dns_cache *cache;
	struct domains *domains;
	struct queue *queue;
	struct timer_op *tick;
	int64_t keep_ms;   /* the next time */
	bool away;	   /* a piece of the cache is */
	bool over_away;	   /* allows that are over are */
	bool stopped;	   /* no ticks, any number of pieces */
	bool sweeping;	   /* there are records that the cache did not take */
	struct buf cursor; /* where the walk goes on */
	bool failing;	   /* told of in the log */
};

/* --- a piece ------------------------------------------------------------- */

static void
piece_add(struct piece *piece, enum store_change_kind kind, struct slice key,
	  struct slice value)
{
	struct row *row = &piece->rows[piece->count++];

	*row = (struct row){.kind = kind,
			    .key = piece->bytes.n,
			    .key_n = key.n,
			    .value = piece->bytes.n + key.n,
			    .value_n = value.n};
	buf_add_slice(&piece->bytes, key);
	buf_add_slice(&piece->bytes, value);
	if (piece->bytes.overflow)
		piece->count--;
}

static void
on_changed(void *arg, struct slice key, struct slice value)
{
	piece_add(arg, value.n > 0 ? STORE_PUT : STORE_DELETE, key, value);
}

struct look {
	struct piece *piece;
	size_t count;
};

/* Keys of this table are domains. */
static bool
on_record(void *arg, struct slice key, struct slice value)
{
	struct look *look = arg;
	struct names *names = look->piece->names;
	struct domain_fact fact;

	(void)value;
	buf_clear(&names->cursor);
	buf_add_slice(&names->cursor, key);
	buf_add_byte(&names->cursor, '\0'); /* the next key is behind it */
	if (!dns_cache_look(names->cache, key, &fact))
		piece_add(look->piece, STORE_DELETE, key, SLICE_NONE);
	return ++look->count < LOOKS;
}

static void
piece_sweep(struct piece *piece)
{
	struct names *names = piece->names;
	struct store_txn *txn = store_read(spool_store(names->spool));
	struct buf from = {.cap = STORE_KEY_MAX + 1};
	struct look look = {.piece = piece};

	buf_add_slice(&from, buf_slice(&names->cursor));
	store_each(txn, STORE_DNS, buf_slice(&from), on_record, &look);
	store_abort(&txn);
	buf_fini(&from);
	names->sweeping = look.count == LOOKS;
}

static void
on_kept(struct spool_change *op)
{
	struct piece *piece =
	    (struct piece *)((char *)op - offsetof(struct piece, op));

	queue_push(piece->names->queue, &piece->item);
}

static void
piece_destroy(struct piece *piece)
{
	buf_fini(&piece->bytes);
	domain_change_free(&piece->over);
	free(piece);
}

static void
piece_start(struct piece *piece)
{
	const char *p = piece->bytes.p;

	for (size_t i = 0; i < piece->count; i++) {
		const struct row *row = &piece->rows[i];

		piece->changes[i] = (struct store_change){
		    .table = STORE_DNS,
		    .kind = row->kind,
		    .key = slice_of(p + row->key, row->key_n),
		    .value = row->value_n > 0
				 ? slice_of(p + row->value, row->value_n)
				 : SLICE_NONE,
		};
	}
	piece->op = (struct spool_change){.changes = piece->changes,
					  .change_count = piece->count,
					  .done = on_kept};
	spool_change_start(piece->names->spool, &piece->op);
}

/* What changed stands behind what the walk found: a domain that is asked for
 * just now stays. NULL: nothing to keep. */
static struct piece *
piece_make(struct names *names)
{
	struct piece *piece = mem_zalloc(sizeof(*piece));

	piece->names = names;
	buf_init(&piece->bytes, PIECE_BYTES_MAX);
	if (names->sweeping)
		piece_sweep(piece);
	piece->more = dns_cache_take_changes(names->cache, PUTS, on_changed,
					     piece) == PUTS ||
		      names->sweeping;
	if (piece->count > 0)
		return piece;
	piece_destroy(piece);
	return NULL;
}

static void
told(struct names *names, int err)
{
	if (err != 0 && !names->failing)
		log_event(GW_LOG_WARN, "domains-not-kept",
			  LF_STR("why", "what DNS said of domains is known, "
					"but not on disk"),
			  LF_ERR(err));
	names->failing = err != 0;
}

static void
on_piece(void *arg, struct queue_item *item)
{
	struct names *names = arg;
	struct piece *piece =
	    (struct piece *)((char *)item - offsetof(struct piece, item));
	bool more = piece->more && piece->op.err == 0;

	told(names, piece->op.err);
	if (piece->over != NULL)
		names->over_away = false;
	else
		names->away = false;
	piece_destroy(piece);
	if (more && !names->stopped)
		names_keep(names);
}

static void
expire(struct names *names, int64_t now_wall_s)
{
	struct domain_change *over;
	struct piece *piece;

	if (names->over_away)
		return;
	over = domains_allow_expire(names->domains, now_wall_s);
	if (over == NULL)
		return;
	piece = mem_zalloc(sizeof(*piece));
	piece->names = names;
	piece->over = over;
	piece->op.changes =
	    domain_change_changes(over, &piece->op.change_count);
	piece->op.done = on_kept;
	names->over_away = true;
	log_event(GW_LOG_INFO, "domain-allow-expired",
		  LF_U64("count", piece->op.change_count));
	spool_change_start(names->spool, &piece->op);
}

/* --- when ---------------------------------------------------------------- */

static void
on_tick(void *arg)
{
	struct names *names = arg;

	names->tick = timer_start(names->loop, TICK_MS, on_tick, names);
	names_tick(names, clock_wall_s(), loop_now_ms(names->loop));
}

void
names_tick(struct names *names, int64_t now_wall_s, int64_t now_ms)
{
	expire(names, now_wall_s);
	if (now_ms >= names->keep_ms)
		names_keep(names);
}

void
names_keep(struct names *names)
{
	struct piece *piece;

	if (names->away || names->stopped)
		return;
	names->keep_ms = loop_now_ms(names->loop) + KEEP_MS;
	piece = piece_make(names);
	if (piece != NULL) {
		names->away = true;
		piece_start(piece);
	} else if (names->sweeping) {
		names->keep_ms = 0;
	}
}

void
names_start(struct names *names)
{
	names->tick = timer_start(names->loop, TICK_MS, on_tick, names);
}

void
names_stop(struct names *names)
{
	struct piece *piece;

	timer_cancel(&names->tick);
	names->stopped = true;
	names->sweeping = false;
	while ((piece = piece_make(names)) != NULL)
		piece_start(piece);
}

/* --- life ---------------------------------------------------------------- */

struct loading {
	struct dns_cache *cache;
	int64_t now_wall_s;
	uint64_t outdated, corrupt;
};

static bool
on_load(void *arg, struct slice key, struct slice value)
{
	struct loading *loading = arg;

	int err =
	    dns_cache_restore(loading->cache, key, value, loading->now_wall_s);

	loading->corrupt += err == GW_ECORRUPT;
	loading->outdated += err != 0;
	return true;
}

static int
load_cache(struct names *names)
{
	struct loading loading = {.cache = names->cache,
				  .now_wall_s = clock_wall_s()};
	struct store_txn *txn = store_read(spool_store(names->spool));
	int err;

	store_each(txn, STORE_DNS, SLICE_NONE, on_load, &loading);
	err = store_error(txn);
	store_abort(&txn);
	names->sweeping = loading.outdated > 0;
	if (loading.corrupt > 0)
		log_event(GW_LOG_WARN, "domains-unreadable",
			  LF_U64("count", loading.corrupt));
	return err;
}

int
names_create(struct names **namesp, struct loop *loop, struct spool *spool,
	     const struct names_conf *conf, char *error, size_t error_size)
{
	struct names *names = mem_zalloc(sizeof(*names));
	const char *what = "what is known of domains";
	int err;

	names->loop = loop;
	names->spool = spool;
	names->queue = queue_create(loop, on_piece, names);
	names->cache = dns_cache_create(&conf->cache);
	names->domains = domains_create(&conf->domains);
	buf_init(&names->cursor, STORE_KEY_MAX + 1);
	err = load_cache(names);
	if (err == 0) {
		what = "which domains are allowed";
		err = domains_load(names->domains, spool_store(spool));
	}
	if (err != 0) {
		snprintf(error, error_size, "%s cannot be read: %s", what,
			 gw_err_text(err));
		names_destroy(&names);
		return err;
	}
	*namesp = names;
	return 0;
}

void
names_destroy(struct names **namesp)
{
	struct names *names = *namesp;

	if (names == NULL)
		return;
	*namesp = NULL;
	timer_cancel(&names->tick);
	names->stopped = true;
	queue_destroy(&names->queue);
	buf_fini(&names->cursor);
	domains_destroy(&names->domains);
	dns_cache_destroy(&names->cache);
	free(names);
}

void
names_reload(struct names *names, const struct names_conf *conf)
{
	dns_cache_reload(names->cache, &conf->cache);
	domains_reload(names->domains, &conf->domains);
}

struct dns_cache *
names_cache(const struct names *names)
{
	return names->cache;
}

struct domains *
names_domains(const struct names *names)
{
	return names->domains;
}
