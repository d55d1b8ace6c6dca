/* Addresses, prefixes, address and port: what is read, written and read again
 * is the same; a prefix has its own address. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "gateway/base/addr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_sock_addr(const struct sock_addr *addr)
{
	struct sockaddr_storage ss;
	struct sock_addr again;
	char text[SOCK_ADDR_TEXT_SIZE];
	socklen_t n;

	sock_addr_format(addr, text);
	if (sock_addr_parse(slice_str(text), &again) != 0 ||
	    !ip_eq(&again.ip, &addr->ip) || again.port != addr->port)
		abort();
	n = sock_addr_to_native(addr, &ss);
	if (sock_addr_from_native((struct sockaddr *)&ss, n, &again) != 0 ||
	    !ip_eq(&again.ip, &addr->ip) || again.port != addr->port)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice s = slice_of(data, size);
	char text[IP_TEXT_SIZE + 4];
	struct ip_prefix prefix, prefix_again;
	struct ip_addr ip, ip_again;
	struct sock_addr addr;

	if (ip_parse(s, &ip) == 0) {
		ip_format(&ip, text);
		if (ip_parse(slice_str(text), &ip_again) != 0 ||
		    !ip_eq(&ip, &ip_again))
			abort();
		if (ip_prefix_parse(s, &prefix) != 0 || prefix.bits != 128)
			abort();
	}
	if (ip_prefix_parse(s, &prefix) == 0) {
		ip_prefix_format(&prefix, text);
		if (ip_prefix_parse(slice_str(text), &prefix_again) != 0 ||
		    prefix.bits != prefix_again.bits ||
		    !ip_eq(&prefix.addr, &prefix_again.addr) ||
		    !ip_prefix_has(&prefix, &prefix.addr))
			abort();
	}
	if (sock_addr_parse(s, &addr) == 0)
		check_sock_addr(&addr);
	return 0;
}
