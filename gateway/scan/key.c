#include "gateway/scan/key.h"

#include <string.h>

#define ENDING_MAX 16 /* a longer one is none that a scanner knows */

static void
add_text(struct digest *digest, struct slice s)
{
	char lower[MIME_TYPE_SIZE];
	uint64_t n;

	s = slice_head(s, sizeof(lower));
	for (size_t i = 0; i < s.n; i++)
		lower[i] = s.p[i] >= 'A' && s.p[i] <= 'Z'
			       ? (char)(s.p[i] - 'A' + 'a')
			       : s.p[i];
	n = s.n;
	digest_add(digest, slice_of(&n, sizeof(n)));
	digest_add(digest, slice_of(lower, s.n));
}

static struct slice
ending_of(const char *name)
{
	const char *dot = name != NULL ? strrchr(name, '.') : NULL;
	size_t n = dot != NULL ? strlen(dot) : 0;

	return n > 0 && n <= ENDING_MAX ? slice_of(dot, n) : SLICE_NONE;
}

void
scan_key(const struct scan_part *part, uint8_t key[DIGEST_SIZE])
{
	struct digest *digest = digest_create();

	digest_add(digest, slice_of(part->digest, sizeof(part->digest)));
	add_text(digest, slice_str(part->type != NULL ? part->type : ""));
	add_text(digest, ending_of(part->name));
	digest_final(digest, key);
	digest_destroy(&digest);
}
