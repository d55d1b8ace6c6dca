#ifndef TESTS_AUTH_AUTH_HELP_H
#define TESTS_AUTH_AUTH_HELP_H

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/encode.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))
/* A literal with NULs inside. */
#define RAW(s) ((struct slice){(s), sizeof(s) - 1})

/* The caller frees it. */
static inline char *
base64_of(struct slice s)
{
	struct buf out;
	char *text;

	buf_init(&out, 1 << 20);
	base64_encode(&out, s);
	text = slice_dup(buf_slice(&out));
	buf_fini(&out);
	return text;
}

static inline int
run_suite(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
