#include "gateway/back/result.h"

#include <string.h>

#include "gateway/base/error.h"

void
result_set(struct result *result, enum fate fate, const char *enhanced,
	   const char *text)
{
	struct slice rest = slice_str(enhanced), part;

	memset(result, 0, sizeof(*result));
	result->fate = fate;
	result->text = slice_str(text);
	for (size_t i = 0; i < 3 && slice_split(&rest, '.', &part); i++) {
		uint64_t v = 0;

		slice_u64(part, &v);
		result->enhanced[i] = (uint8_t)v;
	}
}

/* RFC 3463, 3.5: what went wrong on the way to a reply. */
static const char *
enhanced_of_error(int err)
{
	switch (err) {
	case GW_EREFUSED:
		return "4.4.1";
	case GW_ETLS:
		return "4.7.5";
	case GW_EPROTO:
		return "4.5.0";
	case GW_ENOTSUP:
		return "4.7.4";
	default:
		return "4.4.2";
	}
}

void
result_of_reply(struct result *result, const struct smtp_reply *reply)
{
	if (reply->err != 0) {
		result_set(result, FATE_DEFERRED, enhanced_of_error(reply->err),
			   NULL);
		result->text = reply->text.n > 0
				   ? reply->text
				   : slice_str(gw_err_text(reply->err));
		return;
	}
	memset(result, 0, sizeof(*result));
	result->code = reply->code;
	result->text = reply->text;
	memcpy(result->enhanced, reply->enhanced, sizeof(result->enhanced));
	memcpy(result->said, reply->enhanced, sizeof(result->said));
	if (reply->code >= 200 && reply->code < 300)
		result->fate = FATE_DELIVERED;
	else if (reply->code >= 500 && reply->code < 600)
		result->fate = FATE_BOUNCED;
	else
		result->fate = FATE_DEFERRED;
	/* An enhanced code of another class than the reply's says nothing. */
	if (result->enhanced[0] != reply->code / 100) {
		memset(result->enhanced, 0, sizeof(result->enhanced));
		result->enhanced[0] = result->fate == FATE_DEFERRED
					  ? 4
					  : (uint8_t)(reply->code / 100);
	}
}

void
result_of_rcpt(struct result *result, const struct smtp_reply *reply)
{
	result_of_reply(result, reply);
	if (reply->err != GW_EINVAL)
		return;
	result->fate = FATE_BOUNCED;
	result->enhanced[0] = 5;
	result->enhanced[1] = 1;
	result->enhanced[2] = 3;
}

void
result_of_domain(struct result *result, enum domain_verdict verdict,
		 enum domain_reason reason)
{
	const char *enhanced = NULL;

	switch (verdict) {
	case DOMAIN_DEAD:
	case DOMAIN_RESERVED:
		enhanced = "5.1.2";
		break;
	case DOMAIN_REFUSES:
		enhanced = "5.1.10";
		break;
	case DOMAIN_UNROUTABLE:
		enhanced = "5.4.4";
		break;
	case DOMAIN_UNKNOWN:
	case DOMAIN_DELIVERABLE:
	case DOMAIN_VERDICTS:
		break;
	}
	result_set(result, enhanced ? FATE_BOUNCED : FATE_DEFERRED,
		   enhanced ? enhanced : "4.4.3", domain_reason_text(reason));
}

enum domain_verdict
result_verdict(enum domain_reason reason)
{
	switch (reason) {
	case DOMAIN_WHY_NULL_MX:
		return DOMAIN_REFUSES;
	case DOMAIN_WHY_SPECIAL_USE:
		return DOMAIN_RESERVED;
	case DOMAIN_WHY_NO_HOST:
	case DOMAIN_WHY_NO_ADDRESS:
	case DOMAIN_WHY_NOT_PUBLIC:
	case DOMAIN_WHY_SELF:
		return DOMAIN_UNROUTABLE;
	case DOMAIN_WHY_NXDOMAIN:
	case DOMAIN_WHY_NO_RECORDS:
	case DOMAIN_WHY_BAD_NAME:
	case DOMAIN_WHY_NONE:
	case DOMAIN_WHY_MX:
	case DOMAIN_WHY_ADDRESS:
	case DOMAIN_WHY_LITERAL:
	case DOMAIN_WHY_FAILED:
	case DOMAIN_WHY_TIMEOUT:
	case DOMAIN_WHY_BUSY:
	case DOMAIN_REASONS:
		break;
	}
	return DOMAIN_DEAD;
}

void
result_format(struct buf *out, const struct result *result)
{
	const uint8_t *v = result->code != 0 ? result->said : result->enhanced;

	if (result->code != 0)
		buf_printf(out, "%d ", result->code);
	if (v[0] != 0)
		buf_printf(out, "%u.%u.%u ", v[0], v[1], v[2]);
	buf_add_slice(out, result->text);
}
