/*
 * What questions cost: look-ups a second from one loop against a resolver near
 * by, then how long good names take while 10,000 silent ones are asked for.
 * Prints figures; nothing passes or fails. Run by hand.
 *
 *   dns_bench HOST:PORT GOOD [SILENT [SECONDS]]
 *
 * GOOD and SILENT are names with one %u, for a number that never comes twice:
 * the resolver has none of them in its cache. Names of GOOD must be answered
 * (d%u.example.lab), names of SILENT never (d%u.silent.lab).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "dns/lookup.h"
#include "gateway/base/clock.h"
#include "gateway/base/mem.h"

#define VERDICT_QUESTIONS 3
#define AT_ONCE 200 /* verdicts under way */
#define FLOOD 10000
#define GOOD_EVERY_MS 5
#define SAMPLES_MAX 20000

struct bench {
	struct loop *loop;
	struct dns *dns;
	struct slice good, silent;
	unsigned number; /* the next name's */
	unsigned under_way, verdicts, answers, failures;
	bool over;
	/* the latency part */
	const char *good_owner;
	struct timer_op *sampler;
	double ms[SAMPLES_MAX];
	unsigned sample_count, wrong;
	unsigned flood_busy, flood_timeout, flood_other;
	int64_t flood_ms;
};

struct verdict {
	struct bench *bench;
	unsigned open;
};

struct sample {
	struct bench *bench;
	int64_t start_us;
};

static struct bench bench;

static void
name_of(struct slice pattern, unsigned number, char out[DNS_NAME_SIZE])
{
	struct slice rest = pattern, head;
	int n;

	(void)slice_split(&rest, '%', &head);
	rest = slice_from(rest, 1);
	n = snprintf(out, DNS_NAME_SIZE, "%.*s%u%.*s", (int)head.n, head.p,
		     number, (int)rest.n, rest.p);
	if (n < 0 || n >= DNS_NAME_SIZE)
		exit(2);
}

static double
cpu_s(void)
{
	struct rusage usage;

	(void)getrusage(RUSAGE_SELF, &usage);
	return (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void
on_over(void *arg)
{
	struct bench *b = arg;

	b->over = true;
	loop_stop(b->loop);
}

static void
run_for(struct bench *b, int64_t ms)
{
	struct timer_op *timer = timer_start(b->loop, ms, on_over, b);

	b->over = false;
	loop_run(b->loop);
	if (!b->over)
		timer_cancel(&timer);
}

/* ---- Look-ups a second ---- */

static void verdict_start(struct bench *b);

static void
on_verdict_answer(void *arg, const struct dns_answer *answer)
{
	struct verdict *v = arg;
	struct bench *b = v->bench;

	b->answers++;
	if (answer->status != DNS_OK && answer->status != DNS_NXDOMAIN &&
	    answer->status != DNS_NODATA)
		b->failures++;
	if (--v->open > 0)
		return;
	free(v);
	b->verdicts++;
	b->under_way--;
	if (!b->over)
		verdict_start(b);
}

static void
verdict_start(struct bench *b)
{
	static const enum dns_type types[VERDICT_QUESTIONS] = {DNS_MX, DNS_A,
							       DNS_AAAA};
	struct verdict *v = mem_zalloc(sizeof(*v));
	char name[DNS_NAME_SIZE];

	v->bench = b;
	v->open = VERDICT_QUESTIONS;
	b->under_way++;
	name_of(b->good, b->number++, name);
	for (int i = 0; i < VERDICT_QUESTIONS; i++) {
		struct dns_req req = {.name = name, .type = types[i]};

		(void)dns_lookup_start(b->dns, &req, on_verdict_answer, v);
	}
}

static void
measure_rate(struct bench *b, int seconds)
{
	int64_t start_us = clock_mono_us();
	double cpu = cpu_s(), wall;

	for (int i = 0; i < AT_ONCE; i++)
		verdict_start(b);
	run_for(b, seconds * 1000);
	wall = (double)(clock_mono_us() - start_us) / 1e6;
	printf("rate        %.0f verdicts/s (%.0f questions/s), %u failed, "
	       "%.0f %% of a core, %.1f us a question\n",
	       b->verdicts / wall, b->answers / wall, b->failures,
	       100 * (cpu_s() - cpu) / wall,
	       1e6 * (cpu_s() - cpu) / (b->answers > 0 ? b->answers : 1));
	while (b->under_way > 0)
		loop_turn(b->loop);
}

/* ---- A good one among silent ones ---- */

static void
on_sample(void *arg, const struct dns_answer *answer)
{
	struct sample *s = arg;
	struct bench *b = s->bench;

	if (answer->status == DNS_TIMEOUT || answer->status == DNS_BUSY ||
	    answer->status == DNS_FAIL)
		b->wrong++;
	else if (b->sample_count < SAMPLES_MAX)
		b->ms[b->sample_count++] =
		    (double)(clock_mono_us() - s->start_us) / 1000;
	b->under_way--;
	free(s);
}

static void
on_sample_time(void *arg)
{
	struct bench *b = arg;
	struct sample *s;
	struct dns_req req = {.type = DNS_MX, .owner = b->good_owner};
	char name[DNS_NAME_SIZE];

	s = mem_zalloc(sizeof(*s));
	s->bench = b;
	s->start_us = clock_mono_us();
	name_of(b->good, b->number++, name);
	req.name = name;
	b->under_way++;
	(void)dns_lookup_start(b->dns, &req, on_sample, s);
	b->sampler = timer_start(b->loop, GOOD_EVERY_MS, on_sample_time, b);
}

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double
quantile(const struct bench *b, double q)
{
	if (b->sample_count == 0)
		return -1;
	return b->ms[(size_t)((b->sample_count - 1) * q)];
}

static void
measure_good(struct bench *b, const char *label, int64_t ms)
{
	b->sample_count = b->wrong = 0;
	on_sample_time(b);
	run_for(b, ms);
	timer_cancel(&b->sampler);
	while (b->under_way > 0)
		loop_turn(b->loop);
	qsort(b->ms, b->sample_count, sizeof(b->ms[0]), by_value);
	printf("%-11s %u asked, %u without an answer, p50 %.2f ms, p95 %.2f "
	       "ms, p99 %.2f ms, max %.2f ms\n",
	       label, b->sample_count + b->wrong, b->wrong, quantile(b, 0.5),
	       quantile(b, 0.95), quantile(b, 0.99), quantile(b, 1));
}

static void
on_silent(void *arg, const struct dns_answer *answer)
{
	struct bench *b = arg;

	if (answer->status == DNS_BUSY)
		b->flood_busy++;
	else if (answer->status == DNS_TIMEOUT)
		b->flood_timeout++;
	else
		b->flood_other++;
}

static void
flood(struct bench *b)
{
	int64_t start_us = clock_mono_us();

	b->flood_busy = b->flood_timeout = b->flood_other = 0;
	for (int i = 0; i < FLOOD; i++) {
		char name[DNS_NAME_SIZE];
		struct dns_req req = {
		    .name = name, .type = DNS_MX, .owner = "flood"};

		name_of(b->silent, b->number++, name);
		(void)dns_lookup_start(b->dns, &req, on_silent, b);
	}
	printf("flood       %u silent names asked in %.1f ms\n", FLOOD,
	       (double)(clock_mono_us() - start_us) / 1000);
}

static void
flood_wait(struct bench *b)
{
	while (b->flood_busy + b->flood_timeout + b->flood_other < FLOOD)
		loop_turn(b->loop);
	printf("            of them %u given up, %u timed out, %u other\n",
	       b->flood_busy, b->flood_timeout, b->flood_other);
}

static void
measure_flood(struct bench *b)
{
	b->good_owner = "other";
	measure_good(b, "alone", 3000);
	flood(b);
	measure_good(b, "meanwhile", 3000);
	flood_wait(b);
	b->good_owner = "flood";
	flood(b);
	measure_good(b, "same owner", 3000);
	flood_wait(b);
}

int
main(int argc, char **argv)
{
	struct dns_opts opts = {.timeout_ms = 0};
	struct bench *b = &bench;

	if (argc < 3 || strchr(argv[2], '%') == NULL ||
	    (argc > 3 && strchr(argv[3], '%') == NULL)) {
		fprintf(stderr, "usage: dns_bench HOST:PORT GOOD%%u "
				"[SILENT%%u [SECONDS]]\n");
		return 2;
	}
	opts.servers = argv[1];
	b->good = slice_str(argv[2]);
	b->loop = loop_create();
	b->dns = dns_create(b->loop, &opts);
	if (b->dns == NULL) {
		fprintf(stderr, "dns_bench: not a server: %s\n", argv[1]);
		return 1;
	}
	/* so that a second run finds an empty cache too */
	b->number = (unsigned)clock_wall_s() % 100000 * 40000;
	measure_rate(b, argc > 4 ? atoi(argv[4]) : 5);
	if (argc > 3) {
		b->silent = slice_str(argv[3]);
		measure_flood(b);
	}
	dns_destroy(&b->dns);
	loop_destroy(&b->loop);
	return 0;
}
