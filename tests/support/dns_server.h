#ifndef TESTS_SUPPORT_DNS_SERVER_H
#define TESTS_SUPPORT_DNS_SERVER_H

#include "gateway/base/buf.h"
#include "gateway/net/loop.h"

/*
 * A name server on 127.0.0.1, UDP and TCP, on the loop of the test. It answers
 * from rows, whose names are lower case; a name that has none does not exist.
 *
 * records: lines "owner ttl TYPE data"; a line that begins with '!' goes to
 * the authority section. TYPE is A, AAAA, MX (preference host, "." is the
 * root), CNAME, SOA (data is its minimum), TLSA (hex), TXT (strings, '|'
 * between them), HEX (type in decimal, then the record's data in hex). "@" is
 * the name that was asked.
 */
enum dns_manner {
	DNS_ANSWERS,
	DNS_SILENT,
	DNS_TRUNCATES,	/* over UDP; whole over TCP */
	DNS_CUTS,	/* the packet ends in the middle */
	DNS_ECHOES,	/* the question comes back as it was */
	DNS_ECHOES_UDP, /* the same, but answered over TCP */
	DNS_FOLDS,	/* its question comes back in small letters, by UDP */
	DNS_VALIDATES,	/* AD, if the question had it */
	DNS_HOLDS,	/* by UDP: until dns_server_release */
	/* by UDP; before the right answer, NXDOMAIN with ... */
	DNS_FORGES_ID,	     /* ... another id */
	DNS_FORGES_QUESTION, /* ... another name, then another type */
	DNS_FORGES_SHORT,    /* ... a packet that is none, and an empty one */
};

struct dns_row {
	const char *name; /* "*.a.test": all below it */
	const char *type; /* "MX"; NULL: every type */
	unsigned rcode;
	enum dns_manner manner;
	const char *records; /* NULL: none */
};

struct dns_server;

struct dns_server *dns_server_create(struct loop *loop,
				     const struct dns_row *rows, size_t count);
void dns_server_destroy(struct dns_server **server);
const char *dns_server_text(const struct dns_server *server); /* ip:port */
unsigned dns_server_udp_count(const struct dns_server *server);
unsigned dns_server_tcp_count(const struct dns_server *server);
void dns_server_refuse_tcp(struct dns_server *server);
/* Sends what was held, each answer twice. Returns how many were held. */
unsigned dns_server_release(struct dns_server *server);
/* What came last by UDP, and the port it came from. */
struct slice dns_server_last(const struct dns_server *server);
unsigned dns_server_last_port(const struct dns_server *server);

/* One reply as the server would make it, for tests of the parser. */
void dns_reply_build(struct buf *out, const char *name, const char *type,
		     unsigned rcode, const char *records);

#endif
