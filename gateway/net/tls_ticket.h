#ifndef GATEWAY_NET_TLS_TICKET_H
#define GATEWAY_NET_TLS_TICKET_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * The keys that session tickets are sealed with: a new one each hour, and the
 * one before it still opens what it sealed. OpenSSL's own lasts as long as the
 * context, and whoever takes it then reads every TLS 1.2 session it resumed.
 */
#define TICKET_KEY_MS INT64_C(3600000)
#define TICKET_NAME_SIZE 16

struct ticket_key {
	unsigned char name[TICKET_NAME_SIZE];
	unsigned char cipher[32], mac[32];
	int64_t made_ms; /* 0: there is none */
};

struct ticket_keys { /* begins as zeroes */
	struct ticket_key current, previous;
};

/* The one to seal with; makes it when it is due. */
const struct ticket_key *ticket_keys_seal(struct ticket_keys *keys,
					  int64_t now_ms);
/* The one that sealed under this name, NULL when that is gone. *renew: the
 * client should have a newer ticket. */
const struct ticket_key *
ticket_keys_open(struct ticket_keys *keys,
		 const unsigned char name[TICKET_NAME_SIZE], int64_t now_ms,
		 bool *renew);

/* Tickets of this context, by keys that all contexts of the process share: a
 * new certificate does not end resumption. */
void tls_ticket_setup(SSL_CTX *ctx);

#endif
