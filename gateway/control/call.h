#ifndef GATEWAY_CONTROL_CALL_H
#define GATEWAY_CONTROL_CALL_H

#include <sys/types.h>

#include "gateway/back/back.h"
#include "gateway/control/change.h"
#include "gateway/control/commands.h"
#include "gateway/control/protocol.h"
#include "gateway/control/releaser.h"
#include "gateway/control/work.h"

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
	struct buf input;  /* what FRAME_INPUTs brought */
	uid_t uid;	   /* whoever sits at the socket */
	pid_t pid;
	struct buf out, err; /* taken by who runs it, after each step */
	int exit;
	call_fn *step;
	void *state; /* of a command in slices; freed with free(3) */
	void (*state_fini)(void *state); /* before that; or NULL */
	/* Of call_commit, call_work and call_release. */
	unsigned under_way;
	bool patient; /* may take longer than a disk does */
	int commit_err;
	struct back_work work; /* how the last one ended */
	struct release_result released;
};

/* body is the request frame's. The answer to a bad one is in err, exit 2. */
bool call_init(struct call *call, struct control *control, struct slice body);
void call_fini(struct call *call);
enum call_next call_step(struct call *call);

/* For commands: a sentence on standard error, and exit 1. */
void call_fail(struct call *call, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* The same with EXIT_USAGE: it was written wrong. */
void call_usage(struct call *call, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* After a commit: a failed one is told, and exit 1; what it changed acts. */
void call_check_durable(struct call *call);
/* Columns of the terminal; 0: no terminal, do not cut. */
size_t call_columns(const struct call *call);
/* The same, and never less than 80: for tables. */
size_t call_width(const struct call *call);

/* Who runs it, for the trail; the reason is --reason's, where there is one. */
struct change *call_change(struct call *call);
/* A change that is nothing but its entry in the trail; nobody waits for it. */
void call_note(struct call *call, const char *effect);
/* Return CALL_WAIT after one or more of these: the call's step runs when all
 * of them have ended. They take what they are given. */
void call_commit(struct call *call, struct change **change);
void call_work(struct call *call, struct work_req *req);
void call_release(struct call *call, struct release_req *req);
/* One of them did; for those who run them. */
void call_ended(struct call *call);

call_fn command_user_add, command_user_passwd, command_user_del,
    command_user_list;
call_fn command_queue_list, command_queue_show, command_queue_flush;
call_fn command_block_add, command_block_del, command_block_list,
    command_block_export, command_block_import;
call_fn command_limits, command_grant;
call_fn command_from_add, command_from_del, command_from_list;
call_fn command_domain_show, command_domain_allow, command_domain_disallow,
    command_domain_flush, command_domain_list;
call_fn command_top, command_why;
call_fn command_hold, command_release, command_purge, command_undo,
    command_trash, command_audit;
call_fn command_scan_status, command_scan_flush, command_scan_bypass,
    command_scan_test;
call_fn command_quarantine_list, command_quarantine_show,
    command_quarantine_release, command_quarantine_delete,
    command_quarantine_export;
call_fn command_campaign_list, command_campaign_show, command_campaign_pause,
    command_campaign_resume, command_campaign_cancel, command_campaign_rate,
    command_campaign_report;
call_fn command_suppress_list, command_suppress_add, command_suppress_del,
    command_suppress_import, command_suppress_export;
call_fn command_status, command_stats;
call_fn command_dkim_show, command_dkim_check;
call_fn command_reload, command_config_show;

#endif
