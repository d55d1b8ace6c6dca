#include "gateway/base/address.h"

#include <idn2.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"

#define ADDRESS_DOMAIN_MAX 1024 /* longer names are no IDNs */

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

static bool
is_ascii(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] > 0x7f)
			return false;
	return true;
}

/* The A-labels of a UTF-8 name; NULL when it is none. */
static char *
a_labels(struct slice name)
{
	uint8_t *ascii = NULL;
	char *text;
	int rc;

	if (name.n > ADDRESS_DOMAIN_MAX || memchr(name.p, '\0', name.n) != NULL)
		return NULL;
	text = mem_strndup(name.p, name.n);
	rc = idn2_lookup_u8((const uint8_t *)text, &ascii,
			    IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
	free(text);
	if (rc != IDN2_OK)
		return NULL;
	/* of invisible characters nothing is left, or only dots: no name may
	 * turn into none, of which nothing would be asked */
	if (ascii[strspn((char *)ascii, ".")] != '\0')
		return (char *)ascii;
	idn2_free(ascii);
	return NULL;
}

static size_t
lower(struct slice s, char *out)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		out[i] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
	}
	return s.n;
}

size_t
address_domain_fold(struct slice domain, char *out, size_t size)
{
	char *ascii = NULL;
	size_t n = 0;

	if (domain.n > 0 && domain.p[domain.n - 1] == '.')
		domain.n--;
	if (domain.n + 1 > size)
		return 0;
	if (!is_ascii(domain)) {
		if (domain.p[0] == '.') { /* "and below" of a rule */
			out[n++] = '.';
			domain = slice_from(domain, 1);
		}
		ascii = a_labels(domain);
	}
	if (ascii != NULL && n + strlen(ascii) < size)
		domain = slice_str(ascii);
	/* an ideographic full stop became one */
	if (ascii != NULL && domain.n > 0 && domain.p[domain.n - 1] == '.')
		domain.n--;
	n += lower(domain, out + n);
	idn2_free(ascii);
	return n;
}

bool
address_domain_covers(struct slice rule, struct slice domain)
{
	if (rule.n == 0 || rule.p[0] != '.')
		return slice_eq(rule, domain);
	return domain.n > rule.n &&
	       slice_eq(slice_from(domain, domain.n - rule.n), rule);
}

void
address_domain_key(struct buf *out, struct slice domain)
{
	size_t size =
	    (domain.n > ADDRESS_DOMAIN_MAX ? domain.n : ADDRESS_DOMAIN_MAX) + 2;
	char *room = mem_alloc(size);

	buf_add_slice(out,
		      slice_of(room, address_domain_fold(domain, room, size)));
	free(room);
}
