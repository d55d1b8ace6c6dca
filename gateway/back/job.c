#include "gateway/back/job.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/back/catalog.h"
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
	if (*job && (*job)->domain_count > 1)
		free((*job)->domain.many);
	free(*job);
	*job = NULL;
}

const uint32_t *
job_rcpts(const struct job *job)
{
	return job->rcpt_count > 1 ? job->rcpt.many : &job->rcpt.one;
}

struct domain_ref *
job_domains(struct job *job)
{
	return job->domain_count > 1 ? job->domain.many : &job->domain.one;
}

static const struct domain_ref *
domains_of(const struct job *job)
{
	return job->domain_count > 1 ? job->domain.many : &job->domain.one;
}

bool
job_has_domain(const struct job *job, const struct domain *domain)
{
	const struct domain_ref *refs = domains_of(job);

	for (unsigned i = 0; i < job->domain_count; i++) {
		if (refs[i].domain == domain)
			return true;
	}
	return false;
}

/* Room doubles at powers of two. */
static bool
is_full(unsigned n)
{
	return (n & (n - 1)) == 0;
}

static void
add_domain(struct job *job, struct domain *domain)
{
	unsigned n = job->domain_count;
	struct domain_ref ref = {.domain = domain, .job = job};

	if (job_has_domain(job, domain))
		return;
	job->domain_count++;
	domain->jobs++;
	if (n == 0) {
		job->domain.one = ref;
		return;
	}
	if (n == 1) {
		struct domain_ref first = job->domain.one;

		job->domain.many = mem_array(2, sizeof(ref));
		job->domain.many[0] = first;
	} else if (is_full(n)) {
		job->domain.many =
		    mem_resize(job->domain.many, 2 * (size_t)n * sizeof(ref));
	}
	job->domain.many[n] = ref;
}

void
job_add_rcpt(struct job *job, uint32_t index, struct domain *domain)
{
	unsigned n = job->rcpt_count;

	assert(n < JOB_RCPTS_MAX);
	add_domain(job, domain);
	job->rcpt_count++;
	if (n == 0) {
		job->rcpt.one = index;
		return;
	}
	if (n == 1) {
		uint32_t first = job->rcpt.one;

		job->rcpt.many = mem_array(2, sizeof(uint32_t));
		job->rcpt.many[0] = first;
	} else if (is_full(n)) {
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
	job->rcpt_count = (uint8_t)count;
}

void
job_set_source(struct job *job, struct source *source)
{
	job->source = source;
	source->jobs++;
	source->sender->jobs++;
	source->address->jobs++;
	if (source->mailing)
		source->mailing->jobs++;
}

uint64_t
job_campaign(const struct job *job)
{
	return job->source->mailing ? job->source->mailing->id : 0;
}

uint32_t
job_cost(const struct job *job)
{
	return (uint32_t)job->rcpt_count + job->large;
}
