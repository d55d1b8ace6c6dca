#ifndef GATEWAY_BASE_SECRET_H
#define GATEWAY_BASE_SECRET_H

#include <stdbool.h>

#include "gateway/base/slice.h"

void secret_wipe(void *p, size_t n); /* not optimised away */
/* Time depends on the lengths only. */
bool secret_eq(struct slice a, struct slice b);
void secret_random(void *p, size_t n); /* the kernel's; aborts if it fails */

#endif
