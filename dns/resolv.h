#ifndef DNS_RESOLV_H
#define DNS_RESOLV_H

#include "gateway/base/addr.h"

/*
 * Which name servers: of a configuration's list, or of resolv.conf (5).
 */
#define RESOLV_MAX 8

struct resolv {
	struct sock_addr addrs[RESOLV_MAX];
	uint32_t count;
};

/* "127.0.0.1, [::1]:5353". False: not such a list, or over RESOLV_MAX. */
bool resolv_parse(const char *list, struct resolv *resolv);
/* The nameserver lines of a resolv.conf; what else it says is not for us, and
 * addresses with a zone ("fe80::1%eth0") are left out. */
void resolv_parse_file(struct slice text, struct resolv *resolv);
/* False: no file, or it names no server. */
bool resolv_read(const char *path, struct resolv *resolv);

bool resolv_equal(const struct resolv *a, const struct resolv *b);
bool resolv_is_loopback(const struct resolv *resolv); /* all of them */
/* "127.0.0.1, 192.0.2.1:5353", as much as fits. */
void resolv_format(const struct resolv *resolv, char *out, size_t size);

#endif
