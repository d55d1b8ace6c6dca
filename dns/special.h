#ifndef DNS_SPECIAL_H
#define DNS_SPECIAL_H

#include <stdbool.h>

#include "gateway/base/slice.h"

/*
 * Names that are kept out of the public DNS, themselves or what is below them:
 * test, example, invalid, localhost (RFC 6761), local (6762), onion (7686),
 * alt (9476), home.arpa (8375), internal (ICANN, 2024), and the reverse trees,
 * which hold no mail domains. example.com and its like are in DNS and say for
 * themselves that they take no mail. domain in key form.
 */
bool special_use(struct slice domain);
/* localhost and what is below it: this machine, whatever DNS says. */
bool special_localhost(struct slice domain);

#endif
