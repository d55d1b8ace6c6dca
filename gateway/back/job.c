#include "gateway/back/job.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/hash.h"
#include "gateway/base/mem.h"

struct job *
job_create(uint64_t id)
{
	struct job *job = mem_zalloc(sizeof(*job));

	job->id = id;
	return job;
}

void
job_destroy(struct job **job)
{
	if (*job && (*job)->rcpt_count > 1)
		free((*job)->rcpt.many);
	free(*job);
	*job = NULL;
}

const uint32_t *
job_rcpts(const struct job *job)
{
	return job->rcpt_count > 1 ? job->rcpt.many : &job->rcpt.one;
}

static uint32_t
domain_bits(struct slice domain)
{
	uint64_t h = hash_bytes(domain.p, domain.n);

	return UINT32_C(1) << (h & 31) | UINT32_C(1) << (h >> 5 & 31);
}

void
job_add_rcpt(struct job *job, uint32_t index, struct slice domain)
{
	uint32_t n = job->rcpt_count;

	job->domains |= domain_bits(domain);
	job->rcpt_count++;
	if (n == 0) {
		job->rcpt.one = index;
		return;
	}
	if (n == 1) {
		uint32_t first = job->rcpt.one;

		job->rcpt.many = mem_array(2, sizeof(uint32_t));
		job->rcpt.many[0] = first;
	} else if ((n & (n - 1)) == 0) { /* doubles at powers of two */
		job->rcpt.many = mem_resize(job->rcpt.many,
					    2 * (size_t)n * sizeof(uint32_t));
	}
	job->rcpt.many[n] = index;
}

void
job_keep(struct job *job, const uint32_t *indexes, uint32_t count)
{
	if (job->rcpt_count <= 1 || count == 0)
		return;
	if (count == 1) {
		uint32_t one = indexes[0];

		free(job->rcpt.many);
		job->rcpt.one = one;
	} else {
		memmove(job->rcpt.many, indexes, count * sizeof(*indexes));
	}
	job->rcpt_count = count;
}

bool
job_may_have(const struct job *job, struct slice domain)
{
	uint32_t bits = domain_bits(domain);

	return (job->domains & bits) == bits;
}
