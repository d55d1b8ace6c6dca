#ifndef GATEWAY_BASE_ADDRESS_H
#define GATEWAY_BASE_ADDRESS_H

#include <stdbool.h>

#include "gateway/base/buf.h"

/* The domain of local@domain: what follows the last '@'; none without one. */
struct slice address_domain(struct slice address);
struct slice address_local(struct slice address); /* all, without an '@' */

/* Appends the key form of a domain: ASCII lower case, one trailing dot off. */
void address_domain_key(struct buf *out, struct slice domain);

#endif
