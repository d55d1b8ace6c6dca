#ifndef GATEWAY_CLI_ASK_H
#define GATEWAY_CLI_ASK_H

#include "gateway/base/buf.h"

/*
 * A password: asked for at the terminal, twice and without echo, or one line
 * of standard input when that is no terminal. prompt names what it is for.
 * GW_EINVAL with a sentence in error; the caller wipes secret, whose cap is the
 * longest that is taken.
 */
int ask_password(const char *prompt, struct buf *secret, struct buf *error);

#endif
