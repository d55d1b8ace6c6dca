#ifndef GATEWAY_SCAN_KEY_H
#define GATEWAY_SCAN_KEY_H

#include "gateway/scan/scan.h"

/*
 * What a verdict is known by. A server sees the name and the type too, and
 * some look at nothing that is called a picture: so the same bytes under
 * another ending or type are another question. The rest of a name is not one:
 * what is sent to a hundred people under a hundred names is one scan.
 */
void scan_key(const struct scan_part *part, uint8_t key[DIGEST_SIZE]);

#endif
