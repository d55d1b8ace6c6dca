/*
 * A reply of a name server. The first byte chooses the type that was asked;
 * the name is taken from the packet's own question when there is one, so that
 * most inputs get behind the first check.
 */
#include <stdlib.h>
#include <string.h>

#include "dns/name.h"
#include "dns/packet.h"

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

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum dns_type types[] = {DNS_A, DNS_MX, DNS_AAAA};
	char raw[DNS_NAME_SIZE], name[DNS_NAME_SIZE];
	struct dns_answer answer;
	struct arena *arena;
	struct slice packet;

	if (size < 1)
		return 0;
	packet = slice_of(data + 1, size - 1);
	asked_name(packet, raw);
	if (!dns_name_key(slice_str(raw), name))
		memcpy(name, "a.test", 7);
	arena = arena_create(512);
	dns_packet_read(packet, name, types[data[0] % 3], arena, &answer);
	if ((answer.status == DNS_OK) != (answer.count > 0))
		abort();
	if (answer.count > DNS_RECORDS_MAX || answer.text == NULL)
		abort();
	for (uint32_t i = 0; i < answer.count; i++) {
		const char *host = answer.records[i].host;

		if (host != NULL && host[0] != '\0' &&
		    !dns_name_ok(slice_str(host)))
			abort();
	}
	arena_destroy(&arena);
	return 0;
}
