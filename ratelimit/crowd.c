#include "ratelimit/crowd.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include "gateway/base/hash.h"
#include "gateway/base/mem.h"

#define V6_BITS 64

struct member {
	struct ip_addr key;
	uint32_t count;
	UT_hash_handle hh;
};

struct crowd {
	pthread_mutex_t lock;
	struct member *members;
	uint32_t count;
};

static void
key_of(const struct ip_addr *ip, struct ip_addr *key)
{
	struct ip_prefix prefix;

	ip_prefix_of(ip, ip_is_v4(ip) ? 128 : V6_BITS, &prefix);
	*key = prefix.addr;
}

struct crowd *
crowd_create(void)
{
	struct crowd *crowd = mem_zalloc(sizeof(*crowd));

	pthread_mutex_init(&crowd->lock, NULL);
	return crowd;
}

void
crowd_destroy(struct crowd **crowd)
{
	struct member *member, *next;

	if (*crowd == NULL)
		return;
	HASH_ITER(hh, (*crowd)->members, member, next)
	{
		HASH_DEL((*crowd)->members, member);
		free(member);
	}
	pthread_mutex_destroy(&(*crowd)->lock);
	free(*crowd);
	*crowd = NULL;
}

static enum crowd_verdict
enter_locked(struct crowd *crowd, const struct ip_addr *key, uint32_t max,
	     uint32_t address_max)
{
	struct member *member;

	if (max != 0 && crowd->count >= max)
		return CROWD_FULL;
	HASH_FIND(hh, crowd->members, key, sizeof(*key), member);
	if (member == NULL) {
		member = mem_zalloc(sizeof(*member));
		member->key = *key;
		HASH_ADD(hh, crowd->members, key, sizeof(*key), member);
	} else if (address_max != 0 && member->count >= address_max) {
		return CROWD_ADDRESS_FULL;
	}
	member->count++;
	crowd->count++;
	return CROWD_IN;
}

enum crowd_verdict
crowd_enter(struct crowd *crowd, const struct ip_addr *ip, uint32_t max,
	    uint32_t address_max)
{
	enum crowd_verdict verdict;
	struct ip_addr key;

	key_of(ip, &key);
	pthread_mutex_lock(&crowd->lock);
	verdict = enter_locked(crowd, &key, max, address_max);
	pthread_mutex_unlock(&crowd->lock);
	return verdict;
}

void
crowd_leave(struct crowd *crowd, const struct ip_addr *ip)
{
	struct member *member;
	struct ip_addr key;

	key_of(ip, &key);
	pthread_mutex_lock(&crowd->lock);
	HASH_FIND(hh, crowd->members, &key, sizeof(key), member);
	assert(member != NULL && crowd->count > 0);
	crowd->count--;
	if (--member->count == 0) {
		HASH_DEL(crowd->members, member);
		free(member);
	}
	pthread_mutex_unlock(&crowd->lock);
}

uint32_t
crowd_count(struct crowd *crowd)
{
	uint32_t count;

	pthread_mutex_lock(&crowd->lock);
	count = crowd->count;
	pthread_mutex_unlock(&crowd->lock);
	return count;
}
