/*
 * From a reply's bytes to an answer. c-ares has parsers, but its MX reply
 * lacks the TTL, its SOA parser looks in the wrong section, and neither checks
 * a host name, so the packet is walked here.
 *
 * Aliases are followed inside the packet, at most ALIAS_MAX of them: a
 * resolver that recurses puts the whole chain there. The TTL is the smallest
 * of the chain and the records. Of a name that is not a host name (see
 * dns/name.h) only that is remembered; it equals no other name.
 *
 * Bounded: a compression pointer must point backwards from the name it is in,
 * at most RRS_MAX records are looked at, each once for each alias.
 */
#include "dns/packet.h"

#include <string.h>

#include "gateway/base/buf.h"

#define ALIAS_MAX 8
#define RRS_MAX 128
#define HEADER_SIZE 12

enum { TYPE_NS = 2, TYPE_CNAME = 5, TYPE_SOA = 6, CLASS_IN = 1 };
enum {
	FLAG_QR = 0x8000,
	FLAG_AA = 0x0400,
	FLAG_TC = 0x0200,
	FLAG_RA = 0x0080,
	FLAG_AD = 0x0020,
	RCODE_MASK = 0x000f
};

struct name {
	char text[DNS_NAME_SIZE]; /* lower case */
	bool strange;		  /* text is not to be used */
};

struct rr {
	size_t owner; /* offset of its name */
	uint16_t type, class;
	uint32_t ttl_s;
	size_t data, data_size;
};

struct walk {
	struct slice packet;
	struct rr rrs[RRS_MAX]; /* answers, then authority */
	uint32_t answer_count, rr_count;
};

static uint16_t
get16(struct slice p, size_t at)
{
	return (uint16_t)((uint8_t)p.p[at] << 8 | (uint8_t)p.p[at + 1]);
}

static uint32_t
get32(struct slice p, size_t at)
{
	return (uint32_t)get16(p, at) << 16 | get16(p, at + 2);
}

static char
fold(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static bool
host_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
	       c == '_';
}

/* A label of n bytes at p behind the `used` bytes of name. */
static size_t
label_add(struct name *name, size_t used, const char *p, size_t n)
{
	if (used > 0)
		name->text[used++] = '.';
	for (size_t i = 0; i < n; i++) {
		char c = fold(p[i]);

		if (!host_char(c))
			name->strange = true;
		name->text[used++] = c;
	}
	return used;
}

/* Reads the name at *at and moves *at behind it. False: malformed. */
static bool
name_read(struct slice packet, size_t *at, struct name *name)
{
	size_t pos = *at, least = *at, used = 0;
	bool jumped = false;

	name->strange = false;
	for (;;) {
		unsigned n;

		if (pos >= packet.n)
			return false;
		n = (uint8_t)packet.p[pos];
		if ((n & 0xc0) == 0xc0) {
			size_t to;

			if (packet.n - pos < 2)
				return false;
			to = get16(packet, pos) & 0x3fffu;
			if (!jumped)
				*at = pos + 2;
			jumped = true;
			/* backwards each time, so it comes to an end */
			if (to >= least)
				return false;
			pos = least = to;
			continue;
		}
		if (n > 63)
			return false;
		pos++;
		if (n == 0)
			break;
		if (packet.n - pos < n || used + 1 + n > 253 + (used == 0))
			return false;
		used = label_add(name, used, packet.p + pos, n);
		pos += n;
	}
	if (!jumped)
		*at = pos;
	name->text[used] = '\0';
	return true;
}

static bool
rr_read(struct slice packet, size_t *at, struct rr *rr)
{
	struct name ignored;

	rr->owner = *at;
	if (!name_read(packet, at, &ignored) || packet.n - *at < 10)
		return false;
	rr->type = get16(packet, *at);
	rr->class = get16(packet, *at + 2);
	rr->ttl_s = get32(packet, *at + 4);
	if (rr->ttl_s > INT32_MAX) /* RFC 2181, 8 */
		rr->ttl_s = 0;
	rr->data_size = get16(packet, *at + 8);
	*at += 10;
	rr->data = *at;
	if (packet.n - *at < rr->data_size)
		return false;
	*at += rr->data_size;
	return true;
}

/* The records of both sections; what is over RRS_MAX is not looked at. */
static bool
rrs_read(struct walk *w, size_t at)
{
	uint32_t answers = get16(w->packet, 6);
	uint32_t all = answers + get16(w->packet, 8);

	for (uint32_t i = 0; i < all && w->rr_count < RRS_MAX; i++) {
		if (!rr_read(w->packet, &at, &w->rrs[w->rr_count]))
			return false;
		w->rr_count++;
		if (i < answers)
			w->answer_count++;
	}
	return true;
}

static bool
owner_is(const struct walk *w, const struct rr *rr, const char *name)
{
	size_t at = rr->owner;
	struct name owner;

	return name_read(w->packet, &at, &owner) && !owner.strange &&
	       strcmp(owner.text, name) == 0;
}

/* A name that fills the rest of the record's data. */
static bool
data_name(const struct walk *w, const struct rr *rr, size_t skip,
	  struct name *name)
{
	size_t at = rr->data + skip;

	return rr->data_size > skip && name_read(w->packet, &at, name) &&
	       at == rr->data + rr->data_size;
}

static void
keep_least(uint32_t *ttl_s, uint32_t candidate)
{
	if (candidate < *ttl_s)
		*ttl_s = candidate;
}

/* False: strings that do not fill the record's data. */
static bool
strings_join(struct slice data, struct arena *arena, struct slice *out)
{
	size_t strings = 0, used = 0;
	char *joined;

	for (size_t at = 0; at < data.n; at += 1 + (uint8_t)data.p[at]) {
		if (data.n - at - 1 < (uint8_t)data.p[at])
			return false;
		strings++;
	}
	if (strings == 0)
		return false;
	if (data.n - strings > DNS_TXT_MAX)
		return true;
	joined = arena_alloc(arena, data.n - strings + 1);
	for (size_t at = 0; at < data.n; at += 1 + (uint8_t)data.p[at]) {
		memcpy(joined + used, data.p + at + 1, (uint8_t)data.p[at]);
		used += (uint8_t)data.p[at];
	}
	joined[used] = '\0';
	*out = slice_of(joined, used);
	return true;
}

static bool
record_read(const struct walk *w, const struct rr *rr, struct arena *arena,
	    struct dns_record *record)
{
	const char *data = w->packet.p + rr->data;
	struct name host;

	memset(record, 0, sizeof(*record));
	switch ((enum dns_type)rr->type) {
	case DNS_A:
		if (rr->data_size != 4)
			return false;
		memset(record->ip.b + 10, 0xff, 2);
		memcpy(record->ip.b + 12, data, 4);
		return true;
	case DNS_AAAA:
		if (rr->data_size != 16)
			return false;
		memcpy(record->ip.b, data, 16);
		return true;
	case DNS_MX:
		if (!data_name(w, rr, 2, &host))
			return false;
		record->preference = get16(w->packet, rr->data);
		if (!host.strange)
			record->host = arena_dup(arena, slice_str(host.text));
		return true;
	case DNS_TXT:
		return strings_join(slice_of(data, rr->data_size), arena,
				    &record->data);
	case DNS_TLSA:
		if (rr->data_size < 4)
			return false;
		record->usage = (uint8_t)data[0];
		record->selector = (uint8_t)data[1];
		record->matching = (uint8_t)data[2];
		record->data.n = rr->data_size - 3;
		record->data.p =
		    arena_dup(arena, slice_of(data + 3, record->data.n));
		return true;
	}
	return false;
}

/* The alias of name, if it is one: name becomes where it points. */
static bool
alias_follow(const struct walk *w, char name[DNS_NAME_SIZE], uint32_t *ttl_s,
	     bool *strange)
{
	struct name target;

	for (uint32_t i = 0; i < w->answer_count; i++) {
		const struct rr *rr = &w->rrs[i];

		if (rr->type != TYPE_CNAME || rr->class != CLASS_IN ||
		    !owner_is(w, rr, name))
			continue;
		if (!data_name(w, rr, 0, &target))
			return false;
		keep_least(ttl_s, rr->ttl_s);
		*strange = target.strange;
		memcpy(name, target.text, sizeof(target.text));
		return !target.strange;
	}
	return false;
}

/* False: malformed. */
static bool
records_collect(const struct walk *w, const char *name, enum dns_type type,
		struct arena *arena, struct dns_answer *answer, uint32_t *ttl_s)
{
	struct dns_record found[DNS_RECORDS_MAX];
	struct dns_record *copy;
	uint32_t n = 0;

	for (uint32_t i = 0; i < w->answer_count && n < DNS_RECORDS_MAX; i++) {
		const struct rr *rr = &w->rrs[i];

		if (rr->type != (uint16_t)type || rr->class != CLASS_IN ||
		    !owner_is(w, rr, name))
			continue;
		if (!record_read(w, rr, arena, &found[n]))
			return false;
		keep_least(ttl_s, rr->ttl_s);
		n++;
	}
	if (n == 0)
		return true;
	copy = arena_alloc(arena, n * sizeof(*copy));
	memcpy(copy, found, n * sizeof(*copy));
	answer->records = copy;
	answer->count = n;
	return true;
}

/* RFC 2308, 5: the lesser of the SOA's TTL and its last field. */
static uint32_t
negative_ttl(const struct walk *w)
{
	for (uint32_t i = w->answer_count; i < w->rr_count; i++) {
		const struct rr *rr = &w->rrs[i];
		uint32_t minimum;

		if (rr->type != TYPE_SOA || rr->class != CLASS_IN ||
		    rr->data_size < 22)
			continue;
		minimum = get32(w->packet, rr->data + rr->data_size - 4);
		return minimum < rr->ttl_s ? minimum : rr->ttl_s;
	}
	return 0;
}

/* An empty answer that denies nothing: a referral has NS and no SOA (RFC 2308,
 * 2.1 and 2.2), and without any of them a server must recurse or own the zone
 * to know. */
static bool
is_referral(const struct walk *w)
{
	unsigned flags = get16(w->packet, 2);
	bool refers = (flags & (FLAG_AA | FLAG_RA)) == 0;

	for (uint32_t i = w->answer_count; i < w->rr_count; i++) {
		if (w->rrs[i].type == TYPE_SOA)
			return false;
		refers |= w->rrs[i].type == TYPE_NS;
	}
	return refers;
}

static void
answer_set(struct dns_answer *answer, enum dns_status status, const char *text)
{
	answer->status = status;
	answer->text = text;
}

static const char *
rcode_text(unsigned rcode)
{
	static const char *const names[] = {"NOERROR",	"FORMERR", "SERVFAIL",
					    "NXDOMAIN", "NOTIMP",  "REFUSED"};

	return rcode < sizeof(names) / sizeof(names[0]) ? names[rcode]
							: "bad rcode";
}

/* The header and the question are those of our query. */
static bool
question_check(struct slice packet, const char *name, enum dns_type type,
	       size_t *at)
{
	struct name asked;

	*at = HEADER_SIZE;
	return packet.n >= HEADER_SIZE && (get16(packet, 2) & FLAG_QR) &&
	       get16(packet, 4) == 1 && name_read(packet, at, &asked) &&
	       packet.n - *at >= 4 && !asked.strange &&
	       strcmp(asked.text, name) == 0 &&
	       get16(packet, *at) == (uint16_t)type &&
	       get16(packet, *at + 2) == CLASS_IN;
}

static void
walk_answer(struct walk *w, const char *name, enum dns_type type,
	    struct arena *arena, struct dns_answer *answer)
{
	char at[DNS_NAME_SIZE];
	uint32_t ttl_s = UINT32_MAX;
	bool strange = false;
	int hops = 0;

	memcpy(at, name, strlen(name) + 1);
	while (hops < ALIAS_MAX && alias_follow(w, at, &ttl_s, &strange))
		hops++;
	if (hops == ALIAS_MAX) {
		answer_set(answer, DNS_FAIL, "too many aliases");
		return;
	}
	if (strange) {
		answer_set(answer, DNS_FAIL, "alias to no host name");
		return;
	}
	if (!records_collect(w, at, type, arena, answer, &ttl_s)) {
		answer_set(answer, DNS_FAIL, "malformed record");
		return;
	}
	if (answer->count > 0) {
		answer_set(answer, DNS_OK, "NOERROR");
		answer->ttl_s = ttl_s;
		return;
	}
	/* nobody is called dead because a server mixed its answers up */
	if (hops == 0 && w->answer_count > 0) {
		answer_set(answer, DNS_FAIL, "answer to another question");
		return;
	}
	if (is_referral(w)) {
		answer_set(answer, DNS_FAIL, "a referral, no answer");
		return;
	}
	answer_set(answer, DNS_NODATA, "no such record");
	answer->ttl_s = negative_ttl(w);
	if (hops > 0)
		keep_least(&answer->ttl_s, ttl_s);
}

void
dns_packet_read(struct slice packet, const char *name, enum dns_type type,
		struct arena *arena, struct dns_answer *answer)
{
	struct walk w = {.packet = packet};
	unsigned flags;
	size_t at;

	memset(answer, 0, sizeof(*answer));
	if (!question_check(packet, name, type, &at)) {
		answer_set(answer, DNS_FAIL, "malformed reply");
		return;
	}
	flags = get16(packet, 2);
	if ((flags & RCODE_MASK) != 0 && (flags & RCODE_MASK) != 3) {
		answer_set(answer, DNS_FAIL, rcode_text(flags & RCODE_MASK));
		return;
	}
	/* only one by TCP is read */
	if (flags & FLAG_TC) {
		answer_set(answer, DNS_FAIL, "truncated reply");
		return;
	}
	if (!rrs_read(&w, at + 4)) {
		answer_set(answer, DNS_FAIL, "malformed reply");
		return;
	}
	if ((flags & RCODE_MASK) == 3) {
		answer->authentic = (flags & FLAG_AD) != 0;
		answer_set(answer, DNS_NXDOMAIN, "NXDOMAIN");
		answer->ttl_s = negative_ttl(&w);
		return;
	}
	walk_answer(&w, name, type, arena, answer);
	answer->authentic =
	    answer->status != DNS_FAIL && (flags & FLAG_AD) != 0;
}
