#include "policy/fold.h"

#include <string.h>

#include "gateway/base/address.h"

static bool
is_atom_char(char c)
{
	unsigned char u = (unsigned char)c;

	return (u > ' ' && u != 0x7f && strchr("()<>[]:;@\\,\"", c) == NULL);
}

/* Nothing between the quotes needs them: the content is a dot-atom. */
static bool
quotes_are_idle(struct slice local)
{
	bool dot = true; /* none at the start, none behind another */

	if (local.n < 3 || local.p[0] != '"' || local.p[local.n - 1] != '"')
		return false;
	for (size_t i = 1; i < local.n - 1; i++) {
		if (local.p[i] == '\\' && i + 1 < local.n - 1)
			i++;
		if (local.p[i] == '.' ? dot : !is_atom_char(local.p[i]))
			return false;
		dot = local.p[i] == '.';
	}
	return !dot;
}

static char
fold(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

size_t
fold_address(struct slice address, char *out, size_t size)
{
	struct slice local = address_local(address);
	struct slice domain = address_domain(address);
	bool idle = quotes_are_idle(local);
	size_t n = 0;

	if (address.n >= size)
		return 0;
	if (idle)
		local = slice_of(local.p + 1, local.n - 2);
	for (size_t i = 0; i < local.n; i++) {
		if (idle && local.p[i] == '\\')
			i++;
		out[n++] = fold(local.p[i]);
	}
	if (address_local(address).n == address.n)
		return n; /* no '@' */
	out[n++] = '@';
	if (domain.n == 0)
		return n;
	size = address_domain_fold(domain, out + n, size - n);
	return size > 0 ? n + size : 0;
}
