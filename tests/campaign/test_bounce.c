/* Replies as providers word them, with addresses of documentation ranges, taken
 * apart as the client does: codes over 255 and "(#5.1.1)" stay in the text. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/buf.h"
#include "gateway/base/mem.h"
#include "gateway/campaign/bounce.h"
#include "gateway/campaign/bounce_int.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct reply_case {
	const char *label, *reply; /* lines with \n between them */
	enum bounce_class class;
	const char *throttle; /* its name; NULL: none */
};

static const struct reply_case cases[] = {
    /* --- Google --- */
    {"gmail: no such account",
     "550-5.1.1 The email account that you tried to reach does not exist. "
     "Please try\n550-5.1.1 double-checking the recipient's email address "
     "for typos or\n550-5.1.1 unnecessary spaces. For more information, go "
     "to\n550 5.1.1 https://support.google.com/mail/?p=NoSuchUser a1-2si.99 "
     "- gsmtp",
     BOUNCE_MAILBOX, NULL},
    {"gmail: disabled account",
     "550 5.2.1 The email account that you tried to reach is disabled. "
     "https://support.google.com/mail/?p=DisabledUser - gsmtp",
     BOUNCE_INACTIVE, NULL},
    {"gmail: inactive account",
     "550 5.2.1 The email account that you tried to reach is inactive. - "
     "gsmtp",
     BOUNCE_INACTIVE, NULL},
    {"gmail: full, passing",
     "452-4.2.2 The recipient's inbox is out of storage space. Please "
     "direct the\n452 4.2.2 recipient to "
     "https://support.google.com/mail/?p=OverQuotaTemp - gsmtp",
     BOUNCE_INACTIVE, NULL},
    {"gmail: full",
     "552-5.2.2 The recipient's inbox is out of storage space and "
     "inactive.\n552 5.2.2 https://support.google.com/mail/?p=OverQuotaPerm "
     "- gsmtp",
     BOUNCE_INACTIVE, NULL},
    {"gmail: the recipient gets too much, whoever sends",
     "450-4.2.1 The user you are trying to contact is receiving mail at a "
     "rate that\n450-4.2.1 prevents additional messages from being "
     "delivered. Please resend your\n450 4.2.1 message at a later time. - "
     "gsmtp",
     BOUNCE_NETWORK, NULL},
    {"gmail: rate by address",
     "421-4.7.28 Gmail has detected an unusual rate of unsolicited mail "
     "originating\n421-4.7.28 from your IP address. To protect our users "
     "from spam, mail sent from your\n421-4.7.28 IP address has been "
     "temporarily rate limited.\n421 4.7.28 - gsmtp",
     BOUNCE_REPUTATION, "google-rate"},
    {"gmail: rate for good",
     "550-5.7.28 Gmail has detected an unusual rate of unsolicited mail "
     "containing one\n550 5.7.28 of your URL domains. To protect our users "
     "it was blocked. - gsmtp",
     BOUNCE_REPUTATION, "google-rate"},
    {"gmail: spam, by 5.7.1",
     "550-5.7.1 [192.0.2.7 19] Gmail has detected that this message is "
     "likely\n550-5.7.1 unsolicited mail. To reduce the amount of spam sent "
     "to Gmail, this\n550 5.7.1 message has been blocked. - gsmtp",
     BOUNCE_REPUTATION, NULL},
    {"gmail: no SPF and no DKIM",
     "550-5.7.26 Your email has been blocked because the sender is "
     "unauthenticated.\n550-5.7.26 Gmail requires all senders to "
     "authenticate with either SPF or DKIM.\n550 5.7.26 - gsmtp",
     BOUNCE_POLICY, NULL},
    {"gmail: DMARC, by 5.7.1",
     "550-5.7.1 Unauthenticated email from example.com is not accepted due "
     "to domain's\n550 5.7.1 DMARC policy. - gsmtp",
     BOUNCE_POLICY, NULL},
    {"gmail: SPF or DKIM missing, passing",
     "421-4.7.27 Your email has been rate limited because SPF "
     "authentication didn't\n421 4.7.27 pass for this message. - gsmtp",
     BOUNCE_REPUTATION, "limit"},
    {"gmail: no PTR",
     "550-5.7.25 [192.0.2.7] The IP address sending this message does not "
     "have a PTR\n550 5.7.25 record setup. - gsmtp",
     BOUNCE_POLICY, NULL},
    {"gmail: TLS wanted",
     "421 4.7.29 Your email has been deferred because this message wasn't "
     "sent over a TLS connection: TLS required - gsmtp",
     BOUNCE_POLICY, "421"},
    {"gmail: attachment",
     "552-5.7.0 This message was blocked because its content presents a "
     "potential\n552 5.7.0 security issue. - gsmtp",
     BOUNCE_CONTENT, NULL},
    {"gmail: a second From",
     "550-5.7.1 This message is not RFC 5322 compliant. There are multiple "
     "From headers.\n550 5.7.1 To reduce the amount of spam sent to Gmail, "
     "it has been blocked. - gsmtp",
     BOUNCE_CONTENT, NULL},
    {"gmail: too large",
     "552-5.3.4 Your message exceeded Google's message size limits.\n552 "
     "5.3.4 - gsmtp",
     BOUNCE_CONTENT, NULL},
    {"gmail: too many recipients at once",
     "452-4.5.3 Your message has too many recipients.\n452 4.5.3 - gsmtp",
     BOUNCE_NETWORK, NULL},

    /* --- Yahoo, AOL --- */
    {"yahoo: TSS04",
     "421 4.7.0 [TSS04] Messages from 192.0.2.7 temporarily deferred due to "
     "unexpected volume or user complaints - 4.16.55.1",
     BOUNCE_REPUTATION, "yahoo-tss04"},
    {"yahoo: TSS05",
     "421 4.7.0 [TSS05] Messages from 192.0.2.7 temporarily deferred due to "
     "unexpected volume or user complaints",
     BOUNCE_REPUTATION, "yahoo-tss05"},
    {"yahoo: TS01",
     "421 4.7.0 [TS01] Messages from 192.0.2.7 temporarily deferred due to "
     "user complaints - 4.16.55.1",
     BOUNCE_REPUTATION, "yahoo-ts"},
    {"yahoo: IPTS04, without an enhanced code",
     "421 [IPTS04] Messages from 192.0.2.7 temporarily deferred due to user "
     "complaints",
     BOUNCE_REPUTATION, "yahoo-tss04"},
    {"yahoo: its share of messages is over",
     "421 Max message per connection reached, closing transmission channel",
     BOUNCE_NETWORK, NULL},
    {"yahoo: no such user",
     "554 delivery error: dd This user doesn't have a yahoo.com account "
     "(someone@yahoo.com) [0] - mta1.mail.bf1.yahoo.com",
     BOUNCE_MAILBOX, NULL},
    {"yahoo: user, newer",
     "552 1 Requested mail action aborted, mailbox not found", BOUNCE_MAILBOX,
     NULL},
    {"yahoo: disabled",
     "554 delivery error: dd Sorry your message to a@yahoo.com cannot be "
     "delivered. This account has been disabled or discontinued [#102].",
     BOUNCE_INACTIVE, NULL},
    {"yahoo: listed",
     "553 5.7.1 [BL21] Connections will not be accepted from 192.0.2.7, "
     "because the ip is in Spamhaus's list",
     BOUNCE_REPUTATION, NULL},
    {"yahoo: DMARC",
     "554 5.7.9 Message not accepted for policy reasons. See "
     "https://postmaster.yahooinc.com/error-codes",
     BOUNCE_POLICY, NULL},

    /* --- Microsoft --- */
    {"exchange online: no such recipient",
     "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient a@example.com "
     "not found by SMTP address lookup",
     BOUNCE_MAILBOX, NULL},
    {"exchange online: edge block",
     "550 5.4.1 Recipient address rejected: Access denied. "
     "[AM1.example.protection.outlook.com 2026-11-01T10:00:00.000Z]",
     BOUNCE_MAILBOX, NULL},
    {"outlook.com: no such mailbox",
     "550 5.5.0 Requested action not taken: mailbox unavailable "
     "(S2017062302). [DB5.eop.outlook.com]",
     BOUNCE_MAILBOX, NULL},
    {"exchange: full",
     "554 5.2.2 mailbox full; STOREDRV.Deliver.Exception:"
     "QuotaExceededException; Failed to process message",
     BOUNCE_INACTIVE, NULL},
    {"outlook.com: authentication level",
     "550 5.7.515 Access denied, sending domain EXAMPLE.COM does not meet "
     "the required authentication level. The sender's domain in the 5322 "
     "From address doesn't pass.",
     BOUNCE_POLICY, NULL},
    {"outlook.com: network on their list",
     "550 5.7.1 Unfortunately, messages from [192.0.2.7] weren't sent. "
     "Please contact your Internet service provider since part of their "
     "network is on our block list (S3140).",
     BOUNCE_REPUTATION, NULL},
    {"exchange online: banned",
     "550 5.7.606 Access denied, banned sending IP [192.0.2.7]. To request "
     "removal visit https://sender.office.com/",
     BOUNCE_REPUTATION, NULL},
    {"exchange online: listed elsewhere",
     "550 5.7.1 Service unavailable, Client host [192.0.2.7] blocked using "
     "Spamhaus. To request removal from this list see http://www.spamhaus"
     ".org/lookup.lasso AS(1450)",
     BOUNCE_REPUTATION, NULL},
    {"exchange online: busy",
     "451 4.7.500 Server busy. Please try again later from [192.0.2.7]. "
     "(S77719) [AM5.eop.outlook.com]",
     BOUNCE_NETWORK, "microsoft-busy"},
    {"outlook.com: rate by reputation",
     "451 4.7.650 The mail server [192.0.2.7] has been temporarily rate "
     "limited due to IP reputation. For e-mail delivery information see "
     "https://postmaster.live.com (S775)",
     BOUNCE_REPUTATION, "microsoft-reputation"},
    {"outlook.com: connections",
     "451 4.7.652 The mail server [192.0.2.7] has exceeded the maximum "
     "number of connections. (S843)",
     BOUNCE_REPUTATION, "microsoft-connections"},
    {"outlook.com: RP-001",
     "421 RP-001 (BAY004-MC1F) Unfortunately, some messages from 192.0.2.7 "
     "weren't sent. Please try again. We have limits for how many messages "
     "can be sent per hour and per day.",
     BOUNCE_NETWORK, "microsoft-rate"},
    {"exchange on premises: too fast",
     "421 4.4.2 Message submission rate for this client has exceeded the "
     "configured limit",
     BOUNCE_NETWORK, "exchange-rate"},
    {"exchange: a group for insiders",
     "550 5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup; "
     "authentication required; Delivery restriction check failed",
     BOUNCE_POLICY, NULL},
    {"exchange: spam",
     "550 5.7.1 Message rejected as spam by Content Filtering.",
     BOUNCE_REPUTATION, NULL},
    {"exchange: unknown user by 5.7.1",
     "550 5.7.1 <a@example.com>: Recipient address rejected: User unknown",
     BOUNCE_MAILBOX, NULL},
    {"exchange: relaying by 5.7.1", "550 5.7.1 Unable to relay", BOUNCE_POLICY,
     NULL},
    {"exchange: loop",
     "554 5.4.14 Hop count exceeded - possible mail loop ATTR34", BOUNCE_OTHER,
     NULL},

    /* --- Apple --- */
    {"icloud: no such mailbox",
     "550 5.1.1 <a@icloud.com>: inactive email address", BOUNCE_MAILBOX, NULL},
    {"icloud: over quota", "552 5.2.2 <a@icloud.com>: user is over quota",
     BOUNCE_INACTIVE, NULL},
    {"icloud: HCM1",
     "421 4.7.0 [HCM1] Your mail from 192.0.2.7 was deferred. See "
     "https://support.apple.com/en-us/HT204137",
     BOUNCE_NETWORK, "apple-deferred"},
    {"icloud: 451 4.7.1 that is a throttle",
     "451 4.7.1 Service unavailable - try again later", BOUNCE_NETWORK,
     "apple-deferred"},
    {"icloud: content",
     "550 5.7.1 [CS01] Message rejected due to local policy. Please visit "
     "https://support.apple.com/en-us/HT204137",
     BOUNCE_REPUTATION, NULL},
    {"icloud: reverse DNS",
     "550 5.7.1 Mail from IP 192.0.2.7 was rejected: no rDNS found",
     BOUNCE_POLICY, NULL},

    /* --- GMX, web.de, T-Online --- */
    {"gmx: no such mailbox",
     "550 Requested action not taken: mailbox unavailable\n550 For "
     "explanation visit https://postmaster.gmx.net/en/error-messages",
     BOUNCE_MAILBOX, NULL},
    {"gmx: full",
     "552 Requested mail action aborted: exceeded storage allocation\n552 "
     "For explanation visit https://postmaster.gmx.net/",
     BOUNCE_INACTIVE, NULL},
    {"gmx: connections",
     "421 gmx.net (mxgmx101) Nemesis ESMTP Service not available\n421 Too "
     "many connections",
     BOUNCE_REPUTATION, "limit"},
    {"gmx: not available",
     "421 gmx.net (mxgmx101) Nemesis ESMTP Service not available\n421 "
     "Service not available, closing transmission channel",
     BOUNCE_NETWORK, "421"},
    {"gmx: listed",
     "554 gmx.net (mxgmx101) Nemesis ESMTP Service not available\n554 No "
     "SMTP service\n554 IP address is block listed.",
     BOUNCE_REPUTATION, NULL},
    {"web.de: unknown, German",
     "550 <a@web.de>... Benutzer nicht bekannt / User unknown", BOUNCE_MAILBOX,
     NULL},
    {"web.de: full, German",
     "550 <a@web.de> Benutzer hat das Speichervolumen ueberschritten. / "
     "User has exhausted allowed storage space.",
     BOUNCE_INACTIVE, NULL},
    {"t-online: unknown", "550 5.1.1 user unknown", BOUNCE_MAILBOX, NULL},
    {"t-online: full", "552 5.2.2 Over STORAGE quota", BOUNCE_INACTIVE, NULL},
    {"t-online: address refused",
     "554 IP=192.0.2.7 - A problem occurred. (Ask your postmaster for help "
     "or to contact tosa@rx.t-online.de to clarify.)",
     BOUNCE_REPUTATION, NULL},
    {"t-online: connections",
     "421 4.7.0 IP=192.0.2.7 - Too many connections, please slow down",
     BOUNCE_REPUTATION, "limit"},

    /* --- Orange, Free, Comcast --- */
    {"orange: unknown",
     "550 5.1.1 Adresse d au moins un destinataire invalide. Invalid "
     "recipient. OFR204_416 [416]",
     BOUNCE_MAILBOX, NULL},
    {"orange: connections",
     "421 mwinf5c04 ME Trop de connexions, veuillez verifier votre "
     "configuration. Too many connections, slow down. OFR004_104 [104]",
     BOUNCE_REPUTATION, "orange-limit"},
    {"orange: refused for now",
     "421 mwinf5c21 ME Service refuse. Veuillez essayer plus tard. Service "
     "refused, please try later. OFR_999 [999]",
     BOUNCE_NETWORK, "orange-limit"},
    {"orange: spam", "550 5.2.0 Mail rejete. Mail rejected. ofr_506 [506]",
     BOUNCE_REPUTATION, NULL},
    {"free.fr: spam", "550 spam detected", BOUNCE_REPUTATION, NULL},
    {"comcast: throttled",
     "421 4.1.0 192.0.2.7 Throttled - try again later. Please see "
     "http://postmaster.comcast.net/smtp-error-codes.php#RL000001",
     BOUNCE_REPUTATION, "comcast-limit"},
    {"comcast: unknown", "550 5.1.1 <a@comcast.net> Not our customer",
     BOUNCE_MAILBOX, NULL},
    {"comcast: disabled",
     "550 5.1.1 <a@comcast.net> Account not available; account has been "
     "suspended",
     BOUNCE_INACTIVE, NULL},
    {"comcast: reverse DNS",
     "421 4.7.0 resimta-po-01v Reverse DNS failure: Try again later",
     BOUNCE_POLICY, NULL},

    /* --- servers that people run themselves --- */
    {"postfix: greylisting is no throttle",
     "451 4.7.1 <a@example.com>: Recipient address rejected: Greylisting in "
     "effect, please come back later",
     BOUNCE_NETWORK, NULL},
    {"postgrey",
     "450 4.2.0 <a@example.com>: Recipient address rejected: Greylisted, "
     "see http://postgrey.schweikert.ch/help/example.com.html",
     BOUNCE_NETWORK, NULL},
    {"greylisting with a 421", "421 4.7.1 Greylisted, try again in 300 seconds",
     BOUNCE_NETWORK, NULL},
    {"postfix: unknown",
     "550 5.1.1 <a@example.com>: Recipient address rejected: User unknown "
     "in virtual mailbox table",
     BOUNCE_MAILBOX, NULL},
    {"postfix: unknown, soft: never hard",
     "450 4.1.1 <a@example.com>: Recipient address rejected: User unknown "
     "in local recipient table",
     BOUNCE_INACTIVE, NULL},
    {"postfix: the sender's domain, not the recipient's",
     "450 4.1.8 <b@example.org>: Sender address rejected: Domain not found",
     BOUNCE_POLICY, NULL},
    {"postfix: the sender's domain, for good",
     "550 5.1.8 <b@example.org>: Sender address rejected: Domain not found",
     BOUNCE_POLICY, NULL},
    {"postfix: client's name",
     "450 4.7.25 Client host rejected: cannot find your hostname, "
     "[192.0.2.7]",
     BOUNCE_POLICY, NULL},
    {"postfix: rate", "450 4.7.1 Error: too much mail from 192.0.2.7",
     BOUNCE_REPUTATION, "limit"},
    {"postfix: connections",
     "421 4.7.0 mx.example.com Error: too many "
     "connections from 192.0.2.7",
     BOUNCE_REPUTATION, "limit"},
    {"postfix: a session that was too slow",
     "421 4.4.2 mx.example.com Error: timeout exceeded", BOUNCE_NETWORK, NULL},
    {"postfix: relaying", "554 5.7.1 <a@example.com>: Relay access denied",
     BOUNCE_POLICY, NULL},
    {"postfix: listed",
     "554 5.7.1 Service unavailable; Client host [192.0.2.7] blocked using "
     "zen.example.net; https://www.example.net/query/ip/192.0.2.7",
     BOUNCE_REPUTATION, NULL},
    {"postfix: too large", "552 5.3.4 Message size exceeds fixed limit",
     BOUNCE_CONTENT, NULL},
    {"postfix: their disk", "452 4.3.1 Insufficient system storage",
     BOUNCE_NETWORK, NULL},
    {"dovecot: full",
     "552 5.2.2 <a@example.com> Quota exceeded (mailbox for user is full)",
     BOUNCE_INACTIVE, NULL},
    {"exim: unrouteable", "550 Unrouteable address", BOUNCE_MAILBOX, NULL},
    {"exim: sender", "550 Sender verify failed", BOUNCE_POLICY, NULL},
    {"sendmail: unknown", "550 5.1.1 <a@example.com>... User unknown",
     BOUNCE_MAILBOX, NULL},
    {"sendmail: no such host",
     "550 5.1.2 <a@example.net>... Host unknown (Name server: host not "
     "found)",
     BOUNCE_DOMAIN, NULL},
    {"qmail: the code stands behind",
     "554 Sorry, no mailbox here by that name. (#5.1.1)", BOUNCE_MAILBOX, NULL},
    {"qmail: relaying",
     "553 sorry, that domain isn't in my list of allowed rcpthosts "
     "(#5.7.1)",
     BOUNCE_POLICY, NULL},
    {"amavis: virus",
     "554 5.7.0 Reject, id=12345-01 - INFECTED: Eicar-Test; virus found",
     BOUNCE_CONTENT, NULL},
    {"amavis: spam", "554 5.7.0 Reject, id=12345-02 - spam", BOUNCE_REPUTATION,
     NULL},
    {"rspamd: retry later", "451 4.7.1 Try again later", BOUNCE_NETWORK, NULL},
    {"null MX, said by a relay", "556 5.1.10 Recipient address has null MX",
     BOUNCE_DOMAIN, NULL},
    {"a host that takes none", "521 mail.example.com does not accept mail",
     BOUNCE_DOMAIN, NULL},
    {"mimecast",
     "550 Rejected by header based manually Blocked Senders - "
     "https://community.mimecast.com/docs/DOC-1369#550",
     BOUNCE_OTHER, NULL},
    {"barracuda: listed",
     "554 Service unavailable; Client host [mail.example.com] blocked using "
     "Barracuda Reputation; http://www.barracudanetworks.com/reputation/",
     BOUNCE_REPUTATION, NULL},
    {"qq: frequency with a 5xx",
     "550 Ip frequency limited [192.0.2.7]. "
     "https://service.mail.qq.com/detail/0/20",
     BOUNCE_REPUTATION, "china-limit"},
    {"a bare 550 says nothing: nobody is suppressed for it", "550 Denied",
     BOUNCE_OTHER, NULL},
    {"a bare 554", "554 Transaction failed", BOUNCE_OTHER, NULL},
    {"a bare 421 is a throttle", "421 Service not available", BOUNCE_NETWORK,
     "421"},
    {"a bare 421 with a code", "421 4.3.0 Temporary System Problem",
     BOUNCE_NETWORK, "421"},
    {"a bare 450", "450 Please wait", BOUNCE_NETWORK, NULL},
    {"x.0.0 says nothing, the code does", "553 5.0.0 No", BOUNCE_MAILBOX, NULL},
    {"x.0.0 in front of a code", "554 5.0.0 Sorry, no such thing (#5.1.1)",
     BOUNCE_MAILBOX, NULL},
    {"delivered is none of it", "250 2.0.0 OK", BOUNCE_OTHER, NULL},
};

/* As gateway/smtp's reply parser: codes off each line, lines joined. */
static void
parse(const char *reply, int *code, uint8_t enhanced[3], struct buf *text)
{
	struct slice rest = slice_str(reply), line;

	memset(enhanced, 0, 3);
	*code = atoi(reply);
	while (slice_split(&rest, '\n', &line)) {
		struct slice said = slice_from(line, 4), word = said;
		unsigned v[3];
		int n = 0;

		word = slice_head(said, slice_find(said, ' '));
		if (sscanf(said.p, "%3u.%3u.%3u%n", &v[0], &v[1], &v[2], &n) ==
			3 &&
		    (size_t)n == word.n && v[1] < 256 && v[2] < 256 &&
		    (int)v[0] == *code / 100) {
			for (int i = 0; i < 3; i++)
				enhanced[i] = (uint8_t)v[i];
			said = slice_trim(slice_from(said, (size_t)n));
		}
		if (text->n > 0)
			buf_add_byte(text, ' ');
		buf_add_slice(text, said);
	}
}

START_TEST(replies)
{
	const struct reply_case *c = &cases[_i];
	const struct bounce_throttle *throttle;
	struct buf text = {.cap = 4096};
	enum bounce_class class;
	uint8_t enhanced[3];
	int code;

	parse(c->reply, &code, enhanced, &text);
	class = bounce_class_of(code, enhanced, buf_slice(&text));
	ck_assert_msg(class == c->class, "%s: %s, not %s", c->label,
		      bounce_class_word(class), bounce_class_word(c->class));
	throttle = bounce_throttle_of(code, enhanced, buf_slice(&text));
	ck_assert_msg((throttle ? throttle->name : NULL) == c->throttle ||
			  (throttle && c->throttle &&
			   strcmp(throttle->name, c->throttle) == 0),
		      "%s: throttle %s, not %s", c->label,
		      throttle ? throttle->name : "none",
		      c->throttle ? c->throttle : "none");
	buf_fini(&text);
}
END_TEST

/* Any case of letters, any white space, cut anywhere: never a crash, and the
 * whole of it means the same. */
START_TEST(spellings)
{
	const struct reply_case *c = &cases[_i];
	struct buf text = {.cap = 4096};
	uint8_t enhanced[3];
	int code;

	parse(c->reply, &code, enhanced, &text);
	for (size_t n = 0; n <= text.n; n++) {
		char *cut = mem_strndup(text.p ? text.p : "", n);

		bounce_class_of(code, enhanced, slice_of(cut, n));
		bounce_throttle_of(code, enhanced, slice_of(cut, n));
		free(cut);
	}
	for (size_t i = 0; i < text.n; i++) {
		char *p = &text.p[i];

		if (*p >= 'a' && *p <= 'z')
			*p = (char)(*p - 32);
		else if (*p == ' ')
			*p = '\t';
	}
	ck_assert_msg(bounce_class_of(code, enhanced, buf_slice(&text)) ==
			  c->class,
		      "%s: in capitals", c->label);
	buf_fini(&text);
}
END_TEST

struct ours_case {
	const char *label;
	uint8_t enhanced[3];
	const char *text;
	enum bounce_class class;
};

static const struct ours_case ours[] = {
    {"no such domain", {5, 1, 2}, "the domain does not exist", BOUNCE_DOMAIN},
    {"null MX", {5, 1, 10}, "the domain accepts no mail", BOUNCE_DOMAIN},
    {"no route", {5, 4, 4}, "its hosts have no address", BOUNCE_DOMAIN},
    {"no command can carry it", {5, 1, 3}, "not an address", BOUNCE_MAILBOX},
    {"never answered, expired", {5, 4, 1}, "no answer", BOUNCE_NETWORK},
    {"expired", {5, 4, 7}, "expired", BOUNCE_NETWORK},
    {"DNS silent to the end", {4, 4, 3}, "no answer of DNS", BOUNCE_NETWORK},
    {"TLS", {4, 7, 5}, "certificate", BOUNCE_NETWORK},
    {"no SMTPUTF8 there", {5, 6, 7}, "SMTPUTF8", BOUNCE_OTHER},
    {"no 8BITMIME there", {5, 6, 3}, "8BITMIME", BOUNCE_CONTENT},
    {"larger than it takes", {5, 3, 4}, "is larger", BOUNCE_CONTENT},
    {"unreadable", {4, 3, 0}, "could not be read", BOUNCE_NETWORK},
};

START_TEST(nobody_replied)
{
	const struct ours_case *c = &ours[_i];
	struct slice text = slice_str(c->text);
	enum bounce_class class = bounce_class_of(0, c->enhanced, text);

	ck_assert_msg(class == c->class, "%s: %s", c->label,
		      bounce_class_word(class));
	ck_assert_ptr_null(bounce_throttle_of(0, c->enhanced, text));
}
END_TEST

/* What suppresses at once must be said with a 5xx, or be our own finding. */
START_TEST(only_5xx_is_hard)
{
	const struct reply_case *c = &cases[_i];

	if (c->reply[0] != '5')
		ck_assert_msg(bounce_lasting_of(c->class) != BOUNCE_HARD, "%s",
			      c->label);
}
END_TEST

START_TEST(lasting)
{
	static const enum bounce_lasting want[BOUNCE_CLASSES] = {
	    [BOUNCE_MAILBOX] = BOUNCE_HARD,
	    [BOUNCE_DOMAIN] = BOUNCE_HARD,
	    [BOUNCE_INACTIVE] = BOUNCE_SOFT,
	};

	for (int i = 0; i < BOUNCE_CLASSES; i++)
		ck_assert_int_eq(bounce_lasting_of((enum bounce_class)i),
				 want[i]);
}
END_TEST

START_TEST(codes_in_text)
{
	static const struct {
		const char *text;
		uint16_t code[3];
	} rows[] = {
	    {"5.7.515 Access denied", {5, 7, 515}},
	    {"no mailbox (#5.1.1)", {5, 1, 1}},
	    {"see [5.9.1.2] for 5.1.2.", {5, 1, 2}},
	    {"from 15.1.1.9", {0, 0, 0}},
	    {"version 5.10", {0, 0, 0}},
	    {"4.7.1 of another class", {0, 0, 0}},
	    {"5.12345.1", {0, 0, 0}},
	    {"5.1.", {0, 0, 0}},
	    {"5..1", {0, 0, 0}},
	};
	static const uint8_t none[3];

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct bounce_reply reply;

		bounce_reply_read(&reply, 550, none, slice_str(rows[i].text));
		ck_assert_msg(reply.class == rows[i].code[0] &&
				  reply.subject == rows[i].code[1] &&
				  reply.detail == rows[i].code[2],
			      "%s", rows[i].text);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("bounce");
	TCase *t = tcase_create("bounce");
	SRunner *r;
	int failed;

	tcase_add_loop_test(t, replies, 0, COUNT(cases));
	tcase_add_loop_test(t, spellings, 0, COUNT(cases));
	tcase_add_loop_test(t, only_5xx_is_hard, 0, COUNT(cases));
	tcase_add_loop_test(t, nobody_replied, 0, COUNT(ours));
	tcase_add_test(t, lasting);
	tcase_add_test(t, codes_in_text);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
