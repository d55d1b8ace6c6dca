/*
 * The block list: who is in it, and who asks.
 *
 * Each pattern is found by one look-up in a hash index, so the number of
 * entries does not matter: an address costs one look-up for each prefix length
 * that is in use, a domain one for each of its parents, and kinds that nobody
 * used cost nothing. Refusals go before holds; within one action the kinds go
 * in their order and addresses by the longest prefix.
 *
 * Expiry is decided by comparing times at each look-up; taking an entry out is
 * only tidying.
 *
 * The lock prefers writers: a flood of look-ups must not keep a block from
 * biting. So nobody may take it twice, and callbacks call nothing of the list.
 */
#include "policy/blocklist.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/address.h"
#include "gateway/base/mem.h"
#include "gateway/store/key.h"
#include "policy/block_int.h"
#include "policy/fold.h"

struct blocklist *
blocklist_create(void)
{
	struct blocklist *list = mem_zalloc(sizeof(*list));
	pthread_rwlockattr_t attr;

	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setkind_np(
	    &attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&list->lock, &attr);
	pthread_rwlockattr_destroy(&attr);
	list->generation = 1;
	RB_INIT(&list->ids);
	RB_INIT(&list->untils);
	return list;
}

void
blocklist_destroy(struct blocklist **list)
{
	struct block_entry *entry, *next;

	if (*list == NULL)
		return;
	RB_FOREACH_SAFE(entry, block_ids, &(*list)->ids, next)
	{
		RB_REMOVE(block_ids, &(*list)->ids, entry);
		block_entry_free(entry);
	}
	block_index_fini(&(*list)->index);
	pthread_rwlock_destroy(&(*list)->lock);
	free(*list);
	*list = NULL;
}

struct search {
	struct blocklist *list;
	const struct block_facts *facts;
	int64_t now_wall_s, accepted_wall_s;
	enum block_action action;
};

static bool
in_force(const struct search *s, const struct block_entry *entry)
{
	if (entry->until_wall_s != 0 && s->now_wall_s >= entry->until_wall_s)
		return false;
	return s->action != BLOCK_HOLD ||
	       s->accepted_wall_s >= entry->since_wall_s;
}

static struct block_entry *
find_bytes(const struct search *s, enum block_class class, struct slice bytes)
{
	struct block_key key = {class, s->action, bytes};
	struct block_entry *entry;

	if (s->list->used[s->action][class] == 0)
		return NULL;
	entry = block_index_find(&s->list->index, &key);
	return entry != NULL && in_force(s, entry) ? entry : NULL;
}

/* Writes the first bits of (high, low), 0 to 128, behind their number. */
static void
mask_into(uint8_t raw[17], uint64_t high, uint64_t low, unsigned bits)
{
	raw[0] = (uint8_t)bits;
	if (bits < 64) {
		high = bits > 0 ? high & (UINT64_MAX << (64 - bits)) : 0;
		low = 0;
	} else if (bits < 128) {
		low = bits > 64 ? low & (UINT64_MAX << (128 - bits)) : 0;
	}
	key_put_u64(raw + 1, high);
	key_put_u64(raw + 9, low);
}

static struct block_entry *
find_ip(const struct search *s, const struct ip_addr *ip)
{
	const uint32_t *lengths = s->list->lengths[s->action][ip_is_v4(ip)];
	uint64_t high = key_get_u64(ip->b), low = key_get_u64(ip->b + 8);
	struct block_entry *entry = NULL;
	uint8_t raw[17];

	if (s->list->used[s->action][CLASS_IP] == 0)
		return NULL;
	for (unsigned bits = BLOCK_IP_LENGTHS; bits-- > 0 && entry == NULL;) {
		if (lengths[bits] == 0)
			continue;
		mask_into(raw, high, low, bits);
		entry = find_bytes(s, CLASS_IP, slice_of(raw, sizeof(raw)));
	}
	return entry;
}

/* The domain itself and every parent: "mail.example.com", "example.com",
 * "com". What is longer than any value cannot be one. */
static struct block_entry *
find_below(const struct search *s, enum block_class class, struct slice domain)
{
	struct block_entry *entry = NULL;

	if (s->list->used[s->action][class] == 0)
		return NULL;
	while (domain.n > 0 && entry == NULL) {
		if (domain.n <= BLOCK_DOMAIN_MAX)
			entry = find_bytes(s, class, domain);
		domain = slice_from(domain, slice_find(domain, '.') + 1);
	}
	return entry;
}

static struct block_entry *
find_from(const struct search *s, struct slice from)
{
	const uint32_t *used = s->list->used[s->action];
	char folded[1024];
	struct block_entry *entry;
	struct slice address, domain;

	if (from.n == 0 || (used[CLASS_FROM] == 0 && used[CLASS_FROM_AT] == 0 &&
			    used[CLASS_FROM_BELOW] == 0))
		return NULL;
	address = slice_of(folded, fold_address(from, folded, sizeof(folded)));
	domain = address_domain(address);
	entry = find_bytes(s, CLASS_FROM, address);
	if (entry == NULL && domain.n > 0)
		entry = find_bytes(s, CLASS_FROM_AT, domain);
	if (entry == NULL)
		entry = find_below(s, CLASS_FROM_BELOW, domain);
	return entry;
}

static struct block_entry *
find_domain(const struct search *s, struct slice domain)
{
	const uint32_t *used = s->list->used[s->action];
	struct block_entry *entry;
	char folded[1024];
	struct slice name;

	if (domain.n == 0 || domain.n >= sizeof(folded) ||
	    (used[CLASS_DOMAIN] == 0 && used[CLASS_DOMAIN_BELOW] == 0))
		return NULL;
	name = slice_of(folded,
			address_domain_fold(domain, folded, sizeof(folded)));
	entry = find_bytes(s, CLASS_DOMAIN, name);
	return entry != NULL ? entry : find_below(s, CLASS_DOMAIN_BELOW, name);
}

static struct block_entry *
find_action(const struct search *s)
{
	const struct block_facts *facts = s->facts;
	struct block_entry *entry = NULL;

	if (facts->cred != NULL)
		entry = find_bytes(s, CLASS_CRED, slice_str(facts->cred));
	if (entry == NULL && facts->ip != NULL)
		entry = find_ip(s, facts->ip);
	if (entry == NULL)
		entry = find_from(s, facts->from);
	if (entry == NULL)
		entry = find_domain(s, facts->domain);
	if (entry == NULL && facts->body != NULL)
		entry = find_bytes(s, CLASS_HASH,
				   slice_of(facts->body, DIGEST_SIZE));
	return entry;
}

bool
blocklist_find(struct blocklist *list, const struct block_facts *facts,
	       bool holds, int64_t now_wall_s, struct block_hit *hit)
{
	struct search s = {
	    .list = list,
	    .facts = facts,
	    .now_wall_s = now_wall_s,
	    .accepted_wall_s = facts->accepted_wall_s != 0
				   ? facts->accepted_wall_s
				   : now_wall_s,
	    .action = BLOCK_REFUSE,
	};
	struct block_entry *entry;

	if (blocklist_is_empty(list))
		return false;
	pthread_rwlock_rdlock(&list->lock);
	entry = find_action(&s);
	if (entry == NULL && holds) {
		s.action = BLOCK_HOLD;
		entry = find_action(&s);
	}
	if (entry != NULL) {
		atomic_fetch_add_explicit(&entry->hits, 1,
					  memory_order_relaxed);
		*hit = (struct block_hit){
		    .id = entry->id,
		    .kind = entry->kind,
		    .action = entry->key.action,
		    .flags = entry->flags,
		    .until_wall_s = entry->until_wall_s,
		};
	}
	pthread_rwlock_unlock(&list->lock);
	return entry != NULL;
}

uint64_t
blocklist_generation(const struct blocklist *list)
{
	return atomic_load(&list->generation);
}

bool
blocklist_is_empty(const struct blocklist *list)
{
	return atomic_load(&list->count) == 0;
}

uint64_t
blocklist_count(const struct blocklist *list)
{
	return atomic_load(&list->count);
}
