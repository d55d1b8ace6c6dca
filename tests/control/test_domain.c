/* Domains by command, with a resolver that the test scripts; and the watch over
 * the resolver, which is such a command's neighbour. */
#include "gateway/control/control_int.h"
#include "policy/audit.h"
#include "tests/control/ask.h"

static const struct dns_row names[] = {
    {"good.lab", "MX", .records = "@ 300 MX 10 mx.lab"},
    {"mx.lab", "A", .records = "@ 300 A 192.0.2.25"},
    {"gone.lab", .rcode = 3, .records = "!lab 60 SOA 60"},
    {"gmial.com", .rcode = 3, .records = "!com 60 SOA 60"},
    {"null.lab", "MX", .records = "@ 300 MX 0 ."},
    {"ill.lab", .rcode = 2},
};

static void
start(void)
{
	world_rows = names;
	world_row_count = sizeof(names) / sizeof(names[0]);
	world_start(true, NULL);
}

START_TEST(what_is_said)
{
	static const struct {
		const char *words;
		bool json;
		int exit;
		const char *out, *err;
	} rows[] = {
	    {"domain good.lab", false, 2, "",
	     "did you mean 'sluice domain show good.lab'?"},
	    {"domain show", false, 2, "", "NAME is missing"},
	    {"domain show good.lab", false, 0, "deliverable", ""},
	    {"domain show good.lab", false, 0, "at RCPT     accepted\n", ""},
	    {"domain show x@GOOD.lab.", true, 0,
	     "{\"domain\":\"good.lab\",\"verdict\":\"deliverable\"", ""},
	    {"domain show good.lab", true, 0,
	     "\"rcpt\":{\"action\":\"accept\"}", ""},
	    {"domain show gone.lab", false, 0,
	     "at RCPT     550 5.1.2 Domain gone.lab does not exist", ""},
	    {"domain show gone.lab", false, 0,
	     "among many  accepted and dropped", ""},
	    {"domain show gone.lab --class machine", true, 0,
	     "\"rcpt\":{\"action\":\"drop\"}", ""},
	    {"domain show gmial.com", false, 0, "did you mean gmail.com?", ""},
	    {"domain show null.lab", true, 0, "\"code\":556", ""},
	    {"domain show a.test", false, 0, "reserved", ""},
	    {"domain show a..b", false, 0, "verdict     dead", ""},
	    {"domain show ill.lab", false, 0, "unknown", ""},
	    {"domain show ill.lab", false, 0, "at RCPT     250 2.1.5 ", ""},
	    {"domain show ill.lab --class machine", false, 0,
	     "at RCPT     451 4.4.3 ", ""},
	    {"domain show example.com", false, 0,
	     "not asked   ours, or of a route of its own\n", ""},
	    {"domain show x.corp.lab", true, 0, "\"asked_about\":false", ""},

	    {"domain list", true, 0, "[]\n", ""},
	    {"domain allow", false, 2, "", "NAME is missing"},
	    {"domain allow a..b", false, 2, "", "'a..b' is no domain: exa"},
	    {"domain allow a.lab --for 2", false, 2, "", "--for takes how lo"},
	    {"domain allow Gone.LAB. --for 2h --reason new", false, 0,
	     "gone.lab: allowed until ", ""},
	    {"domain show gone.lab", false, 0, "not asked   allowed until ",
	     ""},
	    {"domain show gone.lab", false, 0, ": new\n", ""},
	    {"domain show gone.lab", true, 0, "\"why\":\"new\"", ""},
	    {"domain allow gone.lab", true, 0,
	     "{\"domain\":\"gone.lab\",\"result\":\"renewed\",\"until\":null,"
	     "\"durable\":true}\n",
	     ""},
	    {"domain allow .gone.lab", false, 0, ".gone.lab: allowed. DNS", ""},
	    {"domain show b.gone.lab", true, 0,
	     "\"allow\":{\"domain\":\".gone.lab\"", ""},
	    {"domain list", true, 0, "\"domain\":\".gone.lab\"", ""},
	    {"domain list", false, 0, "gone.lab                         -", ""},
	    {"domain remove gone.lab", false, 2, "",
	     "'sluice domain disallow gone.lab'?"},
	    {"domain disallow other.lab", false, 1, "",
	     "other.lab was not allowed ('sluice domain list')"},
	    {"domain disallow .gone.lab", true, 0, "\"disallowed\"", ""},
	    {"domain disallow gone.lab", false, 0,
	     "gone.lab: DNS is asked about it again.\n", ""},
	    {"domain list", false, 0, "", ""},

	    {"domain flush", false, 2, "", "name one domain, or --all"},
	    {"domain flush gone.lab --all", false, 2, "", "or --all"},
	    {"domain flush .gone.lab", false, 2, "", "is no domain"},
	    {"domain flush gone.lab", false, 0, "gone.lab: forgotten.\n", ""},
	    {"domain flush gone.lab", true, 0, "\"domains\":0", ""},
	    {"domain flush gone.lab", false, 0,
	     "gone.lab: nothing was known of it.\n", ""},
	    {"domain flush --all", false, 0, "Forgotten: ", ""},
	};

	start();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct answer a = command(rows[i].words, NULL, rows[i].json);

		ck_assert_msg(a.exit == rows[i].exit, "%s: %d %s",
			      rows[i].words, a.exit, buf_cstr(&a.err));
		ck_assert_msg(strstr(buf_cstr(&a.out), rows[i].out) != NULL,
			      "%s: %s", rows[i].words, buf_cstr(&a.out));
		ck_assert_msg(strstr(buf_cstr(&a.err), rows[i].err) != NULL,
			      "%s: %s", rows[i].words, buf_cstr(&a.err));
		ck_assert_msg(rows[i].err[0] != '\0' || a.err.n == 0, "%s: %s",
			      rows[i].words, buf_cstr(&a.err));
		answer_fini(&a);
	}
	world_stop();
}
END_TEST

/* --- what follows ----------------------------------------------------------
 */

static bool
add_audit(void *arg, const struct audit_entry *entry)
{
	buf_printf(arg, "%s|%s|%s\n", entry->command, entry->reason,
		   entry->effect);
	return true;
}

static bool
count_allow(void *arg, const struct domain_allow *allow)
{
	(void)allow;
	++*(unsigned *)arg;
	return true;
}

/* What a restart would find. */
static unsigned
on_disk(void)
{
	static const struct domains_conf conf;
	struct domains *domains = domains_create(&conf);
	unsigned count = 0;

	ck_assert_int_eq(domains_load(domains, world.spool.store), 0);
	domains_allow_each(domains, count_allow, &count);
	domains_destroy(&domains);
	return count;
}

START_TEST(durable_in_the_trail_and_due)
{
	struct buf trail = {.cap = 65536};

	start();
	expect("domain allow gone.lab --reason new", NULL, 0, "allowed");
	ck_assert_uint_eq(on_disk(), 1);
	ck_assert(!domains_asks(world.domains, SLICE_LIT("gone.lab"),
				clock_wall_s()));
	ck_assert_uint_eq(world.back.flush_count, 1);
	ck_assert_str_eq(world.back.flush_domain, "gone.lab");
	expect("domain allow .b.lab", NULL, 0, "allowed");
	ck_assert_str_eq(world.back.flush_domain, ""); /* all is looked at */
	expect("domain disallow gone.lab", NULL, 0, "asked");
	ck_assert_uint_eq(on_disk(), 1);
	ck_assert_uint_eq(world.back.flush_count, 2);
	expect("domain show gone.lab", NULL, 0, "dead");
	expect("domain flush gone.lab --reason registered", NULL, 0, "forg");
	ck_assert_uint_eq(world.flushed_count, 1);
	ck_assert_uint_eq(world.back.flush_count, 3);
	expect("domain flush --all", NULL, 0, "0 domains");
	ck_assert_uint_eq(world.back.flush_count, 3);
	audit_each(world.spool.store, 0, 100, add_audit, &trail);
	ck_assert_str_eq(buf_cstr(&trail),
			 "domain flush --all||0 forgotten\n"
			 "domain flush gone.lab --reason registered|"
			 "registered|1 forgotten\n"
			 "domain disallow gone.lab||asked about again\n"
			 "domain allow .b.lab||allowed\n"
			 "domain allow gone.lab --reason new|new|allowed\n");
	buf_fini(&trail);
	world_stop();
}
END_TEST

START_TEST(not_durable)
{
	start();
	world.spool.change_err = GW_EIO;
	expect("domain allow gone.lab", NULL, 1, "in force, but not durable");
	ck_assert(!domains_asks(world.domains, SLICE_LIT("gone.lab"),
				clock_wall_s()));
	ck_assert_uint_eq(on_disk(), 0);
	world_stop();
}
END_TEST

/* Who asks and leaves takes the question along; the next one is asked. */
START_TEST(asker_leaves)
{
	static const struct dns_row silent[] = {
	    {"never.lab", .manner = DNS_SILENT}};
	int fd;

	world_rows = silent;
	world_row_count = 1;
	world_start(true, NULL);
	fd = dial();
	ask(fd, "domain show never.lab", NULL, false, false);
	/* the probe's two, and this one's */
	TURN_UNTIL(world.loop, dns_server_udp_count(world.names) >= 3);
	close(fd);
	expect("status", NULL, 0, "resolver     127.0.0.1:");
	expect("domain show never.lab", NULL, 0, "unknown");
	world_stop();
}
END_TEST

START_TEST(nothing_known_of_domains)
{
	static const char *const words[] = {
	    "domain show a.lab", "domain allow a.lab", "domain disallow a.lab",
	    "domain flush --all", "domain list"};

	world_rows = NULL;
	world_start(true, NULL);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		expect(words[i], NULL, 1, "knows nothing of domains");
	expect("status", NULL, 0, "resolver     not asked");
	world_stop();
}
END_TEST

/* --- the watch ------------------------------------------------------------ */

static struct resolver_status
watch(const struct dns_row *rows, size_t count, bool rewrites)
{
	struct resolver_status status;

	world_rows = rows;
	world_row_count = count;
	world_start(true, NULL);
	TURN_UNTIL(world.loop, dns_server_udp_count(world.names) >= 2);
	/* A moment for the answers; as long as it takes where one is bad. */
	for (int i = 0; i < 50; i++) {
		loop_turn(world.loop);
		usleep(1000);
	}
	TURN_UNTIL(world.loop, (resolver_get(world.control->resolver, &status),
				status.rewrites || !rewrites));
	return status;
}

START_TEST(probe)
{
	static const struct {
		const char *label;
		struct dns_row row;
		bool rewrites;
		const char *found;
	} rows[] = {
	    {"honest", {"none", .rcode = 3}, false, ""},
	    {"every name has an address",
	     {"*", "A", .records = "@ 60 A 192.0.2.80"},
	     true,
	     "A 192.0.2.80"},
	    {"every name has an MX",
	     {"*", "MX", .records = "@ 60 MX 10 trap.example"},
	     true,
	     "MX trap.example"},
	    {"failing", {"*", .rcode = 2}, false, ""},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct resolver_status status =
		    watch(&rows[i].row, 1, rows[i].rewrites);

		ck_assert_msg(status.asks && status.servers.all_loopback, "%s",
			      rows[i].label);
		ck_assert_msg(status.rewrites == rows[i].rewrites, "%s",
			      rows[i].label);
		ck_assert_str_eq(status.found, rows[i].found);
		if (rows[i].rewrites)
			expect("status", NULL, 0, "REWRITES NXDOMAIN\n");
		world_stop();
	}
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
	    what_is_said, durable_in_the_trail_and_due, not_durable,
	    asker_leaves, nothing_known_of_domains,	probe};

	return RUN_TESTS("control/domain", tests);
}
