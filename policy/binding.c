#include "policy/binding.h"

#include <string.h>

#include "gateway/base/address.h"
#include "policy/fold.h"

#define ADDRESS_MAX 1024

static bool
domain_is_ours(const struct binding_who *who, struct slice domain)
{
	if (domain.n == 0)
		return false;
	if (who->domain != NULL && slice_ieq(slice_str(who->domain), domain))
		return true;
	for (size_t i = 0; i < who->internal_count; i++) {
		if (address_domain_covers(slice_str(who->internal[i]), domain))
			return true;
	}
	return false;
}

/* Is the folded address the one that `text` spells? */
static bool
is_address(const char *text, struct slice address)
{
	char folded[ADDRESS_MAX];
	size_t n;

	if (text == NULL)
		return false;
	n = fold_address(slice_str(text), folded, sizeof(folded));
	return n > 0 && slice_eq(slice_of(folded, n), address);
}

/* The registered address, or the login where it is an address, or what the
 * login and auth's domain make. */
static bool
is_own(const struct binding_who *who, struct slice address)
{
	struct slice domain = address_domain(address);

	if (is_address(who->owner, address))
		return true;
	if (who->cred == NULL)
		return false;
	if (strchr(who->cred, '@') != NULL)
		return is_address(who->cred, address);
	return who->domain != NULL && domain.n > 0 &&
	       slice_ieq(slice_str(who->domain), domain) &&
	       slice_ieq(slice_str(who->cred), address_local(address));
}

bool
binding_ok(enum binding binding, const struct binding_who *who,
	   struct slice address)
{
	char folded[ADDRESS_MAX];
	struct slice name;

	if (binding == BINDING_OFF || address.n == 0)
		return true;
	name = slice_of(folded, fold_address(address, folded, sizeof(folded)));
	if (name.n == 0)
		return false;
	if (binding != BINDING_ADDRESS &&
	    domain_is_ours(who, address_domain(name)))
		return true;
	return is_own(who, name) ||
	       (who->accounts != NULL && who->cred != NULL &&
		accounts_sender_ok(who->accounts, who->cred, name));
}
