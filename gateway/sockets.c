/*
 * Which socket serves which `listen` block. A socket of systemd belongs to the
 * block whose name it bears (FileDescriptorName=), whatever its address; one
 * with another name, to the block that has its address. All others are opened
 * here.
 *
 * A `tls none` block must stay on loopback: the configuration is checked for
 * that, but a socket matched by name brings an address of its own, so it is
 * asked again here.
 */
#include "gateway/sockets.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/activate.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/net/listen.h"

#define BACKLOG 4096

struct socket {
	int fd;
	struct sock_addr local;
	char name[64]; /* of an inherited one; else "" */
	bool inherited;
	bool fresh;  /* opened for the configuration being prepared */
	bool used;   /* by the one in force */
	bool wanted; /* by the one being prepared */
	size_t listen;
};

struct sockets {
	struct socket *v;
	size_t count, size;
};

static struct socket *
add(struct sockets *s)
{
	if (s->count == s->size) {
		s->size = s->size > 0 ? 2 * s->size : 8;
		s->v = mem_resize(s->v, s->size * sizeof(*s->v));
	}
	memset(&s->v[s->count], 0, sizeof(*s->v));
	return &s->v[s->count++];
}

static void
drop(struct sockets *s, size_t i)
{
	close(s->v[i].fd);
	s->v[i] = s->v[--s->count];
}

struct sockets *
sockets_create(int first_fd)
{
	struct sockets *s = mem_zalloc(sizeof(*s));
	struct activated *list;
	size_t count = activate_take(&list, first_fd);

	for (size_t i = 0; i < count; i++) {
		struct socket *socket;

		if (list[i].fault != NULL) {
			log_event(GW_LOG_WARN, "socket-ignored",
				  LF_I64("fd", list[i].fd),
				  LF_STR("name", list[i].name),
				  LF_STR("why", list[i].fault));
			continue;
		}
		socket = add(s);
		socket->fd = list[i].fd;
		socket->local = list[i].local;
		memcpy(socket->name, list[i].name, sizeof(socket->name));
		socket->inherited = true;
	}
	free(list);
	return s;
}

void
sockets_destroy(struct sockets **sockets)
{
	struct sockets *s = *sockets;

	if (s == NULL)
		return;
	*sockets = NULL;
	while (s->count > 0)
		drop(s, s->count - 1);
	free(s->v);
	free(s);
}

static bool
name_fits(const struct socket *socket, const struct config_listen *listen)
{
	return socket->inherited &&
	       strcmp(socket->name, listen->block.name) == 0;
}

static bool
take_named(struct sockets *s, const struct config *c, size_t listen,
	   struct buf *errors)
{
	const struct config_listen *l = config_listen(c, listen);
	bool any = false;

	for (size_t i = 0; i < s->count; i++) {
		char text[SOCK_ADDR_TEXT_SIZE];

		if (!name_fits(&s->v[i], l))
			continue;
		any = true;
		s->v[i].wanted = true;
		s->v[i].listen = listen;
		if ((l->tls != CONFIG_TLS_NONE && !l->insecure_auth) ||
		    ip_is_loopback(&s->v[i].local.ip))
			continue;
		sock_addr_format(&s->v[i].local, text);
		buf_printf(errors,
			   "%s:%u:%u: 'listen %s' may serve loopback only, "
			   "but its socket from systemd is %s\n",
			   l->block.at.file, l->block.at.line,
			   l->block.at.column, l->block.name, text);
	}
	return any;
}

static void
tell_open(const struct config_addrs *addrs, size_t i, int err,
	  struct buf *errors)
{
	const char *hint = "";
	char text[SOCK_ADDR_TEXT_SIZE];

	sock_addr_format(&addrs->v[i], text);
	if (err == GW_EEXIST)
		hint = ": another program listens there";
	else if (err == GW_EDENIED && addrs->v[i].port < 1024)
		hint = ": a port below 1024 is opened at a start as root or "
		       "by systemd";
	buf_printf(errors, "%s:%u:%u: cannot listen on %s: %s%s\n",
		   addrs->at[i].file, addrs->at[i].line, addrs->at[i].column,
		   text, gw_err_text(err), hint);
}

static void
take_address(struct sockets *s, const struct config_addrs *addrs, size_t at,
	     size_t listen, struct buf *errors)
{
	const struct sock_addr *addr = &addrs->v[at];
	struct socket *socket;
	int fd, err;

	for (size_t i = 0; i < s->count; i++) {
		socket = &s->v[i];
		if (!socket->wanted && socket->local.port == addr->port &&
		    ip_eq(&socket->local.ip, &addr->ip)) {
			socket->wanted = true;
			socket->listen = listen;
			return;
		}
	}
	err = listen_open(addr, BACKLOG, &fd);
	if (err != 0) {
		tell_open(addrs, at, err, errors);
		return;
	}
	socket = add(s);
	socket->fd = fd;
	socket->local = *addr;
	socket->fresh = socket->wanted = true;
	socket->listen = listen;
}

int
sockets_prepare(struct sockets *s, const struct config *c, struct buf *errors)
{
	size_t before = errors->n;

	for (size_t i = 0; i < s->count; i++)
		s->v[i].wanted = false;
	for (size_t i = 0; i < c->listens.count; i++) {
		const struct config_addrs *addrs =
		    &config_listen(c, i)->addresses;

		if (take_named(s, c, i, errors))
			continue;
		for (size_t j = 0; j < addrs->count; j++)
			take_address(s, addrs, j, i, errors);
	}
	if (errors->n == before)
		return 0;
	sockets_abandon(s);
	return GW_EINVAL;
}

void
sockets_abandon(struct sockets *s)
{
	for (size_t i = s->count; i-- > 0;) {
		if (s->v[i].fresh)
			drop(s, i);
	}
}

void
sockets_commit(struct sockets *s)
{
	for (size_t i = 0; i < s->count; i++) {
		s->v[i].fresh = false;
		s->v[i].used = s->v[i].wanted;
	}
}

void
sockets_sweep(struct sockets *s)
{
	for (size_t i = s->count; i-- > 0;) {
		char text[SOCK_ADDR_TEXT_SIZE];

		if (s->v[i].used)
			continue;
		sock_addr_format(&s->v[i].local, text);
		log_event(s->v[i].inherited ? GW_LOG_WARN : GW_LOG_INFO,
			  "socket-closed", LF_STR("address", text),
			  LF_STR("name", s->v[i].name),
			  LF_STR("why", "no listen block wants it"));
		drop(s, i);
	}
}

bool
sockets_get(const struct sockets *s, size_t i, int *fd, size_t *listen)
{
	for (size_t at = 0; at < s->count; at++) {
		if (!s->v[at].wanted || i-- > 0)
			continue;
		*fd = s->v[at].fd;
		*listen = s->v[at].listen;
		return true;
	}
	return false;
}
