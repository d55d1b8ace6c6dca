/*
 * size: one table.
 *
 * THE table. A directive is added here, in its struct in config.h and, when
 * its shape is new, as a kind in config_value.c; the parser, the checks,
 * `config show`, the manual page and the shipped file follow.
 *
 * Defaults are texts, read by the same functions as the file: what the manual
 * says is what happens.
 */
#include "gateway/config_table.h"

#include <stddef.h>
#include <string.h>

#define KIB ((uint64_t)1 << 10)
#define MIB ((uint64_t)1 << 20)
#define GIB ((uint64_t)1 << 30)
#define SECOND ((uint64_t)1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

#define TOP(f) .field = offsetof(struct config, f)
#define TLS(f) .field = offsetof(struct config_tls, f)
#define LISTEN(f) .field = offsetof(struct config_listen, f)
#define AUTH(f) .field = offsetof(struct config_auth, f)
#define RELAY(f) .field = offsetof(struct config_relay, f)
#define ROUTE(f) .field = offsetof(struct config_route, f)
#define RETRY(f) .field = offsetof(struct config_retry, f)
#define LOG(f) .field = offsetof(struct config_log, f)
#define ALERT(f) .field = offsetof(struct config_alert, f)
#define DNS(f) .field = offsetof(struct config_dns, f)
#define MX(f) .field = offsetof(struct config_mx, f)
#define SCAN(f) .field = offsetof(struct config_scan, f)
#define LIMIT(f) .field = offsetof(struct config_limit, f)
#define DKIM(f) .field = offsetof(struct config_dkim, f)
#define BULK(f) .field = offsetof(struct config_bulk, f)
#define CLASS(f) .field = offsetof(struct config_class, f)

#define COUNT_MAX ((uint64_t)1000000000)

/* Each in the order of the enum that it fills. */
static const char *const tls_modes[] = {"starttls", "implicit", "none", NULL};
static const char *const endings[] = {"refuse", "normalise", NULL};
static const char *const relay_tls[] = {"none", "opportunistic", "required",
					"implicit", NULL};
static const char *const eightbit[] = {"refuse", "pass", NULL};
static const char *const tokens[] = {"strip", "keep", NULL};
static const char *const log_formats[] = {"logfmt", "json", NULL};
static const char *const log_levels[] = {"error", "warn", "info", "debug",
					 NULL};
static const char *const bindings[] = {"off", "observe", "domain", "address",
				       NULL};
static const char *const pers[] = {"credential", "ip", "credential-ip", "site",
				   NULL};
static const char *const targets[] = {"loopback", "private", NULL};
static const char *const unverified[] = {"accept", "defer", NULL};
/* Of enum config_relay_tls: an MX host has no port for implicit TLS. */
static const char *const mx_tls[] = {"none", "opportunistic", "required", NULL};

static const char *const methods[] = {"respmod", "reqmod", NULL};
static const char *const infected[] = {"reject",  "quarantine",	      "clean",
				       "discard", "discard-silently", NULL};
static const char *const downs[] = {"hold", "open", "reject", NULL};
static const char *const off_on[] = {"off", "on", NULL};
static const char *const signed_lanes[] = {"all", "bulk", NULL};
static const char *const unscannables[] = {"reject", "hold", "pass", NULL};

static const struct config_row rows[] = {
    /* --- the file itself --- */
    {"hostname", CONFIG_HOSTNAME, CONFIG_REQUIRED, NULL, 0, 0, NULL,
     "The name the gateway greets with, and writes into Received and "
     "Message-ID.",
     TOP(hostname)},
    {"spool", CONFIG_PATH, CONFIG_RESTART, "/var/lib/sluice", 0, 0, NULL,
     "The directory of the queue and the users; made if missing.", TOP(spool)},
    {"control", CONFIG_SOCKET, CONFIG_RESTART, "/run/sluice/control.sock", 0, 0,
     NULL, "The socket that the sluice command talks to.", TOP(control)},
    {"user", CONFIG_USER, CONFIG_RESTART, NULL, 0, 0, NULL,
     "Whom the daemon becomes once its ports are open, when started as root.",
     TOP(user)},
    {"internal", CONFIG_ROUTED, CONFIG_REPEAT, NULL, 0, 0, NULL,
     "The domains that are ours; '.example.com' is all below example.com.",
     TOP(internal)},
    {"tls", CONFIG_BLOCK, 0, NULL, 0, 0, NULL,
     "The certificate that listeners show.", TOP(tls),
     .size = sizeof(struct config_tls)},
    {"listen", CONFIG_NAMED, CONFIG_REQUIRED, NULL, 1, 64, "blocks",
     "A door for mail clients.", TOP(listens),
     .size = sizeof(struct config_listen)},
    {"auth", CONFIG_BLOCK, CONFIG_REQUIRED, NULL, 0, 0, NULL,
     "Who may submit: nobody without a login.", TOP(auth),
     .size = sizeof(struct config_auth)},
    {"relay", CONFIG_NAMED, 0, NULL, 0, 1000, "blocks",
     "A next hop that speaks SMTP.", TOP(relays),
     .size = sizeof(struct config_relay)},
    {"route", CONFIG_NAMED, CONFIG_REQUIRED, NULL, 1, 10000, "blocks",
     "Which recipients go where; 'route default' takes all others.",
     TOP(routes), .size = sizeof(struct config_route)},
    {"retry", CONFIG_BLOCK, 0, NULL, 0, 0, NULL,
     "When a delivery that failed for now is tried again.", TOP(retry),
     .size = sizeof(struct config_retry)},
    {"connections", CONFIG_COUNT, 0, "10000", 1, 1000000, "connections",
     "Client connections at once; more are answered 421.", TOP(connections)},
    {"connections-per-address", CONFIG_COUNT, 0, "0", 0, 1000000, "connections",
     "Client connections at once from one IPv4 address or IPv6 /64; 0 is no "
     "cap.",
     TOP(connections_per_address)},
    {"message-size", CONFIG_SIZE, 0, "25M", 1 * KIB, 2 * GIB, NULL,
     "The largest message that is accepted.", TOP(message_size)},
    {"recipients", CONFIG_COUNT, 0, "50000", 100, 1000000, "recipients",
     "The most recipients of one message.", TOP(recipients)},
    {"idle", CONFIG_TIME, 0, "5m", 1 * SECOND, 1 * HOUR, NULL,
     "How long a client that has logged in may stay silent between commands.",
     TOP(idle_ms)},
    {"preauth", CONFIG_TIME, 0, "30s", 1 * SECOND, 10 * MINUTE, NULL,
     "How long a client has from connecting to its login.", TOP(preauth_ms)},
    {"min-rate", CONFIG_COUNT, 0, "100", 1, 1000000, "bytes per second",
     "The least average over a minute at which a message must arrive.",
     TOP(min_rate)},
    {"resubmission", CONFIG_SWITCH, 0, "on", 0, 0, NULL,
     "Whether a message that the client sends again is recognised and "
     "delivered once.",
     TOP(resubmission)},
    {"resubmission-window", CONFIG_TIME, CONFIG_RESTART, "24h", 1 * MINUTE,
     30 * DAY, NULL,
     "How long a message is remembered for that; at most the last 4 million "
     "are.",
     TOP(resubmission_window_ms)},
    {"observe", CONFIG_SWITCH, 0, "off", 0, 0, NULL,
     "Whether limits only count and log what they would do, and change nothing "
     "for anybody.",
     TOP(observe)},
    {"from-binding", CONFIG_CHOICE, 0, "off", 0, 0, NULL,
     "Whose addresses a login may send as: anybody's, anybody's with a line in "
     "the log, those of our domains, or its own.",
     .choices = bindings, TOP(binding)},
    {"contact", CONFIG_TEXT, 0, NULL, 1, 60, NULL,
     "Whom replies to refused clients send people to.", TOP(contact)},
    {"delivery-connections", CONFIG_COUNT, 0, "500", 1, 100000, "connections",
     "Connections to next hops at once, over all of them.",
     TOP(delivery_connections)},
    {"threads", CONFIG_COUNT, CONFIG_RESTART, "0", 0, 256, "threads",
     "Threads that serve clients; 0 is one for each core.", TOP(threads)},
    {"http", CONFIG_HTTP, CONFIG_RESTART, "127.0.0.1:9925", 0, 0, NULL,
     "Where the metrics for Prometheus are served; it asks for no password.",
     TOP(http)},
    {"limit", CONFIG_NAMED, 0, NULL, 0, 256, "blocks",
     "How much one sender may send, and what happens beyond it.", TOP(limits),
     .size = sizeof(struct config_limit)},
    {"class", CONFIG_NAMED, 0, NULL, 0, 256, "blocks",
     "What is different for the logins of one class, as in 'sluice user add "
     "--class'.",
     TOP(classes), .size = sizeof(struct config_class)},
    {"dns", CONFIG_BLOCK, 0, NULL, 0, 0, NULL,
     "Who is asked about recipients' domains, and what the answers mean.",
     TOP(dns), .size = sizeof(struct config_dns)},
    {"mx", CONFIG_BLOCK, 0, NULL, 0, 0, NULL,
     "How 'via mx' delivers; a site is all domains that share their MX hosts.",
     TOP(mx), .size = sizeof(struct config_mx)},
    {"scan", CONFIG_BLOCK, 0, NULL, 0, 0, NULL,
     "Who looks for viruses in attachments, and what happens to them; without "
     "a 'server' nobody does.",
     TOP(scan), .size = sizeof(struct config_scan)},
    {"dkim", CONFIG_NAMED, 0, NULL, 0, 1000, "blocks",
     "A domain whose mail is signed: what has one address there in From.",
     TOP(dkims), .size = sizeof(struct config_dkim)},
    {"bulk", CONFIG_BLOCK, 0, NULL, 0, 0, NULL,
     "Mass mailings: which mail is one, and how it leaves without being in "
     "anybody's way.",
     TOP(bulk), .size = sizeof(struct config_bulk)},
    {"log", CONFIG_BLOCK, 0, NULL, 0, 0, NULL,
     "Where the one line of each decision goes.", TOP(log),
     .size = sizeof(struct config_log)},
    {"alert", CONFIG_BLOCK, 0, NULL, 0, 0, NULL,
     "Who is told of trouble: once for each cause, until it clears.",
     TOP(alert), .size = sizeof(struct config_alert)},

    /* --- tls --- */
    {"tls.certificate", CONFIG_PATH, CONFIG_REQUIRED, NULL, 0, 0, NULL,
     "The certificate with its chain, PEM.", TLS(certificate)},
    {"tls.key", CONFIG_PATH, CONFIG_REQUIRED, NULL, 0, 0, NULL,
     "Its private key, PEM.", TLS(key)},

    /* --- listen --- */
    {"listen.address", CONFIG_LISTEN, CONFIG_REQUIRED | CONFIG_REPEAT, NULL, 1,
     16, "addresses", "An address and port, '*' for all addresses.",
     LISTEN(addresses)},
    {"listen.tls", CONFIG_CHOICE, 0, "starttls", 0, 0, NULL,
     "How TLS begins; none only on loopback.", .choices = tls_modes,
     LISTEN(tls)},
    {"listen.line-endings", CONFIG_CHOICE, 0, "refuse", 0, 0, NULL,
     "Whether a bare CR or LF in a message is refused or becomes CRLF.",
     .choices = endings, LISTEN(line_endings)},
    {"listen.proxy", CONFIG_PREFIX, CONFIG_REPEAT, NULL, 0, 1000, "networks",
     "Networks of the load balancers that begin each connection with a PROXY "
     "header; all others are turned away.",
     LISTEN(proxy)},
    {"listen.insecure-auth", CONFIG_SWITCH, 0, "off", 0, 0, NULL,
     "Whether a login is taken without TLS; only on loopback.",
     LISTEN(insecure_auth)},
    {"listen.bulk", CONFIG_SWITCH, 0, "off", 0, 0, NULL,
     "Whether all that comes in here is of a mass mailing.", LISTEN(bulk)},

    /* --- auth --- */
    {"auth.backend", CONFIG_BACKEND, CONFIG_REQUIRED | CONFIG_RESTART, NULL, 0,
     0, NULL, "The users of 'sluice user add', or Dovecot's auth socket.",
     AUTH(backend)},
    {"auth.domain", CONFIG_DOMAIN, CONFIG_RESTART, NULL, 0, 0, NULL,
     "The domain a login may be written with: bob and bob@DOMAIN are one.",
     AUTH(domain)},
    {"auth.workers", CONFIG_COUNT, CONFIG_RESTART, "2", 1, 64, "threads",
     "Threads that verify passwords.", AUTH(workers)},
    {"auth.hash-queue", CONFIG_COUNT, CONFIG_RESTART, "256", 1, 10000, "logins",
     "Logins that may wait for them; more are answered 454.", AUTH(hash_queue)},
    {"auth.cache", CONFIG_TIME, CONFIG_RESTART, "60s", 0, 60 * SECOND, NULL,
     "How long a login that was right is remembered; 0s is off.",
     AUTH(cache_ms)},
    {"auth.fail-delay", CONFIG_TIME, CONFIG_RESTART, "2s", 0, 30 * SECOND, NULL,
     "How long the answer to a wrong login takes; 0s is no delay.",
     AUTH(fail_delay_ms)},
    {"auth.failures", CONFIG_COUNT, CONFIG_RESTART, "10", 1, 10000, "logins",
     "Wrong logins from one address before it must wait; no account is ever "
     "locked.",
     AUTH(failures)},
    {"auth.failure-window", CONFIG_TIME, CONFIG_RESTART, "10m", 1 * SECOND,
     24 * HOUR, NULL, "The time in which they are counted.",
     AUTH(failure_window_ms)},
    {"auth.failure-block", CONFIG_TIME, CONFIG_RESTART, "15m", 1 * SECOND,
     24 * HOUR, NULL,
     "How long the address waits the first time; it doubles up to a day.",
     AUTH(failure_block_ms)},

    /* --- relay --- */
    {"relay.address", CONFIG_HOST, CONFIG_REQUIRED | CONFIG_REPEAT, NULL, 1,
     256, "hosts", "A host of it; lower priorities first, shared by weight.",
     RELAY(hosts)},
    {"relay.tls", CONFIG_CHOICE, 0, "opportunistic", 0, 0, NULL,
     "Whether TLS is used: never, when offered, always by STARTTLS, or from "
     "the first byte.",
     .choices = relay_tls, RELAY(tls)},
    {"relay.verify", CONFIG_SWITCH, 0, "on", 0, 0, NULL,
     "Whether the certificate must be right, with tls required and implicit.",
     RELAY(verify)},
    {"relay.ca", CONFIG_PATH, 0, NULL, 0, 0, NULL,
     "The authorities to believe, PEM, instead of the system's.", RELAY(ca)},
    {"relay.login", CONFIG_LOGIN, 0, NULL, 0, 0, NULL,
     "The login there; the password is the first line of the file.",
     RELAY(login)},
    {"relay.eightbit", CONFIG_CHOICE, 0, "refuse", 0, 0, NULL,
     "What becomes of 8-bit mail when the hop lacks 8BITMIME.",
     .choices = eightbit, RELAY(eightbit)},
    {"relay.scan-token", CONFIG_CHOICE, 0, "strip", 0, 0, NULL,
     "Whether it is told, in a header field, what was found clean: keep is for "
     "another gateway of this site.",
     .choices = tokens, RELAY(scan_token)},
    {"relay.connections", CONFIG_COUNT, 0, "20", 1, 10000, "connections",
     "Connections to it at once.", RELAY(connections)},
    {"relay.messages-per-connection", CONFIG_COUNT, 0, "100", 1, 1000000,
     "messages", "Messages before a fresh connection is made.",
     RELAY(messages_per_connection)},
    {"relay.source", CONFIG_SOURCE, 0, NULL, 0, 0, NULL,
     "The address of ours to connect from.", RELAY(source)},
    {"relay.timeout", CONFIG_TIME, 0, "0s", 0, 1 * HOUR, NULL,
     "How long each answer may take; 0s is as in RFC 5321, 4.5.3.2.",
     RELAY(timeout_ms)},
    {"relay.idle", CONFIG_TIME, 0, "5s", 0, 5 * MINUTE, NULL,
     "How long an unused connection is kept; 0s closes it at once.",
     RELAY(idle_ms)},

    /* --- route --- */
    {"route.domain", CONFIG_ROUTED, CONFIG_REPEAT, NULL, 0, 100000, "domains",
     "Recipient domains; '.example.com' is all below example.com.",
     ROUTE(domains)},
    {"route.via", CONFIG_VIA, CONFIG_REQUIRED, NULL, 0, 0, NULL,
     "The next hop: a relay, each domain's own MX, or files in a directory.",
     ROUTE(via)},

    /* --- retry --- */
    {"retry.after", CONFIG_TIMES, 0, "5m 15m 30m 1h", 1 * SECOND, 7 * DAY, NULL,
     "The waits after the first, second and further failures; the last "
     "repeats.",
     RETRY(after)},
    {"retry.expire", CONFIG_TIME, 0, "4d", 1 * SECOND, 30 * DAY, NULL,
     "When the sender gets it back.", RETRY(expire_ms)},
    {"retry.delay-notice", CONFIG_TIME, 0, "4h", 0, 30 * DAY, NULL,
     "When the sender is told that it takes longer; 0s is never.",
     RETRY(delay_notice_ms)},

    /* --- limit --- */
    {"limit.per", CONFIG_CHOICE, CONFIG_REQUIRED, NULL, 0, 0, NULL,
     "Whose doings are counted together: one login's, one address's, those of "
     "a login from one address, or everybody's.",
     .choices = pers, LIMIT(per)},
    {"limit.prefix", CONFIG_BITS, 0, "32 64", 0, 0, NULL,
     "How many bits of an IPv4 and an IPv6 address count as one address.",
     LIMIT(prefix)},
    {"limit.messages", CONFIG_RATES, CONFIG_REPEAT, NULL, 1, COUNT_MAX,
     "messages in 1s to 31d",
     "Messages in any window of that time; with a burst, so many at once and "
     "then that pace.",
     LIMIT(messages)},
    {"limit.recipients", CONFIG_RATES, CONFIG_REPEAT, NULL, 1, COUNT_MAX,
     "recipients in 1s to 31d", "Recipients outside of 'internal'.",
     LIMIT(recipients)},
    {"limit.internal-recipients", CONFIG_RATES, CONFIG_REPEAT, NULL, 1,
     COUNT_MAX, "recipients in 1s to 31d", "Recipients in 'internal'.",
     LIMIT(internal_recipients)},
    {"limit.all-recipients", CONFIG_RATES, CONFIG_REPEAT, NULL, 1, COUNT_MAX,
     "recipients in 1s to 31d", "All recipients.", LIMIT(all_recipients)},
    {"limit.bytes", CONFIG_VOLUME, CONFIG_REPEAT, NULL, 1 * KIB,
     1024 * 1024 * GIB, "in 1s to 31d",
     "Bytes of messages, each counted once however many recipients it has.",
     LIMIT(bytes)},
    {"limit.connections", CONFIG_AT_ONCE, 0, NULL, 1, 1000000, "connections",
     "Connections at once.", LIMIT(connections)},
    {"limit.new-connections", CONFIG_RATES, CONFIG_REPEAT, NULL, 1, COUNT_MAX,
     "connections in 1s to 31d", "Connections made.", LIMIT(new_connections)},
    {"limit.failed-logins", CONFIG_RATES, CONFIG_REPEAT, NULL, 1, COUNT_MAX,
     "logins in 1s to 31d",
     "Wrong logins, 'per ip' alone: else anybody could lock anybody out.",
     LIMIT(failed_logins)},
    {"limit.dead-domains", CONFIG_RATES, CONFIG_REPEAT, NULL, 1, COUNT_MAX,
     "domains in 1s to 31d",
     "Recipient domains that do not exist or take no mail, each counted once "
     "however often it is written to; 'per credential' alone.",
     LIMIT(dead_domains)},
    {"limit.over", CONFIG_OVER, 0, "pace 150% then defer", 0, 0, NULL,
     "What happens beyond: pace sends later, up to that share of the limit, "
     "then does as told; bulk sends with the mass mailings; hold keeps for "
     "review; defer answers 450; reject answers 550.",
     LIMIT(over)},
    {"limit.observe", CONFIG_SWITCH, 0, "off", 0, 0, NULL,
     "Whether this limit only counts and logs.", LIMIT(observe)},
    {"limit.class", CONFIG_NAMES, CONFIG_REPEAT, NULL, 0, 100, "classes",
     "The classes it is for; without 'class' and 'cred' it is for everybody.",
     LIMIT(classes)},
    {"limit.cred", CONFIG_LOGINS, CONFIG_REPEAT, NULL, 0, 10000, "logins",
     "The logins it is for.", LIMIT(creds)},
    {"limit.replaces", CONFIG_NAMES, CONFIG_REPEAT, NULL, 0, 256, "limits",
     "Limits that do not count those whom this one is for.", LIMIT(replaces)},
    {"limit.except", CONFIG_PREFIX, CONFIG_REPEAT, NULL, 0, 1000, "networks",
     "Networks whose clients it does not count.", LIMIT(except)},

    /* --- class --- */
    {"class.observe", CONFIG_SWITCH, 0, "off", 0, 0, NULL,
     "Whether limits only count and log for these logins.", CLASS(observe)},
    {"class.from-binding", CONFIG_CHOICE, 0, NULL, 0, 0, NULL,
     "Instead of the file's 'from-binding'.", .choices = bindings,
     CLASS(binding)},
    {"class.refuse-first", CONFIG_COUNT_OR, 0, NULL, 0, 1000000, "recipients",
     "Instead of the one in 'dns'.", CLASS(refuse_first)},
    {"class.unverified", CONFIG_CHOICE, 0, NULL, 0, 0, NULL,
     "Instead of the one in 'dns'; defer is for programs, which try again.",
     .choices = unverified, CLASS(unverified)},
    {"class.down", CONFIG_CHOICE, 0, NULL, 0, 0, NULL,
     "Instead of the one in 'scan'.", .choices = downs, CLASS(down)},
    {"class.unscannable", CONFIG_CHOICE, 0, NULL, 0, 0, NULL,
     "Instead of the one in 'scan'.", .choices = unscannables,
     CLASS(unscannable)},
    {"class.bulk", CONFIG_SWITCH, 0, "off", 0, 0, NULL,
     "Whether all that these logins send is of a mass mailing.", CLASS(bulk)},
    {"class.confirm", CONFIG_CHOICE, 0, NULL, 0, 0, NULL,
     "Instead of the one in 'bulk'.", .choices = off_on, CLASS(confirm)},
    {"class.weight", CONFIG_COUNT, 0, "1", 1, 100, NULL,
     "How many deliveries each of these logins gets for one of a login of "
     "weight 1, where both wait for the same.",
     CLASS(weight)},

    /* --- dns --- */
    {"dns.resolver", CONFIG_RESOLVER, CONFIG_REPEAT, NULL, 1, 16, "addresses",
     "Resolvers to ask instead of those in /etc/resolv.conf; one on loopback "
     "is best.",
     DNS(resolvers)},
    {"dns.second-opinion", CONFIG_RESOLVER, CONFIG_REPEAT, NULL, 1, 16,
     "addresses",
     "Other resolvers, which are asked once more before a domain is first "
     "said not to exist.",
     DNS(second)},
    {"dns.check", CONFIG_SWITCH, 0, "on", 0, 0, NULL,
     "Whether recipients at domains that do not exist or take no mail are "
     "refused; those of 'internal' and of a route of their own are never "
     "asked about.",
     DNS(check)},
    {"dns.check-sender", CONFIG_SWITCH, 0, "on", 0, 0, NULL,
     "Whether senders at domains that do not exist are refused.",
     DNS(check_sender)},
    {"dns.refuse-first", CONFIG_COUNT, 0, "20", 0, 1000000, "recipients",
     "Of a message's first so many recipients those at dead domains are "
     "refused; later ones are dropped, and told of in one report.",
     DNS(refuse_first)},
    {"dns.unverified", CONFIG_CHOICE, 0, "accept", 0, 0, NULL,
     "While DNS gives no answer recipients are accepted and decided before "
     "delivery, or answered 451.",
     .choices = unverified, DNS(unverified)},
    {"dns.wait", CONFIG_TIME, 0, "3s", 100, 1 * MINUTE, NULL,
     "How long the reply to one recipient waits for DNS.", DNS(wait_ms)},
    {"dns.wait-message", CONFIG_TIME, 0, "6s", 100, 10 * MINUTE, NULL,
     "How long all recipients of one message wait together.",
     DNS(wait_message_ms)},
    {"dns.targets", CONFIG_CHOICES, 0, NULL, 0, 0, NULL,
     "Addresses of a domain's mail servers that are used although they are "
     "no public ones.",
     .choices = targets, DNS(targets)},
    {"dns.except", CONFIG_DOMAINS, CONFIG_REPEAT, NULL, 0, 100, "names",
     "Special-use names, such as test or home.arpa, that exist here and are "
     "asked about like others.",
     DNS(except)},
    {"dns.in-flight", CONFIG_COUNT, 0, "500", 10, 5000, "questions",
     "Questions under way at once, for each thread; slow ones move aside.",
     DNS(in_flight)},
    {"dns.in-flight-per-login", CONFIG_COUNT, 0, "100", 1, 5000, "domains",
     "Domains asked about at once for one login, and twice as many that are "
     "slow to answer; more are not waited for.",
     DNS(in_flight_per_login)},
    {"dns.cache", CONFIG_COUNT, 0, "200000", 1000, 10000000, "domains",
     "Domains whose answers are remembered, over restarts too.", DNS(cache)},
    {"dns.stale", CONFIG_TIME, 0, "1d", 1 * MINUTE, 30 * DAY, NULL,
     "How much longer than DNS says a good domain is believed in while the "
     "resolver fails.",
     DNS(stale_ms)},

    /* --- mx --- */
    {"mx.tls", CONFIG_CHOICE, 0, "opportunistic", 0, 0, NULL,
     "Whether TLS is used: never, when offered, or always; certificates are "
     "looked at with 'dane on' alone.",
     .choices = mx_tls, MX(tls)},
    {"mx.dane", CONFIG_SWITCH, 0, "on", 0, 0, NULL,
     "Whether TLSA records say that TLS must be used, and with which "
     "certificate; it takes a resolver on loopback that validates.",
     MX(dane)},
    {"mx.connections", CONFIG_COUNT, 0, "20", 1, 10000, "connections",
     "Connections to one site at once.", MX(connections)},
    {"mx.messages-per-connection", CONFIG_COUNT, 0, "100", 1, 1000000,
     "messages", "Messages before a fresh connection is made.",
     MX(messages_per_connection)},
    {"mx.source", CONFIG_SOURCES, CONFIG_REPEAT, NULL, 0, 0, NULL,
     "The address of ours to connect from, for all mail or for that of one "
     "lane.",
     MX(sources)},
    {"mx.timeout", CONFIG_TIME, 0, "0s", 0, 1 * HOUR, NULL,
     "How long each answer may take; 0s is as in RFC 5321, 4.5.3.2.",
     MX(timeout_ms)},
    {"mx.idle", CONFIG_TIME, 0, "5s", 0, 5 * MINUTE, NULL,
     "How long an unused connection is kept; 0s closes it at once.",
     MX(idle_ms)},

    /* --- scan --- */
    {"scan.server", CONFIG_ICAP, CONFIG_REPEAT, NULL, 1, 16, "servers",
     "An ICAP service that finds viruses, by TLS with icaps (port 11344) or in "
     "the clear with icap (port 1344); shared by weight, 0 being for when the "
     "others are down; 'profile' names its maker where its answers do not "
     "tell.",
     SCAN(servers)},
    {"scan.ca", CONFIG_PATH, 0, NULL, 0, 0, NULL,
     "The authorities to believe, PEM, instead of the system's; 'user' must be "
     "able to read it.",
     SCAN(ca)},
    {"scan.verify", CONFIG_SWITCH, 0, "on", 0, 0, NULL,
     "Whether the server's certificate must be right.", SCAN(verify)},
    {"scan.method", CONFIG_CHOICE, 0, "respmod", 0, 0, NULL,
     "How a server is asked: about an answer, which all understand, or about a "
     "request.",
     .choices = methods, SCAN(method)},
    {"scan.wait", CONFIG_TIME, 0, "8s", 100, 25 * SECOND, NULL,
     "How long a client waits for the verdict at the end of its message; then "
     "'down' says what happens.",
     SCAN(wait_ms)},
    {"scan.infected", CONFIG_CHOICE, 0, "reject", 0, 0, NULL,
     "What becomes of an infected message: refused, or quarantined if its "
     "verdict comes too late for that; quarantined; sent without the part, the "
     "original quarantined; or thrown away, with a notice to the login's "
     "address or without.",
     .choices = infected, SCAN(infected)},
    {"scan.down", CONFIG_CHOICE, 0, "hold", 0, 0, NULL,
     "Without a verdict in time a message is accepted and held until it has "
     "one, accepted and sent unscanned, or answered 451.",
     .choices = downs, SCAN(down)},
    {"scan.unscannable", CONFIG_CHOICE, 0, "reject", 0, 0, NULL,
     "What cannot be looked into (encrypted, too deep, partial) is refused, "
     "held until 'sluice release', or sent.",
     .choices = unscannables, SCAN(unscannable)},
    {"scan.texts", CONFIG_SWITCH, 0, "off", 0, 0, NULL,
     "Whether the texts that are shown are scanned too, not attachments alone.",
     SCAN(texts)},
    {"scan.connections", CONFIG_COUNT, 0, "8", 1, 1000, "connections",
     "Connections to one server at once; fewer if it says so.",
     SCAN(connections)},
    {"scan.part-timeout", CONFIG_TIME, 0, "30s", 1 * SECOND, 30 * MINUTE, NULL,
     "How long one server may take for one part; then another is asked.",
     SCAN(part_timeout_ms)},
    {"scan.message-timeout", CONFIG_TIME, 0, "2m", 1 * SECOND, 2 * HOUR, NULL,
     "How long all of a message may take; then it is tried again later.",
     SCAN(message_timeout_ms)},
    {"scan.canary", CONFIG_TIME, 0, "10m", 10 * SECOND, 1 * DAY, NULL,
     "How often each server is shown the EICAR test file; one that calls it "
     "clean is not believed any more.",
     SCAN(canary_ms)},
    {"scan.cache", CONFIG_COUNT, 0, "100000", 1000, 10000000, "verdicts",
     "Verdicts on contents that are remembered.", SCAN(cache)},
    {"scan.cache-age", CONFIG_TIME, 0, "1d", 1 * MINUTE, 30 * DAY, NULL,
     "How long a verdict is believed.", SCAN(cache_age_ms)},
    {"scan.rescans", CONFIG_COUNT, 0, "20", 1, 100000, "contents",
     "Known contents that are scanned again in each second after a server has "
     "new definitions; beyond that the old verdict counts.",
     SCAN(rescans)},
    {"scan.size-max", CONFIG_SIZE, 0, "0", 0, 2 * GIB, NULL,
     "Parts larger than this are unscannable; 0 is no such limit.",
     SCAN(size_max)},
    {"scan.user", CONFIG_SWITCH, 0, "on", 0, 0, NULL,
     "Whether the server is told the login (X-Authenticated-User).",
     SCAN(user)},
    {"scan.replacement", CONFIG_TEXT, 0,
     "\"The attachment {name} was removed here: it contained {threat}\"", 1,
     500, NULL,
     "The text in the place of a part that 'infected clean' took out; {name} "
     "and {threat} are filled in.",
     SCAN(replacement)},
    {"scan.subject", CONFIG_TEXT, 0, NULL, 1, 60, NULL,
     "What 'infected clean' puts before the message's subject.", SCAN(subject)},
    {"scan.quarantine", CONFIG_TIME, 0, "40d", 1 * HOUR, 3650 * DAY, NULL,
     "How long quarantined messages are kept.", SCAN(quarantine_ms)},
    {"scan.token-key", CONFIG_TOKEN, CONFIG_REPEAT, NULL, 1, 8, "keys",
     "A secret that gateways of one site share, under its name, so that what "
     "one of them found clean the others do not scan again; the file holds one "
     "line, the base64 of 32 to 128 random bytes.",
     SCAN(token_keys)},
    {"scan.token-sign", CONFIG_TEXT, 0, NULL, 1, 32, NULL,
     "The name of the key with which this gateway says so itself; without that "
     "it only believes the others.",
     SCAN(token_sign)},

    /* --- dkim --- */
    {"dkim.selector", CONFIG_SELECTOR, CONFIG_REQUIRED | CONFIG_REPEAT, NULL, 1,
     4, "keys",
     "A name below _domainkey in the domain's DNS, and the private key whose "
     "public half stands there, PEM: RSA of 2048 to 4096 bits, or Ed25519; "
     "each signs, and 'sluice dkim show' says what to publish.",
     DKIM(selectors)},
    {"dkim.lanes", CONFIG_CHOICE, 0, "all", 0, 0, NULL,
     "Whether all mail is signed, or mass mailings alone.",
     .choices = signed_lanes, DKIM(lanes)},
    {"dkim.subdomains", CONFIG_SWITCH, 0, "off", 0, 0, NULL,
     "Whether mail from the domains below it that have no block of their own "
     "is signed too.",
     DKIM(subdomains)},

    /* --- bulk --- */
    {"bulk.when", CONFIG_WHEN, CONFIG_REPEAT, NULL, 0, 1000000, NULL,
     "Mail is of a mass mailing when it has more recipients than this in one "
     "message, or the same text goes to more than this within a time; 0 is "
     "never.",
     BULK(when)},
    {"bulk.headers", CONFIG_SWITCH, 0, "off", 0, 0, NULL,
     "Whether a List-* field, or Precedence with bulk, list or junk, makes it "
     "one.",
     BULK(headers)},
    {"bulk.suffix", CONFIG_TEXT, 0, NULL, 1, 32, NULL,
     "What a sender adds to the login, behind a '+', to make it one.",
     BULK(suffix)},
    {"bulk.rate", CONFIG_PER_HOUR, 0, "none", 1, 100000000,
     "recipients an hour",
     "How fast each campaign goes, at most; 'sluice campaign rate' changes it "
     "for one.",
     BULK(rate)},
    {"bulk.connections", CONFIG_COUNT, 0, "0", 0, 100000, "connections",
     "How many connections each campaign has at once, at most; 0 is no such "
     "limit.",
     BULK(connections)},
    {"bulk.site-rate", CONFIG_PER_MIN, 0, "30/m", 1, 1000000,
     "recipients a minute", "How fast they go to one receiving site, at most.",
     BULK(site_rate)},
    {"bulk.site-connections", CONFIG_COUNT, 0, "3", 0, 10000, "connections",
     "Connections to one receiving site at once; 0 is as many as others have.",
     BULK(site_connections)},
    {"bulk.per-connection", CONFIG_COUNT, 0, "50", 0, 1000000, "messages",
     "Messages before a fresh connection is made; 0 is as many as others "
     "send.",
     BULK(per_connection)},
    {"bulk.reserved", CONFIG_PERCENT, 0, "70%", 1, 99, NULL,
     "The share of the connections that is kept for people's own mail.",
     BULK(reserved)},
    {"bulk.lookups", CONFIG_COUNT, 0, "0", 0, 10000, "domains",
     "Domains asked about at once for them; 0 is a quarter of "
     "'dns.in-flight'.",
     BULK(lookups)},
    {"bulk.retry", CONFIG_TIMES, 0, "15m 30m 1h 2h", 1 * SECOND, 7 * DAY, NULL,
     "The waits after the first, second and further failures; the last "
     "repeats.",
     BULK(retry)},
    {"bulk.expire", CONFIG_TIME, 0, "1d", 1 * SECOND, 30 * DAY, NULL,
     "When a recipient is given up.", BULK(expire_ms)},
    {"bulk.via", CONFIG_VIA, 0, NULL, 0, 0, NULL,
     "A next hop of their own, for what the default route would get.",
     BULK(via)},
    {"bulk.preflight", CONFIG_SWITCH, 0, "on", 0, 0, NULL,
     "Whether a campaign is looked at before its first delivery: what is "
     "wrong with it, and how long it will take.",
     BULK(preflight)},
    {"bulk.confirm", CONFIG_SWITCH, 0, "off", 0, 0, NULL,
     "Whether it then waits for 'sluice campaign resume'.", BULK(confirm)},
    {"bulk.stop", CONFIG_SHARES, CONFIG_REPEAT, "bounces 8% complaints 0.3%", 0,
     1000, NULL,
     "A campaign stops by itself when so many of its recipients bounced, or "
     "complained; 0% is never.",
     BULK(stop)},
    {"bulk.warn", CONFIG_SHARES, CONFIG_REPEAT, "bounces 4%", 0, 1000, NULL,
     "The same, for a warning in the log and to whom 'alert' names.",
     BULK(warn)},
    {"bulk.stop-min", CONFIG_COUNT, 0, "200", 1, 1000000, "recipients",
     "After so many recipients at the earliest.", BULK(stop_min)},
    {"bulk.guard", CONFIG_COUNT, 0, "4000", 0, 100000000, "recipients",
     "So many a day to the private mailboxes of one large provider, then the "
     "campaign stops and asks; who reaches 5,000 is for ever a bulk sender to "
     "them; 0 is never.",
     BULK(guard)},
    {"bulk.warm-up", CONFIG_COUNTS, 0, NULL, 1, 100000000, "recipients",
     "So many a day to one receiving site on the first, second and further "
     "days of a new address of ours; the last stays.",
     BULK(warmup)},
    {"bulk.warm-up-from", CONFIG_DATE, 0, NULL, 0, 0, NULL,
     "The first of these days.", BULK(warmup_from_wall_s)},
    {"bulk.keep", CONFIG_TIME, 0, "40d", 1 * HOUR, 3650 * DAY, NULL,
     "How long a campaign that has ended can be looked at.", BULK(keep_ms)},
    {"bulk.unsubscribe", CONFIG_TEXT, 0, NULL, 1, 500, NULL,
     "The https address where readers unsubscribe with one click, with "
     "{campaign} and {message} filled in; it is added, as List-Unsubscribe "
     "(RFC 8058), to mass mail that is signed and has none.",
     BULK(unsubscribe)},

    /* --- log --- */
    {"log.to", CONFIG_TARGET, 0, "stderr", 0, 0, NULL,
     "The place; under systemd stderr is the journal.", LOG(to)},
    {"log.format", CONFIG_CHOICE, 0, "logfmt", 0, 0, NULL,
     "key=value, or a JSON object a line.", .choices = log_formats,
     LOG(format)},
    {"log.level", CONFIG_CHOICE, 0, "info", 0, 0, NULL,
     "The least important lines that are written.", .choices = log_levels,
     LOG(level)},

    /* --- alert --- */
    {"alert.mail", CONFIG_MAIL, 0, NULL, 0, 0, NULL,
     "The address that is written to.", ALERT(mail)},
    {"alert.exec", CONFIG_PATH, 0, NULL, 0, 0, NULL, "The program that is run.",
     ALERT(exec)},
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

size_t
config_row_count(void)
{
	return ROWS;
}

const struct config_row *
config_row(size_t i)
{
	return &rows[i];
}

const char *
config_row_name(const struct config_row *row)
{
	const char *dot = strchr(row->path, '.');

	return dot != NULL ? dot + 1 : row->path;
}

bool
config_row_is_block(const struct config_row *row)
{
	return row->kind == CONFIG_BLOCK || row->kind == CONFIG_NAMED;
}

static bool
in_scope(const struct config_row *row, const char *scope, size_t n)
{
	const char *dot = strchr(row->path, '.');

	if (dot == NULL)
		return n == 0;
	return (size_t)(dot - row->path) == n &&
	       memcmp(row->path, scope, n) == 0;
}

bool
config_scope(const char *scope, size_t *first, size_t *count)
{
	size_t n = strlen(scope), at = 0;

	while (at < ROWS && !in_scope(&rows[at], scope, n))
		at++;
	*first = at;
	*count = 0;
	while (at < ROWS && in_scope(&rows[at], scope, n)) {
		at++;
		++*count;
	}
	return *count > 0;
}

const struct config_row *
config_row_find(const char *scope, const char *name)
{
	size_t first, count;

	config_scope(scope, &first, &count);
	for (size_t i = first; i < first + count; i++) {
		if (strcmp(config_row_name(&rows[i]), name) == 0)
			return &rows[i];
	}
	return NULL;
}
