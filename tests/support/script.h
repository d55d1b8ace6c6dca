#ifndef TESTS_SUPPORT_SCRIPT_H
#define TESTS_SUPPORT_SCRIPT_H

#include "gateway/base/buf.h"
#include "gateway/net/loop.h"
#include "gateway/net/tls.h"

/*
 * A server that follows a script, on the loop of the test. Connection i
 * follows scripts[i]. A script is steps separated by newlines; the first
 * character says what to do:
 *
 *   S250-one|250 two   say it; '|' is CRLF, one more at the end
 *   R250 on            say it without an end
 *   CMAIL FROM:<       wait for a line that begins so (keeps it in `lines`)
 *   D                  wait for CRLF.CRLF (keeps all before in `body`)
 *   N1000              wait for 1000 bytes of anything
 *   T                  TLS
 *   P250 o             say it, a byte every 5 ms, again and again
 *   Z                  let what was said go out alone
 *   H                  hear and say nothing
 *   W                  do not even read
 *   X                  drop the connection
 *   F                  close in an orderly way
 *
 * At the end of a script the connection hears and says nothing.
 */
struct script_server;

struct script_server *script_create(struct loop *loop,
				    const char *const *scripts, size_t count);
void script_destroy(struct script_server **server);
void script_tls(struct script_server *server, struct tls_ctx *ctx);
unsigned short script_port(const struct script_server *server);

unsigned script_accepted_count(const struct script_server *server);
/* All lines it waited for, each with \n; "#1\n" in front of a connection's. */
const char *script_lines(struct script_server *server);
struct slice script_body(const struct script_server *server);
/* What was not as the script has it; "" when all was. */
const char *script_trouble(const struct script_server *server);
/* The most that came in one read while in C steps: shows pipelining. */
size_t script_burst_bytes(const struct script_server *server);
bool script_peer_gone(const struct script_server *server); /* the last one */

#endif
