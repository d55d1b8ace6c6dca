/*
 * The table of figures. A name is for good: dashboards and scripts keep it.
 * Prometheus' rules are kept here: base units, `_total` on counters and on
 * nothing else, HELP and TYPE before the samples, a family's samples together.
 */
#include "gateway/control/metrics_int.h"

#include <inttypes.h>
#include <stddef.h>

#include "gateway/base/json.h"

/* The resolver is near by, and most answers come from its cache. */
#define SLOW_MS 200

enum kind { COUNTER, GAUGE };
enum type { U64, I64, MILLI, SECONDS }; /* the last two are double */

struct row {
	const char *name;
	enum kind kind;
	enum type type;
	size_t offset;
	const char *help;
};

#define F(field) offsetof(struct metrics, field)

static const struct row rows[] = {
    {"uptime_seconds", GAUGE, U64, F(uptime_s), "Since sluiced started."},
    {"sessions", GAUGE, U64, F(front.sessions), "Client sessions now."},
    {"sessions_tls", GAUGE, U64, F(front.sessions_tls),
     "Client sessions now that use TLS."},
    {"sessions_authenticated", GAUGE, U64, F(front.sessions_authenticated),
     "Client sessions now that are logged in."},
    {"connections_total", COUNTER, U64, F(front.connections_total),
     "Connections of clients."},
    {"connections_refused_total", COUNTER, U64, F(front.connections_refused),
     "Connections of clients that were refused at once."},
    {"auth_ok_total", COUNTER, U64, F(front.auth_ok), "Logins."},
    {"auth_failed_total", COUNTER, U64, F(front.auth_failed),
     "Logins with a wrong name or password."},
    {"auth_busy_total", COUNTER, U64, F(front.auth_busy),
     "Logins put off because the hash queue was full."},
    {"messages_accepted_total", COUNTER, U64, F(front.messages_accepted),
     "Messages answered with 250."},
    {"messages_refused_total", COUNTER, U64, F(front.messages_refused),
     "Messages refused."},
    {"messages_duplicate_total", COUNTER, U64, F(front.messages_duplicate),
     "Messages recognised as resubmissions."},
    {"recipients_accepted_total", COUNTER, U64, F(front.recipients_accepted),
     "Recipients answered with 250."},
    {"recipients_refused_total", COUNTER, U64, F(front.recipients_refused),
     "Recipients refused."},
    {"accepted_bytes_total", COUNTER, U64, F(front.bytes_accepted),
     "Bytes of the messages accepted."},
    {"limit_paced_total", COUNTER, U64, F(front.limit_paced),
     "Messages accepted that a limit lets leave later."},
    {"limit_held_total", COUNTER, U64, F(front.limit_held),
     "Messages accepted that a limit holds."},
    {"limit_bulk_total", COUNTER, U64, F(front.limit_bulk),
     "Messages accepted that a limit made bulk."},
    {"limit_deferred_total", COUNTER, U64, F(front.limit_deferred),
     "Commands put off by a limit."},
    {"limit_rejected_total", COUNTER, U64, F(front.limit_rejected),
     "Commands refused by a limit."},
    {"limit_observed_total", COUNTER, U64, F(front.limit_observed),
     "Times a limit in observe would have acted."},
    {"limit_keys", GAUGE, U64, F(limit_keys),
     "Logins, addresses and pairs of them that limits count."},
    {"limit_bytes", GAUGE, U64, F(limit_bytes), "Memory that counting takes."},
    {"blocked_total", COUNTER, U64, F(front.blocked),
     "Commands and connections refused by the block list."},
    {"block_entries", GAUGE, U64, F(block_entries),
     "Entries of the block list, holds too."},
    {"sender_refused_total", COUNTER, U64, F(front.sender_refused),
     "Senders refused because the login may not send as them."},
    {"sender_observed_total", COUNTER, U64, F(front.sender_observed),
     "Senders that would be refused if that were not in observe."},
    {"domain_refused_total", COUNTER, U64, F(front.domain_refused),
     "Recipients refused because of their domain."},
    {"domain_dropped_total", COUNTER, U64, F(front.domain_dropped),
     "Recipients accepted and dropped because of their domain."},
    {"domain_unverified_total", COUNTER, U64, F(front.domain_unverified),
     "Recipients whose domain was not known in time."},
    {"sender_dead_total", COUNTER, U64, F(front.sender_dead),
     "Senders refused because their domain does not exist."},
    {"queue_undecided_recipients", GAUGE, U64, F(back.undecided),
     "Queued recipients that wait for a word of DNS right now."},
    {"domain_wait_p99_seconds", GAUGE, MILLI, F(front.rcpt_wait_p99_ms),
     "How long recipients waited for DNS, 99th percentile."},
    {"dns_domains", GAUGE, U64, F(dns.domains), "Domains in the DNS cache."},
    {"dns_hits_total", COUNTER, U64, F(dns.hits),
     "Domains that the DNS cache knew."},
    {"dns_misses_total", COUNTER, U64, F(dns.misses),
     "Domains that the DNS cache did not know."},
    {"dns_stale_total", COUNTER, U64, F(dns.stale_served),
     "Domains believed in beyond their time because the resolver failed."},
    {"dns_shared_total", COUNTER, U64, F(dns.shared),
     "Look-ups that waited for the answer to another's question."},
    {"dns_busy_total", COUNTER, U64, F(dns.busy),
     "Look-ups not made because too many were under way."},
    {"dns_deliverable_total", COUNTER, U64, F(dns.verdicts[DOMAIN_DELIVERABLE]),
     "Domains found to take mail."},
    {"dns_dead_total", COUNTER, U64, F(dns.verdicts[DOMAIN_DEAD]),
     "Domains found not to exist."},
    {"dns_refuses_total", COUNTER, U64, F(dns.verdicts[DOMAIN_REFUSES]),
     "Domains found to take no mail."},
    {"dns_unroutable_total", COUNTER, U64, F(dns.verdicts[DOMAIN_UNROUTABLE]),
     "Domains found without a usable mail server."},
    {"dns_unknown_total", COUNTER, U64, F(dns.verdicts[DOMAIN_UNKNOWN]),
     "Domains of which DNS told nothing."},
    {"dns_questions_total", COUNTER, U64, F(dns.asked),
     "Questions to the resolver."},
    {"dns_timeouts_total", COUNTER, U64, F(dns.timeouts),
     "Questions that nobody answered."},
    {"dns_failures_total", COUNTER, U64, F(dns.failures),
     "Questions answered with a failure."},
    {"dns_inflight", GAUGE, U64, F(dns.inflight_fast),
     "Questions under way now."},
    {"dns_inflight_slow", GAUGE, U64, F(dns.inflight_slow),
     "Slow questions under way now."},
    {"dns_latency_p50_seconds", GAUGE, MILLI, F(dns.latency_p50_ms),
     "Time to the resolver's answer, median of the last minute."},
    {"dns_latency_p99_seconds", GAUGE, MILLI, F(dns.latency_p99_ms),
     "Time to the resolver's answer, 99th percentile of the last minute."},
    {"dns_failing", GAUGE, U64, F(dns_failing),
     "1 while no usable answers come from the resolver."},
    {"dns_slow", GAUGE, U64, F(dns_slow), "1 while the resolver is slow."},
    {"dns_rewrites", GAUGE, U64, F(dns_rewrites),
     "1 when names that cannot exist have records."},
    {"dns_remote", GAUGE, U64, F(dns_remote),
     "1 when a resolver is not on loopback."},
    {"lane_personal_connections", GAUGE, U64,
     F(back.lane_connections[LANE_PERSONAL]),
     "Connections to next hops with people's own mail."},
    {"lane_bulk_connections", GAUGE, U64, F(back.lane_connections[LANE_BULK]),
     "Connections to next hops with mass mailings."},
    {"lane_dsn_connections", GAUGE, U64, F(back.lane_connections[LANE_DSN]),
     "Connections to next hops with notices of ours."},
    {"campaign_checking", GAUGE, U64, F(campaigns.by_state[CAMPAIGN_CHECKING]),
     "Campaigns that are looked at before they begin."},
    {"campaign_waiting", GAUGE, U64, F(campaigns.by_state[CAMPAIGN_WAITING]),
     "Campaigns that wait for a person to confirm them."},
    {"campaign_running", GAUGE, U64, F(campaigns.by_state[CAMPAIGN_RUNNING]),
     "Campaigns that are being sent."},
    {"campaign_paused", GAUGE, U64, F(campaigns.by_state[CAMPAIGN_PAUSED]),
     "Campaigns that a person paused."},
    {"campaign_stopped", GAUGE, U64, F(campaigns.by_state[CAMPAIGN_STOPPED]),
     "Campaigns that a rule stopped."},
    {"campaign_left_recipients", GAUGE, U64, F(campaigns.left),
     "Recipients of campaigns that are still to be sent to."},
    {"campaign_suppressed_addresses", GAUGE, U64, F(suppressed),
     "Addresses that campaigns leave out."},
    {"scan_on", GAUGE, U64, F(scan_on),
     "1 when virus scanners are configured."},
    {"scan_up", GAUGE, U64, F(scan_up),
     "1 while a virus scanner can be asked."},
    {"scan_bypassed", GAUGE, U64, F(scan_bypassed),
     "1 while a bypass lets mail out unscanned."},
    {"scan_clean_total", COUNTER, U64, F(front.scan_clean),
     "Messages found clean at their final dot."},
    {"scan_token_total", COUNTER, U64, F(front.scan_token),
     "Messages of those clean that another gateway of ours vouched for."},
    {"scan_infected_total", COUNTER, U64, F(front.scan_infected),
     "Messages found infected at their final dot."},
    {"scan_unscannable_total", COUNTER, U64, F(front.scan_unscannable),
     "Messages that could not be looked into at their final dot."},
    {"scan_pending_total", COUNTER, U64, F(front.scan_pending),
     "Messages accepted and held because a verdict did not come in time."},
    {"scan_open_total", COUNTER, U64, F(front.scan_open),
     "Messages accepted unscanned: a bypass, or down open."},
    {"dkim_signed_total", COUNTER, U64, F(front.dkim_signed),
     "Messages signed at their final dot."},
    {"dkim_failed_total", COUNTER, U64, F(front.dkim_failed),
     "Messages that were to be signed at their final dot, and were not."},
    {"scan_wait_p99_seconds", GAUGE, MILLI, F(front.scan_wait_p99_ms),
     "How long messages waited for a verdict, 99th percentile."},
    {"scan_pending_recipients", GAUGE, U64, F(back.scan_waiting),
     "Recipients held until their message is scanned."},
    {"scan_pending_oldest_seconds", GAUGE, U64, F(scan_oldest_s),
     "Age of the oldest message that waits for its scan."},
    {"scan_jobs", GAUGE, U64, F(scan.jobs), "Messages being scanned now."},
    {"scan_parts_total", COUNTER, U64, F(scan.parts_scanned),
     "Contents sent to a virus scanner."},
    {"scan_bytes_total", COUNTER, U64, F(scan.bytes_scanned), "Their bytes."},
    {"scan_cache_verdicts", GAUGE, U64, F(scan.cache_count),
     "Verdicts that are remembered."},
    {"scan_cache_hits_total", COUNTER, U64, F(scan.cache_hits),
     "Contents whose verdict was known."},
    {"scan_cache_misses_total", COUNTER, U64, F(scan.cache_misses),
     "Contents whose verdict was not known."},
    {"scan_shared_total", COUNTER, U64, F(scan.shared),
     "Contents that waited for another's scan of the same."},
    {"scan_istag_unsteady", GAUGE, U64, F(scan_unsteady),
     "1 while a scanner changes its ISTag with each answer."},
    {"quarantined_messages_total", COUNTER, U64, F(back.quarantined),
     "Messages quarantined."},
    {"cleaned_messages_total", COUNTER, U64, F(back.cleaned),
     "Messages sent without their infected parts."},
    {"dot_latency_p50_seconds", GAUGE, MILLI, F(front.dot_p50_ms),
     "From the final dot to 250, median of the last minute."},
    {"dot_latency_p99_seconds", GAUGE, MILLI, F(front.dot_p99_ms),
     "From the final dot to 250, 99th percentile of the last minute."},
    {"recipients_delivered_total", COUNTER, U64, F(back.delivered),
     "Recipients handed to a next hop."},
    {"recipients_deferred_total", COUNTER, U64, F(back.deferred),
     "Attempts that will be repeated, by recipient."},
    {"recipients_bounced_total", COUNTER, U64, F(back.bounced),
     "Recipients given up."},
    {"messages_altered_total", COUNTER, U64, F(back.altered),
     "Messages held because their bytes on disk had changed."},
    {"dsn_sent_total", COUNTER, U64, F(back.dsn_sent), "DSNs made."},
    {"dsn_dropped_total", COUNTER, U64, F(back.dsn_dropped),
     "DSNs that had nobody to go to."},
    {"queue_recipients", GAUGE, U64, F(back.queued),
     "Recipients waiting or under way."},
    {"queue_held_by_rule_recipients", GAUGE, U64, F(back.held_by_rule),
     "Recipients of these that wait for a block or hold to go."},
    {"queue_held_recipients", GAUGE, U64, F(back.held),
     "Recipients held by a mark of their own."},
    {"queue_active_messages", GAUGE, U64, F(back.active),
     "Messages under way to a next hop."},
    {"queue_oldest_seconds", GAUGE, U64, F(oldest_s),
     "Age of the oldest message in the queue."},
    {"hop_connections", GAUGE, U64, F(back.connections),
     "Connections to next hops now."},
    {"delivery_latency_p50_seconds", GAUGE, SECONDS, F(back.delay_p50_s),
     "From acceptance to delivery without mass mailings, median of the last "
     "minute."},
    {"delivery_latency_p99_seconds", GAUGE, SECONDS, F(back.delay_p99_s),
     "From acceptance to delivery without mass mailings, 99th percentile of "
     "the last minute."},
    {"disk_free_bytes", GAUGE, U64, F(spool.disk_free_bytes),
     "Free space where the spool is."},
    {"disk_size_bytes", GAUGE, U64, F(spool.disk_total_bytes),
     "Size of the disk where the spool is."},
    {"index_used_bytes", GAUGE, U64, F(spool.map_used_bytes),
     "Used space of the index."},
    {"index_size_bytes", GAUGE, U64, F(spool.map_bytes),
     "Most the index may grow to."},
    {"segments", GAUGE, U64, F(spool.segments), "Segment files."},
    {"segment_bytes", GAUGE, U64, F(spool.segment_bytes),
     "Bytes of the segment files."},
    {"segment_live_bytes", GAUGE, U64, F(spool.live_bytes),
     "Bytes in segment files that a queued message needs."},
    {"spool_commits_total", COUNTER, U64, F(spool.commits),
     "Commits of the store."},
    {"spool_accepts_total", COUNTER, U64, F(spool.accepts),
     "Messages committed, generated ones too."},
    {"spool_full", GAUGE, U64, F(disk_full),
     "1 while submissions are refused for want of space."},
    {"spool_failing", GAUGE, U64, F(failing), "1 when the last commit failed."},
    {"ledger_accepted", GAUGE, I64, F(ledger.accepted),
     "Recipients accepted since the spool was made."},
    {"ledger_generated", GAUGE, I64, F(ledger.generated),
     "Recipients of generated mail since the spool was made."},
    {"ledger_queued", GAUGE, I64, F(ledger.by_state[RCPT_QUEUED]),
     "Recipients queued."},
    {"ledger_held", GAUGE, I64, F(ledger.by_state[RCPT_HELD]),
     "Recipients held."},
    {"ledger_delivered", GAUGE, I64, F(ledger.by_state[RCPT_DELIVERED]),
     "Recipients delivered since the spool was made."},
    {"ledger_bounced", GAUGE, I64, F(ledger.by_state[RCPT_BOUNCED]),
     "Recipients bounced since the spool was made."},
    {"ledger_dropped", GAUGE, I64, F(ledger.by_state[RCPT_DROPPED]),
     "Recipients dropped as dead since the spool was made."},
    {"ledger_discarded", GAUGE, I64, F(ledger.by_state[RCPT_DISCARDED]),
     "Recipients discarded since the spool was made."},
    {"ledger_quarantined", GAUGE, I64, F(ledger.by_state[RCPT_QUARANTINED]),
     "Recipients quarantined since the spool was made."},
    {"ledger_purged", GAUGE, I64, F(ledger.by_state[RCPT_PURGED]),
     "Recipients purged since the spool was made."},
    {"ledger_duplicates", GAUGE, I64, F(ledger.duplicates),
     "Recipients of resubmissions since the spool was made."},
    {"ledger_difference", GAUGE, I64, F(ledger_difference),
     "Recipients that came in and are nowhere: always 0."},
    {"certificate_expiry_seconds", GAUGE, I64, F(certificate_s),
     "Until the certificate expires; 0 without one."},
    {"alerts_active", GAUGE, U64, F(alerts), "Alerts that have not cleared."},
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

enum hop_field { HOP_UP, HOP_CONNECTIONS, HOP_DELIVERED, HOP_FAILED, HOPS };

static const struct {
	const char *name;
	const char *stat;
	enum kind kind;
	const char *help;
} hop_rows[HOPS] = {
    [HOP_UP] = {"hop_up", "up", GAUGE,
		"1 when the last attempt reached the next hop."},
    [HOP_CONNECTIONS] = {"hop_open_connections", "connections", GAUGE,
			 "Connections to the next hop now."},
    [HOP_DELIVERED] = {"hop_delivered_total", "delivered", COUNTER,
		       "Recipients delivered to the next hop."},
    [HOP_FAILED] = {"hop_failed_total", "failed", COUNTER,
		    "Failed attempts at the next hop."},
};

static uint64_t
hop_value(const struct back_hop_status *hop, enum hop_field field)
{
	switch (field) {
	case HOP_UP:
		return hop->up;
	case HOP_CONNECTIONS:
		return hop->connections;
	case HOP_DELIVERED:
		return hop->delivered;
	case HOP_FAILED:
		return hop->failed;
	case HOPS:
		break;
	}
	return 0;
}

void
metrics_derive(struct metrics *m)
{
	int64_t out = 0;

	for (int i = 0; i < RCPT_STATES; i++)
		out += m->ledger.by_state[i];
	m->ledger_difference = m->ledger.accepted + m->ledger.generated - out;
	m->uptime_s = m->wall_s > m->start_wall_s
			  ? (uint64_t)(m->wall_s - m->start_wall_s)
			  : 0;
	m->oldest_s =
	    m->back.oldest_wall_s != 0 && m->wall_s > m->back.oldest_wall_s
		? (uint64_t)(m->wall_s - m->back.oldest_wall_s)
		: 0;
	m->disk_full = m->spool.full;
	m->failing = m->spool.failing != 0;
	if (m->resolver.asks) {
		m->dns_failing = m->dns.failing;
		m->dns_slow = m->dns.latency_p50_ms > SLOW_MS;
		m->dns_rewrites = m->resolver.rewrites;
		m->dns_remote = !m->resolver.servers.all_loopback;
	}
	m->certificate_s =
	    m->certificate_wall_s == 0 ? 0 : m->certificate_wall_s - m->wall_s;
	m->scan_on = m->scan.on;
	m->scan_up = m->scan.on && m->scan.up;
	m->scan_bypassed = m->scan.bypass_until_wall_s > m->wall_s;
	m->scan_unsteady = m->scan.istag_unsteady;
	m->scan_oldest_s =
	    m->back.scan_oldest_wall_s != 0 &&
		    m->wall_s > m->back.scan_oldest_wall_s
		? (uint64_t)(m->wall_s - m->back.scan_oldest_wall_s)
		: 0;
}

static void
put_value(struct buf *out, const struct metrics *m, const struct row *row)
{
	const char *at = (const char *)m + row->offset;

	switch (row->type) {
	case U64:
		buf_printf(out, "%" PRIu64,
			   *(const uint64_t *)(const void *)at);
		break;
	case I64:
		buf_printf(out, "%" PRId64, *(const int64_t *)(const void *)at);
		break;
	case MILLI:
		buf_printf(out, "%.6f",
			   *(const double *)(const void *)at / 1000);
		break;
	case SECONDS:
		buf_printf(out, "%.6f", *(const double *)(const void *)at);
		break;
	}
}

void
metrics_stats(const struct metrics *m, struct buf *out)
{
	for (size_t i = 0; i < ROWS; i++) {
		buf_printf(out, "%s=", rows[i].name);
		put_value(out, m, &rows[i]);
		buf_add_byte(out, '\n');
	}
	for (size_t i = 0; i < m->hop_count; i++)
		for (int f = 0; f < HOPS; f++)
			buf_printf(out, "hop.%s.%s=%" PRIu64 "\n",
				   m->hops[i].name, hop_rows[f].stat,
				   hop_value(&m->hops[i], (enum hop_field)f));
	metrics_scanners_stats(m, out);
}

void
metrics_json(const struct metrics *m, struct buf *out)
{
	struct json j;

	json_init(&j, out);
	json_open_object(&j, NULL);
	for (size_t i = 0; i < ROWS; i++) {
		/* Numbers with a fraction are not json.h's. */
		buf_printf(out, "%s\"%s\":", i > 0 ? "," : "", rows[i].name);
		put_value(out, m, &rows[i]);
	}
	j.comma = true;
	json_open_array(&j, "hops");
	for (size_t i = 0; i < m->hop_count; i++) {
		json_open_object(&j, NULL);
		json_str(&j, "name", m->hops[i].name);
		json_bool(&j, "up", m->hops[i].up);
		for (int f = HOP_UP + 1; f < HOPS; f++)
			json_u64(&j, hop_rows[f].stat,
				 hop_value(&m->hops[i], (enum hop_field)f));
		json_close_object(&j);
	}
	json_close_array(&j);
	metrics_scanners_json(m, &j);
	json_close_object(&j);
	buf_add_byte(out, '\n');
}

void
metrics_head(struct buf *out, const char *name, const char *help, bool counter)
{
	buf_printf(out, "# HELP sluice_%s %s\n# TYPE sluice_%s %s\n", name,
		   help, name, counter ? "counter" : "gauge");
}

void
metrics_label(struct buf *out, const char *s)
{
	for (; *s != '\0'; s++) {
		if (*s == '\n') {
			buf_add_str(out, "\\n");
			continue;
		}
		if (*s == '\\' || *s == '"')
			buf_add_byte(out, '\\');
		buf_add_byte(out, *s);
	}
}

void
metrics_prometheus(const struct metrics *m, struct buf *out)
{
	metrics_head(out, "build_info", "The release that runs.", false);
	buf_add_str(out, "sluice_build_info{version=\"");
	metrics_label(out, SLUICE_VERSION);
	buf_add_str(out, "\"} 1\n");
	for (size_t i = 0; i < ROWS; i++) {
		metrics_head(out, rows[i].name, rows[i].help,
			     rows[i].kind == COUNTER);
		buf_printf(out, "sluice_%s ", rows[i].name);
		put_value(out, m, &rows[i]);
		buf_add_byte(out, '\n');
	}
	for (int f = 0; f < HOPS && m->hop_count > 0; f++) {
		metrics_head(out, hop_rows[f].name, hop_rows[f].help,
			     hop_rows[f].kind == COUNTER);
		for (size_t i = 0; i < m->hop_count; i++) {
			buf_printf(out, "sluice_%s{hop=\"", hop_rows[f].name);
			metrics_label(out, m->hops[i].name);
			buf_printf(out, "\"} %" PRIu64 "\n",
				   hop_value(&m->hops[i], (enum hop_field)f));
		}
	}
	metrics_scanners_prometheus(m, out);
}
