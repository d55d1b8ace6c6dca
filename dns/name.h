#ifndef DNS_NAME_H
#define DNS_NAME_H

#include <stdbool.h>

#include "dns/lookup.h"

/*
 * Domain names as text. What we let through is stricter than DNS: letters,
 * digits, '-' and '_' in labels of 1 to 63, 253 in all. libidn2 is no check
 * of that, and c-ares none at all.
 */

/* ASCII, no trailing dot. */
bool dns_name_ok(struct slice name);

/*
 * The form that is asked for and compared: lower case, A-labels, no trailing
 * dot. Takes UTF-8. False: no domain name.
 */
bool dns_name_key(struct slice domain, char out[DNS_NAME_SIZE]);

#endif
