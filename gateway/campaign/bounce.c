/*
 * From a reply to a class. Three tables, in this order: what the reply says in
 * words, its enhanced code (RFC 3463 and its registry), its code alone. Words
 * come first since one code means many things: 550 5.7.1 is an unknown user
 * here, a listed address there and a missing signature elsewhere.
 *
 * The order of the rows of words is what decides: what names the sender, the
 * signature or a list comes before what names the recipient, because "sender
 * address rejected: domain does not exist" is not a dead recipient, and a
 * mistake that way suppresses somebody who is there.
 *
 * For the same reason a 4xx is never proof that a mailbox or a domain is gone:
 * it is a soft failure at most, however sure its words are.
 */
#include "gateway/campaign/bounce.h"

#include <stddef.h>

#include "gateway/campaign/bounce_int.h"

#define ANY 0xffff

struct words_row {
	const char *phrases;
	enum bounce_class class;
};

static const struct words_row words[] = {
    /* Try again: of no class but this, whatever else is said. */
    {"greylist|graylist|grey-list|gray-list|postgrey|grey listed|"
     "come back later|try again in a few minutes|deferred by greylisting",
     BOUNCE_NETWORK},
    /* A mailbox that gets too much at once is one that there is. */
    {"receiving mail at a rate|receiving mail too quickly|"
     "is receiving too many messages|recipient rate limit",
     BOUNCE_NETWORK},

    /* A virus found in ours; lists of infected hosts are below. */
    {"virus found|virus detected|contains a virus|contains virus|"
     "contains malware|malware detected|malware found|infected with|"
     "infected file|infected message|message infected|message is infected|"
     "virus infected|a virus was|virus-infected",
     BOUNCE_CONTENT},
    {"message size exceeds|message exceeds|message too large|"
     "message is too large|message too big|message is too big|"
     "exceeds maximum message size|exceeds the maximum message size|"
     "size limit exceeded|exceeds size limit|exceeds the size limit|"
     "larger than the current system limit|maximum message size|"
     "message size limit|message length exceeds|message file too big",
     BOUNCE_CONTENT},
    {"attachment type|blocked attachment|attachment is not allowed|"
     "attachment not allowed|file type is not allowed|"
     "prohibited attachment|security issue|potential security|"
     "for security reasons, |blocked because its content",
     BOUNCE_CONTENT},
    {"headers are missing|missing from header|multiple from|"
     "not rfc 5322 compliant|not rfc 2822 compliant|rfc 5322 compliant|"
     "malformed header|invalid header|header syntax|"
     "multiple addresses in from|missing a valid message-id|"
     "duplicate header|line too long|bare lf|bare newline",
     BOUNCE_CONTENT},

    /* What we, or our domain, lack. */
    {"dmarc|dkim|spf check|spf fail|fails spf|failed spf|spf validation|"
     "spf record|(spf)|sender policy framework|[spf]|spf hard|"
     "did not pass authentication|unauthenticated|"
     "required authentication level|authentication checks|"
     "authentication requirements|fails authentication|email policies|"
     "sender id (pra)|not aligned|sender authentication",
     BOUNCE_POLICY},
    {"reverse dns|ptr record|rdns|fcrdns|does not have a ptr|"
     "no ptr|missing ptr|invalid helo|helo command rejected|helo rejected|"
     "cannot find your hostname|cannot find your reverse hostname|"
     "hostname does not resolve",
     BOUNCE_POLICY},
    {"relay access denied|relaying denied|relay denied|unable to relay|"
     "relay not permitted|relaying not allowed|relaying not permitted|"
     "not permitted to relay|we do not relay|rcpthosts|"
     "relaying is prohibited|relaying prohibited|relay operation|"
     "no relaying allowed",
     BOUNCE_POLICY},
    {"sender address rejected|sender rejected|sender verify failed|"
     "sender domain must|sender's domain|mail from domain|"
     "bad sender|invalid sender|sender denied|sender not allowed|"
     "sender domain is|domain of sender|sender domain does|"
     "sender domain not|envelope sender|return path",
     BOUNCE_POLICY},
    {"must issue a starttls|starttls is required|requires tls|"
     "encryption required|tls required|authentication required|"
     "sender not authenticated for|only accepts messages from|"
     "senders are allowed|not authorized to send to|"
     "not allowed to send to this|restricted to authenticated",
     BOUNCE_POLICY},

    /* Whom they think we are. */
    {"spamhaus|spamcop|barracudacentral|sorbs|uceprotect|surbl|"
     "cloudmark|senderscore|sender score|invaluement|mailspike|"
     "abusix|spfbl|proofpoint.com|ipcheck.proofpoint|talosintelligence|"
     "tosa@rx.t-online.de|barracuda reputation",
     BOUNCE_REPUTATION},
    {"block list|blocklist|blocked list|black list|blacklist|blacklisted|"
     "denylist|deny list|dnsbl|realtime blackhole|real-time blackhole| rbl|"
     "(rbl|blocked using|is listed in|is listed at|listed on|"
     "client host blocked|client host rejected|banned|"
     "ip address has been blocked|your ip is blocked|blocked by our|"
     "has been blocked|has been temporarily blocked|"
     "is blocked|are blocked|blocked for abuse|blocked due to",
     BOUNCE_REPUTATION},
    {"spam|unsolicited|bulk mail|bulk email|junk mail|phish|"
     "reputation|user complaints|abuse|abusive|suspicious|"
     "unusual rate|unusual traffic|[ts01]|[ts02]|[ts03]|[tss|[ipts|"
     "ofr_506|lpn007|mail rejete|hvu:b|[hm08]|[cs01]|[cs02]",
     BOUNCE_REPUTATION},
    {"rate limit|rate-limit|ratelimit|throttl|too many connections|"
     "trop de connexions|too many concurrent|too many sessions|"
     "too many messages|too much mail|sending too|frequency limited|"
     "slow down|connection rate|sending rate|message rate|sending limit|"
     "exceeded the maximum number of|exceeded maximum number",
     BOUNCE_REPUTATION},

    /* Their disk, not the recipient's mailbox. */
    {"insufficient system storage|insufficient disk space|"
     "insufficient system resources|insufficient resources|"
     "out of disk space|no space left",
     BOUNCE_NETWORK},

    /* There, but takes nothing. */
    {"mailbox full|mailbox is full|mailbox has exceeded|inbox is full|"
     "inbox full|over quota|overquota|over-quota|quota exceeded|"
     "exceeded quota|exceeds quota|exceeded its quota|over its quota|"
     "quota exceed|out of storage|exceeded storage|storage quota|"
     "storage allocation|insufficient storage|not enough storage|"
     "mailbox quota|full mailbox|quota full|disk quota|boite pleine|"
     "over the allowed quota|postfach ist voll|speichervolumen|"
     "too many messages on the server|mailbox size limit",
     BOUNCE_INACTIVE},
    {"account has been disabled|account is disabled|account disabled|"
     "mailbox disabled|mailbox is disabled|user disabled|user is disabled|"
     "has been disabled or discontinued|account inactive|"
     "account is inactive|mailbox is inactive|mailbox inactive|"
     "inactive mailbox|inactive user|user is inactive|"
     "inactive for over|has been inactive|account has been suspended|"
     "account suspended|user suspended|is suspended|account closed|"
     "account has been closed|account has been deactivated|"
     "deactivated mailbox|mailbox deactivated|account expired|"
     "account has expired|no longer accepts mail|"
     "not accepting messages|not accepting mail|not accepting any mail|"
     "temporarily locked|account locked|mailbox is locked|"
     "compte desactive|user has moved|has moved to|"
     "mailbox currently suspended|account that you tried to reach is "
     "disabled|account that you tried to reach is inactive",
     BOUNCE_INACTIVE},

    /* Not there. "Recipient unknown" of a domain comes first. */
    {"no such domain|unknown domain|domain unknown|domain not found|"
     "domain does not exist|domain doesn't exist|host unknown|"
     "unknown host|host not found|domain name not found|nullmx|null mx|"
     "domain does not accept mail|domain is not hosted|"
     "domain isn't hosted|domain is not configured|"
     "recipient domain must|bad destination system|"
     "unrouteable mail domain|does not accept mail for",
     BOUNCE_DOMAIN},
    {"user unknown|unknown user|no such user|user not found|"
     "user does not exist|user doesn't exist|user not known|"
     "not a known user|no such recipient|recipient unknown|"
     "unknown recipient|recipient not found|recipient not exist|"
     "recipientnotfound|"
     "recipient does not exist|invalid recipient|bad recipient|"
     "recipient address rejected: access denied|"
     "recipient address rejected: undeliverable|"
     "recipient verify failed|"
     "no such mailbox|mailbox not found|mailbox unavailable|"
     "mailbox unknown|unknown mailbox|invalid mailbox|"
     "mailbox does not exist|mailbox doesn't exist|no mailbox|"
     "mailbox invalid|bad mailbox|mailbox name not allowed|"
     "no such address|address unknown|unknown address|"
     "address not found|address does not exist|address doesn't exist|"
     "invalid address|address invalid|bad destination mailbox|"
     "not a valid mailbox|not a valid user|not a valid recipient|"
     "no such person|account not found|account does not exist|"
     "account doesn't exist|account that you tried to reach does not "
     "exist|"
     "unknown account|no such account|invalid user|"
     "does not have a yahoo|doesn't have a yahoo|"
     "unknown local part|unknown local-part|unrouteable address|"
     "unroutable address|"
     "not listed in|not our customer|is not known here|"
     "no longer available|no longer valid|no longer exists|"
     "does not exist here|isn't a user here|"
     "benutzer nicht bekannt|unbekannter empfaenger|"
     "adresse d au moins un destinataire invalide|"
     "destinataire inconnu|ofr_416|no longer on server",
     BOUNCE_MAILBOX},

    {"content rejected|rejected due to content|message content|"
     "message rejected by filter|content filter|content denied|"
     "policy reasons, content|url in this|"
     "message contained|mail content",
     BOUNCE_CONTENT},
    {"timed out|timeout|time-out|connection refused|try again later|"
     "please try later|try later|temporarily unavailable|"
     "service unavailable|service not available|temporary failure|"
     "temporary server error|server busy|too busy|"
     "temporary system problem|internal error|local error|"
     "system resources|resources temporarily|lost connection|"
     "too many recipients|dns error|lookup failure|lookup failed",
     BOUNCE_NETWORK},
};

struct code_row {
	uint16_t class, subject, detail; /* ANY */
	enum bounce_class is;
};

/* RFC 3463, 7372, 7504, 7505, 6710, 8689, 7293 and what Exchange adds. */
static const struct code_row enhanced_codes[] = {
    {ANY, 1, 2, BOUNCE_DOMAIN},	      /* bad destination system */
    {ANY, 1, 10, BOUNCE_DOMAIN},      /* null MX */
    {ANY, 1, 6, BOUNCE_INACTIVE},     /* has moved */
    {ANY, 1, 7, BOUNCE_POLICY},	      /* the sender's syntax */
    {ANY, 1, 8, BOUNCE_POLICY},	      /* the sender's system */
    {ANY, 1, 9, BOUNCE_NETWORK},      /* relayed to what is no SMTP */
    {ANY, 1, 1, BOUNCE_MAILBOX},      /* */
    {ANY, 1, 3, BOUNCE_MAILBOX},      /* syntax */
    {ANY, 1, 4, BOUNCE_MAILBOX},      /* ambiguous */
    {5, 1, ANY, BOUNCE_MAILBOX},      /* Exchange's 5.1.0 to 5.1.20 */
    {ANY, 2, 1, BOUNCE_INACTIVE},     /* disabled */
    {ANY, 2, 2, BOUNCE_INACTIVE},     /* full */
    {ANY, 2, 3, BOUNCE_CONTENT},      /* too long for it */
    {ANY, 2, ANY, BOUNCE_OTHER},      /* */
    {ANY, 3, 4, BOUNCE_CONTENT},      /* too big for the system */
    {ANY, 3, 3, BOUNCE_POLICY},	      /* not capable of what we ask */
    {4, 3, ANY, BOUNCE_NETWORK},      /* */
    {ANY, 3, ANY, BOUNCE_OTHER},      /* */
    {5, 4, 4, BOUNCE_DOMAIN},	      /* unable to route */
    {5, 4, 310, BOUNCE_DOMAIN},	      /* Exchange: does not exist */
    {5, 4, 316, BOUNCE_NETWORK},      /* Exchange: expired */
    {5, 4, 6, BOUNCE_OTHER},	      /* loop */
    {5, 4, 14, BOUNCE_OTHER},	      /* Exchange: loop */
    {ANY, 4, ANY, BOUNCE_NETWORK},    /* */
    {4, 5, ANY, BOUNCE_NETWORK},      /* */
    {ANY, 5, ANY, BOUNCE_OTHER},      /* protocol */
    {ANY, 6, 7, BOUNCE_OTHER},	      /* no SMTPUTF8 there */
    {ANY, 6, ANY, BOUNCE_CONTENT},    /* */
    {ANY, 7, 13, BOUNCE_INACTIVE},    /* account disabled */
    {5, 7, 17, BOUNCE_MAILBOX},	      /* has another owner now */
    {5, 7, 18, BOUNCE_DOMAIN},	      /* has another owner now */
    {ANY, 7, 28, BOUNCE_REPUTATION},  /* flood */
    {ANY, 7, 19, BOUNCE_OTHER},	      /* */
    {ANY, 7, 500, BOUNCE_NETWORK},    /* Exchange: busy */
    {ANY, 7, 501, BOUNCE_REPUTATION}, /* Exchange: access denied, ... */
    {ANY, 7, 502, BOUNCE_REPUTATION}, /* */
    {ANY, 7, 503, BOUNCE_REPUTATION}, /* */
    {ANY, 7, 511, BOUNCE_REPUTATION}, /* */
    {ANY, 7, 606, BOUNCE_REPUTATION}, /* */
    {ANY, 7, 649, BOUNCE_REPUTATION}, /* */
    {ANY, 7, 650, BOUNCE_REPUTATION}, /* by reputation: fewer */
    {ANY, 7, 651, BOUNCE_REPUTATION}, /* */
    {ANY, 7, 652, BOUNCE_REPUTATION}, /* */
    {ANY, 7, 705, BOUNCE_REPUTATION}, /* */
    {ANY, 7, 708, BOUNCE_REPUTATION}, /* */
    {4, 7, 0, BOUNCE_NETWORK},	      /* */
    {ANY, 7, ANY, BOUNCE_POLICY},     /* */
};

static const struct {
	int code;
	enum bounce_class class;
} codes[] = {
    {521, BOUNCE_DOMAIN}, /* RFC 7504: takes no mail */
    {530, BOUNCE_POLICY},   {535, BOUNCE_POLICY},   {538, BOUNCE_POLICY},
    {551, BOUNCE_INACTIVE}, {552, BOUNCE_INACTIVE}, {553, BOUNCE_MAILBOX},
    {556, BOUNCE_DOMAIN},
};

static bool
fits(uint16_t row, uint16_t value)
{
	return row == ANY || row == value;
}

/* False: the code says nothing, as x.0.0. */
static bool
by_enhanced(const struct bounce_reply *reply, enum bounce_class *class)
{
	if (reply->class == 0 || (reply->subject == 0 && reply->detail == 0))
		return false;
	for (size_t i = 0;
	     i < sizeof(enhanced_codes) / sizeof(enhanced_codes[0]); i++) {
		const struct code_row *row = &enhanced_codes[i];

		if (!fits(row->class, reply->class) ||
		    !fits(row->subject, reply->subject) ||
		    !fits(row->detail, reply->detail))
			continue;
		*class = row->is;
		return true;
	}
	return false;
}

static bool
by_words(const struct bounce_reply *reply, enum bounce_class *class)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (!bounce_reply_says(reply, words[i].phrases))
			continue;
		*class = words[i].class;
		return true;
	}
	return false;
}

static enum bounce_class
by_code(int code)
{
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		if (codes[i].code == code)
			return codes[i].class;
	}
	return code >= 400 && code < 500 ? BOUNCE_NETWORK : BOUNCE_OTHER;
}

/* Nobody replied: the enhanced code is ours, and so is the text. */
static enum bounce_class
of_ours(const struct bounce_reply *reply)
{
	enum bounce_class class;

	if (reply->subject == 4 && reply->detail == 4)
		return BOUNCE_DOMAIN; /* none of its hosts can be used */
	if (reply->subject == 4 || (reply->class == 4 && reply->subject != 1))
		return BOUNCE_NETWORK;
	return by_enhanced(reply, &class) ? class : BOUNCE_NETWORK;
}

enum bounce_class
bounce_class_of(int code, const uint8_t enhanced[3], struct slice text)
{
	struct bounce_reply reply;
	enum bounce_class class;

	bounce_reply_read(&reply, code, enhanced, text);
	if (code == 0)
		return of_ours(&reply);
	if (!by_words(&reply, &class) && !by_enhanced(&reply, &class))
		class = by_code(code);
	if (code >= 500)
		return class;
	if (class == BOUNCE_MAILBOX)
		return BOUNCE_INACTIVE;
	return class == BOUNCE_DOMAIN ? BOUNCE_NETWORK : class;
}

enum bounce_lasting bounce_lasting_of(enum bounce_class class)
{
	switch (class) {
	case BOUNCE_MAILBOX:
	case BOUNCE_DOMAIN:
		return BOUNCE_HARD;
	case BOUNCE_INACTIVE:
		return BOUNCE_SOFT;
	case BOUNCE_REPUTATION:
	case BOUNCE_POLICY:
	case BOUNCE_CONTENT:
	case BOUNCE_NETWORK:
	case BOUNCE_OTHER:
	case BOUNCE_CLASSES:
		break;
	}
	return BOUNCE_PASSING;
}
