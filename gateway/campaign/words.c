/* What states, reasons and classes are called; nowhere else. */
#include "gateway/campaign/bounce.h"
#include "gateway/campaign/campaign.h"

const char *
campaign_state_word(enum campaign_state state)
{
	static const char *const words[CAMPAIGN_STATES] = {
	    [CAMPAIGN_CHECKING] = "checking", [CAMPAIGN_WAITING] = "waiting",
	    [CAMPAIGN_RUNNING] = "running",   [CAMPAIGN_PAUSED] = "paused",
	    [CAMPAIGN_STOPPED] = "stopped",   [CAMPAIGN_CANCELED] = "canceled",
	    [CAMPAIGN_DONE] = "done",
	};

	return words[state];
}

const char *
campaign_why_word(enum campaign_why why)
{
	static const char *const words[] = {
	    [CAMPAIGN_WHY_NONE] = "none",
	    [CAMPAIGN_WHY_RECIPIENTS] = "recipients",
	    [CAMPAIGN_WHY_SAME] = "same-body",
	    [CAMPAIGN_WHY_HEADER] = "header",
	    [CAMPAIGN_WHY_CLASS] = "class",
	    [CAMPAIGN_WHY_LIMIT] = "limit",
	    [CAMPAIGN_WHY_CHOSEN] = "chosen",
	};

	return words[why];
}

const char *bounce_class_word(enum bounce_class class)
{
	static const char *const words[BOUNCE_CLASSES] = {
	    [BOUNCE_MAILBOX] = "bad-mailbox",
	    [BOUNCE_DOMAIN] = "bad-domain",
	    [BOUNCE_INACTIVE] = "inactive",
	    [BOUNCE_REPUTATION] = "reputation",
	    [BOUNCE_POLICY] = "policy",
	    [BOUNCE_CONTENT] = "content",
	    [BOUNCE_NETWORK] = "network",
	    [BOUNCE_OTHER] = "other",
	};

	return words[class];
}

const char *
campaign_count_word(enum campaign_count count)
{
	switch (count) {
	case CAMPAIGN_DELIVERED:
		return "delivered";
	case CAMPAIGN_DEAD:
		return "dead-domain";
	case CAMPAIGN_SUPPRESSED:
		return "suppressed";
	case CAMPAIGN_DUPLICATE:
		return "duplicate";
	case CAMPAIGN_PURGED:
		return "canceled";
	case CAMPAIGN_MESSAGES:
	case CAMPAIGN_RECIPIENTS:
	case CAMPAIGN_OTHER:
	case CAMPAIGN_COMPLAINTS:
	case CAMPAIGN_BOUNCED:
	case CAMPAIGN_COUNTS:
		break;
	}
	if (count < CAMPAIGN_BOUNCED || count >= CAMPAIGN_COUNTS)
		return "other";
	return bounce_class_word((enum bounce_class)(count - CAMPAIGN_BOUNCED));
}
