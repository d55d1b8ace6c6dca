/*
 * Clients of the command socket. A client reads its request, runs, and drains;
 * one timer watches each state: a request must be whole within ADMIN_IDLE_MS,
 * an answer must be moving, and an operation that takes longer is told to the
 * client as such (it goes on; what it changes is not lost).
 *
 * A slow reader holds at most WRITE_AHEAD and one step's text, and nobody up:
 * each step runs in a turn of its own.
 */
#include "gateway/control/socket.h"

#include <bsd/sys/queue.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "gateway/base/error.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/control/call.h"
#include "gateway/control/control_int.h"
#include "gateway/net/listen.h"
#include "gateway/net/stream.h"

#define WRITE_AHEAD (256 * 1024)
#define BACKLOG 64

enum client_state { READING, READY, RUNNING, DRAINING, WAITING };

struct client {
	LIST_ENTRY(client) link;
	struct admin *admin;
	struct stream *stream;
	enum client_state state;
	struct call call;
	bool has_request;
	struct timer_op *turn;	/* the next step */
	struct timer_op *watch; /* the deadline of this state */
	uint64_t taken;		/* bytes the peer had taken at the last look */
};

struct admin {
	struct control *control;
	char *path;
	int fd;
	dev_t dev; /* of the socket we made */
	ino_t ino;
	struct listener *listener;
	LIST_HEAD(, client) clients;
	size_t client_count;
	uint64_t last_id;
};

static void client_run(void *arg);

static void
client_destroy(struct client *client)
{
	LIST_REMOVE(client, link);
	client->admin->client_count--;
	timer_cancel(&client->turn);
	timer_cancel(&client->watch);
	stream_destroy(&client->stream);
	if (client->has_request)
		call_fini(&client->call);
	free(client);
}

/* Says the last word and lets the stream end by itself. */
static void
client_finish(struct client *client)
{
	struct buf frame = {.cap = FRAME_HEADER_SIZE + 1};
	char status = (char)client->call.exit;

	frame_put(&frame, FRAME_EXIT, slice_of(&status, 1));
	stream_write(client->stream, buf_slice(&frame));
	buf_fini(&frame);
	/* What was written ahead waits for its reader as all before it did. */
	stream_finish(&client->stream, ADMIN_IDLE_MS);
	client_destroy(client);
}

static void
on_watch_time(void *arg)
{
	struct client *client = arg;
	uint64_t taken = stream_bytes_out(client->stream);

	client->watch = NULL;
	if (client->state == READING ||
	    (client->state == DRAINING && taken == client->taken)) {
		client_destroy(client);
		return;
	}
	if (client->state == WAITING && !client->call.patient) {
		call_fail(&client->call,
			  "no answer from the disk for %d s; "
			  "it may yet be done",
			  ADMIN_IDLE_MS / 1000);
		client->call.step = NULL;
		client_run(client);
		return;
	}
	client->taken = taken;
	client->watch = timer_start(client->admin->control->loop, ADMIN_IDLE_MS,
				    on_watch_time, client);
}

static void
client_watch(struct client *client, enum client_state state)
{
	client->state = state;
	client->taken = stream_bytes_out(client->stream);
	timer_cancel(&client->watch);
	client->watch = timer_start(client->admin->control->loop, ADMIN_IDLE_MS,
				    on_watch_time, client);
}

static void
put_text(struct client *client, enum frame_type type, struct buf *text)
{
	struct buf frames = {.cap = 2 * CALL_TEXT_MAX};

	if (text->overflow) {
		call_fail(&client->call, "the answer is too long to be shown");
		text->overflow = false;
	}
	frame_put_text(&frames, type, buf_slice(text));
	stream_write(client->stream, buf_slice(&frames));
	buf_fini(&frames);
	buf_fini(text);
	buf_init(text, CALL_TEXT_MAX);
}

static void
client_run(void *arg)
{
	struct client *client = arg;
	enum call_next next = CALL_DONE;

	client->turn = NULL;
	client->state = RUNNING;
	/* call_init failed, or the wait did: what there is to say is in err. */
	if (client->call.exit == EXIT_DONE || client->call.step != NULL)
		next = call_step(&client->call);
	stream_cork(client->stream);
	put_text(client, FRAME_STDOUT, &client->call.out);
	put_text(client, FRAME_STDERR, &client->call.err);
	stream_uncork(client->stream);
	switch (next) {
	case CALL_DONE:
		client_finish(client);
		break;
	case CALL_WAIT:
		client_watch(client, WAITING);
		break;
	case CALL_MORE:
		client_watch(client, DRAINING);
		if (stream_unsent(client->stream) < WRITE_AHEAD)
			client->turn = timer_start(client->admin->control->loop,
						   0, client_run, client);
		break;
	}
}

/* What the kernel says of the other end; it cannot be made up. */
static void
client_identify(struct client *client, int fd)
{
	struct ucred cred = {.uid = (uid_t)-1};
	socklen_t n = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &n) != 0)
		cred.uid = (uid_t)-1;
	client->call.uid = cred.uid;
	client->call.pid = cred.pid;
}

/* GW_EPROTO: not what comes now. 1: the request is whole. */
static int
client_frame(struct client *client, const struct frame *frame)
{
	if (!client->has_request && frame->type == FRAME_REQUEST) {
		client->has_request = true;
		if (!call_init(&client->call, client->admin->control,
			       frame->body))
			return 1;
		return client->call.request.secret || client->call.request.input
			   ? 0
			   : 1;
	}
	if (client->has_request && frame->type == FRAME_INPUT &&
	    client->call.request.input) {
		buf_add_slice(&client->call.input, frame->body);
		if (client->call.input.overflow)
			return GW_EPROTO;
		return frame->body.n == 0;
	}
	if (client->has_request && frame->type == FRAME_SECRET &&
	    frame->body.n <= SECRET_MAX) {
		buf_add_slice(&client->call.secret, frame->body);
		return 1;
	}
	return GW_EPROTO;
}

static size_t
on_data(void *arg, struct slice in)
{
	struct client *client = arg;
	struct frame frame;
	size_t used, total = 0;
	int got = 0;

	while (client->state == READING && got >= 0) {
		got = frame_get(slice_from(in, total), &frame, &used);
		if (got == 0)
			return total;
		if (got < 0)
			break;
		total += used;
		got = client_frame(client, &frame);
		if (got == 1) {
			client->state = READY;
			client->turn = timer_start(client->admin->control->loop,
						   0, client_run, client);
		}
	}
	if (got < 0) {
		client_destroy(client);
		return in.n;
	}
	return in.n; /* what comes behind a request is nobody's */
}

static void
on_drain(void *arg)
{
	struct client *client = arg;

	if (client->state == DRAINING && client->turn == NULL)
		client->turn = timer_start(client->admin->control->loop, 0,
					   client_run, client);
}

static void
on_end(void *arg, int err)
{
	(void)err;
	client_destroy(arg);
}

static const struct stream_ops client_ops = {
    .on_data = on_data, .on_drain = on_drain, .on_end = on_end};

static void
on_accept(void *arg, int fd, const struct sock_addr *peer,
	  const struct sock_addr *local)
{
	struct admin *admin = arg;
	struct client *client;

	(void)peer;
	(void)local;
	if (admin->client_count == ADMIN_CLIENTS) {
		close(fd);
		return;
	}
	client = mem_zalloc(sizeof(*client));
	client->admin = admin;
	client->call.id = ++admin->last_id;
	client_identify(client, fd);
	client->stream =
	    stream_create(admin->control->loop, fd, &client_ops, client);
	LIST_INSERT_HEAD(&admin->clients, client, link);
	admin->client_count++;
	client_watch(client, READING);
}

static bool
is_alive(const struct sockaddr_un *sun)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool alive = fd >= 0 && (connect(fd, (const struct sockaddr *)sun,
					 sizeof(*sun)) == 0 ||
				 errno == EAGAIN);

	if (fd >= 0)
		close(fd);
	return alive;
}

/* Nothing but a socket is ever removed to make room. */
static int
make_room(const struct sockaddr_un *sun, char *error, size_t error_size)
{
	struct stat st;

	if (lstat(sun->sun_path, &st) != 0)
		return 0; /* bind will say what is wrong, if anything is */
	if (!S_ISSOCK(st.st_mode)) {
		snprintf(error, error_size, "%s is there and is no socket",
			 sun->sun_path);
		return GW_EEXIST;
	}
	if (is_alive(sun)) {
		snprintf(error, error_size, "%s: another sluiced answers there",
			 sun->sun_path);
		return GW_EEXIST;
	}
	unlink(sun->sun_path);
	return 0;
}

static int
socket_open(struct admin *admin, char *error, size_t error_size)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	struct stat st;
	int err;

	if (strlen(admin->path) >= sizeof(sun.sun_path)) {
		snprintf(error, error_size,
			 "%s: longer than %zu bytes, no socket can be there",
			 admin->path, sizeof(sun.sun_path) - 1);
		return GW_EINVAL;
	}
	memcpy(sun.sun_path, admin->path, strlen(admin->path) + 1);
	err = make_room(&sun, error, error_size);
	if (err != 0)
		return err;
	admin->fd =
	    socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* bind takes the descriptor's mode less the umask: never more than
	 * 0660, not for a moment, and without a umask that other threads share.
	 */
	err = admin->fd < 0 || fchmod(admin->fd, 0660) ||
		      bind(admin->fd, (struct sockaddr *)&sun, sizeof(sun)) ||
		      chmod(admin->path, 0660) || listen(admin->fd, BACKLOG)
		  ? errno
		  : 0;
	if (err != 0) {
		snprintf(error, error_size, "%s: %s", admin->path,
			 strerror(err));
		return gw_err_from_errno(err);
	}
	if (lstat(admin->path, &st) == 0) {
		admin->dev = st.st_dev;
		admin->ino = st.st_ino;
	}
	return 0;
}

int
admin_create(struct admin **adminp, struct control *control, const char *path,
	     char *error, size_t error_size)
{
	struct admin *admin = mem_zalloc(sizeof(*admin));
	int err;

	admin->control = control;
	admin->path = mem_strdup(path);
	admin->fd = -1;
	LIST_INIT(&admin->clients);
	err = socket_open(admin, error, error_size);
	if (err == 0) {
		admin->listener = listener_create(control->loop, admin->fd,
						  on_accept, NULL, admin);
		*adminp = admin;
		return 0;
	}
	if (admin->fd >= 0)
		close(admin->fd);
	free(admin->path);
	free(admin);
	return err;
}

void
admin_destroy(struct admin **adminp)
{
	struct admin *admin = *adminp;
	struct client *client, *next;
	struct stat st;

	*adminp = NULL;
	if (admin == NULL)
		return;
	listener_destroy(&admin->listener);
	LIST_FOREACH_SAFE (client, &admin->clients, link, next)
		client_destroy(client);
	close(admin->fd);
	/* A successor may have put its own there. */
	if (lstat(admin->path, &st) == 0 && st.st_dev == admin->dev &&
	    st.st_ino == admin->ino)
		unlink(admin->path);
	free(admin->path);
	free(admin);
}

static struct client *
find_client(struct admin *admin, uint64_t call_id)
{
	struct client *client;

	LIST_FOREACH (client, &admin->clients, link)
		if (client->call.id == call_id)
			return client;
	return NULL;
}

struct call *
admin_call(struct admin *admin, uint64_t call_id)
{
	struct client *client = find_client(admin, call_id);

	return client != NULL && client->state == WAITING ? &client->call
							  : NULL;
}

void
admin_wake(struct admin *admin, uint64_t call_id)
{
	struct client *client = find_client(admin, call_id);

	if (client == NULL || client->state != WAITING)
		return;
	client->state = READY;
	timer_cancel(&client->watch);
	client->turn = timer_start(admin->control->loop, 0, client_run, client);
}
