/*
 * What the walker finds, for comparing it with other readers (test_oracles.py).
 * Standard input: messages, each behind its length of four bytes. Standard
 * output: a line "message FLAGS WHY" for each, and one "part FLAGS TYPE DIGEST
 * NAME" for each part of it, all parts digested.
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "gateway/mime/walk.h"

static void
take_part(void *arg, const struct mime_part *part)
{
	(void)arg;
	printf("part %" PRIx32 " %s ", part->flags, part->type);
	for (unsigned i = 0; i < DIGEST_SIZE; i++)
		printf("%02x", part->digest[i]);
	printf(" %s\n", part->name);
}

int
main(void)
{
	struct mime_opts opts = {.digest_all = true, .part = take_part};
	struct mime_walk *walk = mime_walk_create(&opts);
	uint32_t n;

	while (fread(&n, sizeof(n), 1, stdin) == 1) {
		struct mime_summary sum;
		char *p;

		n = ntohl(n);
		p = malloc(n > 0 ? n : 1);
		if (p == NULL || fread(p, 1, n, stdin) != n)
			return 1;
		mime_walk_add(walk, slice_of(p, n));
		mime_walk_end(walk, &sum);
		printf("message %" PRIx32 " %s\n", sum.flags,
		       sum.why != NULL ? sum.why : "-");
		mime_walk_reset(walk);
		free(p);
	}
	mime_walk_destroy(&walk);
	return 0;
}
