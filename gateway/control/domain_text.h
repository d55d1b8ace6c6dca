#ifndef GATEWAY_CONTROL_DOMAIN_TEXT_H
#define GATEWAY_CONTROL_DOMAIN_TEXT_H

#include "gateway/base/json.h"
#include "gateway/control/call.h"
#include "policy/domains.h"

#define DOMAIN_TEXT_SIZE 256

enum domain_form {
	DOMAIN_ITSELF,
	DOMAIN_BELOW,  /* or ".b" */
	DOMAIN_ANYHOW, /* also what is no name, and [192.0.2.1] */
};

/* The command's NAME, or what follows the '@' of an address, in key form.
 * False after a sentence. */
bool domain_operand(struct call *call, enum domain_form form,
		    char domain[DOMAIN_TEXT_SIZE]);
void domain_put(struct buf *out, const char *domain); /* escaped */
void domain_allow_json(const struct domain_allow *allow, const char *key,
		       struct json *j);

/* All that is to be told about one domain. */
struct domain_view {
	const char *domain;
	const char *class;  /* or NULL */
	const char *exempt; /* why it is not asked about, or NULL */
	const struct domain_allow *allow; /* that is why; or NULL */
	struct domain_fact fact;
	const char *text; /* what DNS said just now, or "" */
	/* of a message's first recipients, and of the later ones */
	struct domain_decision first, later;
};
void domain_view_text(const struct domain_view *view, int64_t now_wall_s,
		      struct buf *out);
void domain_view_json(const struct domain_view *view, struct buf *out);

#endif
