#include <stdio.h>

#include "gateway/base/buf.h"
#include "gateway/base/escape.h"
#include "gateway/control/alerts_int.h"

static void
find_failing(const struct alert_resolver *facts, struct finding *f)
{
	if (!facts->failing)
		return;
	f->level = 1;
	snprintf(f->subject, sizeof(f->subject),
		 "the resolver gives no usable answers");
	snprintf(f->text, sizeof(f->text),
		 "Asked: %.200s. Recipients are accepted unverified and "
		 "decided before delivery;\ndomains known to be good are "
		 "believed in. Is the resolver there?\n\n    sluice status\n "
		 "   sluice domain show example.com\n",
		 facts->servers);
}

static void
find_rewrites(const struct alert_resolver *facts, struct finding *f)
{
	struct buf found = {.cap = 300};

	if (!facts->rewrites)
		return;
	escape_reply(&found, slice_str(facts->found));
	f->level = 1;
	snprintf(f->subject, sizeof(f->subject),
		 "the resolver makes up domains that do not exist");
	snprintf(f->text, sizeof(f->text),
		 "A name that cannot exist was answered with %.100s by "
		 "%.200s.\nSo mail to dead domains is accepted, and waits in "
		 "the queue. Have a resolver of\nyour own, best on this host "
		 "(unbound), or tell this one to answer NXDOMAIN.\n",
		 buf_cstr(&found), facts->servers);
	buf_fini(&found);
}

static void
find_slow(const struct alert_resolver *facts, struct finding *f)
{
	if (!facts->slow)
		return;
	f->level = 1;
	snprintf(f->subject, sizeof(f->subject),
		 "the resolver is slow: half of its answers take over %.0f ms",
		 facts->p50_ms);
	snprintf(f->text, sizeof(f->text),
		 "Clients wait for it at each new domain. Have a resolver that "
		 "caches, best on\nthis host (unbound); asked now: %.200s.\n",
		 facts->servers);
}

static void
find_remote(const struct alert_resolver *facts, struct finding *f)
{
	if (!facts->remote)
		return;
	f->level = 1;
	snprintf(f->subject, sizeof(f->subject),
		 "the resolver is not on this host");
	snprintf(f->text, sizeof(f->text),
		 "Asked: %.200s. Who can send packets in its name decides "
		 "which domains are\ndead, and DANE is off. Run a resolver on "
		 "this host (unbound), and say so:\n\n    dns { resolver "
		 "127.0.0.1; }\n",
		 facts->servers);
}

void
find_resolver(enum alert_cause cause, const struct alert_resolver *facts,
	      struct finding *f)
{
	if (cause == ALERT_RESOLVER)
		find_failing(facts, f);
	else if (cause == ALERT_DNS_REWRITES)
		find_rewrites(facts, f);
	else if (cause == ALERT_DNS_SLOW)
		find_slow(facts, f);
	else if (cause == ALERT_DNS_REMOTE)
		find_remote(facts, f);
}
