/* Loops on threads of their own that share one cache: ask, cancel, flush, and
 * go away in the middle. Under TSan this is the proof of the locks. */
#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "dns/domain.h"
#include "gateway/base/mem.h"
#include "tests/support/dns_server.h"
#include "tests/support/turn.h"

static const struct dns_row zone[] = {
    {"mx1.lab", "A", 0, 0, "@ 400 A 192.0.2.1"},
    {"*.good.lab", "MX", 0, 0, "@ 900 MX 10 mx1.lab"},
    {"*.null.lab", "MX", 0, 0, "@ 900 MX 0 ."},
};

#define THREADS 4
#define ROUNDS 6
#define ASKED 300
#define NAMES 400

struct asker {
	pthread_t thread;
	struct dns_cache *cache;
	const char *server;
	unsigned seed;
	unsigned wrong, answered;
};

struct asked {
	struct asker *asker;
	struct dns_domain_op *op;
	enum domain_verdict expected;
	unsigned *open;
};

static void
on_asked(void *arg, const struct dns_domain_result *result)
{
	struct asked *a = arg;

	a->op = NULL;
	a->asker->answered++;
	(*a->open)--;
	if (result->fact.verdict != a->expected)
		a->asker->wrong++;
}

static void
asker_round(struct asker *asker, bool leave)
{
	/* nobody is silent: only a machine that is busy */
	struct dns_opts opts = {.servers = asker->server,
				.cache = asker->cache,
				.timeout_ms = 5000,
				.tries = 5};
	struct loop *loop = loop_create();
	struct dns *dns = dns_create(loop, &opts);
	struct asked *asked = mem_array(ASKED, sizeof(*asked));
	unsigned open = 0, patience = leave ? 40 : 0;

	for (unsigned i = 0; i < ASKED; i++) {
		unsigned n = (unsigned)rand_r(&asker->seed) % NAMES;
		struct dns_domain_req req = {.owner = n % 5 ? "bob" : NULL,
					     .targets = n % 17 == 0};
		char name[32];

		snprintf(name, sizeof(name), "d%u.%s.lab", n,
			 n % 3 == 0   ? "good"
			 : n % 3 == 1 ? "null"
				      : "nowhere");
		req.domain = name;
		asked[i].asker = asker;
		asked[i].open = &open;
		asked[i].expected = n % 3 == 0	 ? DOMAIN_DELIVERABLE
				    : n % 3 == 1 ? DOMAIN_REFUSES
						 : DOMAIN_DEAD;
		asked[i].op = dns_domain_start(dns, &req, on_asked, &asked[i]);
		open++;
		if (n % 7 == 0) {
			dns_domain_cancel(&asked[i].op);
			open--;
		}
		if (i % 20 == 0)
			loop_turn(loop);
		if (n % 50 == 0)
			(void)dns_cache_flush(asker->cache, slice_str(name));
	}
	while (open > 0 && (!leave || patience-- > 0)) {
		loop_turn(loop);
		sched_yield();
	}
	dns_destroy(&dns);
	turn_some(loop);
	loop_destroy(&loop);
	free(asked);
}

static void *
asker_run(void *arg)
{
	for (int i = 0; i < ROUNDS; i++)
		asker_round(arg, i % 2 == 0);
	return NULL;
}

static void *
server_run(void *arg)
{
	loop_run(arg);
	return NULL;
}

START_TEST(test_threads)
{
	struct dns_cache_conf conf = {.cred_max = 100000};
	struct dns_cache *cache = dns_cache_create(&conf);
	struct loop *loop = loop_create();
	struct dns_server *server =
	    dns_server_create(loop, zone, sizeof(zone) / sizeof(zone[0]));
	struct asker askers[THREADS];
	pthread_t thread;
	unsigned answered = 0;

	ck_assert_int_eq(pthread_create(&thread, NULL, server_run, loop), 0);
	for (unsigned i = 0; i < THREADS; i++) {
		askers[i] = (struct asker){.cache = cache,
					   .server = dns_server_text(server),
					   .seed = i + 1};
		ck_assert_int_eq(pthread_create(&askers[i].thread, NULL,
						asker_run, &askers[i]),
				 0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(askers[i].thread, NULL);
		ck_assert_uint_eq(askers[i].wrong, 0);
		answered += askers[i].answered;
	}
	ck_assert_uint_gt(answered, THREADS * ROUNDS / 2 * ASKED / 2);
	loop_stop(loop);
	pthread_join(thread, NULL);
	dns_cache_destroy(&cache);
	dns_server_destroy(&server);
	turn_some(loop);
	loop_destroy(&loop);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("dns/share_threads");
	TCase *tc = tcase_create("all");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_threads);
	suite_add_tcase(s, tc);
	runner = srunner_create(s);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
