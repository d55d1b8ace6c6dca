/*
 * The last look before a job starts: everything that starts goes through
 * delivery_begin, and that through here, also what a dying connection gave
 * back. So a block bites from the next start on, and costs nothing to keep on
 * a million queued messages; what is under way is not cut.
 */
#include "gateway/back/catalog.h"
#include "gateway/back/feeder.h"
#include "gateway/back/held.h"
#include "gateway/base/address.h"
#include "gateway/base/clock.h"
#include "policy/blocklist.h"

struct gate {
	struct relay *relay;
	int64_t now_wall_s, accepted_wall_s;
	uint64_t rules[JOB_RCPTS_MAX]; /* of each recipient; 0: it passes */
};

static uint64_t
ask(const struct gate *gate, struct block_facts *facts)
{
	struct block_hit hit;

	facts->accepted_wall_s = gate->accepted_wall_s;
	if (!blocklist_find(gate->relay->blocklist, facts, true,
			    gate->now_wall_s, &hit))
		return 0;
	return hit.id;
}

/* What is known of a job whose message is not loaded. */
static uint64_t
ask_source(const struct gate *gate, const struct job *job)
{
	const struct source *source = job->source;
	struct block_facts facts = {0};

	if (source->sender->cred[0] == '\0')
		return 0; /* ours, or not known: with the message */
	facts.cred = source->sender->cred;
	facts.ip = &source->address->ip;
	return ask(gate, &facts);
}

static uint64_t
ask_message(const struct gate *gate, const struct spool_msg *msg)
{
	struct block_facts facts = {.from = slice_str(msg->mail_from),
				    .body = msg->body.digest};

	if (!(msg->flags & MSG_GENERATED)) {
		facts.cred = msg->cred;
		facts.ip = &msg->client;
	}
	return ask(gate, &facts);
}

/* Recipients of a domain mostly stand together: asked once. */
static bool
ask_domains(struct gate *gate, uint32_t count, struct spool_rcpt **rcpts)
{
	struct slice last = SLICE_NONE;
	bool found = false;
	uint64_t rule = 0;
	struct buf key;

	buf_init(&key, 1024);
	for (uint32_t i = 0; i < count; i++) {
		struct slice domain =
		    address_domain(slice_str(rcpts[i]->address));
		struct block_facts facts = {0};

		if (!last.p || !slice_eq(domain, last)) {
			buf_clear(&key);
			address_domain_key(&key, domain);
			facts.domain = buf_slice(&key);
			rule = key.n > 0 ? ask(gate, &facts) : 0;
			last = domain;
		}
		gate->rules[i] = rule;
		found |= rule != 0;
	}
	buf_fini(&key);
	return found;
}

/* Those that this rule holds leave for a job of their own; returns how many
 * are left. */
static uint32_t
split_off(struct gate *gate, struct job *job, struct spool_rcpt **rcpts,
	  uint64_t rule)
{
	uint32_t gone[JOB_RCPTS_MAX], gone_count = 0, n = 0;
	struct job *other;

	for (uint32_t i = 0; i < job->rcpt_count; i++) {
		if (gate->rules[i] == rule) {
			gone[gone_count++] = rcpts[i]->index;
			continue;
		}
		gate->rules[n] = gate->rules[i];
		rcpts[n++] = rcpts[i];
	}
	if (n > 0) {
		feeder_cut(gate->relay, job, gone_count);
		other = mail_split(gate->relay, job, job->mail->msg, gone,
				   gone_count);
		held_by_rule(gate->relay, &other, rule);
	}
	return n;
}

static bool
hold_by_domain(struct gate *gate, struct job **job, struct spool_rcpt **rcpts)
{
	for (uint32_t i = 0; i < (*job)->rcpt_count;) {
		uint64_t rule = gate->rules[i];

		if (rule == 0) {
			i++;
			continue;
		}
		if (split_off(gate, *job, rcpts, rule) == 0) {
			held_by_rule(gate->relay, job, rule);
			return false;
		}
	}
	return true;
}

bool
gate_pass(struct relay *relay, struct job **job, struct spool_rcpt **rcpts)
{
	struct gate gate;
	uint64_t rule;

	if (!feeder_passes(relay, job))
		return false;
	if (!relay->blocklist || blocklist_is_empty(relay->blocklist))
		return true;
	gate.relay = relay;
	gate.now_wall_s = clock_wall_s();
	gate.accepted_wall_s = (*job)->accepted_wall_s;
	rule = rcpts ? ask_message(&gate, (*job)->mail->msg)
		     : ask_source(&gate, *job);
	if (rule != 0) {
		held_by_rule(relay, job, rule);
		return false;
	}
	if (!rcpts || !ask_domains(&gate, (*job)->rcpt_count, rcpts))
		return true;
	return hold_by_domain(&gate, job, rcpts);
}
