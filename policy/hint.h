#ifndef POLICY_HINT_H
#define POLICY_HINT_H

#include <stddef.h>

#include "gateway/base/slice.h"

/*
 * "Did you mean": the known domain that a name which does not exist is most
 * likely a slip of. Known are the large mail domains of the world and the
 * site's own. Never a correction: the sender is told and writes it himself.
 * Pure; a list never changes once made.
 */
struct hint_list;

#define HINT_NAME_MAX 64 /* longer ones are neither asked nor known */
#define HINT_OWN_MAX 200 /* the site's: the first ones */

/* own: in key form; copied. What covers more than one name (".b") is left out.
 */
struct hint_list *hint_list_create(const char *const *own, size_t count);
void hint_list_destroy(struct hint_list **list);
/* NULL: none is near, several are equally near, or it is a known one itself.
 * domain in key form. Valid as long as the list. */
const char *hint_find(const struct hint_list *list, struct slice domain);

#endif
