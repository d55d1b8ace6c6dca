#ifndef GATEWAY_CONFIG_H
#define GATEWAY_CONFIG_H

#include "gateway/base/buf.h"
#include "gateway/config_types.h"
#include "gateway/net/tls.h"

/*
 * gateway.conf as an immutable value: read once, checked as a whole, swapped
 * as a whole. The rows of config_table.c say which directive fills which
 * field of config_types.h.
 */
const struct config_listen *config_listen(const struct config *c, size_t i);
const struct config_relay *config_relay(const struct config *c, size_t i);
const struct config_route *config_route(const struct config *c, size_t i);
/* By name; NULL when there is none. */
/* Something makes mail one of a mass mailing. */
bool config_has_bulk(const struct config *c);
const struct config_relay *config_relay_find(const struct config *c,
					     const char *name);

/* Everything that is wrong, in the order of the files' lines. */
struct config_problems;

struct config_problems *config_problems_create(void);
void config_problems_destroy(struct config_problems **problems);
size_t config_problems_errors(const struct config_problems *problems);
size_t config_problems_count(const struct config_problems *problems);
/* "FILE:LINE:COLUMN: what" (a warning: "... warning: what"), no newline;
 * borrowed. */
const char *config_problems_line(const struct config_problems *problems,
				 size_t i, bool *warning);
/* All of them, a line each. */
void config_problems_print(const struct config_problems *problems,
			   struct buf *out);

enum config_flags {
	CONFIG_NO_SYSTEM = 1,  /* looks at no certificate, user, password */
	CONFIG_NO_INCLUDE = 2, /* reads no other file */
};

/* 0, or GW_EINVAL with errors in problems and *config NULL. Warnings may be
 * there either way. */
int config_load(struct config **config, const char *path, unsigned flags,
		struct config_problems *problems);
/* The same for a text in memory; name stands for the file in messages. */
int config_load_text(struct config **config, const char *name,
		     struct slice text, unsigned flags,
		     struct config_problems *problems);
void config_destroy(struct config **config); /* wipes passwords */

/* Every directive with its value, as a file that reads back to the same
 * configuration; origins adds where each came from, as comments. */
void config_show(const struct config *config, struct buf *out, bool origins);
void config_show_json(const struct config *config, struct buf *out);

/* Marks in next what differs from old and cannot change while running; for
 * each a line `FILE:LINE:COLUMN: what`. Returns how many. */
size_t config_mark_restart(const struct config *old, struct config *next,
			   struct buf *lines);

/* The gateway.conf that is shipped, and the directive list of its manual
 * page, both made of the table. */
void config_print_shipped(struct buf *out);
void config_print_manual(struct buf *out);

#endif
