/*
 * dkim_signer DOMAIN SELECTOR=KEYFILE... : messages on stdin, each a big-endian
 * 32-bit length and its bytes; the same on stdout with signatures in front, or
 * as they came. Fed in odd pieces, so that where they end does not matter.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/mem.h"
#include "gateway/dkim/sign.h"

#define SIZE_MAX_BYTES ((uint32_t)64 << 20)

static bool
read_one(char **p, uint32_t *n)
{
	unsigned char head[4];

	if (fread(head, 1, 4, stdin) != 4)
		return false;
	*n = (uint32_t)head[0] << 24 | (uint32_t)head[1] << 16 |
	     (uint32_t)head[2] << 8 | head[3];
	if (*n > SIZE_MAX_BYTES)
		exit(2);
	*p = mem_alloc(*n + 1);
	return fread(*p, 1, *n, stdin) == *n;
}

static void
write_one(struct slice fields, struct slice message)
{
	uint32_t n = (uint32_t)(fields.n + message.n);
	const unsigned char head[4] = {
	    (unsigned char)(n >> 24), (unsigned char)(n >> 16),
	    (unsigned char)(n >> 8), (unsigned char)n};

	fwrite(head, 1, 4, stdout);
	if (fields.n > 0)
		fwrite(fields.p, 1, fields.n, stdout);
	if (message.n > 0)
		fwrite(message.p, 1, message.n, stdout);
	fflush(stdout);
}

static void
sign_one(const struct dkim_domain *domain, struct slice message)
{
	static const size_t sizes[] = {1, 7, 4096, 2, 65536, 3};
	struct dkim_message *m = dkim_message_create();
	struct dkim_signing signing = {
	    .domain = domain, .message = m, .now_wall_s = clock_wall_s()};
	struct buf fields = {.cap = DKIM_FIELDS_MAX};
	struct slice rest = message;

	for (size_t i = 0; rest.n > 0; i++) {
		size_t n = sizes[i % (sizeof(sizes) / sizeof(sizes[0]))];

		dkim_message_add(m, slice_head(rest, n));
		rest = slice_from(rest, n);
	}
	dkim_message_end(m);
	if (dkim_message_from(m).n > 0)
		dkim_sign(&signing, &fields);
	write_one(buf_slice(&fields), message);
	buf_fini(&fields);
	dkim_message_destroy(&m);
}

int
main(int argc, char **argv)
{
	struct dkim_keys *keys = dkim_keys_create();
	struct dkim_domain *domain;
	uint32_t n;
	char *p;

	if (argc < 3)
		return 2;
	domain = dkim_keys_add(keys, argv[1]);
	for (int i = 2; i < argc; i++) {
		char *path = strchr(argv[i], '=');
		const char *why = "no '='";
		struct dkim_key *key;

		if (path != NULL)
			*path++ = '\0';
		key = path != NULL ? dkim_key_read(path, &why) : NULL;
		if (key == NULL) {
			fprintf(stderr, "%s: %s\n", argv[i], why);
			return 2;
		}
		dkim_domain_add(domain, argv[i], &key);
	}
	while (read_one(&p, &n)) {
		sign_one(domain, slice_of(p, n));
		free(p);
	}
	dkim_keys_release(&keys);
	return 0;
}
