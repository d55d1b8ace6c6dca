#ifndef GATEWAY_CLI_INPUT_H
#define GATEWAY_CLI_INPUT_H

#include "gateway/base/buf.h"

/*
 * All of a file, or of standard input (file NULL or "-"), up to in's cap.
 * False after a sentence on standard error.
 */
bool input_read(const char *file, struct buf *in);

#endif
