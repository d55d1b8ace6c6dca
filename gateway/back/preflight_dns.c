/*
 * What DNS says of those who stand for a campaign: the keys of who signs it,
 * the DMARC policy of its author's domain or of the nearest one above that has
 * any, the SPF record of the domain that gets its bounces.
 *
 * Which domain above another is the organisation's nobody knows without a list
 * of public suffixes. Asking each, up to the last but one, finds the same
 * record wherever a public suffix has none of its own.
 */
#include <stdio.h>
#include <string.h>

#include "gateway/back/preflight_int.h"

static void policy_next(struct preflight *p);

static void
start(struct preflight *p, struct preflight_question *question,
      const char *name, dns_done_fn *done)
{
	struct dns_req req = {.name = name, .type = DNS_TXT, .owner = p->cred};

	question->of = p;
	question->op =
	    dns_lookup_start(p->all->relay->dns, &req, done, question);
}

/* --- DKIM ----------------------------------------------------------------- */

static void
on_key(void *arg, const struct dns_answer *answer)
{
	struct preflight_question *question = arg;
	struct preflight *p = question->of;
	size_t i = (size_t)(question - p->keys_asked);
	struct buf ours;

	question->op = NULL;
	buf_init(&ours, DNS_TXT_MAX);
	dkim_key_record(p->domain->selectors[i].key, &ours);
	p->found.keys[i].state = preflight_key_of(answer, buf_slice(&ours));
	buf_fini(&ours);
	preflight_answered(p);
}

static void
ask_keys(struct preflight *p)
{
	const struct dkim_domain *domain =
	    dkim_keys_find(p->keys, slice_str(p->found.from));
	char name[DNS_NAME_SIZE + 80];

	p->domain = domain;
	if (!domain)
		return;
	(void)snprintf(p->found.signer, sizeof(p->found.signer), "%s",
		       domain->name);
	p->found.key_count = domain->selector_count;
	for (size_t i = 0; i < domain->selector_count; i++) {
		const char *selector = domain->selectors[i].name;

		(void)snprintf(p->found.keys[i].name,
			       sizeof(p->found.keys[i].name), "%s", selector);
		(void)snprintf(name, sizeof(name), "%s._domainkey.%s", selector,
			       domain->name);
		start(p, &p->keys_asked[i], name, on_key);
	}
}

/* --- DMARC ---------------------------------------------------------------- */

static void
on_policy(void *arg, const struct dns_answer *answer)
{
	struct preflight_question *question = arg;
	struct preflight *p = question->of;

	question->op = NULL;
	p->found.policy = preflight_policy_of(
	    answer, p->policy_name != p->found.from, &p->found.strict);
	if (p->found.policy == PREFLIGHT_POLICY_MISSING)
		policy_next(p);
	preflight_answered(p);
}

static void
ask_policy(struct preflight *p)
{
	char name[DNS_NAME_SIZE + 8];

	p->policies++;
	p->found.policy = PREFLIGHT_POLICY_UNKNOWN;
	(void)snprintf(name, sizeof(name), "_dmarc.%s", p->policy_name);
	start(p, &p->policy_asked, name, on_policy);
}

/* Of a long name, the tail that has as many labels as there are questions
 * left; none of a name of one label. */
static void
policy_next(struct preflight *p)
{
	const char *name = strchr(p->policy_name, '.');
	unsigned dots = 0;

	if (!name || p->policies >= PREFLIGHT_POLICIES)
		return;
	for (const char *c = ++name; *c != '\0'; c++)
		dots += *c == '.';
	for (; dots > PREFLIGHT_POLICIES - p->policies; dots--)
		name = strchr(name, '.') + 1;
	if (dots == 0)
		return;
	p->policy_name = name;
	ask_policy(p);
}

/* --- SPF ------------------------------------------------------------------ */

static void
on_spf(void *arg, const struct dns_answer *answer)
{
	struct preflight_question *question = arg;
	struct preflight *p = question->of;

	question->op = NULL;
	p->found.spf = preflight_spf_of(answer);
	preflight_answered(p);
}

/* --- all of them ---------------------------------------------------------- */

void
preflight_ask(struct preflight *p)
{
	p->keys = dkim_keys_share(p->all->relay->settings->conf.dkim);
	if (p->found.from[0] != '\0') {
		ask_keys(p);
		p->policy_name = p->found.from;
		ask_policy(p);
	}
	if (p->found.sender[0] != '\0')
		start(p, &p->spf_asked, p->found.sender, on_spf);
}

bool
preflight_asks(const struct preflight *p)
{
	for (size_t i = 0; i < DKIM_SELECTORS_MAX; i++) {
		if (p->keys_asked[i].op)
			return true;
	}
	return p->policy_asked.op || p->spf_asked.op;
}

void
preflight_ask_end(struct preflight *p)
{
	for (size_t i = 0; i < DKIM_SELECTORS_MAX; i++)
		dns_lookup_cancel(&p->keys_asked[i].op);
	dns_lookup_cancel(&p->policy_asked.op);
	dns_lookup_cancel(&p->spf_asked.op);
	dkim_keys_release(&p->keys);
	p->domain = NULL;
}
