#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/dkim/sign.h"

/*
 * A message, whole and in pieces: the same is known of it, and what is made
 * for it is fields and nothing else. A signature that is made twice is the same
 * (Ed25519), also when fields that are not signed stand above.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PEM                                                              \
	"-----BEGIN PRIVATE KEY-----\n"                                  \
	"MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMc\n" \
	"rn9g\n"                                                         \
	"-----END PRIVATE KEY-----\n"
#define PREFIX "Received: from a\r\n\tby b\r\nX-Sluice-Scan: v=1\r\n"

static struct dkim_domain *
domain(void)
{
	static struct dkim_keys *keys;
	static struct dkim_domain *made;
	const char *why;
	struct dkim_key *key;

	if (made == NULL) {
		keys = dkim_keys_create();
		made = dkim_keys_add(keys, "example.com");
		key = dkim_key_parse(SLICE_LIT(PEM), &why);
		if (key == NULL || !dkim_domain_add(made, "s", &key))
			abort();
	}
	return made;
}

static struct dkim_message *
take(struct slice s, size_t piece)
{
	struct dkim_message *m = dkim_message_create();

	for (; s.n > 0; s = slice_from(s, piece))
		dkim_message_add(m, slice_head(s, piece));
	dkim_message_end(m);
	return m;
}

static int
sign(const struct dkim_message *m, struct slice prefix, struct buf *out)
{
	const struct dkim_signing signing = {.domain = domain(),
					     .message = m,
					     .prefix = prefix,
					     .now_wall_s = 1800000000};

	return dkim_sign(&signing, out);
}

static void
compare(const struct dkim_message *a, const struct dkim_message *b)
{
	if (dkim_message_bad(a) != dkim_message_bad(b) ||
	    dkim_message_header_done(a) != dkim_message_header_done(b) ||
	    memcmp(dkim_message_digest(a), dkim_message_digest(b),
		   DIGEST_SIZE) != 0 ||
	    !slice_eq(dkim_message_header(a), dkim_message_header(b)))
		abort();
}

static void
check_fields(struct slice fields)
{
	struct dkim_field field;
	size_t count = 0;

	while (dkim_field_next(&fields, &field)) {
		if (!slice_eq(field.name, SLICE_LIT("DKIM-Signature")))
			abort();
		count++;
	}
	if (fields.n != 0 || count != 1)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size);
	struct dkim_message *whole = take(in, size + 1);
	struct dkim_message *pieces =
	    take(in, size > 0 ? (size_t)data[0] % 7 + 1 : 1);
	struct buf once = {.cap = DKIM_FIELDS_MAX};
	struct buf again = {.cap = DKIM_FIELDS_MAX};

	compare(whole, pieces);
	if (sign(whole, SLICE_NONE, &once) == 0) {
		check_fields(buf_slice(&once));
		if (sign(pieces, SLICE_LIT(PREFIX), &again) != 0 ||
		    !slice_eq(buf_slice(&once), buf_slice(&again)))
			abort();
	}
	buf_fini(&once);
	buf_fini(&again);
	dkim_message_destroy(&whole);
	dkim_message_destroy(&pieces);
	return 0;
}
