#include "gateway/base/address.h"

/* The last '@': a quoted local part may hold others. */
static size_t
find_at(struct slice address)
{
	size_t n = address.n;

	while (n > 0 && address.p[n - 1] != '@')
		n--;
	return n;
}

struct slice
address_domain(struct slice address)
{
	size_t after = find_at(address);

	return after > 0 ? slice_from(address, after) : SLICE_NONE;
}

struct slice
address_local(struct slice address)
{
	size_t after = find_at(address);

	return after > 0 ? slice_head(address, after - 1) : address;
}

void
address_domain_key(struct buf *out, struct slice domain)
{
	char *room;

	if (domain.n > 0 && domain.p[domain.n - 1] == '.')
		domain.n--;
	room = buf_reserve(out, domain.n);
	if (room == NULL)
		return;
	for (size_t i = 0; i < domain.n; i++) {
		char c = domain.p[i];

		room[i] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
	}
	out->n += domain.n;
}
