#include <stdlib.h>
#include <string.h>

#include "dns/name.h"
#include "dns/route_int.h"
#include "gateway/base/digest.h"
#include "gateway/base/encode.h"
#include "gateway/base/mem.h"
#include "gateway/base/secret.h"

bool
hosts_null_mx(const struct dns_answer *answer)
{
	return answer->count == 1 && answer->records[0].host != NULL &&
	       answer->records[0].host[0] == '\0';
}

/* An address written where a name belongs is none: no zone holds it. */
static bool
is_host(const char *name)
{
	struct ip_addr ip;

	return name != NULL && dns_name_ok(slice_str(name)) &&
	       ip_parse(slice_str(name), &ip) != 0;
}

static int
host_compare(const void *a, const void *b)
{
	const struct targets_host *x = a, *y = b;

	if (x->preference != y->preference)
		return x->preference < y->preference ? -1 : 1;
	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	return strcmp(x->name, y->name);
}

struct targets_host *
hosts_take(const struct dns_answer *answer, uint32_t *count)
{
	struct targets_host *hosts = mem_array(answer->count, sizeof(*hosts));
	uint32_t n = 0;

	for (uint32_t i = 0; i < answer->count; i++) {
		const struct dns_record *record = &answer->records[i];

		if (!is_host(record->host))
			continue;
		memcpy(hosts[n].name, record->host, strlen(record->host) + 1);
		hosts[n].preference = record->preference;
		secret_random(&hosts[n].rank, sizeof(hosts[n].rank));
		n++;
	}
	if (n > 1)
		qsort(hosts, n, sizeof(*hosts), host_compare);
	*count = n;
	return hosts;
}

/* Equal ones are shuffled: here they stand by name. */
static int
name_compare(const void *a, const void *b)
{
	const struct targets_host *const *x = a, *const *y = b;

	if ((*x)->preference != (*y)->preference)
		return (*x)->preference < (*y)->preference ? -1 : 1;
	return strcmp((*x)->name, (*y)->name);
}

/* The order, whatever numbers make it: 10, 20 is as 1, 2. */
void
hosts_site(const struct targets_host *hosts, uint32_t count,
	   char site[TARGETS_SITE_SIZE])
{
	const struct targets_host **sorted =
	    mem_array(count, sizeof(const struct targets_host *));
	struct digest *digest = digest_create();
	uint8_t sum[DIGEST_SIZE];
	struct buf hex;

	for (uint32_t i = 0; i < count; i++)
		sorted[i] = &hosts[i];
	qsort(sorted, count, sizeof(const struct targets_host *), name_compare);
	for (uint32_t i = 0; i < count; i++) {
		bool equal =
		    i > 0 && sorted[i]->preference == sorted[i - 1]->preference;

		digest_add(digest, slice_str(equal ? "=" : ">"));
		digest_add(digest, slice_of(sorted[i]->name,
					    strlen(sorted[i]->name) + 1));
	}
	digest_final(digest, sum);
	digest_destroy(&digest);
	free(sorted);
	buf_init(&hex, TARGETS_SITE_SIZE);
	hex_encode(&hex, slice_of(sum, sizeof(sum)));
	memcpy(site, buf_cstr(&hex), TARGETS_SITE_SIZE);
	buf_fini(&hex);
}

uint32_t
hosts_before(const struct targets_host *hosts, uint32_t count, const char *self)
{
	uint32_t n = 0;

	while (n < count && (*self == '\0' || strcmp(hosts[n].name, self) != 0))
		n++;
	/* nor those that are as good as ours */
	while (n > 0 && n < count &&
	       hosts[n - 1].preference == hosts[n].preference)
		n--;
	return n;
}
