/*
 * The suppression list. Who is on it is in memory; why, since when, and how
 * far the soft bounces of the others have come is on disk, and read where it is
 * needed: a bounce of a mailing is rare enough for a look at the store.
 *
 * Three soft bounces within seven days suppress. A record keeps the first and
 * the last of those that count; at the third either all are within the week, or
 * the first is forgotten.
 */
#include "gateway/campaign/suppress.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/error.h"
#include "gateway/base/escape.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/campaign/suppress_int.h"
#include "gateway/store/env.h"

#define TEXT_READ_MAX 1024
#define SOFT_COUNT 3
#define SOFT_S (7 * INT64_C(86400))

struct suppress {
	pthread_rwlock_t lock;
	struct suppress_set set;
	bool full; /* said so */
};

static const char *const reason_words[SUPPRESS_REASONS] = {
    [SUPPRESS_HARD] = "hardbounce",
    [SUPPRESS_SOFT] = "softbounce",
    [SUPPRESS_COMPLAINT] = "complaint",
    [SUPPRESS_UNSUBSCRIBED] = "unsubscribed",
    [SUPPRESS_MANUAL] = "manual",
};

const char *
suppress_reason_word(enum suppress_reason reason)
{
	return reason_words[reason];
}

int
suppress_reason_find(struct slice word, enum suppress_reason *reason)
{
	for (int i = 0; i < SUPPRESS_REASONS; i++) {
		if (!slice_ieq(word, slice_str(reason_words[i])))
			continue;
		*reason = (enum suppress_reason)i;
		return 0;
	}
	return GW_ENOENT;
}

struct suppress *
suppress_create(void)
{
	struct suppress *suppress = mem_zalloc(sizeof(*suppress));

	pthread_rwlock_init(&suppress->lock, NULL);
	suppress_set_init(&suppress->set);
	return suppress;
}

void
suppress_destroy(struct suppress **suppress)
{
	struct suppress *s = *suppress;

	if (!s)
		return;
	*suppress = NULL;
	suppress_set_fini(&s->set);
	pthread_rwlock_destroy(&s->lock);
	free(s);
}

/* --- in memory ------------------------------------------------------------ */

/* The lock is no part of what const promises. */
static void
lock_read(const struct suppress *suppress)
{
	pthread_rwlock_rdlock((pthread_rwlock_t *)&suppress->lock);
}

static void
unlock(const struct suppress *suppress)
{
	pthread_rwlock_unlock((pthread_rwlock_t *)&suppress->lock);
}

static bool
has_key(const struct suppress *suppress, struct slice key)
{
	bool has;

	lock_read(suppress);
	has = suppress_set_has(&suppress->set, key);
	unlock(suppress);
	return has;
}

bool
suppress_has(const struct suppress *suppress, struct slice address)
{
	char key[SUPPRESS_KEY_MAX];
	size_t n = suppress_key(address, key);

	return n > 0 && has_key(suppress, slice_of(key, n));
}

uint64_t
suppress_count(const struct suppress *suppress)
{
	uint64_t count;

	lock_read(suppress);
	count = suppress->set.count;
	unlock(suppress);
	return count;
}

/* 0, also when it was there; GW_ETOOBIG. */
static int
add_key(struct suppress *suppress, struct slice key)
{
	bool full, say = false;

	pthread_rwlock_wrlock(&suppress->lock);
	full = suppress->set.count >= SUPPRESS_MAX &&
	       !suppress_set_has(&suppress->set, key);
	if (!full) {
		suppress_set_add(&suppress->set, key);
	} else {
		say = !suppress->full;
		suppress->full = true;
	}
	unlock(suppress);
	if (say)
		log_event(GW_LOG_ERROR, "suppress-full",
			  LF_U64("entries", SUPPRESS_MAX));
	return full ? GW_ETOOBIG : 0;
}

static bool
del_key(struct suppress *suppress, struct slice key)
{
	bool had;

	pthread_rwlock_wrlock(&suppress->lock);
	had = suppress_set_del(&suppress->set, key);
	if (had)
		suppress->full = false;
	unlock(suppress);
	return had;
}

/* --- changes -------------------------------------------------------------- */

static struct slice
keep(struct arena *arena, struct slice s)
{
	return slice_of(arena_dup(arena, s), s.n);
}

/* As it is shown, exported and read again: printable, without blanks at its
 * ends, and all of it kept. */
static const char *
text_of(const char *text, struct arena *arena)
{
	struct slice s = slice_head(slice_str(text), TEXT_READ_MAX);
	struct buf out = {.cap = 4 * TEXT_READ_MAX};
	const char *kept;

	escape_again(&out, s);
	s = suppress_cut(slice_trim(buf_slice(&out)), SUPPRESS_TEXT_MAX - 1);
	kept = arena_dup(arena, slice_trim(s));
	buf_fini(&out);
	return kept;
}

static void
put(const struct suppress_entry *given, struct slice key, struct arena *arena,
    struct store_change *change)
{
	struct buf value = {.cap = SUPPRESS_RECORD_MAX};
	struct suppress_entry copy = *given, *entry = &copy;

	copy.text = text_of(given->text, arena);
	suppress_encode(entry, &value);
	*change =
	    (struct store_change){.table = STORE_SUPPRESS,
				  .kind = STORE_PUT,
				  .key = keep(arena, key),
				  .value = keep(arena, buf_slice(&value))};
	buf_fini(&value);
}

/* False: there is none that can be read. */
static bool
read_entry(struct store_env *env, struct slice key,
	   struct suppress_record *record)
{
	struct store_txn *txn = store_read(env);
	struct slice value;
	bool ok = store_get(txn, STORE_SUPPRESS, key, &value) == 0 &&
		  suppress_decode(key, value, record) == 0;

	store_abort(&txn);
	return ok;
}

/* One soft bounce more of an entry that counts. */
static void
count_soft(struct suppress_entry *entry, const struct suppress_entry *old,
	   int64_t now_wall_s)
{
	entry->reason = SUPPRESS_SOFT;
	entry->count = 1;
	if (old && old->counting && now_wall_s - old->last_wall_s < SOFT_S) {
		if (now_wall_s - old->since_wall_s < SOFT_S) {
			entry->since_wall_s = old->since_wall_s;
			entry->count = old->count + 1;
		} else {
			entry->since_wall_s = old->last_wall_s;
			entry->count = 2;
		}
	}
	entry->counting = entry->count < SOFT_COUNT;
}

int
suppress_note(struct suppress *suppress, struct store_env *env,
	      struct slice address, enum bounce_class class, struct slice text,
	      int64_t now_wall_s, struct arena *arena,
	      struct store_change *change)
{
	enum bounce_lasting lasting = bounce_lasting_of(class);
	struct suppress_entry entry = {.reason = SUPPRESS_HARD,
				       .count = 1,
				       .since_wall_s = now_wall_s,
				       .last_wall_s = now_wall_s};
	struct suppress_record old;
	char folded[SUPPRESS_KEY_MAX];
	size_t n = suppress_key(address, folded);
	struct slice key = slice_of(folded, n);

	if (lasting == BOUNCE_PASSING || n == 0 || has_key(suppress, key))
		return 0;
	if (lasting == BOUNCE_SOFT)
		count_soft(&entry,
			   read_entry(env, key, &old) ? &old.entry : NULL,
			   now_wall_s);
	if (!entry.counting && add_key(suppress, key) != 0)
		return 0;
	entry.address = arena_dup(arena, address);
	entry.text = arena_dup(arena, text);
	put(&entry, key, arena, change);
	return 1;
}

int
suppress_add(struct suppress *suppress, const struct suppress_entry *entry,
	     struct arena *arena, struct store_change *change)
{
	struct suppress_entry copy = *entry;
	char folded[SUPPRESS_KEY_MAX];
	size_t n = suppress_key(slice_str(entry->address), folded);
	struct slice key = slice_of(folded, n);

	if (n == 0)
		return GW_EINVAL;
	if (!copy.counting && add_key(suppress, key) != 0)
		return GW_ETOOBIG;
	put(&copy, key, arena, change);
	return 0;
}

int
suppress_remove(struct suppress *suppress, struct slice address,
		struct arena *arena, struct store_change *change)
{
	char folded[SUPPRESS_KEY_MAX];
	size_t n = suppress_key(address, folded);
	struct slice key = slice_of(folded, n);

	if (n == 0 || !del_key(suppress, key))
		return GW_ENOENT;
	*change = (struct store_change){.table = STORE_SUPPRESS,
					.kind = STORE_DELETE,
					.key = keep(arena, key)};
	return 0;
}

/* --- the store ------------------------------------------------------------ */

struct listing {
	struct suppress *suppress; /* of a load */
	suppress_entry_fn *fn;
	void *arg;
	struct slice after;
	size_t max, count, corrupt;
	struct suppress_record record;
};

static bool
load_one(void *arg, struct slice key, struct slice value)
{
	struct listing *listing = arg;

	if (suppress_decode(key, value, &listing->record) != 0)
		listing->corrupt++;
	else if (!listing->record.entry.counting)
		(void)add_key(listing->suppress, key);
	return true;
}

int
suppress_load(struct suppress *suppress, struct store_env *env)
{
	struct listing listing = {.suppress = suppress};
	struct store_txn *txn = store_read(env);
	int err;

	store_each(txn, STORE_SUPPRESS, SLICE_NONE, load_one, &listing);
	err = store_error(txn);
	store_abort(&txn);
	if (listing.corrupt > 0)
		log_event(GW_LOG_ERROR, "suppress-corrupt",
			  LF_U64("records", listing.corrupt));
	return err == 0 ? 0 : GW_EIO;
}

static bool
list_one(void *arg, struct slice key, struct slice value)
{
	struct listing *listing = arg;

	if (slice_eq(key, listing->after) ||
	    suppress_decode(key, value, &listing->record) != 0)
		return true;
	if (listing->count == listing->max)
		return false;
	listing->count++;
	return listing->fn(listing->arg, &listing->record.entry);
}

int
suppress_list(struct store_env *env, struct slice after, size_t max,
	      suppress_entry_fn *fn, void *arg)
{
	struct listing listing = {.fn = fn, .arg = arg, .max = max};
	char folded[SUPPRESS_KEY_MAX];
	struct store_txn *txn;
	size_t n;
	int err;

	n = suppress_key(after, folded);
	listing.after = n > 0 ? slice_of(folded, n) : SLICE_NONE;
	if (max > INT32_MAX)
		listing.max = INT32_MAX;
	txn = store_read(env);
	store_each(txn, STORE_SUPPRESS, listing.after, list_one, &listing);
	err = store_error(txn);
	store_abort(&txn);
	return err == 0 ? (int)listing.count : GW_EIO;
}

/* --- what counts no more -------------------------------------------------- */

struct expire {
	const struct suppress *suppress;
	struct suppress_place *at;
	struct arena *arena;
	struct store_change *changes;
	size_t left, count;
	int64_t now_wall_s;
	bool more;
	struct suppress_record record;
};

static bool
is_forgotten(const struct expire *expire, struct slice key)
{
	const struct suppress_entry *entry = &expire->record.entry;

	return entry->counting &&
	       expire->now_wall_s - entry->last_wall_s >= SOFT_S &&
	       !has_key(expire->suppress, key);
}

static bool
expire_one(void *arg, struct slice key, struct slice value)
{
	struct expire *expire = arg;

	if (key.n > sizeof(expire->at->key) ||
	    slice_eq(key, slice_of(expire->at->key, expire->at->n)))
		return true;
	expire->more = expire->left == 0;
	if (expire->more)
		return false;
	expire->left--;
	memcpy(expire->at->key, key.p, key.n);
	expire->at->n = key.n;
	if (suppress_decode(key, value, &expire->record) == 0 &&
	    is_forgotten(expire, key))
		expire->changes[expire->count++] =
		    (struct store_change){.table = STORE_SUPPRESS,
					  .kind = STORE_DELETE,
					  .key = keep(expire->arena, key)};
	return true;
}

size_t
suppress_expire(const struct suppress *suppress, struct store_env *env,
		int64_t now_wall_s, struct suppress_place *at,
		struct arena *arena, struct store_change *changes, size_t max)
{
	struct expire expire = {.suppress = suppress,
				.at = at,
				.arena = arena,
				.changes = changes,
				.left = max,
				.now_wall_s = now_wall_s};
	struct suppress_place from = *at;
	struct store_txn *txn = store_read(env);

	store_each(txn, STORE_SUPPRESS,
		   from.n > 0 ? slice_of(from.key, from.n) : SLICE_NONE,
		   expire_one, &expire);
	store_abort(&txn);
	if (!expire.more)
		at->n = 0;
	return expire.count;
}

_Static_assert(SUPPRESS_KEY_MAX <= SUPPRESS_PLACE_MAX, "a place is a key");
