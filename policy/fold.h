#ifndef POLICY_FOLD_H
#define POLICY_FOLD_H

#include "gateway/base/slice.h"

/*
 * Names as they are compared: ASCII lower case; of a domain one trailing dot
 * off; of a local part the quotes that it does not need off. Local parts have
 * no case here, although RFC 5321 lets a host tell "Bob" from "bob": a rule
 * that a capital letter walks around is none. Domains are in the key form of
 * gateway/base/address.h.
 */

/* local@domain (the last '@'); 0 when it is longer than size. */
size_t fold_address(struct slice address, char *out, size_t size);

#endif
