#ifndef GATEWAY_CONTROL_CALL_H
#define GATEWAY_CONTROL_CALL_H

#include <sys/types.h>

#include "gateway/control/commands.h"
#include "gateway/control/protocol.h"

/*
 * One command under way: its words, what it has to say, and where it stands.
 * A command never holds the loop: it answers at once, in slices (CALL_MORE:
 * its step runs again when the reader took what was written), or waits for an
 * operation that ends in call_wake (CALL_WAIT).
 */
struct control;
struct call;

enum call_next { CALL_DONE, CALL_MORE, CALL_WAIT };
typedef enum call_next call_fn(struct call *call);

#define CALL_TEXT_MAX (4 * 1024 * 1024) /* of one step */

struct call {
	struct control *control;
	uint64_t id;
	struct buf body; /* the request's words lie in it */
	struct request request;
	struct command_line line;
	struct buf secret; /* wiped */
	uid_t uid;	   /* whoever sits at the socket */
	pid_t pid;
	struct buf out, err; /* taken by who runs it, after each step */
	int exit;
	call_fn *step;
	void *state; /* of a command in slices; freed with free(3) */
};

/* body is the request frame's. The answer to a bad one is in err, exit 2. */
bool call_init(struct call *call, struct control *control, struct slice body);
void call_fini(struct call *call);
enum call_next call_step(struct call *call);

/* For commands: a sentence on standard error, and exit 1. */
void call_fail(struct call *call, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Columns of the terminal; 0: no terminal, do not cut. */
size_t call_columns(const struct call *call);

call_fn command_user_add, command_user_passwd, command_user_del,
    command_user_list;
call_fn command_queue_list, command_queue_show, command_queue_flush;
call_fn command_status, command_stats;
call_fn command_reload, command_config_show;

#endif
