#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/address.h"
#include "gateway/base/error.h"
#include "policy/domains_int.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NOW 1800000000

static const char *const exempt[] = {"example.com", ".example.com", "intranet",
				     ".corp.test", "posteo.de"};
static const struct domains_class classes[] = {
    {"bulk", 0, -1},
    {"robot", -1, UNVERIFIED_DEFER},
    {"strict", 100000, UNVERIFIED_ACCEPT},
};
static const struct domains_conf conf = {
    .check = true,
    .check_sender = true,
    .refuse_first = 20,
    .unverified = UNVERIFIED_ACCEPT,
    .classes = classes,
    .class_count = COUNT(classes),
    .exempt = exempt,
    .exempt_count = COUNT(exempt),
};

static struct domain_allow
allow_of(const char *domain, int64_t until_wall_s)
{
	struct domain_allow allow = {.until_wall_s = until_wall_s,
				     .since_wall_s = NOW};

	ck_assert_uint_lt(strlen(domain), sizeof(allow.domain));
	strcpy(allow.domain, domain);
	strcpy(allow.by, "root");
	return allow;
}

static int
add(struct domains *domains, const char *domain, int64_t until_wall_s)
{
	struct domain_allow allow = allow_of(domain, until_wall_s);
	struct domain_change *change;
	int err = domains_allow_add(domains, &allow, &change);

	ck_assert_int_eq(err == 0, change != NULL);
	domain_change_free(&change);
	return err;
}

static int
del(struct domains *domains, const char *domain)
{
	struct domain_change *change;
	int err = domains_allow_del(domains, slice_str(domain), &change);

	ck_assert_int_eq(err == 0, change != NULL);
	domain_change_free(&change);
	return err;
}

/* --- which are asked about -------------------------------------------------
 */

struct ask_row {
	const char *domain;
	bool asked;
};

static const struct ask_row ask_rows[] = {
    {"other.example", true},
    {"com", true},
    {"", false},
    /* of the configuration; ".b" is below b */
    {"example.com", false},
    {"a.example.com", false},
    {"a.b.c.example.com", false},
    {"aexample.com", true},
    {"example.com.au", true},
    {"intranet", false},
    {"a.intranet", true},
    {"corp.test", true},
    {"a.corp.test", false},
    {".corp.test", true}, /* no name */
    /* allowed; ".b" is b, too */
    {"ally.example", false},
    {"a.ally.example", true},
    {"below.example", false},
    {"a.b.below.example", false},
    {"xbelow.example", true},
    {"soon.example", false},
    {"over.example", true},
    {"a.half.example", false}, /* over itself, but below what is not */
    {"half.example", false},
    /* no names */
    {"[192.0.2.1]", true},
    {"a..example.com", false},
    {".", true},
    {"\xff\x01", true},
};

static struct domains *
make(void)
{
	struct domains *domains = domains_create(&conf);

	ck_assert_int_eq(add(domains, "ally.example", 0), 0);
	ck_assert_int_eq(add(domains, ".below.example", 0), 0);
	ck_assert_int_eq(add(domains, "soon.example", NOW + 1), 0);
	ck_assert_int_eq(add(domains, "over.example", NOW), 0);
	ck_assert_int_eq(add(domains, "a.half.example", NOW - 1), 0);
	ck_assert_int_eq(add(domains, ".half.example", 0), 0);
	return domains;
}

START_TEST(test_asks)
{
	const struct ask_row *row = &ask_rows[_i];
	struct domains *domains = make();
	struct slice domain = slice_str(row->domain);

	ck_assert_msg(domains_asks(domains, domain, NOW) == row->asked, "%s",
		      row->domain);
	ck_assert_msg(domains_asks_sender(domains, domain, NOW) == row->asked,
		      "%s: sender", row->domain);
	domains_destroy(&domains);
	ck_assert_ptr_null(domains);
	domains_destroy(&domains);
}
END_TEST

/* What address_domain_covers says of each rule is what the hash finds. */
START_TEST(test_asks_as_the_rules_say)
{
	static const char *const labels[] = {"a", "b", "example", "com",
					     "test"};
	struct domains *domains = domains_create(&conf);
	unsigned state = 7;

	for (unsigned round = 0; round < 20000; round++) {
		struct buf name = {.cap = 255};
		bool covered = false;

		for (unsigned n = 1 + round % 5; n > 0; n--) {
			state = state * 1103515245u + 12345u;
			buf_add_str(&name,
				    labels[(state >> 16) % COUNT(labels)]);
			if (n > 1)
				buf_add_byte(&name, '.');
		}
		for (size_t i = 0; i < COUNT(exempt); i++)
			covered |= address_domain_covers(slice_str(exempt[i]),
							 buf_slice(&name));
		ck_assert_msg(domains_asks(domains, buf_slice(&name), NOW) ==
				  !covered,
			      "%s", buf_cstr(&name));
		buf_fini(&name);
	}
	domains_destroy(&domains);
}
END_TEST

START_TEST(test_long_names)
{
	char name[1024];
	struct domains *domains = make();

	memset(name, 'a', sizeof(name));
	for (size_t n = 250; n < sizeof(name); n += n < 260 ? 1 : 100)
		ck_assert(domains_asks(domains, slice_of(name, n), NOW));
	for (size_t i = 1; i < sizeof(name); i += 2)
		name[i] = '.';
	for (size_t n = 250; n < sizeof(name); n += n < 260 ? 1 : 100)
		ck_assert(domains_asks(domains, slice_of(name, n), NOW));
	domains_destroy(&domains);
}
END_TEST

struct switch_row {
	const char *label;
	bool check, check_sender, asks, asks_sender;
};

static const struct switch_row switch_rows[] = {
    {"both", true, true, true, true},
    {"recipients alone", true, false, true, false},
    {"off", false, false, false, false},
    {"off is off for senders", false, true, false, false},
};

START_TEST(test_switches)
{
	const struct switch_row *row = &switch_rows[_i];
	struct domains_conf c = {.check = row->check,
				 .check_sender = row->check_sender};
	struct domains *domains = domains_create(&c);
	struct slice domain = SLICE_LIT("a.example");

	ck_assert_msg(domains_asks(domains, domain, NOW) == row->asks, "%s",
		      row->label);
	ck_assert_msg(domains_asks_sender(domains, domain, NOW) ==
			  row->asks_sender,
		      "%s", row->label);
	domains_reload(domains, &conf);
	ck_assert(domains_asks(domains, domain, NOW));
	ck_assert(!domains_asks(domains, SLICE_LIT("intranet"), NOW));
	domains_reload(domains, &c);
	ck_assert_msg(domains_asks(domains, SLICE_LIT("intranet"), NOW) ==
			  row->asks,
		      "%s: after a reload", row->label);
	domains_destroy(&domains);
}
END_TEST

/* --- what a verdict means ----------------------------------------------------
 */

struct decide_row {
	const char *label, *class;
	enum domain_verdict verdict;
	enum domain_reason reason;
	const char *domain;
	uint32_t position;
	enum domain_action action;
	bool dead;
	int code;
	const char *enhanced, *text;
};

#define OK_TEXT 250, "2.1.5", "Recipient OK"

static const struct decide_row decide_rows[] = {
    {"fine", NULL, DOMAIN_DELIVERABLE, DOMAIN_WHY_MX, "a.example", 0,
     DOMAIN_ACCEPT, false, OK_TEXT},
    {"fine, by its address", "robot", DOMAIN_DELIVERABLE, DOMAIN_WHY_ADDRESS,
     "a.example", 99, DOMAIN_ACCEPT, false, OK_TEXT},
    {"no such name", NULL, DOMAIN_DEAD, DOMAIN_WHY_NXDOMAIN, "a.example", 0,
     DOMAIN_REFUSE, true, 550, "5.1.2", "Domain a.example does not exist"},
    {"a slip", NULL, DOMAIN_DEAD, DOMAIN_WHY_NXDOMAIN, "gmial.com", 0,
     DOMAIN_REFUSE, true, 550, "5.1.2",
     "Domain gmial.com does not exist; did you mean gmail.com?"},
    {"a slip for our own", NULL, DOMAIN_DEAD, DOMAIN_WHY_NXDOMAIN,
     "exmaple.com", 0, DOMAIN_REFUSE, true, 550, "5.1.2",
     "Domain exmaple.com does not exist; did you mean example.com?"},
    {"what exists is no slip", NULL, DOMAIN_DEAD, DOMAIN_WHY_NO_RECORDS,
     "gmial.com", 0, DOMAIN_REFUSE, true, 550, "5.1.2",
     "Domain gmial.com has no mail server"},
    {"no records", NULL, DOMAIN_DEAD, DOMAIN_WHY_NO_RECORDS, "a.example", 19,
     DOMAIN_REFUSE, true, 550, "5.1.2", "Domain a.example has no mail server"},
    {"dead for no known reason", NULL, DOMAIN_DEAD, DOMAIN_WHY_NONE,
     "a.example", 0, DOMAIN_REFUSE, true, 550, "5.1.2",
     "Domain a.example has no mail server"},
    {"no name: no sign of anything", NULL, DOMAIN_DEAD, DOMAIN_WHY_BAD_NAME,
     "a..example", 0, DOMAIN_REFUSE, false, 550, "5.1.2",
     "a..example is not a domain name"},
    {"bytes that no reply may hold", NULL, DOMAIN_DEAD, DOMAIN_WHY_BAD_NAME,
     "a\r\n250 \x7f\xc3\xa9{hint}", 0, DOMAIN_REFUSE, false, 550, "5.1.2",
     "a??250????{hint} is not a domain name"},
    {"null MX", NULL, DOMAIN_REFUSES, DOMAIN_WHY_NULL_MX, "a.example", 0,
     DOMAIN_REFUSE, false, 556, "5.1.10",
     "Domain a.example does not accept mail"},
    {"reserved", NULL, DOMAIN_RESERVED, DOMAIN_WHY_SPECIAL_USE, "a.test", 0,
     DOMAIN_REFUSE, false, 550, "5.1.2",
     "a.test is a reserved name and cannot receive mail"},
    {"to nowhere", NULL, DOMAIN_UNROUTABLE, DOMAIN_WHY_NOT_PUBLIC, "a.example",
     0, DOMAIN_REFUSE, false, 550, "5.4.4",
     "Domain a.example has no usable mail server"},
    {"to us", NULL, DOMAIN_UNROUTABLE, DOMAIN_WHY_SELF, "a.example", 0,
     DOMAIN_REFUSE, false, 550, "5.4.4",
     "Domain a.example has no usable mail server"},
    /* never dead */
    {"SERVFAIL", NULL, DOMAIN_UNKNOWN, DOMAIN_WHY_FAILED, "a.example", 0,
     DOMAIN_PROVISIONAL, false, 250, "2.1.5", "OK (domain not yet verified)"},
    {"time-out, late in the message", NULL, DOMAIN_UNKNOWN, DOMAIN_WHY_TIMEOUT,
     "a.example", 5000, DOMAIN_PROVISIONAL, false, 250, "2.1.5",
     "OK (domain not yet verified)"},
    {"a cap of ours", "bulk", DOMAIN_UNKNOWN, DOMAIN_WHY_BUSY, "a.example", 0,
     DOMAIN_PROVISIONAL, false, 250, "2.1.5", "OK (domain not yet verified)"},
    {"unknown although a reason says dead", NULL, DOMAIN_UNKNOWN,
     DOMAIN_WHY_NXDOMAIN, "a.example", 0, DOMAIN_PROVISIONAL, false, 250,
     "2.1.5", "OK (domain not yet verified)"},
    {"one that retries", "robot", DOMAIN_UNKNOWN, DOMAIN_WHY_FAILED,
     "a.example", 0, DOMAIN_DEFER, false, 451, "4.4.3",
     "Domain a.example cannot be verified now, try again later"},
    /* from the 21st on */
    {"the 20th", NULL, DOMAIN_DEAD, DOMAIN_WHY_NXDOMAIN, "a.example", 19,
     DOMAIN_REFUSE, true, 550, "5.1.2", "Domain a.example does not exist"},
    {"the 21st", NULL, DOMAIN_DEAD, DOMAIN_WHY_NXDOMAIN, "gmial.com", 20,
     DOMAIN_DROP, true, OK_TEXT},
    {"the last there can be", NULL, DOMAIN_DEAD, DOMAIN_WHY_NO_RECORDS,
     "a.example", UINT32_MAX, DOMAIN_DROP, true, OK_TEXT},
    {"no name, later", NULL, DOMAIN_DEAD, DOMAIN_WHY_BAD_NAME, "a..b", 20,
     DOMAIN_DROP, false, OK_TEXT},
    {"null MX, later", NULL, DOMAIN_REFUSES, DOMAIN_WHY_NULL_MX, "a.example",
     20, DOMAIN_DROP, false, OK_TEXT},
    {"reserved, later", NULL, DOMAIN_RESERVED, DOMAIN_WHY_SPECIAL_USE, "a.test",
     20, DOMAIN_DROP, false, OK_TEXT},
    {"to nowhere, later", NULL, DOMAIN_UNROUTABLE, DOMAIN_WHY_NO_ADDRESS,
     "a.example", 20, DOMAIN_DROP, false, OK_TEXT},
    {"a class that is never refused", "bulk", DOMAIN_DEAD, DOMAIN_WHY_NXDOMAIN,
     "a.example", 0, DOMAIN_DROP, true, OK_TEXT},
    {"a class that always is", "strict", DOMAIN_DEAD, DOMAIN_WHY_NXDOMAIN,
     "a.example", 99999, DOMAIN_REFUSE, true, 550, "5.1.2",
     "Domain a.example does not exist"},
    {"a class that says nothing of it", "robot", DOMAIN_DEAD,
     DOMAIN_WHY_NXDOMAIN, "a.example", 20, DOMAIN_DROP, true, OK_TEXT},
    {"a class nobody names", "x", DOMAIN_DEAD, DOMAIN_WHY_NXDOMAIN, "a.example",
     20, DOMAIN_DROP, true, OK_TEXT},
};

START_TEST(test_decide)
{
	const struct decide_row *row = &decide_rows[_i];
	const struct domain_fact fact = {.verdict = row->verdict,
					 .reason = row->reason};
	struct domains *domains = domains_create(&conf);
	struct domain_decision decision;
	struct reply reply;
	bool refusal;

	memset(&decision, 0xff, sizeof(decision));
	domains_decide(domains, row->class, &fact, slice_str(row->domain),
		       row->position, &decision);
	ck_assert_msg(decision.action == row->action, "%s: action %d",
		      row->label, decision.action);
	ck_assert_msg(decision.dead == row->dead, "%s: dead", row->label);
	ck_assert_msg(
	    decision.action == DOMAIN_ACCEPT ||
		(decision.reply.code == row->code &&
		 strcmp(decision.reply.enhanced, row->enhanced) == 0 &&
		 strcmp(decision.reply.text, row->text) == 0),
	    "%s: %d %s %s", row->label, decision.reply.code,
	    decision.reply.enhanced, decision.reply.text);
	/* what a report says of it does not depend on where it stood */
	refusal =
	    domains_refusal(domains, &fact, slice_str(row->domain), &reply);
	ck_assert_msg(refusal == (row->action == DOMAIN_REFUSE ||
				  row->action == DOMAIN_DROP),
		      "%s: report", row->label);
	if (refusal)
		ck_assert_msg(reply.code >= 550, "%s: report", row->label);
	if (row->action == DOMAIN_REFUSE)
		ck_assert_str_eq(reply.text, row->text);
	domains_destroy(&domains);
}
END_TEST

START_TEST(test_a_long_name_is_cut)
{
	const struct domain_fact fact = {.verdict = DOMAIN_DEAD,
					 .reason = DOMAIN_WHY_BAD_NAME};
	struct domains *domains = domains_create(&conf);
	struct domain_decision decision;
	char name[2000];

	memset(name, 'a', sizeof(name));
	domains_decide(domains, NULL, &fact, slice_of(name, sizeof(name)), 0,
		       &decision);
	ck_assert_str_eq(decision.reply.text + 100, " is not a domain name");
	domains_destroy(&domains);
}
END_TEST

struct sender_row {
	const char *label;
	enum domain_verdict verdict;
	enum domain_reason reason;
	bool refused;
};

static const struct sender_row sender_rows[] = {
    {"fine", DOMAIN_DELIVERABLE, DOMAIN_WHY_MX, false},
    {"no such name", DOMAIN_DEAD, DOMAIN_WHY_NXDOMAIN, true},
    {"no name", DOMAIN_DEAD, DOMAIN_WHY_BAD_NAME, true},
    {"it exists, and that is enough", DOMAIN_DEAD, DOMAIN_WHY_NO_RECORDS,
     false},
    {"null MX", DOMAIN_REFUSES, DOMAIN_WHY_NULL_MX, false},
    {"a device", DOMAIN_RESERVED, DOMAIN_WHY_SPECIAL_USE, false},
    {"to nowhere", DOMAIN_UNROUTABLE, DOMAIN_WHY_NO_ADDRESS, false},
    {"unknown", DOMAIN_UNKNOWN, DOMAIN_WHY_TIMEOUT, false},
};

START_TEST(test_sender)
{
	const struct sender_row *row = &sender_rows[_i];
	const struct domain_fact fact = {.verdict = row->verdict,
					 .reason = row->reason};
	struct domains *domains = domains_create(&conf);
	struct domain_decision decision;

	domains_decide_sender(domains, &fact, SLICE_LIT("b@a.example"),
			      &decision);
	ck_assert_msg(decision.action ==
			  (row->refused ? DOMAIN_REFUSE : DOMAIN_ACCEPT),
		      "%s", row->label);
	ck_assert(!decision.dead);
	if (row->refused) {
		ck_assert_str_eq(decision.reply.text,
				 "Your sender address b@a.example has a domain "
				 "that does not exist");
		ck_assert_int_eq(decision.reply.code, 550);
		ck_assert_str_eq(decision.reply.enhanced, "5.1.8");
	}
	domains_destroy(&domains);
}
END_TEST

/* --- new dead domains
 * ------------------------------------------------------------ */

struct met_row {
	const char *label, *cred, *domain;
	int64_t at_s;
	bool is_new;
};

static const struct met_row met_rows[] = {
    {"first", "bob", "a.example", 0, true},
    {"again", "bob", "a.example", 1, false},
    {"another login", "eve", "a.example", 1, true},
    {"another domain", "bob", "b.example", 2, true},
    {"not the same bytes together", "boba", ".example", 3, true},
    {"just within a day", "bob", "a.example", 86399, false},
    {"a day is over", "bob", "a.example", 86400, true},
    {"and begins anew", "bob", "a.example", 86400 + 86399, false},
    {"the clock was set back", "bob", "a.example", 86390, false},
    {"far back", "bob", "a.example", -1000000, true},
    {"nobody", NULL, "a.example", 0, true},
};

START_TEST(test_dead_is_new)
{
	struct domains *domains = domains_create(&conf);

	for (size_t i = 0; i < COUNT(met_rows); i++) {
		const struct met_row *row = &met_rows[i];

		ck_assert_msg(domains_dead_is_new(
				  domains, row->cred, slice_str(row->domain),
				  NOW + row->at_s) == row->is_new,
			      "%s", row->label);
	}
	domains_destroy(&domains);
}
END_TEST

static bool
met(struct domains *domains, unsigned number)
{
	char name[32];

	snprintf(name, sizeof(name), "d%u.example", number);
	return domains_dead_is_new(domains, "bob", slice_str(name),
				   NOW + number / 1000);
}

START_TEST(test_dead_is_bounded)
{
	struct domains *domains = domains_create(&conf);
	unsigned most = SEEN_SETS * SEEN_WAYS, known = 0, again = 0;

	for (unsigned i = 0; i < most / 4; i++)
		ck_assert(met(domains, i));
	for (unsigned i = 0; i < most / 4; i++)
		known += !met(domains, i);
	/* sets fill unevenly */
	ck_assert_uint_gt(known, most / 4 * 99 / 100);
	for (unsigned i = 0; i < most * 4; i++)
		met(domains, most + i);
	for (unsigned i = 0; i < most / 4; i++)
		again += met(domains, i);
	ck_assert_uint_gt(again, most / 4 * 98 / 100);
	/* the newest are still there */
	known = 0;
	for (unsigned i = most * 5 - 1000; i < most * 5; i++)
		known += !met(domains, i);
	ck_assert_uint_gt(known, 950);
	domains_destroy(&domains);
}
END_TEST

/* --- threads
 * ---------------------------------------------------------------------- */

enum { THREADS = 4, ROUNDS = 3000 };

static struct domains *shared;
static atomic_uint news;

/* What stands in every configuration is always so. */
static void *
ask_all(void *arg)
{
	const struct domain_fact dead = {.verdict = DOMAIN_DEAD,
					 .reason = DOMAIN_WHY_NXDOMAIN};
	struct domain_decision decision;
	char name[32];

	(void)arg;
	for (int i = 0; i < ROUNDS; i++) {
		ck_assert(!domains_asks(shared, SLICE_LIT("intranet"), NOW));
		ck_assert(!domains_asks(shared, SLICE_LIT("x.ally"), NOW));
		ck_assert(domains_asks(shared, SLICE_LIT("b.example"), NOW));
		domains_asks_sender(shared, SLICE_LIT("soon.example"), NOW + i);
		domains_decide(shared, "bulk", &dead, SLICE_LIT("gmial.com"), 1,
			       &decision);
		ck_assert(decision.dead);
		ck_assert(decision.action == DOMAIN_REFUSE ||
			  decision.action == DOMAIN_DROP);
		snprintf(name, sizeof(name), "d%d.example", i);
		if (domains_dead_is_new(shared, "bob", slice_str(name), NOW))
			atomic_fetch_add(&news, 1);
	}
	return NULL;
}

static bool
see(void *arg, const struct domain_allow *allow)
{
	*(size_t *)arg += allow->domain[0] != '\0';
	return true;
}

START_TEST(test_threads)
{
	struct domains_conf other = conf;
	pthread_t threads[THREADS];
	size_t listed;

	other.class_count = 0;
	other.exempt = exempt + 2;
	other.exempt_count = 1;
	shared = domains_create(&conf);
	atomic_store(&news, 0);
	ck_assert_int_eq(add(shared, ".ally", 0), 0);
	for (size_t i = 0; i < THREADS; i++)
		ck_assert_int_eq(
		    pthread_create(&threads[i], NULL, ask_all, NULL), 0);
	for (int i = 0; i < 300; i++) {
		struct domain_change *gone;

		domains_reload(shared, i % 2 == 0 ? &other : &conf);
		ck_assert_int_eq(add(shared, "soon.example", NOW + i), 0);
		ck_assert_int_eq(add(shared, "brief.example", 0), 0);
		listed = 0;
		domains_allow_each(shared, see, &listed);
		ck_assert_uint_eq(listed, 3);
		ck_assert_int_eq(del(shared, "brief.example"), 0);
		gone = domains_allow_expire(shared, NOW + i);
		ck_assert_ptr_nonnull(gone);
		domain_change_free(&gone);
	}
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	/* each was new once */
	ck_assert_uint_eq(atomic_load(&news), ROUNDS);
	domains_destroy(&shared);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("domains");
	TCase *tcase = tcase_create("all");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tcase, test_asks, 0, COUNT(ask_rows));
	tcase_add_test(tcase, test_asks_as_the_rules_say);
	tcase_add_test(tcase, test_long_names);
	tcase_add_loop_test(tcase, test_switches, 0, COUNT(switch_rows));
	tcase_add_loop_test(tcase, test_decide, 0, COUNT(decide_rows));
	tcase_add_test(tcase, test_a_long_name_is_cut);
	tcase_add_loop_test(tcase, test_sender, 0, COUNT(sender_rows));
	tcase_add_test(tcase, test_dead_is_new);
	tcase_add_test(tcase, test_dead_is_bounded);
	tcase_add_test(tcase, test_threads);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
