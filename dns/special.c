#include "dns/special.h"

#include <string.h>

/* The last label, and what is before its dot. */
static struct slice
last_label(struct slice domain, struct slice *before)
{
	const char *dot =
	    domain.n > 0 ? memrchr(domain.p, '.', domain.n) : NULL;
	size_t at = dot == NULL ? 0 : (size_t)(dot - domain.p) + 1;

	*before = slice_head(domain, at == 0 ? 0 : at - 1);
	return slice_from(domain, at);
}

static bool
is_one_of(struct slice label, const struct slice *labels, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (slice_eq(label, labels[i]))
			return true;
	}
	return false;
}

bool
special_use(struct slice domain)
{
	static const struct slice tops[] = {
	    {"test", 4},  {"example", 7}, {"invalid", 7}, {"localhost", 9},
	    {"local", 5}, {"onion", 5},	  {"alt", 3},	  {"internal", 8},
	};
	static const struct slice in_arpa[] = {
	    {"home", 4}, {"in-addr", 7}, {"ip6", 3}};
	struct slice before, ignored;
	struct slice top = last_label(domain, &before);

	if (slice_eq(top, SLICE_LIT("arpa")))
		return is_one_of(last_label(before, &ignored), in_arpa,
				 sizeof(in_arpa) / sizeof(in_arpa[0]));
	return is_one_of(top, tops, sizeof(tops) / sizeof(tops[0]));
}

bool
special_localhost(struct slice domain)
{
	struct slice before;

	return slice_eq(last_label(domain, &before), SLICE_LIT("localhost"));
}
