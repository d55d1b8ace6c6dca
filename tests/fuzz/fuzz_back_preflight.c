/*
 * TXT records as strangers may write them, and what is said of them. The first
 * byte is how DNS answered and how many records there are; the others are cut
 * into as many.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/back/preflight_text.h"
#include "gateway/campaign/campaign.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RECORDS 4

static void
cut(const uint8_t *data, size_t size, struct dns_record *records, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		size_t take = i + 1 < n ? size / (n - i) : size;

		records[i].data = slice_of(data, take);
		data += take;
		size -= take;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dns_record records[RECORDS] = {0};
	struct dns_answer answer = {.records = records, .text = ""};
	struct preflight_found found = {.read = true, .key_count = 1};
	struct buf out = {.cap = CAMPAIGN_REASON_SIZE - 1};

	if (size < 1)
		return 0;
	answer.status = (enum dns_status)(data[0] >> 4) <= DNS_BUSY
			    ? (enum dns_status)(data[0] >> 4)
			    : DNS_OK;
	if (answer.status == DNS_OK)
		answer.count = 1 + data[0] % RECORDS;
	cut(data + 1, size - 1, records, answer.count);
	found.keys[0].state =
	    preflight_key_of(&answer, SLICE_LIT("v=DKIM1; p=QUJD"));
	found.policy = preflight_policy_of(&answer, data[0] & 1, &found.strict);
	found.spf = preflight_spf_of(&answer);
	if (found.strict && found.policy <= PREFLIGHT_POLICY_MISSING)
		abort();
	memcpy(found.from, "a.test", 7);
	memcpy(found.signer, "b.test", 7);
	preflight_warn(&found, &out);
	if (out.overflow || out.n >= CAMPAIGN_REASON_SIZE)
		abort();
	buf_fini(&out);
	return 0;
}
