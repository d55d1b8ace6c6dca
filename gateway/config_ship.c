/*
 * The shipped gateway.conf and the manual's list of directives, out of the
 * table. What is written here is only what the table cannot know: example
 * values, and which of them stand in the shipped file uncommented.
 */
#include <string.h>

#include "gateway/config_int.h"

#define WIDTH 76

static const struct {
	const char *path, *value;
	bool live;
} examples[] = {
    {"hostname", "mail.example.com", true},
    {"user", "sluice", true},
    {"internal", "example.com", true},
    {"observe", "on", true},
    {"contact", "\"the help desk, phone 1234\"", false},
    {"connections-per-address", "200", true},
    {"tls.certificate", "/etc/sluice/tls.crt", true},
    {"tls.key", "/etc/sluice/tls.key", true},
    {"listen.address", "*:587", true},
    {"listen.tls", "starttls", true},
    {"listen.proxy", "192.0.2.10 2001:db8::/64", false},
    {"auth.backend", "local", true},
    {"auth.domain", "example.com", true},
    {"relay.address", "hub.example.com:25", true},
    {"relay.tls", "opportunistic", true},
    {"relay.ca", "/etc/sluice/hub-ca.pem", false},
    {"relay.login", "sluice password-file /etc/sluice/hub.password", false},
    {"relay.source", "192.0.2.25", false},
    {"route.via", "hub", true},
    {"limit.per", "credential", true},
    {"limit.messages", "20/m burst 30", true},
    {"limit.recipients", "60/10m", true},
    {"limit.recipients", "200/h", true},
    {"limit.internal-recipients", "1000/h", true},
    {"limit.all-recipients", "2000/d", false},
    {"limit.bytes", "500M/d", false},
    {"limit.connections", "10", false},
    {"limit.new-connections", "30/m", false},
    {"limit.failed-logins", "10/10m", false},
    {"limit.dead-domains", "20/10m", false},
    {"limit.over", "pace 150% then defer", true},
    {"limit.class", "staff students", false},
    {"limit.cred", "alice bob", false},
    {"limit.replaces", "address", false},
    {"limit.except", "10.0.0.0/8 2001:db8::/32", false},
    {"class.from-binding", "address", false},
    {"class.refuse-first", "0", false},
    {"class.unverified", "defer", false},
    {"dns.resolver", "127.0.0.1", false},
    {"dns.second-opinion", "192.0.2.53 192.0.2.54", false},
    {"dns.targets", "loopback private", false},
    {"dns.except", "home.arpa", false},
    {"mx.source", "192.0.2.25", false},
    {"mx.source", "bulk 192.0.2.26", false},
    {"class.down", "reject", false},
    {"class.unscannable", "hold", false},
    {"scan.server", "icaps://av.example.com:11344/avscan", false},
    {"scan.server", "icaps://av2.example.com/avscan weight 0", false},
    {"scan.ca", "/etc/sluice/av-ca.pem", false},
    {"scan.subject", "\"[virus removed]\"", false},
    {"scan.token-key", "site-2026 /etc/sluice/scan-token.key", false},
    {"scan.token-sign", "site-2026", false},
    {"class.bulk", "on", false},
    {"class.confirm", "on", false},
    {"bulk.when", "recipients 50", true},
    {"bulk.when", "same-body 100/h", true},
    {"bulk.headers", "on", true},
    {"bulk.suffix", "bulk", true},
    {"bulk.rate", "300/h", true},
    {"bulk.site-rate", "20/m", true},
    {"bulk.site-connections", "2", true},
    {"bulk.via", "hub", false},
    {"dkim.selector", "s2026 /etc/sluice/dkim-s2026.pem", true},
    {"dkim.selector", "s2026e /etc/sluice/dkim-s2026e.pem", true},
    {"bulk.unsubscribe", "\"https://example.com/u?c={campaign}&m={message}\"",
     false},
    {"bulk.warm-up", "50 100 200 500 1000", false},
    {"bulk.warm-up-from", "2026-12-01", false},
    {"alert.mail", "postmaster@example.com", false},
    {"alert.exec", "/usr/local/bin/page", false},
};

/* The named blocks; the first of a scope shows all its directives. */
static const struct {
	const char *scope, *name;
	const char *about; /* or NULL */
	const char *rest;  /* further blocks: what stands in them */
} blocks[] = {
    {"listen", "submission", NULL, NULL},
    {"listen", "submissions", NULL, "address *:465;\n\ttls implicit;"},
    {"relay", "hub", NULL, NULL},
    {"route", "default", NULL, NULL},
    {"limit", "person",
     "The limits below are those of a site of up to 100 people. They only "
     "count and log while 'observe on' stands above; without it they are "
     "enforced. 'sluice limits' shows them at work.",
     NULL},
    {"limit", "person-day",
     "Nobody is helped by mail that leaves tomorrow: the day is not paced.",
     "per credential;\n\trecipients 500/d;\n\tover reject;"},
    {"limit", "person-connections", NULL,
     "per credential;\n\tconnections 5;\n\tover defer;"},
    {"limit", "visitor", "Guests, alumni: sluice user add --class visitor.",
     "per credential;\n\tclass visitor;\n\treplaces person person-day;\n\t"
     "messages 20/m burst 30;\n\trecipients 50/h;\n\trecipients 100/d;\n\t"
     "over reject;"},
    {"limit", "shared", "Logins that several people use.",
     "per credential;\n\tclass shared;\n\treplaces person person-day "
     "person-connections;\n\tmessages 20/m burst 30;\n\trecipients 400/h;"
     "\n\tinternal-recipients 1000/h;\n\tover pace 150% then defer;"},
    {"limit", "shared-day", NULL,
     "per credential;\n\tclass shared;\n\trecipients 1000/d;\n\t"
     "over reject;"},
    {"limit", "service", "Programs and devices: they try again by themselves.",
     "per credential;\n\tclass service;\n\treplaces person person-day;\n\t"
     "recipients 300/h;\n\trecipients 2000/d;\n\tover defer;"},
    {"limit", "address",
     "Name the networks that hide many people behind one address in "
     "'except'.",
     "per ip;\n\trecipients 500/h;\n\tconnections 10;\n\t"
     "new-connections 30/m;\n\tover defer;"},
    {"limit", "dead-domains",
     "Whoever writes to one dead domain after another is no person.",
     "per credential;\n\tdead-domains 20/10m;\n\tover hold;"},
    {"limit", "logins", NULL,
     "per ip;\n\tfailed-logins 10/10m;\n\tover defer;"},
    {"limit", "site",
     "An alarm in the log: three times what an hour usually brings.",
     "per site;\n\trecipients 2000/h;\n\tover defer;\n\tobserve on;"},
    {"class", "service", NULL, NULL},
    {"dkim", "example.com",
     "'openssl genrsa -out FILE 2048' and 'openssl genpkey -algorithm ed25519 "
     "-out FILE' make keys; chmod 640 them.",
     NULL},
};

#define EXAMPLES (sizeof(examples) / sizeof(examples[0]))
#define BLOCKS (sizeof(blocks) / sizeof(blocks[0]))

/* Folds text at blanks. roff: a line must not look like a request. */
static void
fold(struct buf *out, const char *prefix, const char *text, bool roff)
{
	size_t width = WIDTH - strlen(prefix) - (prefix[0] == '\t' ? 7 : 0);

	while (*text != '\0') {
		size_t n = strlen(text);

		if (n > width) {
			n = width;
			while (n > 0 && text[n] != ' ')
				n--;
			if (n == 0)
				n = strcspn(text, " ");
		}
		buf_add_str(out, prefix);
		if (roff && (*text == '\'' || *text == '.'))
			buf_add_str(out, "\\&");
		buf_add(out, text, n);
		buf_add_byte(out, '\n');
		text += n;
		text += strspn(text, " ");
	}
}

/* Behind the sentence: "allowed 1 to 64; required". */
static void
add_notes(const struct config_row *row, struct buf *out)
{
	struct buf range = {.cap = 128};
	const char *between = "";

	if (config_value_range(row, &range)) {
		buf_printf(out, "%s%s", buf_cstr(&range),
			   row->unit != NULL ? " " : "");
		if (row->unit != NULL)
			buf_add_str(out, row->unit);
		between = "; ";
	}
	if ((row->flags & CONFIG_REQUIRED) != 0) {
		buf_printf(out, "%srequired", between);
		between = "; ";
	}
	if ((row->flags & CONFIG_REPEAT) != 0) {
		buf_printf(out, "%smay stand several times", between);
		between = "; ";
	}
	if ((row->flags & CONFIG_RESTART) != 0)
		buf_printf(out, "%sneeds a restart", between);
	buf_fini(&range);
}

/* --- the shipped file --- */

static void
ship_comment(const struct config_row *row, const char *prefix, struct buf *out)
{
	struct buf text = {.cap = 2048};
	struct buf notes = {.cap = 512};

	add_notes(row, &notes);
	buf_add_str(&text, row->text);
	if (notes.n > 0)
		buf_printf(&text, " (%s)", buf_cstr(&notes));
	fold(out, prefix, buf_cstr(&text), false);
	buf_fini(&text);
	buf_fini(&notes);
}

static void
ship_value(const struct config_row *row, const char *indent, struct buf *out)
{
	const char *comment = indent[0] != '\0' ? "\t# " : "# ";
	const char *name = config_row_name(row);
	bool shown = false;

	for (size_t i = 0; i < EXAMPLES; i++) {
		if (strcmp(examples[i].path, row->path) != 0)
			continue;
		if (!shown)
			ship_comment(row, comment, out);
		shown = true;
		buf_printf(out, "%s%s%s %s;\n", indent,
			   examples[i].live ? "" : "#", name,
			   examples[i].value);
	}
	if (shown || row->value == NULL)
		return;
	ship_comment(row, comment, out);
	buf_printf(out, "%s#%s %s;\n", indent, name, row->value);
}

static void
ship_rows(const char *scope, struct buf *out)
{
	size_t first, count;

	config_scope(scope, &first, &count);
	for (size_t i = first; i < first + count; i++)
		ship_value(config_row(i), "\t", out);
}

static void
ship_named(const struct config_row *row, const char *name, const char *rest,
	   struct buf *out)
{
	buf_printf(out, "%s %s {\n", row->path, name);
	if (rest != NULL)
		buf_printf(out, "\t%s\n", rest);
	else
		ship_rows(row->path, out);
	buf_add_str(out, "}\n");
}

static void
put_lines(struct buf *out, struct slice text, const char *prefix)
{
	struct slice line;

	while (slice_split(&text, '\n', &line)) {
		buf_add_str(out, prefix);
		buf_add_slice(out, line);
		buf_add_byte(out, '\n');
	}
}

static void
ship_block(const struct config_row *row, struct buf *out)
{
	struct buf text = {.cap = 65536};
	/* its key files are still to be made */
	const char *prefix = strcmp(row->path, "dkim") == 0 ? "#" : "";

	buf_add_byte(out, '\n');
	ship_comment(row, "# ", out);
	if (row->kind == CONFIG_BLOCK) {
		buf_printf(out, "%s {\n", row->path);
		ship_rows(row->path, out);
		buf_add_str(out, "}\n");
		return;
	}
	for (size_t i = 0; i < BLOCKS; i++) {
		if (strcmp(blocks[i].scope, row->path) != 0)
			continue;
		if (blocks[i].about != NULL)
			fold(out, "# ", blocks[i].about, false);
		ship_named(row, blocks[i].name, blocks[i].rest, &text);
		put_lines(out, buf_slice(&text), prefix);
		buf_fini(&text);
	}
}

void
config_print_shipped(struct buf *out)
{
	size_t first, count;

	buf_add_str(
	    out,
	    "# Sluice's configuration. gateway.conf(5) has the grammar and "
	    "the words;\n"
	    "# 'sluiced -t' checks a file and says everything that is wrong "
	    "with it.\n"
	    "# A directive behind '#' shows its default, or an example.\n\n");
	config_scope("", &first, &count);
	for (size_t i = first; i < first + count; i++) {
		if (!config_row_is_block(config_row(i)))
			ship_value(config_row(i), "", out);
	}
	for (size_t i = first; i < first + count; i++) {
		if (config_row_is_block(config_row(i)))
			ship_block(config_row(i), out);
	}
	buf_add_str(out, "\n# Further files, relative to this one.\n"
			 "include conf.d/*.conf;\n");
}

/* --- the manual's rows --- */

static void
manual_row(const struct config_row *row, struct buf *out)
{
	struct buf syntax = {.cap = 256};
	struct buf notes = {.cap = 512};

	config_value_syntax(row, &syntax);
	buf_printf(out, ".It Ic %s No %s\n", config_row_name(row),
		   buf_cstr(&syntax));
	fold(out, "", row->text, true);
	if (row->value != NULL) {
		buf_add_str(out, "The default is\n");
		buf_printf(out, ".Ql %s .\n", row->value);
	}
	add_notes(row, &notes);
	if (notes.n > 0) {
		buf_printf(out, ".Pq ");
		buf_add_slice(out, buf_slice(&notes));
		buf_add_byte(out, '\n');
	}
	buf_fini(&syntax);
	buf_fini(&notes);
}

static void
manual_scope(const char *scope, struct buf *out)
{
	size_t first, count;

	config_scope(scope, &first, &count);
	buf_add_str(out, ".Bl -tag -width Ds\n");
	for (size_t i = first; i < first + count; i++)
		manual_row(config_row(i), out);
	buf_add_str(out, ".El\n");
}

void
config_print_manual(struct buf *out)
{
	size_t first, count;

	buf_add_str(out, ".Ss Outside of all blocks\n");
	manual_scope("", out);
	config_scope("", &first, &count);
	for (size_t i = first; i < first + count; i++) {
		const struct config_row *row = config_row(i);

		if (!config_row_is_block(row))
			continue;
		buf_printf(out, ".Ss Inside %s\n", row->path);
		manual_scope(row->path, out);
	}
}
