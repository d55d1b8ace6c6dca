#include "dns/literal.h"

bool
literal_parse(struct slice s, struct ip_addr *ip, enum reach *reach)
{
	static const struct slice tag = {"IPv6:", 5};
	bool tagged, colon;

	if (s.n < 3 || s.p[0] != '[' || s.p[s.n - 1] != ']')
		return false;
	s = slice_head(slice_from(s, 1), s.n - 2);
	tagged = slice_istarts(s, tag);
	if (tagged)
		s = slice_from(s, tag.n);
	colon = slice_find(s, ':') < s.n;
	if (ip_parse(s, ip) != 0 || (tagged && !colon))
		return false;
	*reach = colon && ip_is_v4(ip) ? REACH_NEVER : reach_of(ip);
	return true;
}
