#ifndef POLICY_ACCOUNTS_RECORD_H
#define POLICY_ACCOUNTS_RECORD_H

#include "policy/accounts.h"

/* A login's record in STORE_ACCOUNT. Shared by policy/accounts*.c and tests. */
struct account {
	char *cred;
	struct grant grants[GRANTS_MAX]; /* in order of counted */
	size_t grant_count;
	char **senders; /* in order, once each, in normal form */
	size_t sender_count, sender_size;
};

#define ACCOUNT_CRED_MAX 255
#define ACCOUNT_PATTERN_MAX 320

/* The normal form of a pattern into out, NUL-terminated; GW_EINVAL. */
int account_pattern(struct slice pattern, char out[ACCOUNT_PATTERN_MAX + 1]);
/* Where the pattern stands, or belongs. */
bool account_sender_find(const struct account *account, const char *pattern,
			 size_t *at);
void account_fini(struct account *account);
/* False: nothing is left to write. Grants that are over are left out. */
bool account_encode(const struct account *account, int64_t now_wall_s,
		    struct buf *value);
/* GW_ECORRUPT: account stays empty. */
int account_decode(struct slice key, struct slice value,
		   struct account *account);

#endif
