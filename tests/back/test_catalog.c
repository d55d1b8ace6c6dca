#include <check.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/back/catalog.h"
#include "gateway/base/error.h"
#include "gateway/base/mem.h"

/*
 * That a walk finds what it should, whatever comes and goes meanwhile, and
 * that a million others cost it nothing: counted in jobs looked at.
 */

static struct ip_addr
ip_of(const char *text)
{
	struct ip_addr ip;

	ck_assert_int_eq(ip_parse(slice_str(text), &ip), 0);
	return ip;
}

static struct ip_prefix
prefix_of(const char *text)
{
	struct ip_prefix prefix;

	ck_assert_int_eq(ip_prefix_parse(slice_str(text), &prefix), 0);
	return prefix;
}

static void
body_of(uint32_t n, uint8_t digest[DIGEST_SIZE])
{
	memset(digest, 7, DIGEST_SIZE);
	memcpy(digest, &n, sizeof(n));
}

struct spec {
	uint64_t id;
	const char *cred;
	struct ip_addr ip;
	const char *domains; /* separated by spaces */
	uint32_t body;
	uint64_t campaign;
};

static struct job *
add(struct catalog *catalog, const struct spec *spec)
{
	struct job *job = job_create(spec->id);
	struct slice rest = slice_str(spec->domains), domain;
	uint8_t digest[DIGEST_SIZE];
	uint32_t index = 0;

	body_of(spec->body, digest);
	job_set_source(job, catalog_source(catalog, spec->cred, &spec->ip,
					   spec->campaign));
	job->body = catalog_body(digest);
	while (slice_split(&rest, ' ', &domain))
		job_add_rcpt(job, index++, catalog_domain(catalog, domain));
	catalog_add(catalog, job);
	return job;
}

static void
drop(struct catalog *catalog, struct job **job)
{
	catalog_remove(catalog, *job);
	job_destroy(job);
}

/* --- a million of others -------------------------------------------------- */

#define MILLION 1000000
#define MINE 10

/* Steps that a walk over nothing but what it looks for may take more. */
#define SLACK 40

static struct job **jobs;
static struct catalog *big;

static void
big_setup(void)
{
	char cred[32], domain[64];

	big = catalog_create();
	jobs = mem_array(MILLION + MINE, sizeof(struct job *));
	for (uint32_t i = 0; i < MILLION; i++) {
		struct spec spec = {.id = i + 1,
				    .cred = cred,
				    .domains = domain,
				    .body = i < MILLION / 2 ? 1 : i};

		/* A flood with one body, by one login from everywhere, and
		 * everybody else's. */
		snprintf(cred, sizeof(cred), "u%u",
			 i < MILLION / 2 ? 0 : i % 5000);
		snprintf(domain, sizeof(domain), "d%u.flood.test", i % 100000);
		spec.ip = ip_of("10.0.0.0");
		spec.ip.b[13] = (uint8_t)(i >> 16);
		spec.ip.b[14] = (uint8_t)(i >> 8 & 0xf0);
		jobs[i] = add(big, &spec);
	}
	for (uint32_t i = 0; i < MINE; i++) {
		struct spec spec = {.id = MILLION + 1 + i / 2,
				    .cred = "me",
				    .ip = ip_of("192.0.2.1"),
				    .domains = "x.mine.test",
				    .body = 3000000};

		jobs[MILLION + i] = add(big, &spec);
	}
}

static void
big_teardown(void)
{
	for (uint32_t i = 0; i < MILLION + MINE; i++)
		drop(big, &jobs[i]);
	free(jobs);
	catalog_destroy(&big);
}

/* How many jobs were looked at; *found are what it gave. */
static uint64_t
steps_of(const struct catalog_keys *keys, uint64_t *found)
{
	uint32_t steps = UINT32_MAX;

	*found = 0;
	catalog_walk_begin(big, keys);
	while (catalog_walk_next(big, &steps))
		(*found)++;
	catalog_walk_end(big);
	return UINT32_MAX - steps;
}

START_TEST(test_cost)
{
	struct ip_prefix one = prefix_of("192.0.2.1");
	struct ip_prefix net = prefix_of("192.0.0.0/16");
	struct ip_prefix flood = prefix_of("10.0.0.0/8");
	uint8_t mine[DIGEST_SIZE], theirs[DIGEST_SIZE];
	struct catalog_keys all = {.id = 0};
	uint64_t every;
	struct slice domain = SLICE_LIT("x.mine.test");
	const struct {
		const char *label;
		struct catalog_keys keys;
		uint64_t found;
	} rows[] = {
	    {"a login", {.cred = "me"}, MINE},
	    {"an address", {.ip = &one}, MINE},
	    {"a prefix", {.ip = &net}, MINE},
	    {"a domain", {.domain = domain}, MINE},
	    {"below a domain", {.domain = SLICE_LIT(".mine.test")}, MINE},
	    {"a body", {.body = mine}, MINE},
	    {"a message", {.id = MILLION + 1}, 2},
	    {"nobody", {.cred = "nobody"}, 0},
	    {"nobody's message", {.id = MILLION * 2}, 0},
	    {"my login, the flood's addresses",
	     {.cred = "me", .ip = &flood},
	     0},
	    {"my login, the flood's body", {.cred = "me", .body = theirs}, 0},
	    {"the flood's login, my domain",
	     {.cred = "u0", .domain = domain},
	     0},
	    {"the flood's body, my domain",
	     {.body = theirs, .domain = domain},
	     0},
	    {"the flood's addresses, my body", {.ip = &flood, .body = mine}, 0},
	    {"below the flood's domain, my address",
	     {.domain = SLICE_LIT(".flood.test"), .ip = &one},
	     0},
	};

	body_of(3000000, mine);
	body_of(1, theirs);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t found, steps = steps_of(&rows[i].keys, &found);

		ck_assert_msg(found == rows[i].found, "%s: found %llu",
			      rows[i].label, (unsigned long long)found);
		ck_assert_msg(steps <= MINE + SLACK, "%s: looked at %llu",
			      rows[i].label, (unsigned long long)steps);
	}
	ck_assert_uint_eq(steps_of(&all, &every), MILLION + MINE);
	ck_assert_uint_eq(every, MILLION + MINE);
	printf("a job: struct of %zu bytes, %zu of the heap\n",
	       sizeof(struct job), malloc_usable_size(jobs[0]) + 8);
}
END_TEST

/* --- what comes and goes -------------------------------------------------- */

#define CREDS 5
#define IPS 6
#define DOMAINS 7
#define LIVE_MAX 300

static const char *const creds[CREDS] = {"", "a", "b", "c", "flood"};
static const char *const ips[IPS] = {"192.0.2.1",   "192.0.2.2", "192.0.3.1",
				     "2001:db8::1", "::1",	 "10.0.0.1"};
static const char *const domains[DOMAINS] = {
    "b.test", "a.b.test", "a-b.test", "ab.test", "c.test", "test", "b-test"};
static const char *const prefixes[] = {"192.0.2.0/24", "192.0.2.1", "::/0",
				       "192.0.0.0/16", "fe80::/10"};
static const char *const wanted[] = {".b.test", "b.test",    ".test",
				     "test",	"none.test", ".a-b.test"};

static uint32_t random_state;

static uint32_t
rnd(uint32_t n)
{
	random_state = random_state * 1664525 + 1013904223;
	return (random_state >> 8) % n;
}

struct live {
	struct job *job;
	struct spec spec;
	char domains[256];
	uint32_t given;
	bool was_there; /* when the walk began */
	bool expected;
};

static struct live live[LIVE_MAX];

static void
add_random(struct catalog *catalog, struct live *l)
{
	uint32_t count = 1 + rnd(3) * rnd(2) * 2;
	size_t n = 0;

	memset(l, 0, sizeof(*l));
	for (uint32_t i = 0; i < count; i++)
		n += (size_t)snprintf(l->domains + n, sizeof(l->domains) - n,
				      "%s%s", i ? " " : "",
				      domains[rnd(DOMAINS)]);
	l->spec = (struct spec){.id = 1 + rnd(60),
				.cred = creds[rnd(CREDS)],
				.ip = ip_of(ips[rnd(IPS)]),
				.domains = l->domains,
				.body = rnd(8)};
	l->job = add(catalog, &l->spec);
}

/* By hand: with the text of the domain, not the catalog's order. */
static bool
naive_domain(const char *want, const char *list)
{
	struct slice rest = slice_str(list), domain;

	while (slice_split(&rest, ' ', &domain)) {
		if (slice_eq(slice_str(want), domain))
			return true;
		if (want[0] == '.' && (slice_eq(slice_str(want + 1), domain) ||
				       slice_iends(domain, slice_str(want))))
			return true;
	}
	return false;
}

static bool
naive_has(const struct catalog_keys *keys, uint32_t body, const char *want,
	  const struct spec *spec)
{
	return (!keys->cred || strcmp(keys->cred, spec->cred) == 0) &&
	       (!keys->ip || ip_prefix_has(keys->ip, &spec->ip)) &&
	       (!keys->body || body == spec->body) &&
	       (!want || naive_domain(want, spec->domains)) &&
	       (keys->id == 0 || keys->id == spec->id);
}

static void
churn(struct catalog *catalog)
{
	for (uint32_t n = rnd(12); n > 0; n--) {
		struct live *l = &live[rnd(LIVE_MAX)];

		if (l->job) {
			drop(catalog, &l->job);
			/* Whether it came before it went is nobody's care. */
			ck_assert_uint_le(l->given, 1);
		} else {
			add_random(catalog, l);
		}
	}
}

static void
given(struct job *job)
{
	for (size_t i = 0; i < LIVE_MAX; i++) {
		if (live[i].job == job) {
			live[i].given++;
			return;
		}
	}
	ck_abort_msg("a job that is not there");
}

static void
walk_once(struct catalog *catalog)
{
	struct catalog_keys keys = {.id = rnd(4) == 0 ? 1 + rnd(60) : 0};
	uint8_t digest[DIGEST_SIZE];
	const char *want = rnd(2) ? wanted[rnd(6)] : NULL;
	struct ip_prefix prefix = prefix_of(prefixes[rnd(5)]);
	uint32_t body = rnd(8);

	body_of(body, digest);
	keys.cred = rnd(3) == 0 ? creds[rnd(CREDS)] : NULL;
	keys.ip = rnd(3) == 0 ? &prefix : NULL;
	keys.body = rnd(3) == 0 ? digest : NULL;
	keys.domain = slice_str(want);
	for (size_t i = 0; i < LIVE_MAX; i++) {
		live[i].given = 0;
		live[i].was_there = live[i].job != NULL;
		live[i].expected =
		    live[i].job && naive_has(&keys, body, want, &live[i].spec);
		if (live[i].job)
			ck_assert(catalog_has(&keys, live[i].job) ==
				  live[i].expected);
	}
	catalog_walk_begin(catalog, &keys);
	for (;;) {
		uint32_t steps = 1 + rnd(4);
		struct job *job = catalog_walk_next(catalog, &steps);

		if (job)
			given(job);
		else if (steps > 0)
			break;
		churn(catalog);
	}
	catalog_walk_end(catalog);
	for (size_t i = 0; i < LIVE_MAX; i++) {
		if (!live[i].job)
			continue;
		ck_assert_uint_le(live[i].given, 1);
		if (live[i].was_there && live[i].expected)
			ck_assert_uint_eq(live[i].given, 1);
		if (live[i].given > 0)
			ck_assert(naive_has(&keys, body, want, &live[i].spec));
	}
}

START_TEST(test_churn)
{
	struct catalog *catalog = catalog_create();

	random_state = (uint32_t)_i + 1;
	for (size_t i = 0; i < LIVE_MAX; i += 2)
		add_random(catalog, &live[i]);
	for (int i = 0; i < 400; i++)
		walk_once(catalog);
	for (size_t i = 0; i < LIVE_MAX; i++) {
		if (live[i].job)
			drop(catalog, &live[i].job);
	}
	ck_assert_uint_eq(catalog_count(catalog), 0);
	catalog_destroy(&catalog);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("back/catalog");
	TCase *tc = tcase_create("catalog");
	TCase *tc_big = tcase_create("a million");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, test_churn, 0, 8);
	suite_add_tcase(suite, tc);
	tcase_set_timeout(tc_big, 240);
	tcase_add_checked_fixture(tc_big, big_setup, big_teardown);
	tcase_add_test(tc_big, test_cost);
	suite_add_tcase(suite, tc_big);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
