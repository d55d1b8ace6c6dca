#ifndef GATEWAY_BACK_TOLD_H
#define GATEWAY_BACK_TOLD_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Who was told of viruses lately: a machine that has one sends thousands, and
 * its owner is to read of TOLD_MAX in an hour. Time is an argument.
 */
struct told;

#define TOLD_MAX 20
#define TOLD_MS (60 * 60 * 1000)
#define TOLD_OWNERS_MAX 10000 /* then it begins anew */

struct told *told_create(void);
void told_destroy(struct told **told);
/* Once more, which counts? */
bool told_may(struct told *told, const char *owner, int64_t now_ms);

#endif
