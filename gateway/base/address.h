#ifndef GATEWAY_BASE_ADDRESS_H
#define GATEWAY_BASE_ADDRESS_H

#include <stdbool.h>

#include "gateway/base/buf.h"

/* The domain of local@domain: what follows the last '@'; none without one. */
struct slice address_domain(struct slice address);
struct slice address_local(struct slice address); /* all, without an '@' */

/*
 * The key form of a domain: lower case, one trailing dot off, a UTF-8 name as
 * A-labels (RFC 5891), so that a rule is not walked around by another
 * spelling. What is no name stays as it is but for its case; a leading dot is
 * kept. fold: the length; 0 when it is empty or does not fit.
 */
size_t address_domain_fold(struct slice domain, char *out, size_t size);
/* Appended. */
void address_domain_key(struct buf *out, struct slice domain);
/* Both in key form. A rule ".b" is all below b, as `internal` and `route` say;
 * any other is itself alone. */
bool address_domain_covers(struct slice rule, struct slice domain);

#endif
