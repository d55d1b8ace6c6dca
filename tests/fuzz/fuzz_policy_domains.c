/* The input as a record of what is allowed, as a rule's name and as a recipient
 * domain: a record that is read is written as it was, a name's normal form is
 * its own, and a hint is never what was asked. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "policy/domains_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW 1800000000

static const char *const exempt[] = {"example.com", ".example.com",
				     "reederei-nord.de"};

/* assert would be gone in a release build. */
static void
must(bool holds)
{
	if (!holds)
		abort();
}

/* The key ends at the first NUL. */
static void
record(struct slice in)
{
	size_t end = slice_find(in, '\0');
	struct slice value = slice_from(in, end + 1);
	struct buf again = {.cap = in.n + 1};
	struct domain_allow allow;

	if (domain_allow_decode(slice_head(in, end), value, &allow) != 0)
		return;
	must(domain_allow_check(&allow) == 0);
	must(slice_eq(slice_str(allow.domain), slice_head(in, end)));
	domain_allow_encode(&allow, &again);
	must(slice_eq(buf_slice(&again), value));
	buf_fini(&again);
}

static void
name(struct slice in)
{
	char once[DOMAIN_RULE_MAX + 1], twice[DOMAIN_RULE_MAX + 1];

	if (domain_rule_name(in, once) != 0)
		return;
	must(strlen(once) <= DOMAIN_RULE_MAX - 1);
	must(domain_rule_name(slice_str(once), twice) == 0);
	must(strcmp(once, twice) == 0);
}

static void
domain(struct domains *domains, struct slice in)
{
	const struct domain_fact dead = {.verdict = DOMAIN_DEAD,
					 .reason = DOMAIN_WHY_NXDOMAIN};
	const char *hint = hint_find(domains->rules->hints, in);
	struct domain_decision decision;

	must(hint == NULL || !slice_eq(slice_str(hint), in));
	domains_asks(domains, in, NOW);
	domains_decide(domains, NULL, &dead, in, 0, &decision);
	must(decision.action == DOMAIN_REFUSE && decision.dead);
	for (const char *c = decision.reply.text; *c != '\0'; c++)
		must(*c >= ' ' && *c <= '~');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct domains *domains;
	struct slice in = slice_of(data, size);

	if (domains == NULL)
		domains = domains_create(&(struct domains_conf){
		    .check = true,
		    .refuse_first = 1,
		    .exempt = exempt,
		    .exempt_count = sizeof(exempt) / sizeof(exempt[0])});
	record(in);
	name(in);
	domain(domains, in);
	return 0;
}
