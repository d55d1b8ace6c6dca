#include "policy/domains_int.h"

#include <stdlib.h>

#include "gateway/base/mem.h"

struct domain_seen *
domain_seen_create(void)
{
	struct domain_seen *seen = mem_zalloc(sizeof(*seen));

	pthread_mutex_init(&seen->lock, NULL);
	return seen;
}

void
domain_seen_destroy(struct domain_seen **seen)
{
	if (*seen == NULL)
		return;
	pthread_mutex_destroy(&(*seen)->lock);
	free(*seen);
	*seen = NULL;
}

/* Of two hashes, so that no login and domain read as another pair's. */
static uint64_t
pair_hash(const char *cred, struct slice domain)
{
	struct slice name = slice_str(cred);
	const uint64_t parts[2] = {hash_bytes(name.p, name.n),
				   hash_bytes(domain.p, domain.n)};
	uint64_t hash = hash_bytes(parts, sizeof(parts));

	return hash != 0 ? hash : 1;
}

/* A clock that was set back far makes nothing last for ever. */
static bool
is_late(const struct seen_entry *entry, int64_t now_wall_s)
{
	int64_t age_s = now_wall_s - entry->wall_s;

	return entry->hash == 0 || age_s >= SEEN_S || age_s <= -SEEN_S;
}

bool
domain_seen_first(struct domain_seen *seen, const char *cred,
		  struct slice domain, int64_t now_wall_s)
{
	uint64_t hash = pair_hash(cred, domain);
	struct seen_entry *set = seen->v[hash % SEEN_SETS], *to = &set[0];
	bool found = false;

	pthread_mutex_lock(&seen->lock);
	for (size_t i = 0; i < SEEN_WAYS && !found; i++) {
		bool late = is_late(&set[i], now_wall_s);

		if (set[i].hash == hash) {
			to = &set[i];
			found = !late;
			break;
		}
		if (!is_late(to, now_wall_s) &&
		    (late || set[i].wall_s < to->wall_s))
			to = &set[i];
	}
	if (!found)
		*to = (struct seen_entry){hash, now_wall_s};
	pthread_mutex_unlock(&seen->lock);
	return !found;
}
