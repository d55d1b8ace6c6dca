#ifndef TESTS_BACK_SINK_H
#define TESTS_BACK_SINK_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/addr.h"
#include "gateway/base/buf.h"
#include "gateway/net/loop.h"

/*
 * An SMTP server on the test's loop that takes all it is given, except what
 * the recipient's local part asks for: "550-x@" is refused at RCPT with that
 * code, "dot554-x@" refuses the message at the dot, "drop-x@" drops the
 * connection at RCPT, "lose-x@" drops it instead of answering the dot.
 */
struct sink;

struct sink_mail {
	char *from;
	char *rcpts; /* joined by spaces */
	char *body;  /* dots unstuffed */
	size_t body_n;
	char *mail_line; /* all of MAIL */
	char *rcpt_line; /* the last RCPT */
	struct ip_addr peer;
};

struct sink *sink_create(struct loop *loop, const char *const *offers);
void sink_destroy(struct sink **sink);
uint16_t sink_port(const struct sink *sink);
void sink_close(struct sink *sink); /* refuses from now on, drops all */
void sink_open(struct sink *sink);  /* listens again, on the same port */
/* The next count MAIL commands, or greetings, are answered so. */
enum sink_at { SINK_AT_GREETING, SINK_AT_MAIL };
void sink_refuse(struct sink *sink, enum sink_at at, const char *reply,
		 unsigned count);
unsigned sink_refused(const struct sink *sink);	   /* so far */
void sink_pause_ms(struct sink *sink, int64_t ms); /* before the dot's 250 */

size_t sink_count(const struct sink *sink); /* messages */
const struct sink_mail *sink_mail(const struct sink *sink, size_t i);
size_t sink_connections(const struct sink *sink); /* ever accepted */
size_t sink_connections_now(const struct sink *sink);

#endif
