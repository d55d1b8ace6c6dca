#include "dns/name.h"

#include <idn2.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"

#define UTF8_MAX 1024 /* of a name whose A-labels can fit in 253 */

static bool
char_ok(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '-' || c == '_';
}

bool
dns_name_ok(struct slice name)
{
	size_t label = 0;

	if (name.n == 0 || name.n > 253)
		return false;
	for (size_t i = 0; i < name.n; i++) {
		if (name.p[i] == '.') {
			if (label == 0)
				return false;
			label = 0;
		} else if (!char_ok(name.p[i]) || ++label > 63) {
			return false;
		}
	}
	return label > 0;
}

static bool
is_ascii(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		if ((unsigned char)s.p[i] > 0x7f)
			return false;
	}
	return true;
}

static bool
key_ascii(struct slice name, char out[DNS_NAME_SIZE])
{
	if (name.n > 0 && name.p[name.n - 1] == '.')
		name.n--;
	if (!dns_name_ok(name))
		return false;
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];

		out[i] = c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
	}
	out[name.n] = '\0';
	return true;
}

bool
dns_name_key(struct slice domain, char out[DNS_NAME_SIZE])
{
	uint8_t *ascii = NULL;
	char *copy;
	bool ok;

	if (is_ascii(domain))
		return key_ascii(domain, out);
	if (domain.n > UTF8_MAX || memchr(domain.p, '\0', domain.n) != NULL)
		return false;
	copy = mem_strndup(domain.p, domain.n);
	/* never IDN2_USE_STD3_ASCII_RULES: it deletes what it forbids */
	ok = idn2_lookup_u8((const uint8_t *)copy, &ascii,
			    IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) == IDN2_OK &&
	     key_ascii(slice_str((const char *)ascii), out);
	idn2_free(ascii);
	free(copy);
	return ok;
}
