#ifndef GATEWAY_AUTH_USER_H
#define GATEWAY_AUTH_USER_H

#include "gateway/base/buf.h"
#include "gateway/store/change.h"
#include "gateway/store/env.h"

/*
 * Local users: table STORE_USER, normalised login -> versioned record. Writing
 * is somebody else's (one writer): these make the key and the value.
 */
struct user {
	char *name;	     /* normalised */
	char *hash;	     /* crypt(5), yescrypt */
	char *owner_address; /* or NULL */
	char *class;	     /* or NULL */
	int64_t created_wall_s;
	int64_t changed_wall_s;
};

void user_fini(struct user *user);

/* The one key form of a login: see auth_result.cred. GW_EINVAL: empty, over
 * 255 bytes, control characters, ill-formed UTF-8. domain may be NULL. */
int user_normalise(struct slice login, const char *domain, struct buf *out);

/* A yescrypt hash with a fresh salt; takes 25 ms: never on a mail loop.
 * GW_EINVAL: empty, over 511 bytes (crypt(3) takes no more) or a NUL. */
int user_hash(struct slice password, char **hash);

/* Record bytes for a STORE_PUT to STORE_USER. */
void user_encode(const struct user *user, struct buf *value);
int user_decode(struct slice key, struct slice value,
		struct user *user); /* GW_ECORRUPT */

int user_get(struct store_env *env, struct slice name,
	     struct user *user); /* GW_ENOENT, GW_ECORRUPT, GW_EIO */

/* From `after` (exclusive, none: the start) in order of name; fn false stops.
 */
typedef bool user_each_fn(void *arg, const struct user *user);
int user_each(struct store_env *env, struct slice after, user_each_fn *fn,
	      void *arg);

#endif
