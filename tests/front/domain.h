#ifndef TESTS_FRONT_DOMAIN_H
#define TESTS_FRONT_DOMAIN_H

#include "gateway/base/log.h"
#include "tests/front/world.h"
#include "tests/support/names.h"

/*
 * A front that asks a name server of the test about domains, and one client
 * that is logged in as alice.
 */

#define LETTER "Subject: x\r\n\r\nhello\r\n"
#define MAIL "MAIL FROM:<a@good.lab>"
#define OK "250 2.1.5 Recipient OK"
#define UNVERIFIED "250 2.1.5 OK (domain not yet verified)"
#define MX_LAB "@ 300 MX 10 mx.lab"
#define NOTHING "!lab 900 SOA 60"

static const struct dns_row zone[] = {
    {"good.lab", "MX", 0, DNS_ANSWERS, MX_LAB},
    {"fine.lab", "MX", 0, DNS_ANSWERS, MX_LAB},
    {"mx.lab", "A", 0, DNS_ANSWERS, "@ 300 A 203.0.114.5"},
    {"mx.lab", NULL, 0, DNS_ANSWERS, NOTHING},
    {"only-a.lab", "A", 0, DNS_ANSWERS, "@ 300 A 203.0.114.6"},
    {"only-a.lab", NULL, 0, DNS_ANSWERS, NOTHING},
    {"nothing.lab", NULL, 0, DNS_ANSWERS, NOTHING},
    {"null.lab", "MX", 0, DNS_ANSWERS, "@ 300 MX 0 ."},
    {"inside.lab", "MX", 0, DNS_ANSWERS, "@ 300 MX 10 mx.inside.lab"},
    {"mx.inside.lab", "A", 0, DNS_ANSWERS, "@ 300 A 10.0.0.1"},
    {"mx.inside.lab", NULL, 0, DNS_ANSWERS, NOTHING},
    {"fails.lab", NULL, 2, DNS_ANSWERS, NULL},
    {"xn--mller-kva.lab", "MX", 0, DNS_ANSWERS, MX_LAB},
    {"good.held.lab", "MX", 0, DNS_ANSWERS, MX_LAB},
    {"good2.held.lab", "MX", 0, DNS_ANSWERS, MX_LAB},
    {"good3.held.lab", "MX", 0, DNS_ANSWERS, MX_LAB},
};

static const char *const exempt[] = {"ours.test", ".sub.test", "example.com"};
static const struct domains_class classes[] = {
    {"bound", 0, UNVERIFIED_DEFER}, /* bob's */
};

static struct names *names;
static struct client client;

struct setting {
	uint32_t refuse_first; /* 0: 20 */
	int64_t wait_ms, wait_message_ms, idle_ms;
	const struct limit_rate *rate; /* of "person" */
	enum limit_action over;	       /* 0: reject */
};

static inline void
open_with(const struct setting *s)
{
	const struct domains_conf domains = {
	    .check = true,
	    .check_sender = true,
	    .refuse_first = s->refuse_first != 0 ? s->refuse_first : 20,
	    .classes = classes,
	    .class_count = 1,
	    .exempt = exempt,
	    .exempt_count = 3,
	};
	const struct limit_conf person = {
	    .name = "person",
	    .per = LIMIT_CRED,
	    .bits4 = 32,
	    .bits6 = 64,
	    .rates = s->rate,
	    .rate_count = 1,
	    .over = s->over != LIMIT_PASS ? s->over : LIMIT_REJECT,
	};
	const struct limits_conf limits = {.limits = &person,
					   .limit_count = s->rate != NULL};

	names = names_create(zone, sizeof(zone) / sizeof(zone[0]));
	world_open(&(struct world_conf){
	    .limits = &limits,
	    .domains = &domains,
	    .resolver = names_text(names),
	    .domain_wait_ms = s->wait_ms,
	    .domain_wait_message_ms = s->wait_message_ms,
	    .idle_ms = s->idle_ms,
	});
	client_login(&client, "alice");
	client_say(&client, "NOOP", "250");
}

/* Whoever waits waits for the test, not for the clock. */
static const struct setting patient = {.wait_ms = 60000,
				       .wait_message_ms = 60000};

static inline void
close_all(void)
{
	close(client.fd);
	world_close();
	names_destroy(&names);
}

static inline void
rcpt(const char *address, const char *want)
{
	char line[400];

	snprintf(line, sizeof(line), "RCPT TO:<%s>", address);
	client_say(&client, line, want);
}

static inline void
letter(const char *want)
{
	client_say(&client, "DATA", "354");
	client_send(&client, LETTER);
	client_say(&client, ".", want);
}

static inline struct front_status
status(void)
{
	struct front_status s;

	front_status_get(world.front, &s);
	return s;
}

/* Nothing has been answered, and the front has had the time to. */
static inline void
not_answered(struct client *c)
{
	static struct client other;

	client_open(&other);
	client_say(&other, "NOOP", "250");
	client_say(&other, "NOOP", "250");
	close(other.fd);
	ck_assert_int_eq(poll(&(struct pollfd){c->fd, POLLIN, 0}, 1, 0), 0);
}

#endif
