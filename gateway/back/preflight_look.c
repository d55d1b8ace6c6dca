/*
 * What the spool has of a campaign: the header of its first message, and each
 * recipient that is still queued, LOOK_A_SLICE of them a turn. A duplicate is
 * as in bulk.c: the same address twice in one message.
 */
#include <string.h>

#include "gateway/back/preflight_int.h"
#include "gateway/base/address.h"
#include "gateway/base/hash.h"
#include "gateway/base/id.h"
#include "gateway/base/log.h"
#include "gateway/campaign/shape.h"
#include "gateway/campaign/suppress.h"
#include "gateway/dkim/message.h"
#include "policy/binding.h"

#define LOOK_A_SLICE 500
#define READ_BYTES 16384
#define ADDRESS_MAX 2048

/* --- the header ----------------------------------------------------------- */

static void
read_header(struct preflight *p, const struct spool_msg *msg)
{
	struct dkim_message *message;
	struct spool_reader *reader;
	char chunk[READ_BYTES];
	struct shape_facts facts;
	struct shape *shape;
	uint64_t at = 0;
	int64_t got;

	if (spool_reader_open(p->all->relay->spool, &msg->body, &reader) != 0)
		return;
	message = dkim_message_create();
	shape = shape_create();
	while (at < PREFLIGHT_HEADER_MAX &&
	       !dkim_message_header_done(message) &&
	       !dkim_message_bad(message)) {
		got = spool_reader_read(reader, at, chunk, sizeof(chunk));
		if (got <= 0)
			break;
		dkim_message_add(message, slice_of(chunk, (size_t)got));
		shape_add(shape, slice_of(chunk, (size_t)got));
		at += (uint64_t)got;
	}
	shape_end(shape, &facts);
	p->found.read = at > 0;
	p->found.shown = facts.shown;
	if (!dkim_message_header_done(message) || dkim_message_bad(message) ||
	    !binding_author(dkim_message_from(message), p->found.from))
		p->found.from[0] = '\0';
	shape_destroy(&shape);
	dkim_message_destroy(&message);
	spool_reader_close(&reader);
}

static void
read_first(struct preflight *p)
{
	struct spool_msg *msg;
	size_t n;

	if (spool_load_some(p->all->relay->spool, p->ids[0], NULL, 0, &msg) !=
	    0)
		return;
	n = address_domain_fold(address_domain(slice_str(msg->mail_from)),
				p->found.sender, sizeof(p->found.sender) - 1);
	p->found.sender[n] = '\0';
	read_header(p, msg);
	spool_msg_destroy(&msg);
}

/* --- recipients ----------------------------------------------------------- */

static uint64_t
hash_of(uint64_t id, struct slice address)
{
	struct buf key = {.cap = ADDRESS_MAX};
	uint64_t hash;

	buf_put_u64(&key, id);
	buf_add_slice(&key, address_local(address));
	for (size_t i = sizeof(id); i < key.n; i++) {
		if (key.p[i] >= 'A' && key.p[i] <= 'Z')
			key.p[i] = (char)(key.p[i] + ('a' - 'A'));
	}
	buf_add_byte(&key, '@');
	address_domain_key(&key, address_domain(address));
	hash = hash_bytes(key.p, key.n);
	buf_fini(&key);
	return hash != 0 ? hash : 1;
}

/* As what will become of it first: nobody is counted twice. */
static void
count(struct preflight *p, const struct spool_rcpt *rcpt)
{
	struct slice address = slice_str(rcpt->address);
	const struct suppress *list = p->all->relay->suppress;

	p->seen_count++;
	p->found.addressed += p->id_at == 0;
	if (rcpt->domain == RCPT_DOMAIN_DEAD)
		p->found.dead++;
	else if (list && suppress_has(list, address))
		p->found.suppressed++;
	else if (!idset_add(&p->seen, hash_of(p->ids[p->id_at], address)))
		p->found.duplicates++;
}

static bool
on_entry(void *arg, const struct spool_entry *entry)
{
	struct preflight *p = arg;

	if (entry->id != p->ids[p->id_at])
		return false;
	count(p, entry->rcpt);
	return true;
}

static void
next_message(struct preflight *p)
{
	p->at.id = p->ids[p->id_at] - 1;
	p->at.index = UINT32_MAX;
	idset_fini(&p->seen);
}

static int
compare_ids(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

bool
preflight_look(struct preflight *p)
{
	size_t all = catalog_messages(p->all->relay->catalog, p->id, p->ids,
				      PREFLIGHT_MESSAGES);

	p->found.counted = all <= PREFLIGHT_MESSAGES;
	p->id_count = all < PREFLIGHT_MESSAGES ? all : PREFLIGHT_MESSAGES;
	if (p->id_count == 0)
		return false;
	qsort(p->ids, p->id_count, sizeof(p->ids[0]), compare_ids);
	read_first(p);
	next_message(p);
	return true;
}

bool
preflight_look_slice(struct preflight *p)
{
	uint32_t before = p->seen_count;
	struct spool_cursor last = p->at;
	int n;

	if (p->id_at == p->id_count)
		return false;
	if (p->seen_count >= PREFLIGHT_RCPTS) {
		p->found.counted = false;
		return false;
	}
	n = spool_scan(p->all->relay->spool, &p->at, LOOK_A_SLICE, on_entry, p,
		       &last);
	if (n < 0) {
		log_event(GW_LOG_ERROR, "preflight-scan",
			  LF_U64("campaign", p->id), LF_ERR(n));
		p->found.counted = false;
		return false;
	}
	p->at = last;
	if (p->seen_count - before < LOOK_A_SLICE && ++p->id_at < p->id_count)
		next_message(p);
	return p->id_at < p->id_count;
}
