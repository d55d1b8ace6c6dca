#ifndef GATEWAY_CONTROL_VERDICT_TEXT_H
#define GATEWAY_CONTROL_VERDICT_TEXT_H

#include "gateway/base/buf.h"
#include "gateway/scan/scan.h"

/* What scanners say, in sentences; single words are in gateway/scan/words.h. */
const char *verdict_why_text(enum scan_why why); /* "it is encrypted" */

/* "infected: Eicar-Signature (av.example.com:1344/avscan)", escaped. */
void verdict_text(const struct scan_verdict *verdict, struct buf *out);

#endif
