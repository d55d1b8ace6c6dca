/*
 * Failures are counted in slots of an eighth of the window. One slot more than
 * eight is kept, so a failure is forgotten no sooner than a window later and at
 * most one slot after that: never more than fail_max in any window.
 *
 * Both tables have a cap and lose their oldest entry at it. They are two so
 * that an attacker, who can fill the failures (he may own many /64s), cannot
 * push out who is known: that takes a right password each.
 *
 * A v6 attempt counts in its /64 and in its /48, its site: 65,536 /64s are one
 * rented server's, and each would bring fail_max guesses of its own. The site's
 * limit is higher, for some providers put many customers into one /48; and who
 * is known in his /64 is not met when the site closes.
 *
 * While an address is closed nothing counts against it: its attempts are not
 * looked at, and a machine that keeps knocking must not stay out for ever. But
 * who is known there is looked at, so his failures are counted apart: a
 * neighbour who guesses at that login ends the exemption, not more.
 */
#include "gateway/auth/penalty.h"

#include <bsd/sys/queue.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/hash.h"
#include "gateway/base/mem.h"

#define SLOT_COUNT 9
#define TRIED_COUNT 8
#define V4_BITS 128
#define V6_BITS 64
#define SITE_BITS 48
#define SITE_FACTOR 8 /* times fail_max */

/* The /64 and the /48 may begin alike: the bits keep them apart. */
struct address {
	struct ip_prefix key; /* bytes only: no padding in it */
	int64_t slot_index;   /* of the newest slot */
	unsigned slots[SLOT_COUNT];
	uint64_t tried[TRIED_COUNT]; /* a ring */
	unsigned tried_next;
	unsigned strikes;
	int64_t closed_until_ms;
	TAILQ_ENTRY(address) order;
	UT_hash_handle hh;
};

struct known_key {
	struct ip_addr ip;
	uint64_t cred; /* keyed hash; 0: any */
};

struct known {
	struct known_key key;
	int64_t until_ms;
	unsigned fails; /* since the last success */
	TAILQ_ENTRY(known) order;
	UT_hash_handle hh;
};

TAILQ_HEAD(address_list, address);
TAILQ_HEAD(known_list, known);

struct penalty {
	struct penalty_opts opts;
	int64_t slot_ms;
	struct address *addresses;
	struct address_list address_order; /* oldest first */
	struct known *known;
	struct known_list known_order;
};

struct penalty *
penalty_create(const struct penalty_opts *opts)
{
	struct penalty *penalty = mem_zalloc(sizeof(*penalty));

	penalty->opts = *opts;
	penalty->slot_ms =
	    (opts->window_ms + SLOT_COUNT - 2) / (SLOT_COUNT - 1);
	if (penalty->slot_ms < 1)
		penalty->slot_ms = 1;
	TAILQ_INIT(&penalty->address_order);
	TAILQ_INIT(&penalty->known_order);
	return penalty;
}

static void
address_drop(struct penalty *penalty, struct address *address)
{
	HASH_DEL(penalty->addresses, address);
	TAILQ_REMOVE(&penalty->address_order, address, order);
	free(address);
}

static void
known_drop(struct penalty *penalty, struct known *known)
{
	HASH_DEL(penalty->known, known);
	TAILQ_REMOVE(&penalty->known_order, known, order);
	free(known);
}

void
penalty_destroy(struct penalty **penaltyp)
{
	struct penalty *penalty = *penaltyp;
	struct address *address;
	struct known *known;

	*penaltyp = NULL;
	if (penalty == NULL)
		return;
	while ((address = TAILQ_FIRST(&penalty->address_order)) != NULL)
		address_drop(penalty, address);
	while ((known = TAILQ_FIRST(&penalty->known_order)) != NULL)
		known_drop(penalty, known);
	free(penalty);
}

static struct ip_prefix
address_key(const struct ip_addr *ip)
{
	struct ip_prefix prefix;

	ip_prefix_of(ip, ip_is_v4(ip) ? V4_BITS : V6_BITS, &prefix);
	return prefix;
}

/* False: v4, which has none. */
static bool
site_key(const struct ip_addr *ip, struct ip_prefix *key)
{
	if (ip_is_v4(ip))
		return false;
	ip_prefix_of(ip, SITE_BITS, key);
	return true;
}

static struct known_key
known_key(const struct ip_addr *ip, struct slice cred)
{
	struct known_key key;

	memset(&key, 0, sizeof(key));
	key.ip = address_key(ip).addr;
	if (cred.p != NULL) {
		key.cred = hash_bytes(cred.p, cred.n);
		key.cred += key.cred == 0;
	}
	return key;
}

static struct address *
address_find(struct penalty *penalty, const struct ip_prefix *key)
{
	struct address *address;

	HASH_FIND(hh, penalty->addresses, key, sizeof(*key), address);
	return address;
}

/* Of the address and its site the later end; in the past: open. */
static int64_t
closed_until_ms(struct penalty *penalty, const struct ip_addr *ip)
{
	struct ip_prefix key = address_key(ip);
	struct address *address = address_find(penalty, &key);
	struct address *site = NULL;
	int64_t until_ms = 0;

	if (site_key(ip, &key))
		site = address_find(penalty, &key);
	if (address != NULL)
		until_ms = address->closed_until_ms;
	if (site != NULL && site->closed_until_ms > until_ms)
		until_ms = site->closed_until_ms;
	return until_ms;
}

/* Loops read their clocks apart: an older now than the last is that one. */
static void
address_advance(const struct penalty *penalty, struct address *address,
		int64_t now_ms)
{
	int64_t index = now_ms / penalty->slot_ms;

	if (index - address->slot_index >= SLOT_COUNT) {
		memset(address->slots, 0, sizeof(address->slots));
		address->slot_index = index;
	}
	while (address->slot_index < index) {
		address->slot_index++;
		address->slots[address->slot_index % SLOT_COUNT] = 0;
	}
}

static unsigned
address_count(const struct address *address)
{
	unsigned count = 0;

	for (size_t i = 0; i < SLOT_COUNT; i++)
		count += address->slots[i];
	return count;
}

static struct known *
known_find(struct penalty *penalty, const struct ip_addr *ip, struct slice cred)
{
	struct known_key key = known_key(ip, cred);
	struct known *known;

	HASH_FIND(hh, penalty->known, &key, sizeof(key), known);
	return known;
}

static bool
is_known(struct penalty *penalty, const struct ip_addr *ip, struct slice cred,
	 int64_t now_ms)
{
	struct known *known = known_find(penalty, ip, cred);

	return known != NULL && known->until_ms > now_ms;
}

int64_t
penalty_closed_ms(struct penalty *penalty, const struct ip_addr *ip,
		  struct slice cred, int64_t now_ms)
{
	int64_t until_ms = closed_until_ms(penalty, ip);

	if (until_ms <= now_ms || is_known(penalty, ip, cred, now_ms))
		return 0;
	return until_ms;
}

static struct address *
address_make(struct penalty *penalty, const struct ip_prefix *key)
{
	struct address *address = address_find(penalty, key);

	if (address == NULL) {
		if (HASH_COUNT(penalty->addresses) >= penalty->opts.address_max)
			address_drop(penalty,
				     TAILQ_FIRST(&penalty->address_order));
		address = mem_zalloc(sizeof(*address));
		address->key = *key;
		HASH_ADD(hh, penalty->addresses, key, sizeof(address->key),
			 address);
	} else {
		TAILQ_REMOVE(&penalty->address_order, address, order);
	}
	TAILQ_INSERT_TAIL(&penalty->address_order, address, order);
	return address;
}

static bool
was_tried(struct address *address, uint64_t tried)
{
	if (tried == 0)
		return false;
	for (size_t i = 0; i < TRIED_COUNT; i++) {
		if (address->tried[i] == tried)
			return true;
	}
	address->tried[address->tried_next++ % TRIED_COUNT] = tried;
	return false;
}

static void
address_close(const struct penalty *penalty, struct address *address,
	      int64_t now_ms)
{
	int64_t block_ms = penalty->opts.block_ms;
	int64_t max_ms = penalty->opts.block_max_ms;

	/* A day of peace and the doubling starts again. */
	if (address->strikes > 0 && now_ms - address->closed_until_ms >= max_ms)
		address->strikes = 0;
	for (unsigned i = 0; i < address->strikes && block_ms < max_ms; i++)
		block_ms = block_ms > max_ms / 2 ? max_ms : block_ms * 2;
	if (block_ms > max_ms)
		block_ms = max_ms;
	if (block_ms < max_ms)
		address->strikes++;
	else if (address->strikes == 0)
		address->strikes = 1;
	address->closed_until_ms = now_ms + block_ms;
	memset(address->slots, 0, sizeof(address->slots));
}

static void
address_fail(const struct penalty *penalty, struct address *address,
	     unsigned fail_max, int64_t now_ms)
{
	address_advance(penalty, address, now_ms);
	address->slots[address->slot_index % SLOT_COUNT]++;
	if (address_count(address) >= fail_max)
		address_close(penalty, address, now_ms);
}

static void
known_fail(struct penalty *penalty, const struct ip_addr *ip, struct slice cred)
{
	struct known *known = NULL;

	if (cred.p != NULL)
		known = known_find(penalty, ip, cred);
	if (known != NULL && ++known->fails >= penalty->opts.fail_max)
		known_drop(penalty, known);
}

static void
site_fail(struct penalty *penalty, const struct ip_addr *ip, uint64_t tried,
	  int64_t now_ms)
{
	unsigned fail_max = penalty->opts.fail_max;
	struct address *site;
	struct ip_prefix key;

	if (!site_key(ip, &key))
		return;
	fail_max = fail_max > UINT_MAX / SITE_FACTOR ? UINT_MAX
						     : fail_max * SITE_FACTOR;
	site = address_make(penalty, &key);
	if (!was_tried(site, tried))
		address_fail(penalty, site, fail_max, now_ms);
}

void
penalty_fail(struct penalty *penalty, const struct ip_addr *ip,
	     struct slice cred, uint64_t tried, int64_t now_ms)
{
	bool closed = closed_until_ms(penalty, ip) > now_ms;
	struct ip_prefix key = address_key(ip);
	struct address *address = address_make(penalty, &key);

	if (was_tried(address, tried))
		return;
	known_fail(penalty, ip, cred);
	if (closed)
		return;
	address_fail(penalty, address, penalty->opts.fail_max, now_ms);
	site_fail(penalty, ip, tried, now_ms);
}

static void
known_set(struct penalty *penalty, const struct known_key *key,
	  int64_t until_ms)
{
	struct known *known;

	HASH_FIND(hh, penalty->known, key, sizeof(*key), known);
	if (known == NULL) {
		if (HASH_COUNT(penalty->known) >= penalty->opts.known_max)
			known_drop(penalty, TAILQ_FIRST(&penalty->known_order));
		known = mem_zalloc(sizeof(*known));
		known->key = *key;
		HASH_ADD(hh, penalty->known, key, sizeof(known->key), known);
	} else {
		TAILQ_REMOVE(&penalty->known_order, known, order);
	}
	known->until_ms = until_ms;
	known->fails = 0;
	TAILQ_INSERT_TAIL(&penalty->known_order, known, order);
}

void
penalty_success(struct penalty *penalty, const struct ip_addr *ip,
		struct slice cred, int64_t now_ms)
{
	struct known_key key = known_key(ip, cred);
	int64_t until_ms = now_ms + penalty->opts.known_ms;

	known_set(penalty, &key, until_ms);
	key.cred = 0;
	known_set(penalty, &key, until_ms);
}

unsigned
penalty_failures(struct penalty *penalty, const struct ip_addr *ip,
		 int64_t now_ms)
{
	struct ip_prefix key = address_key(ip);
	struct address *address = address_find(penalty, &key);

	if (closed_until_ms(penalty, ip) > now_ms)
		return penalty->opts.fail_max;
	if (address == NULL)
		return 0;
	address_advance(penalty, address, now_ms);
	return address_count(address);
}
