/*
 * Logins and what administrators allowed them, in a table under a lock that
 * readers share. A login stands in it while it has a grant or a sender; what a
 * grant whose time is over leaves behind goes with the next change of its
 * login, and counts for nothing until then.
 */
#include "policy/accounts.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/address.h"
#include "gateway/base/error.h"
#include "gateway/base/hash.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "policy/accounts_record.h"
#include "policy/limits.h"

#define ACCOUNTS_MAX 1000000

struct node {
	UT_hash_handle hh; /* by account.cred */
	struct account account;
};

struct accounts {
	pthread_rwlock_t lock;
	struct node *nodes;
	size_t count;
	_Atomic uint64_t generation;
	_Atomic size_t grants; /* of all; 0: nobody needs the lock */
};

struct accounts *
accounts_create(void)
{
	struct accounts *accounts = mem_zalloc(sizeof(*accounts));

	pthread_rwlock_init(&accounts->lock, NULL);
	atomic_init(&accounts->generation, 1);
	return accounts;
}

static void
node_free(struct accounts *accounts, struct node *node)
{
	accounts->grants -= node->account.grant_count;
	accounts->count--;
	HASH_DEL(accounts->nodes, node);
	account_fini(&node->account);
	free(node);
}

void
accounts_destroy(struct accounts **ap)
{
	struct accounts *accounts = *ap;
	struct node *node, *next;

	if (accounts == NULL)
		return;
	*ap = NULL;
	HASH_ITER(hh, accounts->nodes, node, next)
	node_free(accounts, node);
	pthread_rwlock_destroy(&accounts->lock);
	free(accounts);
}

/* --- the table, under the lock --------------------------------------- */

static struct node *
node_find(struct accounts *accounts, const char *cred)
{
	struct node *node;

	HASH_FIND(hh, accounts->nodes, cred, strlen(cred), node);
	return node;
}

static void
node_insert(struct accounts *accounts, struct node *node)
{
	HASH_ADD_KEYPTR(hh, accounts->nodes, node->account.cred,
			strlen(node->account.cred), node);
	accounts->count++;
	accounts->grants += node->account.grant_count;
}

static int
node_make(struct accounts *accounts, const char *cred, struct node **out)
{
	size_t n = strnlen(cred, ACCOUNT_CRED_MAX + 1);
	struct node *node = node_find(accounts, cred);

	*out = node;
	if (node != NULL)
		return 0;
	if (n == 0 || n > ACCOUNT_CRED_MAX)
		return GW_EINVAL;
	if (accounts->count >= ACCOUNTS_MAX)
		return GW_ETOOBIG;
	node = mem_zalloc(sizeof(*node));
	node->account.cred = mem_strdup(cred);
	node_insert(accounts, node);
	*out = node;
	return 0;
}

static void
node_drop_empty(struct accounts *accounts, struct node *node)
{
	if (node != NULL &&
	    node->account.grant_count + node->account.sender_count == 0)
		node_free(accounts, node);
}

static void
grant_remove(struct accounts *accounts, struct account *account, size_t i)
{
	size_t after = account->grant_count - i - 1;

	memmove(&account->grants[i], &account->grants[i + 1],
		after * sizeof(account->grants[0]));
	account->grant_count--;
	accounts->grants--;
}

static void
grants_expire(struct accounts *accounts, struct account *account,
	      int64_t now_wall_s)
{
	for (size_t i = account->grant_count; i-- > 0;)
		if (account->grants[i].until_wall_s <= now_wall_s)
			grant_remove(accounts, account, i);
}

/* --- loading --------------------------------------------------------- */

struct loading {
	struct accounts *accounts;
	int64_t now_wall_s;
	uint64_t bad;
};

static bool
load_record(void *arg, struct slice key, struct slice value)
{
	struct loading *l = arg;
	struct node *node = mem_zalloc(sizeof(*node));

	if (account_decode(key, value, &node->account) != 0) {
		l->bad++;
		free(node);
		return true;
	}
	if (l->accounts->count >= ACCOUNTS_MAX ||
	    node_find(l->accounts, node->account.cred) != NULL) {
		account_fini(&node->account);
		free(node);
		return true;
	}
	node_insert(l->accounts, node);
	grants_expire(l->accounts, &node->account, l->now_wall_s);
	node_drop_empty(l->accounts, node);
	return true;
}

int
accounts_load(struct accounts *accounts, struct store_env *store,
	      int64_t now_wall_s)
{
	struct loading l = {.accounts = accounts, .now_wall_s = now_wall_s};
	struct store_txn *txn = store_read(store);
	int err;

	pthread_rwlock_wrlock(&accounts->lock);
	store_each(txn, STORE_ACCOUNT, SLICE_NONE, load_record, &l);
	accounts->generation++;
	pthread_rwlock_unlock(&accounts->lock);
	err = store_error(txn);
	store_abort(&txn);
	if (l.bad > 0)
		log_event(GW_LOG_ERROR, "account-records-bad",
			  LF_U64("count", l.bad));
	return err == 0 ? 0 : GW_EIO;
}

/* --- grants ---------------------------------------------------------- */

static int
grant_set(struct accounts *accounts, struct account *account,
	  const struct grant *grant)
{
	size_t i = 0;

	while (i < account->grant_count &&
	       account->grants[i].counted < grant->counted)
		i++;
	if (i < account->grant_count &&
	    account->grants[i].counted == grant->counted) {
		if (grant->amount == 0)
			grant_remove(accounts, account, i);
		else
			account->grants[i] = *grant;
		return 0;
	}
	if (grant->amount == 0)
		return GW_ENOENT;
	memmove(&account->grants[i + 1], &account->grants[i],
		(account->grant_count - i) * sizeof(account->grants[0]));
	account->grants[i] = *grant;
	account->grant_count++;
	accounts->grants++;
	return 0;
}

int
accounts_grant(struct accounts *accounts, const char *cred,
	       const struct grant *grant, int64_t now_wall_s)
{
	struct node *node = NULL;
	int err;

	if (grant->counted >= LIMIT_COUNTED || grant->amount > GRANT_MOST ||
	    (grant->amount > 0 && grant->until_wall_s <= now_wall_s))
		return GW_EINVAL;
	pthread_rwlock_wrlock(&accounts->lock);
	err = node_make(accounts, cred, &node);
	if (err == 0) {
		grants_expire(accounts, &node->account, now_wall_s);
		err = grant_set(accounts, &node->account, grant);
		node_drop_empty(accounts, node);
		accounts->generation++;
	}
	pthread_rwlock_unlock(&accounts->lock);
	return err;
}

uint64_t
accounts_granted(struct accounts *accounts, const char *cred, uint8_t counted,
		 int64_t now_wall_s, int64_t *until_wall_s)
{
	struct node *node;
	uint64_t amount = 0;

	if (until_wall_s != NULL)
		*until_wall_s = 0;
	if (cred == NULL || accounts->grants == 0)
		return 0;
	pthread_rwlock_rdlock(&accounts->lock);
	node = node_find(accounts, cred);
	for (size_t i = 0; node != NULL && i < node->account.grant_count; i++) {
		const struct grant *grant = &node->account.grants[i];

		if (grant->counted != counted ||
		    grant->until_wall_s <= now_wall_s)
			continue;
		amount = grant->amount;
		if (until_wall_s != NULL)
			*until_wall_s = grant->until_wall_s;
	}
	pthread_rwlock_unlock(&accounts->lock);
	return amount;
}

uint64_t
accounts_generation(const struct accounts *accounts)
{
	return accounts->generation;
}

/* --- senders --------------------------------------------------------- */

static int
sender_insert(struct account *account, const char *pattern)
{
	size_t at;

	if (account_sender_find(account, pattern, &at))
		return GW_EEXIST;
	if (account->sender_count >= ACCOUNT_SENDERS_MAX)
		return GW_ETOOBIG;
	if (account->sender_count >= account->sender_size) {
		account->sender_size = account->sender_count * 2 + 4;
		account->senders = mem_resize(
		    account->senders, account->sender_size * sizeof(char *));
	}
	memmove(&account->senders[at + 1], &account->senders[at],
		(account->sender_count - at) * sizeof(char *));
	account->senders[at] = mem_strdup(pattern);
	account->sender_count++;
	return 0;
}

static int
sender_remove(struct account *account, const char *pattern)
{
	size_t at;

	if (!account_sender_find(account, pattern, &at))
		return GW_ENOENT;
	free(account->senders[at]);
	memmove(&account->senders[at], &account->senders[at + 1],
		(account->sender_count - at - 1) * sizeof(char *));
	account->sender_count--;
	return 0;
}

int
accounts_sender_add(struct accounts *accounts, const char *cred,
		    struct slice pattern)
{
	char normal[ACCOUNT_PATTERN_MAX + 1];
	struct node *node = NULL;
	int err = account_pattern(pattern, normal);

	if (err != 0)
		return err;
	pthread_rwlock_wrlock(&accounts->lock);
	err = node_make(accounts, cred, &node);
	if (err == 0)
		err = sender_insert(&node->account, normal);
	pthread_rwlock_unlock(&accounts->lock);
	return err;
}

int
accounts_sender_del(struct accounts *accounts, const char *cred,
		    struct slice pattern)
{
	char normal[ACCOUNT_PATTERN_MAX + 1];
	struct node *node;
	int err = account_pattern(pattern, normal);

	if (err != 0)
		return err;
	pthread_rwlock_wrlock(&accounts->lock);
	node = node_find(accounts, cred);
	err = node == NULL ? GW_ENOENT : sender_remove(&node->account, normal);
	node_drop_empty(accounts, node);
	pthread_rwlock_unlock(&accounts->lock);
	return err;
}

static bool
domain_listed(const struct account *account, const char *domain)
{
	char pattern[ACCOUNT_PATTERN_MAX + 1];
	size_t n = strlen(domain), at;

	pattern[0] = '@';
	memcpy(pattern + 1, domain, n + 1);
	if (account_sender_find(account, pattern, &at))
		return true;
	pattern[1] = '.';
	while (domain != NULL && *domain != '\0') {
		memcpy(pattern + 2, domain, strlen(domain) + 1);
		if (account_sender_find(account, pattern, &at))
			return true;
		domain = strchr(domain, '.');
		domain = domain == NULL ? NULL : domain + 1;
	}
	return false;
}

/* An address is asked as the pattern of itself. */
bool
accounts_sender_ok(struct accounts *accounts, const char *cred,
		   struct slice address)
{
	char normal[ACCOUNT_PATTERN_MAX + 1];
	struct node *node;
	bool ok = false;
	size_t at;

	if (address_local(address).n == 0 ||
	    account_pattern(address, normal) != 0)
		return false;
	pthread_rwlock_rdlock(&accounts->lock);
	node = node_find(accounts, cred);
	if (node != NULL)
		ok = account_sender_find(&node->account, normal, &at) ||
		     domain_listed(&node->account, strrchr(normal, '@') + 1);
	pthread_rwlock_unlock(&accounts->lock);
	return ok;
}

/* --- the disk, and listings ------------------------------------------ */

void
accounts_change(struct accounts *accounts, const char *cred, int64_t now_wall_s,
		struct buf *key, struct buf *value, struct store_change *change)
{
	struct node *node;
	bool keep = false;

	buf_clear(key);
	buf_clear(value);
	buf_add_str(key, cred);
	pthread_rwlock_rdlock(&accounts->lock);
	node = node_find(accounts, cred);
	if (node != NULL)
		keep = account_encode(&node->account, now_wall_s, value);
	pthread_rwlock_unlock(&accounts->lock);
	*change = (struct store_change){
	    .table = STORE_ACCOUNT,
	    .kind = keep ? STORE_PUT : STORE_DELETE,
	    .key = buf_slice(key),
	    .value = buf_slice(value),
	};
}

static bool
view(const struct account *account, account_fn *fn, void *arg)
{
	const struct account_view v = {
	    .cred = account->cred,
	    .grants = account->grants,
	    .grant_count = account->grant_count,
	    .senders = (const char *const *)account->senders,
	    .sender_count = account->sender_count,
	};

	return fn(arg, &v);
}

static int
by_cred(const void *pa, const void *pb)
{
	const struct account *a = *(const struct account *const *)pa;
	const struct account *b = *(const struct account *const *)pb;

	return strcmp(a->cred, b->cred);
}

static void
each_of_all(struct accounts *accounts, account_fn *fn, void *arg)
{
	const struct account **all =
	    mem_array(accounts->count + 1, sizeof(struct account *));
	struct node *node, *next;
	size_t n = 0;

	HASH_ITER(hh, accounts->nodes, node, next)
	all[n++] = &node->account;
	qsort(all, n, sizeof(*all), by_cred);
	for (size_t i = 0; i < n; i++)
		if (!view(all[i], fn, arg))
			break;
	free(all);
}

void
accounts_each(struct accounts *accounts, const char *cred, account_fn *fn,
	      void *arg)
{
	struct node *node;

	pthread_rwlock_rdlock(&accounts->lock);
	if (cred == NULL) {
		each_of_all(accounts, fn, arg);
	} else {
		node = node_find(accounts, cred);
		if (node != NULL)
			view(&node->account, fn, arg);
	}
	pthread_rwlock_unlock(&accounts->lock);
}
