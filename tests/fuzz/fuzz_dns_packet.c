/*
 * A reply of a name server. The first byte chooses the type that was asked;
 * the name is taken from the packet's own question when there is one, so that
 * most inputs get behind the first check. The same packet is then held against
 * the bytes of that question.
 */
#include <stdlib.h>
#include <string.h>

#include "dns/name.h"
#include "dns/packet.h"
#include "dns/query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The question's labels as text, for what looks like one. */
static void
asked_name(struct slice packet, char name[DNS_NAME_SIZE])
{
	size_t at = 12, used = 0;

	while (at < packet.n && packet.p[at] != 0) {
		size_t n = (uint8_t)packet.p[at];

		if (n > 63 || at + 1 + n > packet.n || used + 1 + n > 253)
			break;
		if (used > 0)
			name[used++] = '.';
		memcpy(name + used, packet.p + at + 1, n);
		used += n;
		at += 1 + n;
	}
	name[used] = '\0';
}

static void
check_answer(const struct dns_answer *answer)
{
	if ((answer->status == DNS_OK) != (answer->count > 0))
		abort();
	if (answer->count > DNS_RECORDS_MAX || answer->text == NULL)
		abort();
	if (answer->authentic && answer->status == DNS_FAIL)
		abort();
}

static void
check_record(const struct dns_record *r, enum dns_type type)
{
	if (r->host != NULL && r->host[0] != '\0' &&
	    !dns_name_ok(slice_str(r->host)))
		abort();
	if (type != DNS_TXT && (type == DNS_TLSA) != (r->data.p != NULL))
		abort();
	if (type == DNS_TXT && r->data.n > DNS_TXT_MAX)
		abort();
	if (type == DNS_TLSA && r->data.n == 0)
		abort();
	if (r->data.p != NULL && r->data.p[r->data.n] != '\0')
		abort();
}

/* What is taken for its answer has its id, and is no shorter. */
static void
check_match(struct slice packet, const char *name, enum dns_type type)
{
	uint8_t random[DNS_QUERY_RANDOM] = {0};
	struct dns_query query;

	memcpy(random, packet.p, packet.n < 2 ? packet.n : 2);
	dns_query_build(&query, name, type, false, random);
	if (dns_query_match(&query, packet) != QUERY_OTHER &&
	    (packet.n < query.n || memcmp(packet.p, query.bytes, 2) != 0))
		abort();
	(void)dns_query_truncated(packet);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum dns_type types[] = {DNS_A, DNS_MX, DNS_AAAA, DNS_TLSA,
					      DNS_TXT};
	char raw[DNS_NAME_SIZE], name[DNS_NAME_SIZE];
	struct dns_answer answer;
	struct arena *arena;
	struct slice packet;
	enum dns_type type;

	if (size < 1)
		return 0;
	packet = slice_of(data + 1, size - 1);
	asked_name(packet, raw);
	if (!dns_name_key(slice_str(raw), name))
		memcpy(name, "a.test", 7);
	type = types[data[0] % 5];
	arena = arena_create(512);
	dns_packet_read(packet, name, type, arena, &answer);
	check_answer(&answer);
	for (uint32_t i = 0; i < answer.count; i++)
		check_record(&answer.records[i], type);
	check_match(packet, name, type);
	arena_destroy(&arena);
	return 0;
}
