/*
 * size: one table. Options stand in the order in which the manual page and the
 * help show them.
 */
#include "gateway/control/commands.h"

#define END                      \
	{                        \
		NULL, NULL, NULL \
	}
#define FOR_REASON                                                        \
	{                                                                 \
		"reason", "TEXT", "why, for the list and the audit trail" \
	}

/* Whose or which mail: hold, release and purge take the same. */
#define WHOSE                                                            \
	{"cred", "NAME", "what this login submitted"},                   \
	    {"ip", "ADDR", "from this address or prefix"},               \
	    {"from", "PATTERN", "with this sender: a@b, @b or @.b"},     \
	    {"domain", "DOMAIN", "to recipients in this domain"},        \
	    {"body", "DIGEST", "with this body: its SHA-256, or an ID"}, \
	{                                                                \
		"id", "ID", "this one message"                           \
	}
#define SINCE                                                        \
	{                                                            \
		"since", "TIME",                                     \
		    "accepted from then on: 14:00, 2h (ago), a date" \
	}
#define BEFORE                                                               \
	{                                                                    \
		"before", "TIME", "accepted before: 14:00, 2h (ago), a date" \
	}
#define DRY_RUN                                                  \
	{                                                        \
		"dry-run", NULL, "only show what it would touch" \
	}
#define YES                                                \
	{                                                  \
		"yes", NULL, "do it; else it is a dry run" \
	}

static const struct command table[COMMANDS] = {
    [COMMAND_USER_ADD] =
	{"user add",
	 "NAME",
	 1,
	 1,
	 COMMAND_CHANGES | COMMAND_SECRET,
	 "Add a login; asks for its password or reads it from stdin.",
	 {{"class", "CLASS", "the class whose rules apply to this login"},
	  {"address", "ADDRESS", "where its owner is written to"}}},
    [COMMAND_USER_PASSWD] = {"user passwd",
			     "NAME",
			     1,
			     1,
			     COMMAND_CHANGES | COMMAND_SECRET,
			     "Give a login a new password.",
			     {END}},
    [COMMAND_USER_DEL] = {"user del",
			  "NAME",
			  1,
			  1,
			  COMMAND_CHANGES,
			  "Delete a login; its queued mail stays queued.",
			  {END}},
    [COMMAND_USER_LIST] = {"user list", "", 0, 0, 0, "List all logins.", {END}},
    [COMMAND_QUEUE_LIST] =
	{"queue list",
	 "",
	 0,
	 0,
	 0,
	 "List what waits: messages and their recipients, by age.",
	 {{"cred", "NAME", "of this login only"},
	  {"lane", "LANE", "personal, bulk or dsn"},
	  {"state", "STATE", "queued or held"},
	  {"domain", "DOMAIN", "to recipients in this domain"},
	  {"limit", "N", "at most N recipients; 0: all (a terminal: 1000)"}}},
    [COMMAND_QUEUE_SHOW] = {"queue show",
			    "ID",
			    1,
			    1,
			    0,
			    "Show one message: envelope, recipients, replies.",
			    {END}},
    [COMMAND_QUEUE_FLUSH] = {"queue flush",
			     "[ID]",
			     0,
			     1,
			     COMMAND_CHANGES,
			     "Try deferred mail again now: all, or some.",
			     {{"domain", "DOMAIN",
			       "to recipients in this domain"},
			      {"hop", "NAME", "that goes by this next hop"}}},
    [COMMAND_BLOCK_ADD] =
	{"block add",
	 "KIND VALUE",
	 2,
	 2,
	 COMMAND_CHANGES,
	 "Refuse a login, address, sender, domain or body at once.",
	 {{"for", "TIME", "how long: 2h; else until it is deleted"},
	  {"until", "TIME", "until then: 18:00, or a date"},
	  FOR_REASON,
	  {"stealth", NULL, "a login: say its right password is wrong"},
	  {"reject-queued", NULL, "also purge what it has in the queue"}}},
    [COMMAND_BLOCK_DEL] = {"block del",
			   "KIND VALUE",
			   2,
			   2,
			   COMMAND_CHANGES,
			   "Let it in again; what only this held goes out.",
			   {FOR_REASON}},
    [COMMAND_BLOCK_LIST] = {"block list",
			    "[KIND [VALUE]]",
			    0,
			    2,
			    0,
			    "List blocks and holds.",
			    {{"limit", "N",
			      "at most N entries; 0: all (a terminal: 1000)"}}},
    [COMMAND_BLOCK_EXPORT] = {"block export",
			      "",
			      0,
			      0,
			      0,
			      "Write the list as text that import reads.",
			      {END}},
    [COMMAND_BLOCK_IMPORT] = {"block import",
			      "[FILE]",
			      0,
			      1,
			      COMMAND_CHANGES | COMMAND_INPUT,
			      "Add the entries of a file, or none of them.",
			      {FOR_REASON}},
    [COMMAND_LIMITS] = {"limits",
			"",
			0,
			0,
			0,
			"Show the limits: how full, and when they free.",
			{{"cred", "NAME", "as they stand for this login"},
			 {"ip", "ADDR", "as they stand for this address"}}},
    [COMMAND_GRANT] =
	{"grant",
	 "",
	 0,
	 0,
	 COMMAND_CHANGES,
	 "Let one login send more until a time.",
	 {{"cred", "NAME", "the login"},
	  {"recipients", "N", "so many more external recipients; 0: none"},
	  {"internal-recipients", "N", "so many more internal ones"},
	  {"all-recipients", "N", "so many more of both"},
	  {"messages", "N", "so many more messages"},
	  {"bytes", "SIZE", "so much more: 500M"},
	  {"until", "TIME", "18:00, a date, or how long: 2h"},
	  {"withdraw", NULL, "take away all that it was granted"},
	  FOR_REASON}},
    [COMMAND_FROM_ADD] = {"from add",
			  "CRED PATTERN",
			  2,
			  2,
			  COMMAND_CHANGES,
			  "Let a login send as a@b, @b, or @.b (and below).",
			  {FOR_REASON}},
    [COMMAND_FROM_DEL] = {"from del",
			  "CRED PATTERN",
			  2,
			  2,
			  COMMAND_CHANGES,
			  "Take that away again.",
			  {FOR_REASON}},
    [COMMAND_FROM_LIST] = {"from list",
			   "[CRED]",
			   0,
			   1,
			   0,
			   "List as whom logins may send beyond their own.",
			   {END}},
    [COMMAND_DOMAIN_SHOW] =
	{"domain show",
	 "NAME",
	 1,
	 1,
	 0,
	 "Show what DNS says of a domain, and what clients hear.",
	 {{"class", "CLASS", "as for a login of this class"}}},
    [COMMAND_DOMAIN_ALLOW] =
	{"domain allow",
	 "NAME",
	 1,
	 1,
	 COMMAND_CHANGES,
	 "Accept mail to it, whatever DNS says.",
	 {{"for", "TIME", "how long: 2h; else until it is disallowed"},
	  {"until", "TIME", "until then: 18:00, or a date"},
	  FOR_REASON}},
    [COMMAND_DOMAIN_DISALLOW] = {"domain disallow",
				 "NAME",
				 1,
				 1,
				 COMMAND_CHANGES,
				 "Ask DNS about it again.",
				 {FOR_REASON}},
    [COMMAND_DOMAIN_FLUSH] = {"domain flush",
			      "[NAME]",
			      0,
			      1,
			      COMMAND_CHANGES,
			      "Forget what DNS said of a domain, or of all.",
			      {{"all", NULL, "of all"}, FOR_REASON}},
    [COMMAND_DOMAIN_LIST] = {"domain list",
			     "",
			     0,
			     0,
			     0,
			     "List the domains that are allowed.",
			     {END}},
    [COMMAND_TOP] = {"top",
		     "",
		     0,
		     0,
		     0,
		     "Show who sends most.",
		     {{"by", "WHAT", "cred (the default), ip, from or domain"},
		      {"window", "TIME", "the last so many minutes: 10m"},
		      {"limit", "N", "so many lines; 20"}}},
    [COMMAND_WHY] = {"why",
		     "REF | cred NAME | ip ADDR",
		     1,
		     2,
		     0,
		     "Tell why it was refused, held or slowed.",
		     {END}},
    [COMMAND_HOLD] = {"hold",
		      "",
		      0,
		      0,
		      COMMAND_CHANGES,
		      "Hold mail back: what waits, and what comes.",
		      {WHOSE,
		       SINCE,
		       {"for", "TIME",
			"how long: 2h; else until it is released"},
		       {"until", "TIME", "until then: 18:00, or a date"},
		       FOR_REASON,
		       DRY_RUN,
		       YES}},
    [COMMAND_RELEASE] = {"release",
			 "",
			 0,
			 0,
			 COMMAND_CHANGES,
			 "Let go what a hold or a limit held.",
			 {WHOSE, SINCE, BEFORE, FOR_REASON, DRY_RUN, YES}},
    [COMMAND_PURGE] = {"purge",
		       "",
		       0,
		       0,
		       COMMAND_CHANGES,
		       "Take mail out of the queue; undo for 24 hours.",
		       {WHOSE,
			SINCE,
			BEFORE,
			{"now", NULL, "delete for good: no undo"},
			FOR_REASON,
			DRY_RUN,
			YES}},
    [COMMAND_UNDO] =
	{"undo",
	 "ID",
	 1,
	 1,
	 COMMAND_CHANGES,
	 "Bring back what a purge took.",
	 {FOR_REASON}},
    [COMMAND_TRASH] =
	{"trash", "", 0, 0, 0, "List the purges that can be undone.", {END}},
    [COMMAND_AUDIT] = {"audit",
		       "",
		       0,
		       0,
		       0,
		       "Show who changed what, when and why.",
		       {{"since", "TIME",
			 "from then on: 14:00, 2h (ago), a date"},
			{"limit", "N", "at most N changes; 0: all; else 50"}}},
    [COMMAND_STATUS] =
	{"status", "", 0, 0, 0, "Show how it goes: one screen.", {END}},
    [COMMAND_STATS] =
	{"stats", "", 0, 0, 0, "Show every counter as key=value.", {END}},
    [COMMAND_RELOAD] =
	{"reload",
	 "",
	 0,
	 0,
	 COMMAND_CHANGES,
	 "Read the configuration again; a wrong one changes nothing.",
	 {END}},
    [COMMAND_CONFIG_CHECK] =
	{"config check",
	 "[FILE]",
	 0,
	 1,
	 COMMAND_LOCAL,
	 "Check a configuration file and tell every error in it.",
	 {END}},
    [COMMAND_CONFIG_SHOW] =
	{"config show", "", 0, 0, 0, "Show the configuration in force.", {END}},
};

const struct command *
command_of(enum command_id id)
{
	return &table[id];
}
