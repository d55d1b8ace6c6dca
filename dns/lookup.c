/*
 * The one file that knows c-ares. It makes an op of each question: c-ares
 * calls back from inside ares_query, cancels the whole channel or nothing,
 * and calls back once more from ares_destroy.
 *
 * That is why it is over 500 lines: nobody else may know it.
 *
 * So c-ares never reaches a caller. Its callback turns the packet into an
 * answer and puts the op on `ready`; answers are given out when c-ares has
 * returned, from the loop. A cancelled op leaves its query behind with
 * op = NULL, to end by itself. Sharing one query between identical questions
 * belongs into struct query (a list of ops there), a cache in front of
 * query_start.
 *
 * Time-outs: ares_timeout walks all open queries, so it is not asked; while
 * any is open a tick lets c-ares look at its own second-grained lists.
 *
 * TCP has a channel of its own. Inside one channel a refused TCP connection
 * (the retry of one truncated answer) fails every UDP query to that server; so
 * the UDP channel gives truncated answers as they are, and we ask again on the
 * other. A refusal by UDP (the resolver restarts) is asked again once.
 */
#include "dns/lookup.h"

#include <ares.h>
#include <ares_dns.h>
#include <arpa/nameser.h>
#include <assert.h>
#include <bsd/sys/queue.h>
#include <netdb.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "dns/name.h"
#include "dns/packet.h"
#include "gateway/base/mem.h"

#define TICK_MS 50
#define ASK_MAX 3	  /* of one question, when the resolver refuses */
#define WAITING_FACTOR 16 /* questions that may wait, times inflight_max */
#define SERVERS_MAX 8
/* The default holds about 280 replies; the kernel cuts it to rmem_max. */
#define SOCKET_RECEIVE_BYTES (8 * 1024 * 1024)

enum op_state { OP_WAITING, OP_ASKED, OP_READY };

struct channel {
	struct dns *dns;
	ares_channel ares;
};

struct query {
	struct dns *dns;
	struct dns_op *op; /* NULL: cancelled */
};

struct dns_op {
	TAILQ_ENTRY(dns_op) link; /* of waiting or ready */
	struct dns *dns;
	enum op_state state;
	struct query *query; /* ASKED */
	bool tcp;	     /* the answer by UDP was truncated */
	bool refused;	     /* once already */
	struct arena *arena; /* of the answer */
	struct dns_answer answer;
	dns_done_fn *done;
	void *arg;
	enum dns_type type;
	char name[DNS_NAME_SIZE];
};

struct socket_watch {
	LIST_ENTRY(socket_watch) link;
	struct channel *channel;
	int fd;
	struct watch *watch;
};

struct dns {
	struct loop *loop;
	struct channel udp, tcp;
	TAILQ_HEAD(op_list, dns_op) waiting, ready;
	uint32_t waiting_count, ready_count;
	uint32_t query_count; /* open in c-ares */
	uint32_t inflight_max;
	LIST_HEAD(watch_list, socket_watch) watches;
	struct timer_op *tick, *soon;
	bool delivering; /* a caller's done runs */
	bool dead;	 /* it destroyed us: free when it returns */
	char *hosts_path;
};

static pthread_once_t library_once = PTHREAD_ONCE_INIT;
static int library_status;

static void
library_init(void)
{
	library_status = ares_library_init(ARES_LIB_INIT_ALL);
}

static void dns_pump(struct dns *dns);

/* ---- Giving out ---- */

static void
op_free(struct dns_op *op)
{
	arena_destroy(&op->arena);
	free(op);
}

static void
op_ready(struct dns_op *op)
{
	struct dns *dns = op->dns;

	op->state = OP_READY;
	op->query = NULL;
	TAILQ_INSERT_TAIL(&dns->ready, op, link);
	dns->ready_count++;
}

static void
op_fail(struct dns_op *op, enum dns_status status, const char *text)
{
	memset(&op->answer, 0, sizeof(op->answer));
	op->answer.status = status;
	op->answer.text = text;
	op_ready(op);
}

static void on_soon(void *arg);

static void
soon_arm(struct dns *dns)
{
	if (dns->ready_count > 0 && dns->soon == NULL)
		dns->soon = timer_start(dns->loop, 0, on_soon, dns);
}

/* From the loop only. What becomes ready meanwhile waits for the next turn. */
static void
dns_deliver(struct dns *dns)
{
	uint32_t n = dns->ready_count;
	struct dns_op *op;

	dns->delivering = true;
	while (n-- > 0 && (op = TAILQ_FIRST(&dns->ready)) != NULL) {
		TAILQ_REMOVE(&dns->ready, op, link);
		dns->ready_count--;
		op->done(op->arg, &op->answer);
		op_free(op);
		if (dns->dead) {
			free(dns);
			return;
		}
	}
	dns->delivering = false;
	soon_arm(dns);
}

static void
on_soon(void *arg)
{
	struct dns *dns = arg;

	dns->soon = NULL;
	dns_deliver(dns);
}

/* ---- c-ares ---- */

static void
on_tick(void *arg)
{
	struct dns *dns = arg;

	dns->tick = NULL;
	ares_process_fd(dns->udp.ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	ares_process_fd(dns->tcp.ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	dns_pump(dns);
	dns_deliver(dns);
}

static void
tick_arm(struct dns *dns)
{
	if (dns->tick == NULL && dns->query_count > 0)
		dns->tick = timer_start(dns->loop, TICK_MS, on_tick, dns);
}

static void
on_socket(void *arg, int fd, int readable, int writable)
{
	struct channel *channel = arg;
	struct dns *dns = channel->dns;

	ares_process_fd(channel->ares, readable ? fd : ARES_SOCKET_BAD,
			writable ? fd : ARES_SOCKET_BAD);
	dns_pump(dns);
	dns_deliver(dns);
}

static struct socket_watch *
watch_find(const struct channel *channel, int fd)
{
	struct socket_watch *w;

	for (w = LIST_FIRST(&channel->dns->watches); w != NULL;
	     w = LIST_NEXT(w, link)) {
		if (w->fd == fd && w->channel == channel)
			return w;
	}
	return NULL;
}

static void
on_socket_state(void *arg, ares_socket_t fd, int readable, int writable)
{
	struct channel *channel = arg;
	struct dns *dns = channel->dns;
	struct socket_watch *w = watch_find(channel, fd);

	if (w != NULL)
		watch_stop(&w->watch);
	if (!readable && !writable) {
		if (w != NULL)
			LIST_REMOVE(w, link);
		free(w);
		return;
	}
	if (w == NULL) {
		w = mem_zalloc(sizeof(*w));
		w->fd = fd;
		w->channel = channel;
		LIST_INSERT_HEAD(&dns->watches, w, link);
	}
	w->watch =
	    watch_start(dns->loop, fd, readable, writable, on_socket, channel);
}

static void
ask_again(struct dns_op *op)
{
	struct dns *dns = op->dns;

	op->state = OP_WAITING;
	op->query = NULL;
	TAILQ_INSERT_HEAD(&dns->waiting, op, link);
	dns->waiting_count++;
}

/* No packet came. */
static void
op_unanswered(struct dns_op *op, int status)
{
	if (status == ARES_ETIMEOUT) {
		op_fail(op, DNS_TIMEOUT, "timed out");
	} else if (status == ARES_EBADNAME) {
		op_fail(op, DNS_NXDOMAIN, "not a domain name");
	} else if (status == ARES_ECONNREFUSED && !op->refused) {
		op->refused = true;
		ask_again(op);
	} else {
		op_fail(op, DNS_FAIL, "resolver not reachable");
	}
}

static bool
is_truncated(const unsigned char *packet, int n)
{
	return n >= HFIXEDSZ && DNS_HEADER_TC(packet);
}

static void
on_ares(void *arg, int status, int timeouts, unsigned char *packet, int n)
{
	struct query *query = arg;
	struct dns_op *op = query->op;

	(void)timeouts;
	query->dns->query_count--;
	free(query);
	if (op == NULL)
		return;
	if (packet == NULL || n <= 0) {
		op_unanswered(op, status);
		return;
	}
	if (!op->tcp && is_truncated(packet, n)) {
		op->tcp = true;
		ask_again(op);
		return;
	}
	op->arena = arena_create(512);
	dns_packet_read(slice_of(packet, (size_t)n), op->name, op->type,
			op->arena, &op->answer);
	op_ready(op);
}

static void
query_start(struct dns_op *op)
{
	struct query *query = mem_zalloc(sizeof(*query));
	struct dns *dns = op->dns;

	query->dns = dns;
	query->op = op;
	op->state = OP_ASKED;
	op->query = query;
	dns->query_count++;
	ares_query(op->tcp ? dns->tcp.ares : dns->udp.ares, op->name, 1,
		   (int)op->type, on_ares, query);
}

/* May put ops on ready, never gives them out. */
static void
dns_pump(struct dns *dns)
{
	struct dns_op *op;

	while (dns->query_count < dns->inflight_max &&
	       (op = TAILQ_FIRST(&dns->waiting)) != NULL) {
		TAILQ_REMOVE(&dns->waiting, op, link);
		dns->waiting_count--;
		query_start(op);
	}
	tick_arm(dns);
}

/* ---- Create, destroy ---- */

/* An address, or address and port. */
static bool
server_parse(struct slice s, struct ares_addr_port_node *node)
{
	struct sock_addr addr = {.port = 53};

	if (ip_parse(s, &addr.ip) != 0 && sock_addr_parse(s, &addr) != 0)
		return false;
	node->udp_port = node->tcp_port = addr.port;
	if (ip_is_v4(&addr.ip)) {
		node->family = AF_INET;
		memcpy(&node->addr.addr4, addr.ip.b + 12, 4);
	} else {
		node->family = AF_INET6;
		memcpy(&node->addr.addr6, addr.ip.b, 16);
	}
	return true;
}

static bool
servers_set(ares_channel channel, const char *servers)
{
	struct ares_addr_port_node nodes[SERVERS_MAX];
	struct slice rest = slice_str(servers), word;
	size_t n = 0;

	memset(nodes, 0, sizeof(nodes));
	while (slice_split(&rest, ',', &word)) {
		if (n == SERVERS_MAX ||
		    !server_parse(slice_trim(word), &nodes[n]))
			return false;
		if (n > 0)
			nodes[n - 1].next = &nodes[n];
		n++;
	}
	return n > 0 && ares_set_servers_ports(channel, nodes) == ARES_SUCCESS;
}

static bool
channel_open(struct channel *channel, const struct dns_opts *opts, int flags)
{
	struct ares_options o;
	char lookups[] = "b";
	int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
		   ARES_OPT_SOCK_STATE_CB | ARES_OPT_SOCK_RCVBUF |
		   ARES_OPT_LOOKUPS;

	memset(&o, 0, sizeof(o));
	/* without NOCHECKRESP a SERVFAIL looks like a dead resolver */
	o.flags = ARES_FLAG_NOCHECKRESP | ARES_FLAG_NOSEARCH |
		  ARES_FLAG_NOALIASES | flags;
	o.timeout = opts->timeout_ms > 0 ? (int)opts->timeout_ms : 2000;
	o.tries = opts->tries > 0 ? opts->tries : 2;
	o.sock_state_cb = on_socket_state;
	o.sock_state_cb_data = channel;
	o.socket_receive_buffer_size = SOCKET_RECEIVE_BYTES;
	o.lookups = lookups;
	if (ares_init_options(&channel->ares, &o, mask) != ARES_SUCCESS) {
		channel->ares = NULL;
		return false;
	}
	return opts->servers == NULL ||
	       servers_set(channel->ares, opts->servers);
}

struct dns *
dns_create(struct loop *loop, const struct dns_opts *opts)
{
	struct dns *dns;

	pthread_once(&library_once, library_init);
	if (library_status != ARES_SUCCESS)
		return NULL;
	dns = mem_zalloc(sizeof(*dns));
	dns->loop = loop;
	dns->inflight_max = opts->inflight_max > 0 ? opts->inflight_max : 500;
	TAILQ_INIT(&dns->waiting);
	TAILQ_INIT(&dns->ready);
	LIST_INIT(&dns->watches);
	dns->udp.dns = dns->tcp.dns = dns;
	if (!channel_open(&dns->udp, opts, ARES_FLAG_IGNTC) ||
	    !channel_open(&dns->tcp, opts, ARES_FLAG_USEVC)) {
		dns_destroy(&dns);
		return NULL;
	}
	dns->hosts_path = mem_strdup(opts->hosts_path != NULL ? opts->hosts_path
							      : "/etc/hosts");
	return dns;
}

static void
ops_free(struct op_list *list)
{
	struct dns_op *op;

	while ((op = TAILQ_FIRST(list)) != NULL) {
		TAILQ_REMOVE(list, op, link);
		op_free(op);
	}
}

void
dns_destroy(struct dns **dnsp)
{
	struct dns *dns = *dnsp;

	*dnsp = NULL;
	if (dns == NULL)
		return;
	/* every open query comes back once more and lands on ready */
	if (dns->udp.ares != NULL)
		ares_destroy(dns->udp.ares);
	if (dns->tcp.ares != NULL)
		ares_destroy(dns->tcp.ares);
	assert(dns->query_count == 0);
	ops_free(&dns->waiting);
	ops_free(&dns->ready);
	timer_cancel(&dns->tick);
	timer_cancel(&dns->soon);
	free(dns->hosts_path);
	if (dns->delivering)
		dns->dead = true;
	else
		free(dns);
}

/* ---- Ops ---- */

struct dns_op *
dns_lookup_start(struct dns *dns, const struct dns_req *req, dns_done_fn *done,
		 void *arg)
{
	struct dns_op *op = mem_zalloc(sizeof(*op));

	op->dns = dns;
	op->type = req->type;
	op->done = done;
	op->arg = arg;
	if (!dns_name_key(slice_str(req->name), op->name)) {
		op_fail(op, DNS_NXDOMAIN, "not a domain name");
	} else if (dns->waiting_count / WAITING_FACTOR >= dns->inflight_max) {
		op_fail(op, DNS_FAIL, "too many questions wait");
	} else {
		op->state = OP_WAITING;
		TAILQ_INSERT_TAIL(&dns->waiting, op, link);
		dns->waiting_count++;
	}
	dns_pump(dns);
	soon_arm(dns);
	return op;
}

void
dns_lookup_cancel(struct dns_op **opp)
{
	struct dns_op *op = *opp;
	struct dns *dns;

	*opp = NULL;
	if (op == NULL)
		return;
	dns = op->dns;
	switch (op->state) {
	case OP_WAITING:
		TAILQ_REMOVE(&dns->waiting, op, link);
		dns->waiting_count--;
		break;
	case OP_ASKED:
		op->query->op = NULL;
		break;
	case OP_READY:
		TAILQ_REMOVE(&dns->ready, op, link);
		dns->ready_count--;
		break;
	}
	op_free(op);
}

uint32_t
dns_inflight_count(const struct dns *dns)
{
	return dns->query_count;
}

struct loop *
dns_loop(const struct dns *dns)
{
	return dns->loop;
}

const char *
dns_hosts_path(const struct dns *dns)
{
	return dns->hosts_path;
}
