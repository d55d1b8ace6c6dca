#ifndef TESTS_SUPPORT_NAMES_H
#define TESTS_SUPPORT_NAMES_H

#include "tests/support/dns_server.h"

/*
 * A name server on 127.0.0.1 and a thread of its own, UDP alone, for what has
 * threads itself. It answers from rows as dns_server.h describes them; a name
 * that ends in ".held.lab" is not answered before names_release, so that no
 * test depends on how fast anything is.
 */
struct names;

/* rows are borrowed. */
struct names *names_create(const struct dns_row *rows, size_t count);
void names_destroy(struct names **names);
const char *names_text(const struct names *names); /* ip:port */

/* Who was held is answered now, and nobody is held any more. */
void names_release(struct names *names);
/* How often MX of name was asked for. */
unsigned names_count(struct names *names, const char *name);
/* Until it has been once. */
void names_wait(struct names *names, const char *name);

#endif
