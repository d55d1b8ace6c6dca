#ifndef GATEWAY_BACK_CONN_INT_H
#define GATEWAY_BACK_CONN_INT_H

#include "dns/dane.h"
#include "gateway/back/body.h"
#include "gateway/back/conn.h"
#include "gateway/back/conn_slots.h"
#include "gateway/back/delivery.h"
#include "gateway/smtp/client.h"

/* What conn.c and conn_open.c share; nobody else includes it. */
struct conn {
	TAILQ_ENTRY(conn) all_link, idle_link;
	struct dest *dest;
	/* while it opens */
	struct dns_targets_op *resolve_op;
	struct dns_dane_op *dane_op;
	struct smtp_connect_op *connect_op;
	struct slot_attempt attempt;
	uint64_t tried;
	size_t host_at;
	uint32_t ip_at;
	bool opening;
	bool by_dane; /* the host has TLSA records, or hides them */
	/* once it is open */
	char *host;
	struct sock_addr addr;
	struct smtp_client *client;
	struct smtp_send_op *send_op;
	struct delivery *delivery;
	struct smtp_send_rcpt *rcpts;
	struct body body;
	int64_t idle_since_ms;
	bool is_idle;
};

static inline struct relay *
conn_relay(const struct conn *conn)
{
	return conn->dest->hop->relay;
}

/* --- conn_open.c ---------------------------------------------------------- */

void conn_open_end(struct conn *conn); /* let in, or about to be closed */

#endif
