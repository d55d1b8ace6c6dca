#include "gateway/back/hostmem.h"

#include <bsd/sys/queue.h>
#include <string.h>

#include "gateway/base/hash.h"
#include "gateway/base/mem.h"

struct hostmem_key { /* no padding: it is hashed */
	struct ip_addr ip;
	uint32_t port;
};

struct hostmem_entry {
	UT_hash_handle hh;
	TAILQ_ENTRY(hostmem_entry) link;
	struct hostmem_key key;
	int64_t until_ms, rest_ms;
	int64_t probe_ms; /* not 0: one is trying since */
};

TAILQ_HEAD(hostmem_list, hostmem_entry);

struct hostmem {
	struct hostmem_entry *table;
	struct hostmem_list list; /* who failed longest ago first */
	uint32_t count, max;
};

struct hostmem *
hostmem_create(uint32_t max)
{
	struct hostmem *mem = mem_zalloc(sizeof(*mem));

	mem->max = max > 0 ? max : HOSTMEM_MAX;
	TAILQ_INIT(&mem->list);
	return mem;
}

void
hostmem_destroy(struct hostmem **mem)
{
	if (!*mem)
		return;
	hostmem_forgive(*mem);
	free(*mem);
	*mem = NULL;
}

static struct hostmem_entry *
find(const struct hostmem *mem, const struct sock_addr *addr)
{
	struct hostmem_key key = {.ip = addr->ip, .port = addr->port};
	struct hostmem_entry *entry;

	HASH_FIND(hh, mem->table, &key, sizeof(key), entry);
	return entry;
}

static void
drop(struct hostmem *mem, struct hostmem_entry *entry)
{
	HASH_DEL(mem->table, entry);
	TAILQ_REMOVE(&mem->list, entry, link);
	free(entry);
	mem->count--;
}

int64_t
hostmem_rest_ms(const struct hostmem *mem, const struct sock_addr *addr,
		int64_t now_ms)
{
	const struct hostmem_entry *entry = find(mem, addr);

	if (!entry)
		return 0;
	if (entry->until_ms > now_ms)
		return entry->until_ms;
	if (entry->probe_ms != 0 && now_ms - entry->probe_ms < HOSTMEM_PROBE_MS)
		return entry->probe_ms + HOSTMEM_PROBE_MS;
	return 0;
}

bool
hostmem_try(struct hostmem *mem, const struct sock_addr *addr, int64_t now_ms)
{
	struct hostmem_entry *entry = find(mem, addr);

	if (!entry)
		return false;
	entry->probe_ms = now_ms;
	return true;
}

static struct hostmem_entry *
add(struct hostmem *mem, const struct sock_addr *addr)
{
	struct hostmem_entry *entry = mem_zalloc(sizeof(*entry));

	if (mem->count == mem->max)
		drop(mem, TAILQ_FIRST(&mem->list));
	entry->key = (struct hostmem_key){.ip = addr->ip, .port = addr->port};
	HASH_ADD(hh, mem->table, key, sizeof(entry->key), entry);
	TAILQ_INSERT_TAIL(&mem->list, entry, link);
	mem->count++;
	return entry;
}

void
hostmem_failed(struct hostmem *mem, const struct sock_addr *addr,
	       int64_t now_ms)
{
	struct hostmem_entry *entry = find(mem, addr);

	if (!entry) {
		entry = add(mem, addr);
		entry->rest_ms = HOSTMEM_REST_MIN_MS;
	} else if (entry->until_ms > now_ms) {
		return; /* its other connections failed with it */
	} else {
		entry->rest_ms = entry->rest_ms > HOSTMEM_REST_MAX_MS / 2
				     ? HOSTMEM_REST_MAX_MS
				     : entry->rest_ms * 2;
		TAILQ_REMOVE(&mem->list, entry, link);
		TAILQ_INSERT_TAIL(&mem->list, entry, link);
	}
	entry->until_ms = now_ms + entry->rest_ms;
	entry->probe_ms = 0;
}

void
hostmem_undecided(struct hostmem *mem, const struct sock_addr *addr)
{
	struct hostmem_entry *entry = find(mem, addr);

	if (entry)
		entry->probe_ms = 0;
}

void
hostmem_worked(struct hostmem *mem, const struct sock_addr *addr)
{
	struct hostmem_entry *entry = find(mem, addr);

	if (entry)
		drop(mem, entry);
}

void
hostmem_forgive(struct hostmem *mem)
{
	struct hostmem_entry *entry;

	while ((entry = TAILQ_FIRST(&mem->list)) != NULL)
		drop(mem, entry);
}

uint32_t
hostmem_count(const struct hostmem *mem)
{
	return mem->count;
}
