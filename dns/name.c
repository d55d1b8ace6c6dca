#include "dns/name.h"

#include <string.h>

#include "gateway/base/address.h"

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

bool
dns_name_key(struct slice domain, char out[DNS_NAME_SIZE])
{
	char key[UTF8_MAX];
	struct slice name =
	    slice_of(key, address_domain_fold(domain, key, sizeof(key)));

	if (!dns_name_ok(name))
		return false;
	memcpy(out, name.p, name.n);
	out[name.n] = '\0';
	return true;
}
