#include "policy/top.h"
#include "policy/top_int.h"
#include "tests/policy/help.h"

#define NOW INT64_C(1795302300) /* the start of a minute */

static struct top *top;

static void
setup(void)
{
	top = top_create();
}

static void
teardown(void)
{
	top_destroy(&top);
	ck_assert_ptr_null(top);
}

static struct ip_addr
ip_of(const char *text)
{
	struct ip_addr ip = {{0}};

	ck_assert_int_eq(ip_parse(slice_str(text), &ip), 0);
	return ip;
}

static void
mail(const char *cred, const char *ip, const char *from, const char *domain,
     int64_t now_wall_s)
{
	struct slice to = slice_str(domain);
	struct top_message m = {.cred = cred,
				.ip = ip_of(ip),
				.from = slice_str(from),
				.domains = &to,
				.recipient_count = 1};

	top_accepted(top, &m, now_wall_s);
}

static struct top_line
first(enum top_by by, unsigned window_min, int64_t now_wall_s)
{
	struct top_line line = {.name = ""};

	top_get(top, by, window_min, now_wall_s, &line, 1);
	return line;
}

START_TEST(the_rotated_from_of_one_login)
{
	struct top_line lines[20];

	/* Seed 4: 500 mails of one login, each from another FROM, from 40
	 * addresses; others send a little. */
	for (int i = 0; i < 500; i++) {
		char from[64], ip[32];

		snprintf(from, sizeof(from), "x%d@forged%d.example", i, i % 7);
		snprintf(ip, sizeof(ip), "203.0.113.%d", i % 40);
		mail("virus", ip, from, "dead.example", NOW - i);
		if (i % 50 == 0)
			mail("bob", "192.0.2.1", "bob@example.com", "a.example",
			     NOW - i);
	}
	ck_assert_uint_eq(top_get(top, TOP_CRED, 10, NOW, lines, 20), 2);
	ck_assert_str_eq(lines[0].name, "virus");
	ck_assert_uint_eq(lines[0].messages, 500);
	ck_assert_uint_eq(lines[0].recipients, 500);
	ck_assert_uint_eq(lines[0].froms, 500);
	ck_assert_uint_eq(lines[0].ips, 40);
	ck_assert(!lines[0].froms_more && !lines[0].ips_more);
	ck_assert_int_eq(lines[0].since_wall_s, 0);
	ck_assert_str_eq(lines[1].name, "bob");
	ck_assert_uint_eq(lines[1].messages, 10);
	ck_assert_uint_eq(lines[1].froms, 1);
	ck_assert_uint_eq(top_get(top, TOP_IP, 10, NOW, lines, 20), 20);
	ck_assert_uint_eq(top_get(top, TOP_FROM, 10, NOW, lines, 1), 1);
	ck_assert_str_eq(lines[0].name, "bob@example.com");
	lines[0] = first(TOP_DOMAIN, 10, NOW);
	ck_assert_str_eq(lines[0].name, "dead.example");
	ck_assert_uint_eq(lines[0].creds, 1);
	ck_assert_uint_eq(lines[0].froms, 500);
	ck_assert_uint_eq(lines[0].ips, 40);
}
END_TEST

START_TEST(windows_slide)
{
	static const struct {
		const char *label;
		unsigned window_min;
		int64_t at;
		uint64_t messages, froms;
	} rows[] = {
	    {"only this minute", 0, NOW + 1200, 1, 1},
	    {"and the one before", 1, NOW + 1200, 2, 2},
	    {"ten", 10, NOW + 1200, 11, 4},
	    {"all", 60, NOW + 1200, 21, 4},
	    {"more than there is", 6000, NOW + 1200, 21, 4},
	    {"a minute later", 1, NOW + 1260, 1, 1},
	    {"two minutes later", 1, NOW + 1320, 0, 0},
	    {"an hour after the first", 60, NOW + 3600, 21, 4},
	    {"a minute more", 60, NOW + 3660, 20, 4},
	    {"an hour after the last", 60, NOW + 4800, 1, 1},
	    {"long silent", 60, NOW + 1000000, 0, 0},
	};

	/* one a minute, with four FROMs in turn */
	for (int i = 0; i <= 20; i++) {
		char from[32];

		snprintf(from, sizeof(from), "f%d@example.com", i % 4);
		mail("bob", "192.0.2.1", from, "a.example",
		     NOW + INT64_C(60) * i);
	}
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct top_line line =
		    first(TOP_CRED, rows[i].window_min, rows[i].at);

		ck_assert_msg(line.messages == rows[i].messages, "%s: %llu",
			      rows[i].label, (unsigned long long)line.messages);
		ck_assert_msg(line.froms == rows[i].froms, "%s: %llu",
			      rows[i].label, (unsigned long long)line.froms);
	}
}
END_TEST

START_TEST(names_that_are_one)
{
	struct top_line lines[9];

	mail("bob", "2001:db8::1", "Bob@Example.com", "A.example.", NOW);
	mail("bob", "2001:db8::2", "bob@example.COM", "a.EXAMPLE", NOW);
	mail("bob", "2001:db8:0:1::", "", "a.example", NOW);
	ck_assert_uint_eq(top_get(top, TOP_FROM, 1, NOW, lines, 9), 2);
	ck_assert_str_eq(lines[0].name, "bob@example.com");
	ck_assert_uint_eq(lines[0].ips, 1);
	ck_assert_str_eq(lines[1].name, "<>");
	ck_assert_uint_eq(top_get(top, TOP_IP, 1, NOW, lines, 9), 2);
	ck_assert_str_eq(lines[0].name, "2001:db8::/64");
	ck_assert_uint_eq(lines[0].messages, 2);
	ck_assert_uint_eq(top_get(top, TOP_DOMAIN, 1, NOW, lines, 9), 1);
	ck_assert_uint_eq(lines[0].messages, 3);
	ck_assert_uint_eq(lines[0].froms, 2);
}
END_TEST

START_TEST(recipients_and_their_domains)
{
	enum { N = 3000 };
	static struct slice domains[N];
	static char names[7][16];
	struct top_message m = {.cred = "bob",
				.ip = ip_of("192.0.2.1"),
				.from = SLICE_LIT("bob@example.com"),
				.domains = domains,
				.recipient_count = N};
	struct top_line lines[9];

	for (size_t i = 0; i < 7; i++)
		snprintf(names[i], sizeof(names[i]), "d%zu.example", i);
	for (size_t i = 0; i < N; i++)
		domains[i] = slice_str(names[i % 2 == 0 ? 0 : i % 7]);
	top_accepted(top, &m, NOW);
	m.recipient_count = 3;
	top_accepted(top, &m, NOW);
	lines[0] = first(TOP_CRED, 1, NOW);
	ck_assert_uint_eq(lines[0].messages, 2);
	ck_assert_uint_eq(lines[0].recipients, N + 3);
	ck_assert_uint_eq(top_get(top, TOP_DOMAIN, 1, NOW, lines, 9), 7);
	ck_assert_str_eq(lines[0].name, "d0.example");
	ck_assert_uint_eq(lines[0].messages, 2);
	ck_assert_uint_eq(lines[0].recipients, N / 2 + N / 14 + 2);
	ck_assert_uint_eq(lines[0].creds, 1);
	for (size_t i = 1; i < 7; i++)
		ck_assert_uint_eq(lines[i].messages,
				  strcmp(lines[i].name, "d1.example") ? 1 : 2);
}
END_TEST

/* Ten recipients of one login, address and sender: good ones, refused ones,
 * and how many dead domains were among them. */
struct share_row {
	const char *label;
	unsigned accepted, refused, dead, percent;
};

static const struct share_row share_rows[] = {
    {"nothing dead", 10, 0, 0, 0},
    {"one in ten", 9, 1, 1, 10},
    {"one in three, rounded up", 2, 1, 1, 34},
    {"dropped behind their 250", 10, 0, 5, 50},
    {"all of them", 0, 10, 10, 100},
    {"told of later than its recipients", 0, 0, 3, 100},
    {"more than were tried of late", 1, 0, 3, 100},
};

START_TEST(share_of_dead_domains)
{
	const struct share_row *row = &share_rows[_i];
	struct ip_addr ip = ip_of("192.0.2.1");
	struct top_line line;
	char domain[32];

	for (unsigned i = 0; i < row->accepted; i++)
		mail("bob", "192.0.2.1", "a@b", "c.example", NOW);
	for (unsigned i = 0; i < row->refused; i++)
		top_refused(top, "bob", &ip, SLICE_LIT("a@b"),
			    SLICE_LIT("d.example"), NOW);
	for (unsigned i = 0; i < row->dead; i++) {
		snprintf(domain, sizeof(domain), "dead%u.example", i);
		top_dead_domain(top, "bob", &ip, SLICE_LIT("a@b"),
				slice_str(domain), NOW);
	}
	for (int by = 0; by < TOP_DOMAIN; by++) {
		line = first((enum top_by)by, 1, NOW);
		ck_assert_msg(line.dead_domains == row->dead, "%s: by %d",
			      row->label, by);
		ck_assert_msg(line.dead_percent == row->percent,
			      "%s: by %d: %u %%", row->label, by,
			      line.dead_percent);
	}
	for (unsigned i = 0; i < row->dead; i++) {
		struct top_line lines[16];
		size_t n = top_get(top, TOP_DOMAIN, 1, NOW, lines, 16);
		unsigned found = 0;

		snprintf(domain, sizeof(domain), "dead%u.example", i);
		for (size_t j = 0; j < n; j++)
			if (strcmp(lines[j].name, domain) == 0)
				found += lines[j].dead_domains == 1;
		ck_assert_msg(found == 1, "%s: %s", row->label, domain);
	}
	/* and goes with its minute */
	ck_assert_uint_eq(first(TOP_CRED, 1, NOW + 120).dead_domains, 0);
}
END_TEST

START_TEST(refused_and_dead)
{
	struct ip_addr ip = ip_of("192.0.2.1");
	struct top_line line;

	top_refused(top, "bob", &ip, SLICE_LIT("a@b"), SLICE_LIT("c.example"),
		    NOW);
	top_refused(top, "bob", &ip, SLICE_NONE, SLICE_NONE, NOW);
	top_refused(top, NULL, &ip, SLICE_NONE, SLICE_NONE, NOW);
	top_refused(top, "", NULL, SLICE_NONE, SLICE_NONE, NOW);
	top_dead_domain(top, "bob", &ip, SLICE_LIT("a@b"),
			SLICE_LIT("c.example"), NOW);
	line = first(TOP_CRED, 1, NOW);
	ck_assert_uint_eq(line.refused, 2);
	ck_assert_uint_eq(line.dead_domains, 1);
	ck_assert_uint_eq(line.messages, 0);
	ck_assert_uint_eq(line.froms, 1);
	line = first(TOP_IP, 1, NOW);
	ck_assert_str_eq(line.name, "192.0.2.1");
	ck_assert_uint_eq(line.refused, 3);
	ck_assert_uint_eq(line.creds, 1);
	line = first(TOP_DOMAIN, 1, NOW);
	ck_assert_uint_eq(line.refused, 1);
	ck_assert_uint_eq(line.dead_domains, 1);
	/* nobody is "" */
	ck_assert_uint_eq(top_get(top, TOP_FROM, 1, NOW, &line, 1), 1);
	ck_assert_str_eq(line.name, "a@b");
}
END_TEST

START_TEST(order_and_cut)
{
	struct top_line lines[3];
	char longest[400];

	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	mail("one", "192.0.2.1", "", "a.example", NOW);
	mail(longest, "192.0.2.1", "", "a.example", NOW);
	mail(longest, "192.0.2.1", "", "a.example", NOW);
	longest[300] = 'y'; /* shown alike, and yet another */
	for (int i = 0; i < 3; i++)
		mail(longest, "192.0.2.1", "", "a.example", NOW);
	ck_assert_uint_eq(top_get(top, TOP_CRED, 1, NOW, lines, 3), 3);
	ck_assert_uint_eq(lines[0].messages, 3);
	ck_assert_uint_eq(strlen(lines[0].name), 255);
	ck_assert_uint_eq(lines[1].messages, 2);
	ck_assert_str_eq(lines[2].name, "one");
	ck_assert_uint_eq(top_get(top, TOP_CRED, 1, NOW, lines, 2), 2);
	ck_assert_uint_eq(lines[1].messages, 2);
	ck_assert_uint_eq(top_get(top, TOP_CRED, 1, NOW, lines, 0), 0);
}
END_TEST

START_TEST(the_busiest_stay)
{
	struct top_line line;
	char cred[32];

	for (int i = 0; i < 50; i++)
		mail("busy", "192.0.2.1", "", "a.example", NOW);
	mail("rare", "192.0.2.1", "", "a.example", NOW);
	for (int i = 0; i < 50000; i++) {
		snprintf(cred, sizeof(cred), "u%d", i);
		mail(cred, "192.0.2.1", "", "a.example", NOW + i / 1000);
		if (i % 500 == 0)
			mail("busy", "192.0.2.1", "", "a.example",
			     NOW + i / 1000);
	}
	line = first(TOP_CRED, 60, NOW + 60);
	ck_assert_str_eq(line.name, "busy");
	ck_assert_uint_eq(line.messages, 150);
	ck_assert_int_eq(line.since_wall_s, 0);
	/* others went before this one came, so its line says since when */
	for (int i = 0; i < 151; i++)
		mail("late", "192.0.2.1", "", "a.example", NOW + 60);
	line = first(TOP_CRED, 60, NOW + 60);
	ck_assert_str_eq(line.name, "late");
	ck_assert_int_eq(line.since_wall_s, NOW + 60);
	line = first(TOP_CRED, 1, NOW + 600);
	ck_assert_uint_eq(line.messages, 0);
	mail("late", "192.0.2.1", "", "a.example", NOW + 600);
	/* the window is all its own: it was a member all the time */
	ck_assert_int_eq(first(TOP_CRED, 1, NOW + 600).since_wall_s, 0);
}
END_TEST

/* Who was silent for an hour goes without a trace: nothing is missing. */
START_TEST(the_silent_go_first)
{
	struct top_line line;
	char cred[32];

	for (int i = 0; i < 3 * TOP_MEMBERS; i++) {
		snprintf(cred, sizeof(cred), "u%d", i);
		mail(cred, "192.0.2.1", "", "a.example",
		     NOW + (i < TOP_MEMBERS ? 0 : 3720));
		if (i == TOP_MEMBERS)
			mail("few", "192.0.2.1", "", "a.example", NOW + 3720);
		if (i == TOP_MEMBERS + TOP_MEMBERS / 2)
			ck_assert_int_eq(
			    first(TOP_CRED, 60, NOW + 3720).since_wall_s, 0);
	}
	for (int i = 0; i < 5; i++)
		mail("late", "192.0.2.1", "", "a.example", NOW + 3720);
	line = first(TOP_CRED, 60, NOW + 3720);
	ck_assert_str_eq(line.name, "late");
	ck_assert_int_eq(line.since_wall_s, NOW + 3720);
}
END_TEST

START_TEST(distinct_has_a_cap)
{
	struct top_line line;
	char from[32];

	for (int i = 0; i < TOP_DISTINCT_MAX; i++) {
		snprintf(from, sizeof(from), "f%d@example.com", i);
		mail("bob", "192.0.2.1", from, "a.example", NOW);
	}
	line = first(TOP_CRED, 1, NOW);
	ck_assert_uint_eq(line.froms, TOP_DISTINCT_MAX);
	ck_assert(!line.froms_more);
	mail("bob", "192.0.2.1", "f0@example.com", "a.example", NOW);
	ck_assert(!first(TOP_CRED, 1, NOW).froms_more);
	mail("bob", "192.0.2.1", "one@more", "a.example", NOW);
	line = first(TOP_CRED, 1, NOW);
	ck_assert_uint_eq(line.froms, TOP_DISTINCT_MAX);
	ck_assert(line.froms_more);
	/* what no window reaches any more makes room */
	mail("bob", "192.0.2.1", "one@more", "a.example", NOW + 3720);
	line = first(TOP_CRED, 60, NOW + 3720);
	ck_assert_uint_eq(line.froms, 1);
	ck_assert(!line.froms_more);
}
END_TEST

START_TEST(memory_is_bounded)
{
	struct distinct_pool pool = {.left = 1024};
	struct distinct sets[40] = {{0}};
	bool more;
	uint64_t sum = 0;

	for (uint64_t i = 1; i <= 500; i++) {
		for (size_t k = 0; k < COUNT(sets); k++)
			distinct_add(&sets[k], &pool, i * 1000003 + k, 100);
	}
	for (size_t k = 0; k < COUNT(sets); k++) {
		uint64_t n = distinct_count(&sets[k], 0, &more);

		/* each has the small size, whatever others took */
		ck_assert_uint_ge(n, DISTINCT_SMALL * 3 / 4);
		ck_assert(more);
		sum += n;
	}
	ck_assert_uint_le(sum, COUNT(sets) * DISTINCT_SMALL + 1024);
	for (size_t k = 0; k < COUNT(sets); k++)
		distinct_fini(&sets[k], &pool);
	ck_assert_uint_eq(pool.left, 1024);
}
END_TEST

START_TEST(clocks_jump)
{
	/* a little back: counted in the newest minute */
	mail("bob", "192.0.2.1", "", "a.example", NOW);
	mail("bob", "192.0.2.1", "", "a.example", NOW - 600);
	ck_assert_uint_eq(first(TOP_CRED, 1, NOW - 600).messages, 2);
	/* a year ahead and back: no future that lasts */
	mail("bob", "192.0.2.1", "", "a.example", NOW + 31536000);
	mail("bob", "192.0.2.1", "", "a.example", NOW);
	ck_assert_uint_eq(first(TOP_CRED, 60, NOW).messages, 1);
	ck_assert_uint_eq(first(TOP_CRED, 60, NOW + 7200).messages, 0);
	mail("bob", "192.0.2.1", "", "a.example", -5);
	ck_assert_uint_eq(first(TOP_CRED, 60, -5).messages, 1);
}
END_TEST

static void *
send_many(void *arg)
{
	const char *cred = arg;

	for (int i = 0; i < 4000; i++) {
		char name[32];

		snprintf(name, sizeof(name), "%s%d", cred, i);
		mail(cred, "192.0.2.1", name, name, NOW + i / 100);
		mail(name, "192.0.2.2", cred, "same.example", NOW + i / 100);
	}
	return NULL;
}

START_TEST(threads_count_together)
{
	static char creds[3][8] = {"one", "two", "three"};
	static struct top_line lines[100];
	pthread_t threads[3];

	/* Who has sent little goes first when there is no room: not these. */
	for (size_t i = 0; i < COUNT(threads); i++)
		for (int n = 0; n < 100; n++)
			mail(creds[i], "192.0.2.1", creds[i], "b.example", NOW);
	for (size_t i = 0; i < COUNT(threads); i++)
		pthread_create(&threads[i], NULL, send_many, creds[i]);
	for (int i = 0; i < 20; i++)
		top_get(top, (enum top_by)(i % TOP_BYS), 10, NOW, lines, 100);
	for (size_t i = 0; i < COUNT(threads); i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_eq(top_get(top, TOP_CRED, 60, NOW + 60, lines, 3), 3);
	for (size_t i = 0; i < 3; i++) {
		ck_assert_uint_eq(lines[i].messages, 4100);
		ck_assert_uint_eq(lines[i].froms, 4001);
	}
	ck_assert_str_eq(first(TOP_DOMAIN, 60, NOW + 60).name, "same.example");
	ck_assert_uint_eq(first(TOP_DOMAIN, 60, NOW + 60).messages, 12000);
}
END_TEST

int
main(void)
{
	TCase *cases[1] = {tcase_create("top")};

	tcase_add_checked_fixture(cases[0], setup, teardown);
	tcase_set_timeout(cases[0], 120);
	tcase_add_test(cases[0], the_rotated_from_of_one_login);
	tcase_add_test(cases[0], windows_slide);
	tcase_add_test(cases[0], names_that_are_one);
	tcase_add_test(cases[0], recipients_and_their_domains);
	tcase_add_loop_test(cases[0], share_of_dead_domains, 0,
			    sizeof(share_rows) / sizeof(share_rows[0]));
	tcase_add_test(cases[0], refused_and_dead);
	tcase_add_test(cases[0], order_and_cut);
	tcase_add_test(cases[0], the_busiest_stay);
	tcase_add_test(cases[0], the_silent_go_first);
	tcase_add_test(cases[0], distinct_has_a_cap);
	tcase_add_test(cases[0], memory_is_bounded);
	tcase_add_test(cases[0], clocks_jump);
	tcase_add_test(cases[0], threads_count_together);
	return run_suite("top", cases, COUNT(cases));
}
