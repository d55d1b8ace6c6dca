#ifndef DNS_HOSTS_H
#define DNS_HOSTS_H

#include <stdbool.h>

#include "dns/lookup.h"

/*
 * The addresses of a host name without DNS: the hosts file (its first 64 KiB,
 * read each time: an edit counts at once), and localhost, which never is asked
 * for (RFC 6761, 6.3). name as of dns_name_key. Returns how many, at most max.
 */
uint32_t hosts_find(const char *path, const char *name, bool v6,
		    struct ip_addr *ips, uint32_t max);

#endif
