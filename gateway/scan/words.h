#ifndef GATEWAY_SCAN_WORDS_H
#define GATEWAY_SCAN_WORDS_H

#include "gateway/scan/scan.h"

/* For logs, JSON and columns: one lower-case word each. */
const char *scan_kind_word(enum scan_kind kind);       /* "infected" */
const char *scan_why_word(enum scan_why why);	       /* NULL: NONE */
const char *scan_health_word(enum scan_health health); /* "up" */

#endif
