#include "gateway/dkim/keys.h"

#include <stdatomic.h>
#include <string.h>

#include "gateway/base/address.h"
#include "gateway/base/mem.h"

struct dkim_keys {
	struct dkim_domain *domains; /* by name */
	_Atomic int users;
};

struct dkim_keys *
dkim_keys_create(void)
{
	struct dkim_keys *keys = mem_zalloc(sizeof(*keys));

	atomic_init(&keys->users, 1);
	return keys;
}

struct dkim_keys *
dkim_keys_share(struct dkim_keys *keys)
{
	if (keys != NULL)
		atomic_fetch_add_explicit(&keys->users, 1,
					  memory_order_relaxed);
	return keys;
}

static void
domain_free(struct dkim_domain *domain)
{
	for (size_t i = 0; i < domain->selector_count; i++) {
		free(domain->selectors[i].name);
		dkim_key_destroy(&domain->selectors[i].key);
	}
	free(domain->name);
	free(domain);
}

void
dkim_keys_release(struct dkim_keys **keysp)
{
	struct dkim_keys *keys = *keysp;
	struct dkim_domain *domain, *next;

	*keysp = NULL;
	if (keys == NULL || atomic_fetch_sub_explicit(
				&keys->users, 1, memory_order_acq_rel) != 1)
		return;
	HASH_ITER(hh, keys->domains, domain, next)
	{
		HASH_DEL(keys->domains, domain);
		domain_free(domain);
	}
	free(keys);
}

static struct dkim_domain *
find(const struct dkim_keys *keys, struct slice name)
{
	struct dkim_domain *domain;

	HASH_FIND(hh, keys->domains, name.p, (unsigned)name.n, domain);
	return domain;
}

struct dkim_domain *
dkim_keys_add(struct dkim_keys *keys, const char *name)
{
	struct dkim_domain *domain = find(keys, slice_str(name));

	if (domain != NULL)
		return domain;
	domain = mem_zalloc(sizeof(*domain));
	domain->name = mem_strdup(name);
	HASH_ADD_KEYPTR(hh, keys->domains, domain->name,
			(unsigned)strlen(domain->name), domain);
	return domain;
}

bool
dkim_domain_add(struct dkim_domain *domain, const char *selector,
		struct dkim_key **key)
{
	struct dkim_selector *to;

	if (domain->selector_count == DKIM_SELECTORS_MAX) {
		dkim_key_destroy(key);
		return false;
	}
	to = &domain->selectors[domain->selector_count++];
	to->name = mem_strdup(selector);
	to->key = *key;
	*key = NULL;
	return true;
}

const struct dkim_domain *
dkim_keys_find(const struct dkim_keys *keys, struct slice name)
{
	char key[256];
	const struct dkim_domain *domain;
	struct slice rest;
	size_t dot;

	if (keys == NULL || keys->domains == NULL)
		return NULL;
	rest = slice_of(key, address_domain_fold(name, key, sizeof(key)));
	domain = rest.n > 0 ? find(keys, rest) : NULL;
	while (domain == NULL) {
		dot = slice_find(rest, '.');
		if (dot == rest.n)
			return NULL;
		rest = slice_from(rest, dot + 1);
		domain = find(keys, rest);
		if (domain != NULL && !domain->below)
			domain = NULL;
	}
	return domain->selector_count > 0 ? domain : NULL;
}

const struct dkim_domain *
dkim_keys_next(const struct dkim_keys *keys, const struct dkim_domain *last)
{
	if (keys == NULL)
		return NULL;
	return last == NULL ? keys->domains : last->hh.next;
}
