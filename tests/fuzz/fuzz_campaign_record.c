#include <stdlib.h>
#include <string.h>

#include "gateway/campaign/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
same(struct buf *out, struct slice in)
{
	if (out->overflow || !slice_eq(buf_slice(out), in))
		abort();
	buf_fini(out);
}

/* The first byte says of what: what can be read is written as it was. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_from(slice_of(data, size), 1);
	struct buf out = {.cap = 8192};
	union {
		struct campaign_record record;
		struct campaign_standing standing;
		struct campaign_failed failed;
		struct campaign_key key;
	} got;
	uint8_t key[CAMPAIGN_KEY_MAX];

	switch (size > 0 ? data[0] % 4 : 4) {
	case 0:
		if (campaign_record_decode(in, &got.record) != 0)
			break;
		campaign_record_encode(&got.record, &out);
		same(&out, in);
		break;
	case 1:
		if (campaign_standing_decode(in, &got.standing) != 0)
			break;
		campaign_standing_encode(&got.standing, &out);
		same(&out, in);
		break;
	case 2:
		if (campaign_failed_decode(in, &got.failed) != 0)
			break;
		campaign_failed_encode(&got.failed, &out);
		same(&out, in);
		break;
	case 3:
		if (campaign_key_decode(in, &got.key) == 0 &&
		    !slice_eq(slice_of(key, campaign_key_encode(&got.key, key)),
			      in))
			abort();
		break;
	}
	return 0;
}
