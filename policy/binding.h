#ifndef POLICY_BINDING_H
#define POLICY_BINDING_H

#include <stdbool.h>

#include "gateway/base/buf.h"
#include "gateway/base/slice.h"
#include "policy/accounts.h"

/*
 * FROM binding: whose name may stand on a login's mail (RFC 6409, 6.1).
 * Applied to MAIL FROM and to every address in the From and Sender fields.
 */
enum binding {
	BINDING_OFF,
	BINDING_OBSERVE, /* as domain, but only the log hears of it */
	BINDING_DOMAIN,	 /* any address at our domains */
	BINDING_ADDRESS, /* the login's own address */
};

struct binding_who { /* borrowed */
	const char *cred;
	const char *owner;  /* registered address, or NULL */
	const char *domain; /* auth's domain: bob may be bob@domain; or NULL */
	const char *const *internal; /* `internal`, key form; ".b": below */
	size_t internal_count;
	struct accounts *accounts;
};

/* Says of BINDING_OBSERVE what it says of BINDING_DOMAIN. The null sender
 * (empty) is fine: it charges its login like any other. Case does not count,
 * nor do quotes that a local part does not need. */
bool binding_ok(enum binding binding, const struct binding_who *who,
		struct slice address);

/* Every address of a From or Sender field's value, folded or not (RFC 5322, 3.4
 * and 4.4: names, comments, quoted strings, groups, routes), without comments,
 * white space and idle quotes. fn false stops. Returns false when the value
 * cannot be read without doubt: then nobody's name may be assumed, and fn was
 * not called. At most 1,000 addresses, of at most 998 bytes. A value with an
 * empty group alone is fine and has none (RFC 6854). */
typedef bool binding_address_fn(void *arg, struct slice address);
bool binding_addresses(struct slice value, binding_address_fn *fn, void *arg);

/* The domain of the only address in a From value, key form, NUL-terminated;
 * false: there are none or several, or it cannot be read. */
#define BINDING_DOMAIN_SIZE 256
bool binding_author(struct slice value, char out[BINDING_DOMAIN_SIZE]);

#endif
