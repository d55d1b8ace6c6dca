#include "tests/support/dns_server.h"

#include <arpa/inet.h>
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "gateway/base/encode.h"
#include "gateway/base/mem.h"
#include "gateway/net/listen.h"
#include "gateway/net/stream.h"

#define TCP_MAX 16
#define PACKET_MAX 65535
#define HELD_MAX 64

struct tcp_conn {
	struct dns_server *server;
	struct stream *stream;
};

struct held {
	struct sockaddr_in to;
	struct buf packet;
};

struct dns_server {
	struct loop *loop;
	const struct dns_row *rows;
	size_t row_count;
	int udp, tcp;
	struct watch *watch;
	struct listener *listener;
	struct tcp_conn conns[TCP_MAX];
	unsigned udp_count, tcp_count, conn_count;
	char text[64];
	struct held held[HELD_MAX];
	unsigned held_count;
	char last[512];
	size_t last_n;
	struct sockaddr_in last_from;
};

static const struct {
	const char *name;
	uint16_t number;
} types[] = {{"A", 1},	  {"CNAME", 5}, {"SOA", 6},  {"MX", 15},
	     {"TXT", 16}, {"AAAA", 28}, {"TLSA", 52}};

static uint16_t
type_number(struct slice name)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (slice_eq(name, slice_str(types[i].name)))
			return types[i].number;
	}
	return 0;
}

static struct slice
word(struct slice *line)
{
	struct slice w = SLICE_NONE;

	while (line->n > 0 && line->p[0] == ' ')
		*line = slice_from(*line, 1);
	(void)slice_split(line, ' ', &w);
	return w;
}

static unsigned
number(struct slice *line)
{
	uint64_t v = 0;
	struct slice w = word(line);

	ck_assert_msg(slice_u64(w, &v), "not a number: %.*s", (int)w.n, w.p);
	return (unsigned)v;
}

static void
put_name(struct buf *out, struct slice name)
{
	struct slice label;

	if (!slice_eq(name, SLICE_LIT("."))) {
		while (slice_split(&name, '.', &label)) {
			buf_put_u8(out, (uint8_t)label.n);
			buf_add_slice(out, label);
		}
	}
	buf_put_u8(out, 0);
}

static void
put_data(struct buf *out, struct slice type, struct slice rest)
{
	struct ip_addr ip;

	if (slice_eq(type, SLICE_LIT("A"))) {
		ck_assert_int_eq(ip_parse(word(&rest), &ip), 0);
		buf_add(out, ip.b + 12, 4);
	} else if (slice_eq(type, SLICE_LIT("AAAA"))) {
		ck_assert_int_eq(ip_parse(word(&rest), &ip), 0);
		buf_add(out, ip.b, 16);
	} else if (slice_eq(type, SLICE_LIT("MX"))) {
		buf_put_u16(out, (uint16_t)number(&rest));
		put_name(out, rest); /* may hold a space */
	} else if (slice_eq(type, SLICE_LIT("CNAME"))) {
		put_name(out, word(&rest));
	} else if (slice_eq(type, SLICE_LIT("SOA"))) {
		put_name(out, SLICE_LIT("ns.test"));
		put_name(out, SLICE_LIT("root.test"));
		for (int i = 0; i < 4; i++)
			buf_put_u32(out, 1);
		buf_put_u32(out, number(&rest));
	} else if (slice_eq(type, SLICE_LIT("TXT"))) {
		struct slice string;

		while (slice_split(&rest, '|', &string)) {
			ck_assert_uint_le(string.n, 255);
			buf_put_u8(out, (uint8_t)string.n);
			buf_add_slice(out, string);
		}
	} else {
		ck_assert_int_eq(hex_decode(out, word(&rest)), 0);
	}
}

/* "owner ttl TYPE data" */
static void
put_record(struct buf *out, struct slice line, struct slice asked)
{
	struct slice owner = word(&line), type;
	struct buf data = {.cap = PACKET_MAX};
	unsigned ttl = number(&line);
	uint16_t code;

	type = word(&line);
	code = type_number(type);
	if (slice_eq(type, SLICE_LIT("HEX")))
		code = (uint16_t)number(&line);
	put_name(out, slice_eq(owner, SLICE_LIT("@")) ? asked : owner);
	buf_put_u16(out, code);
	buf_put_u16(out, 1);
	buf_put_u32(out, ttl);
	put_data(&data, type, line);
	buf_put_u16(out, (uint16_t)data.n);
	buf_add_slice(out, buf_slice(&data));
	buf_fini(&data);
}

/* The records of one section; how many. */
static uint16_t
put_section(struct buf *out, const char *records, struct slice asked,
	    bool authority)
{
	struct slice rest = slice_str(records), line;
	uint16_t count = 0;

	while (slice_split(&rest, '\n', &line)) {
		bool is_authority = line.n > 0 && line.p[0] == '!';

		if (line.n == 0 || is_authority != authority)
			continue;
		put_record(out, slice_from(line, is_authority), asked);
		count++;
	}
	return count;
}

static void
reply_build(struct buf *out, uint16_t id, struct slice question,
	    struct slice asked, unsigned rcode, bool truncated,
	    const char *records)
{
	uint16_t answers, authority;

	buf_put_u16(out, id);
	buf_put_u16(out, (uint16_t)(0x8180 | rcode | (truncated ? 0x200 : 0)));
	buf_put_u16(out, 1);
	buf_add(out, "\0\0\0\0\0\0", 6);
	buf_add_slice(out, question);
	if (truncated)
		return;
	answers = put_section(out, records, asked, false);
	authority = put_section(out, records, asked, true);
	out->p[7] = (char)answers;
	out->p[9] = (char)authority;
}

void
dns_reply_build(struct buf *out, const char *name, const char *type,
		unsigned rcode, const char *records)
{
	struct buf question = {.cap = 512};

	put_name(&question, slice_str(name));
	buf_put_u16(&question, type_number(slice_str(type)));
	buf_put_u16(&question, 1);
	reply_build(out, 0x1234, buf_slice(&question), slice_str(name), rcode,
		    false, records);
	buf_fini(&question);
}

/* The question's name as text, and where it ends; false: not a query. */
static bool
read_question(struct slice in, char name[256], uint16_t *type,
	      struct slice *question)
{
	size_t at = 12, used = 0;

	while (at < in.n && in.p[at] != 0) {
		size_t n = (uint8_t)in.p[at];

		if (n > 63 || at + 1 + n >= in.n || used + n + 1 > 255)
			return false;
		if (used > 0)
			name[used++] = '.';
		memcpy(name + used, in.p + at + 1, n);
		used += n;
		at += 1 + n;
	}
	name[used] = '\0';
	if (at + 5 > in.n)
		return false;
	*type = (uint16_t)((uint8_t)in.p[at + 1] << 8 | (uint8_t)in.p[at + 2]);
	*question = slice_of(in.p + 12, at + 5 - 12);
	return true;
}

static bool
row_names(const struct dns_row *r, const char *name)
{
	if (r->name[0] == '*')
		return slice_iends(slice_str(name), slice_str(r->name + 1));
	return strcasecmp(r->name, name) == 0;
}

static const struct dns_row *
row_find(const struct dns_server *s, const char *name, uint16_t type)
{
	for (size_t i = 0; i < s->row_count; i++) {
		const struct dns_row *r = &s->rows[i];

		if (row_names(r, name) &&
		    (r->type == NULL ||
		     type_number(slice_str(r->type)) == type))
			return r;
	}
	return NULL;
}

/* Nothing in out: no answer. */
static void
answer(struct dns_server *s, struct slice in, bool tcp, struct buf *out)
{
	static const struct dns_row nowhere = {.rcode = 3,
					       .records = "!test 900 SOA 60"};
	const struct dns_row *row;
	struct slice question;
	char name[256];
	uint16_t type, id;

	if (in.n < 12 || !read_question(in, name, &type, &question))
		return;
	id = (uint16_t)((uint8_t)in.p[0] << 8 | (uint8_t)in.p[1]);
	row = row_find(s, name, type);
	if (row == NULL)
		row = &nowhere;
	if (row->manner == DNS_SILENT)
		return;
	if (row->manner == DNS_ECHOES ||
	    (row->manner == DNS_ECHOES_UDP && !tcp)) {
		buf_add_slice(out, in);
		return;
	}
	reply_build(out, id, question, slice_str(name), row->rcode,
		    row->manner == DNS_TRUNCATES && !tcp, row->records);
	if (row->manner == DNS_CUTS)
		out->n -= 3;
	if (row->manner == DNS_VALIDATES)
		out->p[3] = (char)(out->p[3] | (in.p[3] & 0x20));
	if (row->manner == DNS_FOLDS && !tcp) {
		for (size_t i = 12; i < 12 + question.n; i++) {
			if (out->p[i] >= 'A' && out->p[i] <= 'Z')
				out->p[i] = (char)(out->p[i] + 32);
		}
	}
}

static void
send_to(struct dns_server *s, struct slice packet, const struct sockaddr_in *to)
{
	(void)sendto(s->udp, packet.p, packet.n, 0, (const struct sockaddr *)to,
		     sizeof(*to));
}

static void
forge(struct dns_server *s, enum dns_manner manner, struct slice answered,
      const struct sockaddr_in *to)
{
	struct buf out = {.cap = PACKET_MAX};
	size_t name_n = strlen(answered.p + 12) + 1;

	/* whoever believes it sees no such name */
	buf_add_slice(&out, answered);
	out.p[3] = (char)0x83;
	out.p[7] = 0;
	if (manner == DNS_FORGES_ID) {
		out.p[0] ^= 1;
		send_to(s, buf_slice(&out), to);
	} else if (manner == DNS_FORGES_QUESTION) {
		out.p[13] ^= 1;
		send_to(s, buf_slice(&out), to);
		out.p[13] ^= 1;
		out.p[12 + name_n + 1] ^= 2;
		send_to(s, buf_slice(&out), to);
	} else {
		send_to(s, slice_of(out.p, 11), to);
		send_to(s, slice_of(out.p, 0), to);
	}
	buf_fini(&out);
}

static void
hold(struct dns_server *s, struct slice packet, const struct sockaddr_in *to)
{
	struct held *h = &s->held[s->held_count++];

	ck_assert_uint_le(s->held_count, HELD_MAX);
	h->to = *to;
	h->packet = (struct buf){.cap = PACKET_MAX};
	buf_add_slice(&h->packet, packet);
}

unsigned
dns_server_release(struct dns_server *s)
{
	unsigned count = s->held_count;

	for (unsigned i = 0; i < count; i++) {
		send_to(s, buf_slice(&s->held[i].packet), &s->held[i].to);
		send_to(s, buf_slice(&s->held[i].packet), &s->held[i].to);
		buf_fini(&s->held[i].packet);
	}
	s->held_count = 0;
	return count;
}

static enum dns_manner
manner_of(const struct dns_server *s, struct slice in)
{
	const struct dns_row *row;
	struct slice question;
	char name[256];
	uint16_t type;

	if (in.n < 12 || !read_question(in, name, &type, &question))
		return DNS_ANSWERS;
	row = row_find(s, name, type);
	return row != NULL ? row->manner : DNS_ANSWERS;
}

static void
on_udp(void *arg, int fd, int readable, int writable)
{
	struct dns_server *s = arg;
	struct sockaddr_in from;
	socklen_t size = sizeof(from);
	struct buf out = {.cap = PACKET_MAX};
	enum dns_manner manner;
	struct slice in;
	ssize_t n;

	(void)readable;
	(void)writable;
	n = recvfrom(fd, s->last, sizeof(s->last), 0, (struct sockaddr *)&from,
		     &size);
	if (n <= 0)
		return;
	s->last_n = (size_t)n;
	s->last_from = from;
	s->udp_count++;
	in = slice_of(s->last, s->last_n);
	manner = manner_of(s, in);
	answer(s, in, false, &out);
	if (manner >= DNS_FORGES_ID)
		forge(s, manner, buf_slice(&out), &from);
	if (manner == DNS_HOLDS)
		hold(s, buf_slice(&out), &from);
	else if (out.n > 0)
		send_to(s, buf_slice(&out), &from);
	buf_fini(&out);
}

static size_t
on_tcp(void *arg, struct slice in)
{
	struct tcp_conn *c = arg;
	struct buf out = {.cap = PACKET_MAX}, frame = {.cap = PACKET_MAX + 2};
	size_t n;

	if (in.n < 2)
		return 0;
	n = (size_t)((uint8_t)in.p[0] << 8 | (uint8_t)in.p[1]);
	if (in.n < 2 + n)
		return 0;
	c->server->tcp_count++;
	answer(c->server, slice_of(in.p + 2, n), true, &out);
	if (out.n > 0) {
		buf_put_u16(&frame, (uint16_t)out.n);
		buf_add_slice(&frame, buf_slice(&out));
		stream_write(c->stream, buf_slice(&frame));
	}
	buf_fini(&out);
	buf_fini(&frame);
	return 2 + n;
}

static void
on_tcp_end(void *arg, int err)
{
	struct tcp_conn *c = arg;

	(void)err;
	stream_destroy(&c->stream);
}

static void
on_accept(void *arg, int fd, const struct sock_addr *peer,
	  const struct sock_addr *local)
{
	static const struct stream_ops ops = {.on_data = on_tcp,
					      .on_end = on_tcp_end};
	struct dns_server *s = arg;
	struct tcp_conn *c = &s->conns[s->conn_count];

	(void)peer;
	(void)local;
	ck_assert_uint_lt(s->conn_count, TCP_MAX);
	s->conn_count++;
	c->server = s;
	c->stream = stream_create(s->loop, fd, &ops, c);
}

struct dns_server *
dns_server_create(struct loop *loop, const struct dns_row *rows, size_t count)
{
	struct dns_server *s = mem_zalloc(sizeof(*s));
	struct sock_addr addr = {.port = 0};
	struct sockaddr_in sin = {.sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(sin);
	int room = 4 << 20;

	s->loop = loop;
	s->rows = rows;
	s->row_count = count;
	ck_assert_int_eq(ip_parse(SLICE_LIT("127.0.0.1"), &addr.ip), 0);
	s->udp = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	for (int tries = 0;; tries++) {
		ck_assert_int_eq(listen_open(&addr, 16, &s->tcp), 0);
		ck_assert_int_eq(
		    getsockname(s->tcp, (struct sockaddr *)&sin, &n), 0);
		if (bind(s->udp, (struct sockaddr *)&sin, n) == 0)
			break;
		/* somebody asks from this port: another */
		ck_assert_int_lt(tries, 100);
		close(s->tcp);
	}
	/* Hundreds ask at once, and a lost packet costs a timeout. */
	if (setsockopt(s->udp, SOL_SOCKET, SO_RCVBUFFORCE, &room,
		       sizeof(room)) != 0)
		(void)setsockopt(s->udp, SOL_SOCKET, SO_RCVBUF, &room,
				 sizeof(room));
	s->watch = watch_start(loop, s->udp, 1, 0, on_udp, s);
	s->listener = listener_create(loop, s->tcp, on_accept, NULL, s);
	snprintf(s->text, sizeof(s->text), "127.0.0.1:%u", ntohs(sin.sin_port));
	return s;
}

void
dns_server_refuse_tcp(struct dns_server *s)
{
	listener_destroy(&s->listener);
	if (s->tcp >= 0)
		close(s->tcp);
	s->tcp = -1;
}

void
dns_server_destroy(struct dns_server **server)
{
	struct dns_server *s = *server;

	*server = NULL;
	for (unsigned i = 0; i < s->conn_count; i++)
		stream_destroy(&s->conns[i].stream);
	dns_server_refuse_tcp(s);
	watch_stop(&s->watch);
	while (s->held_count > 0)
		buf_fini(&s->held[--s->held_count].packet);
	close(s->udp);
	free(s);
}

const char *
dns_server_text(const struct dns_server *server)
{
	return server->text;
}

unsigned
dns_server_udp_count(const struct dns_server *server)
{
	return server->udp_count;
}

unsigned
dns_server_tcp_count(const struct dns_server *server)
{
	return server->tcp_count;
}

struct slice
dns_server_last(const struct dns_server *server)
{
	return slice_of(server->last, server->last_n);
}

unsigned
dns_server_last_port(const struct dns_server *server)
{
	return ntohs(server->last_from.sin_port);
}
