/*
 * The record of a local user, its encoding, and reading it from the store.
 *
 * The key is the normalised login, so the record does not repeat it. Layout,
 * version 1: u8 version, then as length-prefixed bytes hash, owner address,
 * class (empty: none), then created and changed as u64. A record that names
 * another version, runs short, runs over, or holds a NUL or a field longer
 * than the caps below is corrupt: what is read here ends in crypt(3), in mail
 * headers and in logs.
 *
 * Writing is the store thread's; nothing here opens a write transaction.
 */
#include "gateway/auth/user.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/error.h"
#include "gateway/base/mem.h"
#include "gateway/base/secret.h"

#define RECORD_VERSION 1
#define NAME_MAX_BYTES 255
#define HASH_MAX_BYTES 384 /* CRYPT_OUTPUT_SIZE */
#define OWNER_MAX_BYTES 320
#define CLASS_MAX_BYTES 64

void
user_fini(struct user *user)
{
	free(user->name);
	if (user->hash != NULL)
		secret_wipe(user->hash, strlen(user->hash));
	free(user->hash);
	free(user->owner_address);
	free(user->class);
	*user = (struct user){0};
}

void
user_encode(const struct user *user, struct buf *value)
{
	buf_put_u8(value, RECORD_VERSION);
	buf_put_bytes(value, slice_str(user->hash));
	buf_put_bytes(value, slice_str(user->owner_address));
	buf_put_bytes(value, slice_str(user->class));
	buf_put_u64(value, (uint64_t)user->created_wall_s);
	buf_put_u64(value, (uint64_t)user->changed_wall_s);
}

static bool
field_ok(struct slice s, size_t max)
{
	return s.n <= max && slice_find(s, '\0') == s.n;
}

static char *
field_dup(struct slice s)
{
	return s.n == 0 ? NULL : mem_strndup(s.p, s.n);
}

int
user_decode(struct slice key, struct slice value, struct user *user)
{
	struct reader r;
	struct slice hash, owner, class;

	*user = (struct user){0};
	reader_init(&r, value);
	if (reader_u8(&r) != RECORD_VERSION)
		return GW_ECORRUPT;
	hash = reader_bytes(&r);
	owner = reader_bytes(&r);
	class = reader_bytes(&r);
	user->created_wall_s = (int64_t)reader_u64(&r);
	user->changed_wall_s = (int64_t)reader_u64(&r);
	if (!reader_end(&r) || key.n == 0 || hash.n == 0 ||
	    !field_ok(key, NAME_MAX_BYTES) || !field_ok(hash, HASH_MAX_BYTES) ||
	    !field_ok(owner, OWNER_MAX_BYTES) ||
	    !field_ok(class, CLASS_MAX_BYTES)) {
		*user = (struct user){0};
		return GW_ECORRUPT;
	}
	user->name = mem_strndup(key.p, key.n);
	user->hash = mem_strndup(hash.p, hash.n);
	user->owner_address = field_dup(owner);
	user->class = field_dup(class);
	return 0;
}

int
user_get(struct store_env *env, struct slice name, struct user *user)
{
	struct store_txn *txn;
	struct slice value;
	int err;

	*user = (struct user){0};
	/* LMDB takes no key of 0 bytes, and none of ours is longer. */
	if (name.n == 0 || name.n > NAME_MAX_BYTES)
		return GW_ENOENT;
	txn = store_read(env);
	err = store_get(txn, STORE_USER, name, &value);
	if (err == 0)
		err = user_decode(name, value, user);
	store_abort(&txn);
	if (err != 0 && err != GW_ENOENT && err != GW_ECORRUPT)
		err = GW_EIO;
	return err;
}

struct each {
	struct slice after;
	user_each_fn *fn;
	void *arg;
	int err;
};

static bool
each_record(void *arg, struct slice key, struct slice value)
{
	struct each *each = arg;
	struct user user;
	bool more;

	if (each->after.n != 0 && slice_eq(key, each->after))
		return true;
	/* One bad record must not hide all behind it from the administrator:
	 * go on, and report it at the end. */
	if (user_decode(key, value, &user) != 0) {
		each->err = GW_ECORRUPT;
		return true;
	}
	more = each->fn(each->arg, &user);
	user_fini(&user);
	return more;
}

int
user_each(struct store_env *env, struct slice after, user_each_fn *fn,
	  void *arg)
{
	struct each each = {.after = after, .fn = fn, .arg = arg};
	struct store_txn *txn;
	int err;

	txn = store_read(env);
	store_each(txn, STORE_USER, after.n == 0 ? SLICE_NONE : after,
		   each_record, &each);
	err = store_error(txn);
	store_abort(&txn);
	return err != 0 ? GW_EIO : each.err;
}
