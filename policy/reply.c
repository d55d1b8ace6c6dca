#include "policy/reply.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

struct row {
	int code;
	const char *enhanced;
	const char *text;
};

static const struct row rows[REPLY_IDS] = {
    [REPLY_AUTH_OK] = {235, "2.7.0", "Authentication successful"},
    [REPLY_AUTH_DENIED] = {535, "5.7.8", "Authentication credentials invalid"},
    [REPLY_AUTH_MALFORMED] = {501, "5.5.2",
			      "Authentication exchange not understood"},
    [REPLY_AUTH_NO_MECHANISM] = {504, "5.5.4",
				 "Authentication mechanism not offered"},
    [REPLY_AUTH_UNAVAILABLE] = {454, "4.7.0",
				"Temporary authentication failure, try again "
				"later"},
    [REPLY_AUTH_BUSY] = {454, "4.7.0",
			 "Temporary authentication failure, try again later"},
    [REPLY_AUTH_CANCELLED] = {501, "5.7.0", "Authentication cancelled"},
    [REPLY_AUTH_CLOSED] = {421, "4.7.0",
			   "Too many failed logins from your address, try "
			   "again after {time}"},
    [REPLY_TOO_MANY_CONNECTIONS] = {421, "4.7.0",
				    "Too many connections, try again in a "
				    "minute"},
    [REPLY_TIMEOUT] = {421, "4.4.2", "Timeout"},
    [REPLY_SHUTDOWN] = {421, "4.3.2", "Service shutting down"},
    [REPLY_PROXY_EXPECTED] = {421, "4.7.0", "PROXY protocol header expected"},
    [REPLY_SENDER_OK] = {250, "2.1.0", "Sender OK"},
    [REPLY_RECIPIENT_OK] = {250, "2.1.5", "Recipient OK"},
    [REPLY_DATA] = {354, NULL, "Start mail input; end with <CRLF>.<CRLF>"},
    [REPLY_NO_SPACE] = {452, "4.3.1",
			"Insufficient system storage, try again later"},
    [REPLY_ACCEPTED] = {250, "2.0.0", "Accepted as {id}"},
    [REPLY_DUPLICATE] = {250, "2.0.0", "Already accepted as {id}"},
    [REPLY_FAILED] = {451, "4.3.0",
		      "The message could not be stored, try again later"},
    [REPLY_HEADER_TOO_BIG] = {554, "5.6.0",
			      "Message format error: the header is over {n} "
			      "bytes"},
    [REPLY_HEADER_REPEATED] = {554, "5.6.0",
			       "Message format error: more than one {what} "
			       "field"},
    [REPLY_LOOP] = {554, "5.4.6", "Routing loop detected"},
    [REPLY_LIMIT_PACED] = {250, "2.0.0",
			   "Accepted as {id}, will be sent by {time} (sending "
			   "limit) [{ref}]"},
    [REPLY_LIMIT_HELD] = {250, "2.0.0",
			  "Accepted as {id}, held for review [{ref}]"},
    [REPLY_LIMIT_BULK] = {250, "2.0.0",
			  "Accepted as {id}, will be sent with the bulk mail "
			  "[{ref}]"},
    [REPLY_LIMIT_DEFER] = {450, "4.7.1",
			   "Sending limit reached ({n} {what} per {period}). "
			   "Try again after {time} [{ref}]"},
    [REPLY_LIMIT_REJECT] = {550, "5.7.1",
			    "Sending limit of {n} {what} per {period} "
			    "reached. It frees at {time}. For larger mailings "
			    "ask {contact} [{ref}]"},
    [REPLY_LIMIT_NEVER] = {550, "5.7.1",
			   "This is more than the sending limit of {n} {what} "
			   "per {period} ever allows. Ask {contact} [{ref}]"},
    [REPLY_LIMIT_SUSPECT] = {550, "5.7.28",
			     "Unusual sending pattern; sending paused to "
			     "protect this account. Contact {contact} "
			     "[{ref}]"},
    [REPLY_LIMIT_CONNECTIONS] = {421, "4.7.0",
				 "Too many connections, try again in a minute "
				 "[{ref}]"},
    [REPLY_LIMIT_CONNECTING] = {421, "4.7.0",
				"Too many connections, try again after {time} "
				"[{ref}]"},
    [REPLY_CAMPAIGN] = {250, "2.0.0", "Queued as campaign {campaign}, {n}"},
    [REPLY_CAMPAIGN_TIME] = {250, "2.0.0",
			     "Queued as campaign {campaign}, {n}, finishes "
			     "about {time}"},
    [REPLY_CAMPAIGN_WAITING] = {250, "2.0.0",
				"Queued as campaign {campaign}, {n}, waits "
				"for confirmation"},
    [REPLY_CAMPAIGN_PAUSED] = {250, "2.0.0",
			       "Queued as campaign {campaign}, {n}, which is "
			       "paused"},
    [REPLY_CRED_BLOCKED_AUTH] = {525, "5.7.13",
				 "Sending is disabled for this account for "
				 "safety. Change your password and contact "
				 "{contact} [{ref}]"},
    [REPLY_CRED_BLOCKED] = {550, "5.7.1",
			    "Sending is disabled for this account for safety. "
			    "Change your password and contact {contact} "
			    "[{ref}]"},
    [REPLY_ADDRESS_BLOCKED] = {554, "5.7.1",
			       "Connections from {ip} are not accepted "
			       "[{ref}]"},
    [REPLY_ADDRESS_BLOCKED_FOR] = {421, "4.7.0",
				   "Connections from {ip} are not accepted "
				   "until {time} [{ref}]"},
    [REPLY_ADDRESS_BLOCKED_NOW] = {550, "5.7.1",
				   "Mail from {ip} is not accepted [{ref}]"},
    [REPLY_FROM_BLOCKED] = {550, "5.7.1",
			    "Mail from {address} is not permitted here "
			    "[{ref}]"},
    [REPLY_DOMAIN_BLOCKED] = {550, "5.7.1",
			      "Mail to {domain} is not permitted here "
			      "[{ref}]"},
    [REPLY_BODY_BLOCKED] = {550, "5.7.1",
			    "This message is not permitted here [{ref}]"},
    [REPLY_BLOCKED] = {550, "5.7.1",
		       "Sending was disabled while this message was on its "
		       "way"},
    [REPLY_GOODBYE] = {421, "4.7.0", "Closing the connection"},
    [REPLY_SENDER_DENIED] = {550, "5.7.1",
			     "{login} may not send as {address} [{ref}]"},
    [REPLY_SENDER_UNREADABLE] = {550, "5.7.1",
				 "The {what} field cannot be read, so it is "
				 "not clear who it names [{ref}]"},
    [REPLY_DOMAIN_MISSING] = {550, "5.1.2", "Domain {domain} does not exist"},
    [REPLY_DOMAIN_MISSING_HINT] = {550, "5.1.2",
				   "Domain {domain} does not exist; did you "
				   "mean {hint}?"},
    [REPLY_DOMAIN_NO_MAIL] = {550, "5.1.2",
			      "Domain {domain} has no mail server"},
    [REPLY_DOMAIN_BAD_NAME] = {550, "5.1.2", "{domain} is not a domain name"},
    [REPLY_DOMAIN_REFUSES] = {556, "5.1.10",
			      "Domain {domain} does not accept mail"},
    [REPLY_DOMAIN_RESERVED] = {550, "5.1.2",
			       "{domain} is a reserved name and cannot "
			       "receive mail"},
    [REPLY_DOMAIN_UNROUTABLE] = {550, "5.4.4",
				 "Domain {domain} has no usable mail server"},
    [REPLY_DOMAIN_UNVERIFIED] = {250, "2.1.5", "OK (domain not yet verified)"},
    [REPLY_DOMAIN_UNVERIFIED_WAIT] = {451, "4.4.3",
				      "Domain {domain} cannot be verified now, "
				      "try again later"},
    [REPLY_SENDER_DOMAIN_MISSING] = {550, "5.1.8",
				     "Your sender address {address} has a "
				     "domain that does not exist"},
    [REPLY_INFECTED] = {550, "5.7.0",
			"{what} contains {threat}; message not sent [{ref}]"},
    [REPLY_UNSCANNABLE] = {550, "5.7.0",
			   "{what} {why}; ask {contact} how else to send it "
			   "[{ref}]"},
    [REPLY_UNSCANNABLE_HELD] = {250, "2.0.0",
				"Accepted as {id}, held for review [{ref}]"},
    [REPLY_SCAN_PENDING] = {250, "2.0.0",
			    "Accepted as {id}, waiting for virus check "
			    "[{ref}]"},
    [REPLY_SCAN_DOWN] = {451, "4.3.2",
			 "Virus checks are not possible now, try again later "
			 "[{ref}]"},
};

/* The argument whose {name} stands at text, or NULL. */
static const struct reply_arg *
arg_at(const char *text, const struct reply_arg *args, size_t count)
{
	size_t i, n;

	for (i = 0; i < count; i++) {
		n = strlen(args[i].name);
		if (strncmp(text + 1, args[i].name, n) == 0 &&
		    text[n + 1] == '}')
			return &args[i];
	}
	return NULL;
}

void
reply_make(struct reply *reply, enum reply_id id, const struct reply_arg *args,
	   size_t count)
{
	const struct row *row = &rows[id];
	const struct reply_arg *arg;
	size_t n = 0, room = sizeof(reply->text) - 1;
	const char *t = row->text;

	assert(id < REPLY_IDS);
	reply->code = row->code;
	reply->enhanced = row->enhanced;
	while (*t != '\0' && n < room) {
		arg = *t == '{' ? arg_at(t, args, count) : NULL;
		if (arg == NULL) {
			reply->text[n++] = *t++;
			continue;
		}
		n += (size_t)snprintf(reply->text + n, room - n + 1, "%s",
				      arg->value);
		if (n > room)
			n = room;
		t += strlen(arg->name) + 2;
	}
	reply->text[n] = '\0';
}
