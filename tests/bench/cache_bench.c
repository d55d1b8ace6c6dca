/*
 * What a verdict from the cache costs: one domain again and again (a mailing),
 * all in turn (what a flood does to the caches of the processor), one that is
 * not there; as the RCPT path asks (dns_domain_known), from one thread and
 * from several at once. Prints a line each; nothing passes or fails. Run by
 * hand.
 *
 *   cache_bench [DOMAINS [THREADS]]
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dns/domain.h"
#include "gateway/base/mem.h"

#define LOOKS 4000000
#define NAME_SIZE 32
#define NOW 1700000000

struct looker {
	struct dns *dns;
	const char (*names)[NAME_SIZE];
	const uint8_t *lengths;
	uint32_t count, seed;
	uint64_t found;
	double cpu_ns;
	pthread_t thread;
};

static void
name_of(char out[NAME_SIZE], uint32_t i)
{
	(void)snprintf(out, NAME_SIZE, "mail%u.example-%u.com", i % 7, i);
}

/* Of this thread: others on the machine do not count. */
static double
cpu_ns(void)
{
	struct timespec t;

	if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) != 0)
		exit(1);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void *
look(void *arg)
{
	struct looker *l = arg;
	struct domain_fact fact;
	double start = cpu_ns();

	for (uint32_t i = 0; i < LOOKS; i++) {
		uint32_t n = (i + l->seed) % l->count;

		l->found += dns_domain_known(
		    l->dns, slice_of(l->names[n], l->lengths[n]), NOW, &fact);
	}
	l->cpu_ns = cpu_ns() - start;
	return NULL;
}

static void
measure(const char *what, struct dns *dns, char (*names)[NAME_SIZE],
	uint32_t count, unsigned threads)
{
	struct looker *lookers = mem_array(threads, sizeof(*lookers));
	uint8_t *lengths = mem_array(count, 1);
	uint64_t found = 0;
	double total_ns = 0;

	for (uint32_t i = 0; i < count; i++)
		lengths[i] = (uint8_t)strlen(names[i]);
	for (unsigned i = 0; i < threads; i++) {
		lookers[i] =
		    (struct looker){.dns = dns,
				    .names = (const char(*)[NAME_SIZE])names,
				    .lengths = lengths,
				    .count = count,
				    .seed = i * (count / threads)};
		if (pthread_create(&lookers[i].thread, NULL, look,
				   &lookers[i]) != 0)
			exit(1);
	}
	for (unsigned i = 0; i < threads; i++) {
		pthread_join(lookers[i].thread, NULL);
		found += lookers[i].found;
		total_ns += lookers[i].cpu_ns;
	}
	printf("%-16s %u thread%s %6.1f ns of CPU a look-up (%llu found)\n",
	       what, threads, threads > 1 ? "s" : " ",
	       total_ns / LOOKS / threads, (unsigned long long)found);
	free(lengths);
	free(lookers);
}

/* So that what is next to each other in names is not so in memory: names are
 * then read in order, which costs nothing, and entries are not. */
static void
shuffle(char (*names)[NAME_SIZE], uint32_t count)
{
	uint64_t r = 1;

	for (uint32_t i = count; i > 1; i--) {
		char name[NAME_SIZE];
		uint32_t n;

		r = r * UINT64_C(6364136223846793005) + 1;
		n = (uint32_t)(r >> 33) % i;
		memcpy(name, names[i - 1], NAME_SIZE);
		memcpy(names[i - 1], names[n], NAME_SIZE);
		memcpy(names[n], name, NAME_SIZE);
	}
}

int
main(int argc, char **argv)
{
	uint32_t count = argc > 1 ? (uint32_t)atoi(argv[1]) : 200000;
	unsigned threads = argc > 2 ? (unsigned)atoi(argv[2]) : 2;
	struct dns_cache_conf conf = {.domain_max = 2 * count};
	struct dns_cache *cache = dns_cache_create(&conf);
	struct dns_opts opts = {.servers = "127.0.0.1:9", .cache = cache};
	struct loop *loop = loop_create();
	struct dns *dns = dns_create(loop, &opts);
	char(*names)[NAME_SIZE] = mem_array(count, sizeof(*names));
	char(*absent)[NAME_SIZE] = mem_array(count, sizeof(*absent));
	double start = cpu_ns(), put_ns;

	if (dns == NULL || count == 0 || threads == 0)
		return 1;
	for (uint32_t i = 0; i < count; i++) {
		name_of(names[i], i);
		name_of(absent[i], i + 10 * count);
		dns_cache_put(cache, slice_str(names[i]), DOMAIN_DELIVERABLE,
			      DOMAIN_WHY_MX, 3600, NOW);
	}
	put_ns = (cpu_ns() - start) / count;
	shuffle(names, count);
	printf("%u domains, %.1f ns of CPU to put one\n", count, put_ns);
	for (unsigned t = 1;; t = threads) {
		measure("the same domain", dns, names, 1, t);
		measure("any of 1,000", dns, names, count < 1000 ? count : 1000,
			t);
		measure("any of all", dns, names, count, t);
		measure("none of them", dns, absent, count, t);
		if (t == threads)
			break;
	}
	dns_destroy(&dns);
	dns_cache_destroy(&cache);
	loop_destroy(&loop);
	free(names);
	free(absent);
	return 0;
}
