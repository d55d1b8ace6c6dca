#include "dns/reach.h"

#include <string.h>

#define V4_AT 12 /* where IPv4 is in an ip_addr */

static enum reach
reach_of_v4(const uint8_t *b)
{
	if (b[0] == 0 || b[0] >= 224)
		return REACH_NEVER;
	if (b[0] == 127)
		return REACH_LOOPBACK;
	if (b[0] == 10 || (b[0] == 172 && (b[1] & 0xf0) == 16) ||
	    (b[0] == 192 && b[1] == 168) || (b[0] == 169 && b[1] == 254) ||
	    (b[0] == 100 && (b[1] & 0xc0) == 64))
		return REACH_PRIVATE;
	return REACH_PUBLIC;
}

enum reach
reach_of(const struct ip_addr *ip)
{
	static const uint8_t nat64[V4_AT] = {0, 0x64, 0xff, 0x9b};
	static const uint8_t compatible[V4_AT];
	const uint8_t *b = ip->b;

	if (ip_is_loopback(ip))
		return REACH_LOOPBACK;
	if (ip_is_v4(ip) || memcmp(b, nat64, sizeof(nat64)) == 0)
		return reach_of_v4(b + V4_AT);
	if (b[0] == 0xff || memcmp(b, compatible, sizeof(compatible)) == 0)
		return REACH_NEVER;
	/* fc00::/7, fe80::/10, and fec0::/10 of old */
	if ((b[0] & 0xfe) == 0xfc || (b[0] == 0xfe && (b[1] & 0x80)))
		return REACH_PRIVATE;
	return REACH_PUBLIC;
}

bool
reach_permits(const struct reach_policy *policy, enum reach reach)
{
	switch (reach) {
	case REACH_PUBLIC:
		return true;
	case REACH_PRIVATE:
		return policy->private;
	case REACH_LOOPBACK:
		return policy->loopback;
	case REACH_NEVER:
		return false;
	}
	return false;
}
