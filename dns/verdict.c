#include "dns/verdict.h"

const char *
domain_verdict_name(enum domain_verdict verdict)
{
	switch (verdict) {
	case DOMAIN_UNKNOWN:
		return "unknown";
	case DOMAIN_DELIVERABLE:
		return "deliverable";
	case DOMAIN_DEAD:
		return "dead";
	case DOMAIN_REFUSES:
		return "refuses";
	case DOMAIN_RESERVED:
		return "reserved";
	case DOMAIN_UNROUTABLE:
		return "unroutable";
	case DOMAIN_VERDICTS:
		break;
	}
	return "unknown";
}

const char *
domain_reason_text(enum domain_reason reason)
{
	switch (reason) {
	case DOMAIN_WHY_NONE:
		return "not asked yet";
	case DOMAIN_WHY_MX:
		return "it has a mail server (MX)";
	case DOMAIN_WHY_ADDRESS:
		return "no MX, but an address of its own";
	case DOMAIN_WHY_LITERAL:
		return "an address literal";
	case DOMAIN_WHY_NXDOMAIN:
		return "no such domain (NXDOMAIN)";
	case DOMAIN_WHY_NO_RECORDS:
		return "neither MX nor address";
	case DOMAIN_WHY_BAD_NAME:
		return "not a domain name";
	case DOMAIN_WHY_NULL_MX:
		return "it takes no mail (null MX)";
	case DOMAIN_WHY_SPECIAL_USE:
		return "a special-use name";
	case DOMAIN_WHY_NO_HOST:
		return "no host name in its MX";
	case DOMAIN_WHY_NO_ADDRESS:
		return "no host of its MX has an address";
	case DOMAIN_WHY_NOT_PUBLIC:
		return "only addresses that we do not deliver to";
	case DOMAIN_WHY_SELF:
		return "its best MX is this gateway";
	case DOMAIN_WHY_FAILED:
		return "no usable answer from DNS";
	case DOMAIN_WHY_TIMEOUT:
		return "no answer from DNS in time";
	case DOMAIN_WHY_BUSY:
		return "too many look-ups under way";
	case DOMAIN_REASONS:
		break;
	}
	return "not known";
}
