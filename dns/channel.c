/*
 * The one file that knows c-ares (1.18.1). What it is used for: sockets, the
 * framing of TCP, and matching answers to questions. Which server is asked,
 * when again and for how long is not left to it: it has no memory of servers
 * that are silent, and it cannot give up one question (ares_cancel ends all).
 *
 * What it does that must not reach a caller: it calls back inside ares_send,
 * and once more from ares_destroy. So callbacks only take notes, and what
 * follows from them is done in `after`, when c-ares has returned.
 *
 * Spoofing. It drops a packet from another address, of an id that is not open,
 * or with another question than that id has (the case of letters aside), as
 * if it had not come; a late answer and a second one are such. It does not
 * look at the QR bit. All questions of a server leave from one UDP port as
 * long as any is open; ARES_OPT_UDP_MAX_QUERIES came in 1.20. So a channel is
 * replaced after some thousand questions (dns/servers.c), the case of letters
 * is random and checked again (dns/query.c), and ids are ours.
 *
 * Time-outs: ares_timeout walks all open queries, so it is not asked; the
 * owner ticks. TCP has an ares_channel of its own: inside one, a refused TCP
 * connection fails every UDP query to that server.
 */
#include "dns/channel.h"

#include <ares.h>
#include <bsd/sys/queue.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"

/* The default holds about 280 replies; the kernel cuts it to rmem_max. */
#define SOCKET_RECEIVE_BYTES (8 * 1024 * 1024)

/* One of the two ways: an ares_channel with its watched sockets. */
struct way {
	struct channel *channel;
	ares_channel ares; /* NULL: not used yet */
	int flags;
	LIST_HEAD(socket_list, way_socket) sockets;
};

struct way_socket {
	LIST_ENTRY(way_socket) link;
	int fd;
	struct watch *watch;
};

struct sent {
	struct channel *channel;
	channel_fn *done;
	void *arg;
};

struct channel {
	struct loop *loop;
	struct sock_addr server;
	int timeout_ms;
	struct way udp, tcp;
	uint32_t open_count;
	void (*after)(void *arg);
	void *after_arg;
};

static pthread_once_t library_once = PTHREAD_ONCE_INIT;
static int library_status;

static void
library_init(void)
{
	library_status = ares_library_init(ARES_LIB_INIT_ALL);
}

/* ---- Sockets ---- */

static void
on_socket(void *arg, int fd, int readable, int writable)
{
	struct way *way = arg;
	struct channel *channel = way->channel;
	void (*after)(void *) = channel->after;
	void *after_arg = channel->after_arg;

	ares_process_fd(way->ares, readable ? fd : ARES_SOCKET_BAD,
			writable ? fd : ARES_SOCKET_BAD);
	after(after_arg); /* the channel may be gone with it */
}

static struct way_socket *
socket_find(const struct way *way, int fd)
{
	struct way_socket *s;

	for (s = LIST_FIRST(&way->sockets); s != NULL; s = LIST_NEXT(s, link)) {
		if (s->fd == fd)
			return s;
	}
	return NULL;
}

static void
on_socket_state(void *arg, ares_socket_t fd, int readable, int writable)
{
	struct way *way = arg;
	struct way_socket *s = socket_find(way, fd);

	if (s != NULL)
		watch_stop(&s->watch);
	if (!readable && !writable) {
		if (s != NULL)
			LIST_REMOVE(s, link);
		free(s);
		return;
	}
	if (s == NULL) {
		s = mem_zalloc(sizeof(*s));
		s->fd = fd;
		LIST_INSERT_HEAD(&way->sockets, s, link);
	}
	s->watch = watch_start(way->channel->loop, fd, readable, writable,
			       on_socket, way);
}

/* ---- Opening ---- */

static bool
server_set(ares_channel ares, const struct sock_addr *server)
{
	struct ares_addr_port_node node;

	memset(&node, 0, sizeof(node));
	node.udp_port = node.tcp_port = server->port;
	if (ip_is_v4(&server->ip)) {
		node.family = AF_INET;
		memcpy(&node.addr.addr4, server->ip.b + 12, 4);
	} else {
		node.family = AF_INET6;
		memcpy(&node.addr.addr6, server->ip.b, 16);
	}
	return ares_set_servers_ports(ares, &node) == ARES_SUCCESS;
}

/* With all of these set c-ares reads no file of the system's: neither
 * resolv.conf nor, for its domain, the host's name. */
static bool
way_open(struct way *way)
{
	struct ares_options o;
	struct in_addr nowhere = {.s_addr = 0};
	char lookups[] = "b";
	int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
		   ARES_OPT_NDOTS | ARES_OPT_SERVERS | ARES_OPT_DOMAINS |
		   ARES_OPT_SOCK_STATE_CB | ARES_OPT_SOCK_RCVBUF |
		   ARES_OPT_LOOKUPS | ARES_OPT_SORTLIST | ARES_OPT_NOROTATE;

	memset(&o, 0, sizeof(o));
	/* without NOCHECKRESP a SERVFAIL looks like a dead resolver */
	o.flags = ARES_FLAG_NOCHECKRESP | ARES_FLAG_NOSEARCH |
		  ARES_FLAG_NOALIASES | way->flags;
	o.timeout = way->channel->timeout_ms;
	o.tries = 1;
	o.ndots = 1;
	o.servers = &nowhere;
	o.nservers = 1;
	o.sock_state_cb = on_socket_state;
	o.sock_state_cb_data = way;
	o.socket_receive_buffer_size = SOCKET_RECEIVE_BYTES;
	o.lookups = lookups;
	if (ares_init_options(&way->ares, &o, mask) != ARES_SUCCESS) {
		way->ares = NULL;
		return false;
	}
	if (!server_set(way->ares, &way->channel->server)) {
		ares_destroy(way->ares);
		way->ares = NULL;
		return false;
	}
	return true;
}

static void
way_init(struct way *way, struct channel *channel, int flags)
{
	way->channel = channel;
	way->flags = flags;
	LIST_INIT(&way->sockets);
}

struct channel *
channel_create(struct loop *loop, const struct sock_addr *server,
	       int64_t timeout_ms, void (*after)(void *arg), void *after_arg)
{
	struct channel *channel = mem_zalloc(sizeof(*channel));

	pthread_once(&library_once, library_init);
	channel->loop = loop;
	channel->server = *server;
	channel->timeout_ms =
	    timeout_ms < INT_MAX / 2 ? (int)timeout_ms : INT_MAX / 2;
	channel->after = after;
	channel->after_arg = after_arg;
	/* truncated answers are given as they are; see above */
	way_init(&channel->udp, channel, ARES_FLAG_IGNTC);
	way_init(&channel->tcp, channel, ARES_FLAG_USEVC);
	if (library_status != ARES_SUCCESS || !way_open(&channel->udp))
		channel_destroy(&channel);
	return channel;
}

void
channel_destroy(struct channel **channelp)
{
	struct channel *channel = *channelp;

	*channelp = NULL;
	if (channel == NULL)
		return;
	if (channel->udp.ares != NULL)
		ares_destroy(channel->udp.ares);
	if (channel->tcp.ares != NULL)
		ares_destroy(channel->tcp.ares);
	free(channel);
}

/* ---- Packets ---- */

static enum channel_result
result_of(int status, struct slice reply)
{
	if (status == ARES_EDESTRUCTION)
		return CHANNEL_GONE;
	if (reply.p != NULL && reply.n > 0)
		return CHANNEL_REPLY;
	return status == ARES_ETIMEOUT ? CHANNEL_TIMEOUT : CHANNEL_REFUSED;
}

static void
on_ares(void *arg, int status, int timeouts, unsigned char *packet, int n)
{
	struct sent sent = *(struct sent *)arg;
	struct slice reply = slice_of(packet, n > 0 ? (size_t)n : 0);

	(void)timeouts;
	free(arg);
	sent.channel->open_count--;
	sent.done(sent.arg, result_of(status, reply), reply);
}

void
channel_send(struct channel *channel, struct slice packet, bool tcp,
	     channel_fn *done, void *arg)
{
	struct way *way = tcp ? &channel->tcp : &channel->udp;
	struct sent *sent;

	if (way->ares == NULL && !way_open(way)) {
		done(arg, CHANNEL_REFUSED, SLICE_NONE);
		return;
	}
	sent = mem_alloc(sizeof(*sent));
	sent->channel = channel;
	sent->done = done;
	sent->arg = arg;
	channel->open_count++;
	ares_send(way->ares, (const unsigned char *)packet.p, (int)packet.n,
		  on_ares, sent);
}

void
channel_tick(struct channel *channel)
{
	ares_process_fd(channel->udp.ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	if (channel->tcp.ares != NULL)
		ares_process_fd(channel->tcp.ares, ARES_SOCKET_BAD,
				ARES_SOCKET_BAD);
}

uint32_t
channel_open_count(const struct channel *channel)
{
	return channel->open_count;
}
