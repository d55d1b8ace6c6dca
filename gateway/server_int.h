#ifndef GATEWAY_SERVER_INT_H
#define GATEWAY_SERVER_INT_H

/* What server.c and server_reload.c share. */

#include <pthread.h>

#include "gateway/control/control.h"
#include "gateway/dead.h"
#include "gateway/guard.h"
#include "gateway/names.h"
#include "gateway/sockets.h"

#define SERVER_ERROR_SIZE 512
#define SERVER_ERRORS_MAX 65536

struct server {
	struct loop *loop;
	struct config *started; /* what needs a restart is still as in here */
	struct config *config;	/* in force; may be the same */
	const char *path;
	struct sockets *sockets;
	struct guard *guard;
	struct spool *spool;
	struct names *names;
	struct scan *scan;
	struct quarantine *quarantine;
	struct dkim_pool *signer;
	struct campaigns *campaigns;
	struct suppress *suppress;
	struct dead dead; /* what back tells */
	struct auth_pool *auth;
	struct front *front;
	struct control *control;
	struct timer_op *tick, *watchdog, *sweep;
	struct signal_watch *signals[3];
	int64_t watchdog_ms;
	pthread_t stopper;
	bool stopper_runs;
	bool stopping;

	/* what other threads reach */
	pthread_mutex_t lock;
	struct back *back; /* NULL: park */
	struct spool_msg **parked;
	size_t parked_count, parked_size;
};

/* A log line for each line. */
void server_log_lines(enum log_level level, const char *event,
		      struct slice lines);

/*
 * For control_host. All or nothing: 0, and what stands in errors are warnings;
 * or GW_EINVAL, and the old configuration is in force.
 */
int server_reload(void *arg, struct buf *errors);
void server_show(void *arg, struct buf *out, bool json);
int64_t server_certificate_expires(void *arg);
const struct dkim_keys *server_dkim(void *arg);
void server_flushed(void *arg);

#endif
