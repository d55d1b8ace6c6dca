#ifndef TESTS_GATEWAY_CONFIG_HELP_H
#define TESTS_GATEWAY_CONFIG_HELP_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/config.h"

/* What every file needs, on one line: put it behind the lines of a test. */
#define CONFIG_REST                                                        \
	"hostname mail.example.com; tls { certificate /c; key /k; } "      \
	"listen base { address 127.0.0.1:2587; } auth { backend local; } " \
	"route default { via mx; }\n"

#define CONFIG_ALONE (CONFIG_NO_SYSTEM | CONFIG_NO_INCLUDE)
#define CONFIG_HELP_MAX ((size_t)16 << 20)

/* The problems as one string, a line each; *config NULL when there is an
 * error. */
static inline char *
config_help_read(const char *text, size_t n, struct config **config)
{
	struct config_problems *problems = config_problems_create();
	struct buf out = {.cap = CONFIG_HELP_MAX};
	char *all;
	int err = config_load_text(config, "t", slice_of(text, n), CONFIG_ALONE,
				   problems);

	ck_assert_int_eq(err != 0, config_problems_errors(problems) > 0);
	ck_assert_int_eq(err != 0, *config == NULL);
	config_problems_print(problems, &out);
	all = strdup(buf_cstr(&out));
	buf_fini(&out);
	config_problems_destroy(&problems);
	return all;
}

static inline struct config *
config_help_good(const char *text, const char *label)
{
	struct config *config;
	char *problems = config_help_read(text, strlen(text), &config);

	ck_assert_msg(config != NULL, "%s: %s", label, problems);
	free(problems);
	return config;
}

static inline char *
config_help_show(const struct config *config)
{
	struct buf out = {.cap = CONFIG_HELP_MAX};
	char *text;

	config_show(config, &out, false);
	text = strdup(buf_cstr(&out));
	buf_fini(&out);
	return text;
}

static inline char *
config_help_file(const char *path)
{
	struct buf out = {.cap = CONFIG_HELP_MAX};
	FILE *f = fopen(path, "r");
	char piece[4096], *text;
	size_t n;

	ck_assert_msg(f != NULL, "%s cannot be opened", path);
	while ((n = fread(piece, 1, sizeof(piece), f)) > 0)
		buf_add(&out, piece, n);
	fclose(f);
	text = strdup(buf_cstr(&out));
	buf_fini(&out);
	return text;
}

#endif
