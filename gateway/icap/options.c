/*
 * OPTIONS as RFC 3507, 4.10 has it, and what is made of it. Transfer-Ignore
 * (files that need not be scanned) is not honoured: whoever names the file
 * would decide. Transfer-Complete only means a preview is a detour.
 */
#include "gateway/icap/options.h"

#include <string.h>

#include "gateway/icap/text.h"
#include "gateway/icap/verdict.h"

#define TTL_MIN_MS 5000
#define TTL_MAX_MS 3600000
#define PREVIEW_DEFAULT_MAX 4096

void
icap_terms_init(struct icap_terms *t)
{
	*t = (struct icap_terms){.profile = icap_profile_at(0)};
	buf_init(&t->complete, ICAP_TRANSFER_MAX);
}

void
icap_terms_fini(struct icap_terms *t)
{
	buf_fini(&t->complete);
}

/* -1: none, or no number ("Max-Connections: -1" is seen). */
static int64_t
number(const struct icap_answer *a, const char *name)
{
	struct slice value = icap_head_get(&a->icap, name);
	uint64_t n;

	if (!slice_u64(slice_trim(value), &n))
		return -1;
	return n < INT32_MAX ? (int64_t)n : INT32_MAX;
}

static int64_t
expires(const struct icap_answer *a, int64_t now_ms)
{
	int64_t ttl_ms = number(a, "Options-TTL") * 1000;

	if (ttl_ms < 0 || ttl_ms > TTL_MAX_MS)
		ttl_ms = TTL_MAX_MS;
	return now_ms + (ttl_ms < TTL_MIN_MS ? TTL_MIN_MS : ttl_ms);
}

static void
complete_put(struct icap_terms *t, const struct icap_answer *a)
{
	struct slice value;
	uint32_t at = 0;

	buf_clear(&t->complete);
	while (icap_head_next(&a->icap, "Transfer-Complete", &at, &value)) {
		buf_add_slice(&t->complete, value);
		buf_add_byte(&t->complete, ',');
	}
	/* Half a list would be another one. */
	if (t->complete.overflow)
		buf_clear(&t->complete);
}

void
icap_options_parse(struct icap_options *o, struct icap_terms *t,
		   const struct icap_answer *a, const char *profile,
		   int64_t now_ms)
{
	const struct icap_head *h = &a->icap;
	int64_t max = number(a, "Max-Connections");
	bool methods = icap_head_get(h, "Methods").n > 0;

	memset(o, 0, sizeof(*o));
	o->known = true;
	o->allow_204 = icap_head_lists(h, "Allow", "204");
	/* It must say so; who says nothing is asked and will answer 405. */
	o->respmod = !methods || icap_head_lists(h, "Methods", "RESPMOD");
	o->reqmod = !methods || icap_head_lists(h, "Methods", "REQMOD");
	o->preview = (int32_t)number(a, "Preview");
	o->connection_max = max > 0 ? (uint32_t)max : 0;
	o->expires_ms = expires(a, now_ms);
	icap_istag(h, o->istag);
	icap_text_escape(o->service, sizeof(o->service),
			 icap_head_get(h, "Service"));
	t->client_username =
	    icap_head_lists(h, "X-Include", "X-Client-Username");
	complete_put(t, a);
	t->profile = profile == NULL ? NULL : icap_profile_find(profile);
	if (t->profile == NULL)
		t->profile = icap_profile_detect(icap_head_get(h, "Service"),
						 icap_head_get(h, "Server"));
}

static struct slice
extension(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot == NULL ? SLICE_NONE : slice_str(dot + 1);
}

int32_t
icap_preview(const struct icap_options *o, const struct icap_terms *t,
	     const char *name, uint32_t preview_max)
{
	struct slice list = buf_slice(&t->complete), item;
	struct slice ext = extension(name);
	int32_t max = preview_max > 0 && preview_max < INT32_MAX
			  ? (int32_t)preview_max
			  : PREVIEW_DEFAULT_MAX;

	if (!o->known || o->preview < 0)
		return -1;
	while (slice_split(&list, ',', &item)) {
		item = slice_trim(item);
		if (slice_eq(item, SLICE_LIT("*")) ||
		    (ext.n > 0 && slice_ieq(item, ext)))
			return -1;
	}
	return o->preview < max ? o->preview : max;
}
