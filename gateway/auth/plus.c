#include "gateway/auth/plus.h"

#include <stdlib.h>

#include "gateway/base/encode.h"
#include "gateway/base/mem.h"

void
auth_plus_init(struct auth_plus *plus, struct slice mechanism,
	       const char *suffix)
{
	*plus = (struct auth_plus){
	    .suffix = mem_strdup(suffix),
	    .mechanism = sasl_mechanism(mechanism),
	};
	buf_init(&plus->out, SASL_RESPONSE_MAX);
}

void
auth_plus_fini(struct auth_plus *plus)
{
	buf_wipe(&plus->out);
	free(plus->suffix);
	*plus = (struct auth_plus){0};
}

/* Appends name; without the suffix, if it has it. */
static bool
add_name(const struct auth_plus *plus, struct slice name, struct buf *out)
{
	struct slice suffix = slice_str(plus->suffix);
	size_t at = slice_find(name, '@');
	struct slice local = slice_head(name, at);

	if (local.n < suffix.n + 2 || !slice_iends(local, suffix) ||
	    local.p[local.n - suffix.n - 1] != '+') {
		buf_add_slice(out, name);
		return false;
	}
	buf_add_slice(out, slice_head(local, local.n - suffix.n - 1));
	buf_add_slice(out, slice_from(name, at));
	return true;
}

/* authzid NUL authcid NUL password */
static bool
rewrite_plain(const struct auth_plus *plus, struct slice in, struct buf *out)
{
	struct slice name;
	bool found = false;

	for (int i = 0; i < 2; i++) {
		size_t n = slice_find(in, '\0');

		if (n == in.n)
			return false;
		name = slice_head(in, n);
		if (add_name(plus, name, out) && i == 1)
			found = true;
		buf_add_byte(out, '\0');
		in = slice_from(in, n + 1);
	}
	buf_add_slice(out, in);
	return found;
}

static bool
rewrite(const struct auth_plus *plus, struct slice in, struct buf *out)
{
	return plus->mechanism == SASL_PLAIN ? rewrite_plain(plus, in, out)
					     : add_name(plus, in, out);
}

struct slice
auth_plus_take(struct auth_plus *plus, struct slice response)
{
	struct buf in, changed;

	if (plus->suffix == NULL || response.p == NULL || plus->named ||
	    plus->mechanism == SASL_UNKNOWN)
		return response;
	plus->named = true;
	buf_init(&in, SASL_RESPONSE_MAX);
	buf_init(&changed, SASL_RESPONSE_MAX);
	buf_clear(&plus->out);
	if (base64_decode(&in, response) == 0 && !in.overflow)
		plus->found = rewrite(plus, buf_slice(&in), &changed);
	if (plus->found) {
		base64_encode(&plus->out, buf_slice(&changed));
		response = buf_slice(&plus->out);
	}
	buf_wipe(&in);
	buf_wipe(&changed);
	return response;
}
