#ifndef POLICY_ACCOUNTS_H
#define POLICY_ACCOUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/buf.h"
#include "gateway/base/slice.h"
#include "gateway/store/change.h"
#include "gateway/store/env.h"

/*
 * What administrators allowed one login beyond its class: grants until a time,
 * and addresses it may send as. In memory under a read lock; in STORE_ACCOUNT,
 * one record a login. Changes act in memory at once; the caller commits the
 * change that they give. Any thread.
 */
struct accounts;

struct accounts *accounts_create(void);
void accounts_destroy(struct accounts **accounts);
int accounts_load(struct accounts *accounts, struct store_env *store,
		  int64_t now_wall_s);

/* counted: enum limit_counted. amount 0 takes the grant away; another one
 * replaces what is granted of the same. GW_EINVAL: until is over, counted is
 * none, amount is over GRANT_MOST; GW_ENOENT: nothing to take away; GW_ETOOBIG:
 * too many logins. */
#define GRANT_MOST ((uint64_t)1 << 53)
struct grant {
	uint8_t counted;
	uint64_t amount;
	int64_t until_wall_s;
};
#define GRANTS_MAX 9
int accounts_grant(struct accounts *accounts, const char *cred,
		   const struct grant *grant, int64_t now_wall_s);
/* What is granted now on top of a limit; *until_wall_s may be NULL. */
uint64_t accounts_granted(struct accounts *accounts, const char *cred,
			  uint8_t counted, int64_t now_wall_s,
			  int64_t *until_wall_s);
/* Another number after each change of a grant: who remembers what was granted
 * compares. */
uint64_t accounts_generation(const struct accounts *accounts);

/* Patterns of FROM binding: "a@example.com", "@example.com", "@.example.com"
 * (example.com and below), in any letter case. GW_EINVAL: not one; GW_EEXIST,
 * GW_ENOENT; GW_ETOOBIG: too many. */
#define ACCOUNT_SENDERS_MAX 1000
int accounts_sender_add(struct accounts *accounts, const char *cred,
			struct slice pattern);
int accounts_sender_del(struct accounts *accounts, const char *cred,
			struct slice pattern);
bool accounts_sender_ok(struct accounts *accounts, const char *cred,
			struct slice address);

/* The record of a login as a change to commit (PUT, or DELETE when nothing is
 * left): key and value into the buffers. */
void accounts_change(struct accounts *accounts, const char *cred,
		     int64_t now_wall_s, struct buf *key, struct buf *value,
		     struct store_change *change);

/* For listings, in order of login; strings are valid during fn only, which must
 * not call back here. Grants whose time is over may still be among them. cred
 * NULL: all logins. */
struct account_view {
	const char *cred;
	const struct grant *grants;
	size_t grant_count;
	const char *const *senders;
	size_t sender_count;
};
typedef bool account_fn(void *arg, const struct account_view *view);
void accounts_each(struct accounts *accounts, const char *cred, account_fn *fn,
		   void *arg);

#endif
