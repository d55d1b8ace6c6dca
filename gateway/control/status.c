#include "gateway/control/status.h"

#include <inttypes.h>

#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/control/status_scan.h"
#include "gateway/control/text.h"

#define MINIMUM_COLUMNS 60
#define DEFAULT_COLUMNS 80

static void
label(struct buf *out, const char *name)
{
	buf_printf(out, "%-12s ", name);
}

static void
counted(struct buf *out, const char *before, uint64_t n, const char *what)
{
	buf_add_str(out, before);
	text_count(out, n);
	buf_add_str(out, what);
}

static void
put_ms(struct buf *out, double ms)
{
	buf_printf(out, ms < 1000 ? "%.1f ms" : "%.1f s",
		   ms < 1000 ? ms : ms / 1000);
}

static void
put_latency(struct buf *out, const char *what, double p50_ms, double p99_ms)
{
	if (p99_ms <= 0)
		return;
	label(out, "");
	buf_printf(out, "%s: p50 ", what);
	put_ms(out, p50_ms);
	buf_add_str(out, ", p99 ");
	put_ms(out, p99_ms);
	buf_add_byte(out, '\n');
}

static void
put_head(const struct status_input *in, struct buf *out)
{
	const struct metrics *m = in->metrics;
	char since[CLOCK_HUMAN_SIZE];

	clock_human(m->start_wall_s, m->wall_s, since);
	buf_add_str(out, "sluiced " SLUICE_VERSION " on ");
	text_last(out, slice_str(in->hostname), 0);
	buf_add_str(out, ", up ");
	text_span(out, (int64_t)m->uptime_s);
	buf_printf(out, " (since %s)\n\n", since);
}

static void
put_front(const struct metrics *m, struct buf *out)
{
	const struct front_status *f = &m->front;

	label(out, "sessions");
	counted(out, "", f->sessions, " now (");
	counted(out, "", f->sessions_tls, " TLS, ");
	counted(out, "", f->sessions_authenticated,
		" logged in); since start ");
	counted(out, "", f->connections_total, "");
	counted(out, ", refused ", f->connections_refused, "\n");
	label(out, "logins");
	counted(out, "", f->auth_ok, " right, ");
	counted(out, "", f->auth_failed, " wrong, ");
	counted(out, "", f->auth_busy, " put off\n");
	label(out, "accepted");
	text_times(out, f->messages_accepted, "message");
	buf_add_str(out, ", ");
	text_times(out, f->recipients_accepted, "recipient");
	buf_add_str(out, ", ");
	text_size(out, f->bytes_accepted);
	buf_printf(out, "; %.0f/min now\n", m->accepted_per_minute);
	label(out, "");
	counted(out, "refused ", f->messages_refused, " messages, ");
	counted(out, "", f->recipients_refused, " recipients; ");
	counted(out, "", f->messages_duplicate, " sent again by clients\n");
	put_latency(out, "final dot to 250", f->dot_p50_ms, f->dot_p99_ms);
}

static void
put_limits(const struct metrics *m, struct buf *out)
{
	const struct front_status *f = &m->front;

	label(out, "limits");
	counted(out, "paced ", f->limit_paced, ", ");
	counted(out, "held ", f->limit_held, ", ");
	counted(out, "to bulk ", f->limit_bulk, "; ");
	counted(out, "put off ", f->limit_deferred, ", ");
	counted(out, "refused ", f->limit_rejected, "\n");
	label(out, "");
	counted(out, "would have acted ", f->limit_observed, " (observe); ");
	counted(out, "senders refused ", f->sender_refused, "\n");
	label(out, "block list");
	counted(out, "", m->block_entries,
		m->block_entries == 1 ? " entry" : " entries");
	counted(out, ", refused ", f->blocked, "; ");
	text_times(out, m->back.held_by_rule, "queued recipient");
	buf_add_str(out, " held by it\n");
}

static void
put_percent(struct buf *out, uint64_t part, uint64_t rest)
{
	buf_printf(out, "%.0f %%",
		   part + rest > 0 ? 100 * (double)part / (double)(part + rest)
				   : 0);
}

static void
put_resolver(const struct metrics *m, struct buf *out)
{
	const struct dns_cache_status *dns = &m->dns;

	label(out, "resolver");
	if (!m->resolver.asks) {
		buf_add_str(out, "not asked: 'dns { check off; }'\n");
		return;
	}
	text_last(out, slice_str(m->resolver.servers.text), 0);
	counted(out, "; asked ", dns->asked, "");
	counted(out, ", no answer ", dns->timeouts, "");
	counted(out, ", failed ", dns->failures, "\n");
	if (m->dns_failing + m->dns_slow + m->dns_rewrites + m->dns_remote >
	    0) {
		label(out, "");
		buf_printf(out, "%s%s%s%s", m->dns_failing ? "FAILING " : "",
			   m->dns_rewrites ? "REWRITES NXDOMAIN " : "",
			   m->dns_slow ? "SLOW " : "",
			   m->dns_remote ? "not on loopback " : "");
		out->p[out->n - 1] = '\n';
	}
	put_latency(out, "question to answer", dns->latency_p50_ms,
		    dns->latency_p99_ms);
}

static void
put_domains(const struct metrics *m, struct buf *out)
{
	const struct front_status *f = &m->front;

	label(out, "domains");
	counted(out, "refused ", f->domain_refused, ", ");
	counted(out, "dropped ", f->domain_dropped, ", ");
	counted(out, "unverified ", f->domain_unverified, ", ");
	counted(out, "senders ", f->sender_dead, "; cache ");
	counted(out, "", m->dns.domains, ", ");
	put_percent(out, m->dns.hits, m->dns.misses);
	buf_add_str(out, " hits\n");
}

static void
put_back(const struct metrics *m, struct buf *out)
{
	const struct back_status *b = &m->back;
	int64_t held = m->ledger.by_state[RCPT_HELD] + (int64_t)b->held_by_rule;

	label(out, "queue");
	text_times(out, b->queued, "recipient");
	counted(out, ", ", held > 0 ? (uint64_t)held : 0, " held; ");
	if (b->undecided > 0)
		counted(out, "", b->undecided, " wait for DNS; ");
	text_times(out, b->active, "message");
	buf_add_str(out, " under way");
	if (b->oldest_wall_s != 0) {
		buf_add_str(out, "; oldest ");
		text_span(out, (int64_t)m->oldest_s);
	}
	buf_add_byte(out, '\n');
	label(out, "delivered");
	counted(out, "", b->delivered, "");
	buf_printf(out, "; %.0f/min now; ", m->delivered_per_minute);
	counted(out, "deferred ", b->deferred, ", ");
	counted(out, "bounced ", b->bounced, ", ");
	counted(out, "DSNs ", b->dsn_sent, "\n");
	put_latency(out, "250 to delivered, not bulk", b->delay_p50_s * 1000,
		    b->delay_p99_s * 1000);
}

static void
put_campaigns(const struct metrics *m, struct buf *out)
{
	const uint64_t *states = m->campaigns.by_state;
	uint64_t ended = states[CAMPAIGN_DONE] + states[CAMPAIGN_CANCELED];
	uint64_t all = ended + states[CAMPAIGN_CHECKING] +
		       states[CAMPAIGN_WAITING] + states[CAMPAIGN_RUNNING] +
		       states[CAMPAIGN_PAUSED] + states[CAMPAIGN_STOPPED];

	if (all + m->suppressed == 0)
		return;
	label(out, "campaigns");
	counted(out, "", states[CAMPAIGN_RUNNING] + states[CAMPAIGN_CHECKING],
		" running, ");
	counted(out, "", states[CAMPAIGN_PAUSED], " paused, ");
	if (states[CAMPAIGN_STOPPED] > 0)
		counted(out, "", states[CAMPAIGN_STOPPED], " STOPPED, ");
	if (states[CAMPAIGN_WAITING] > 0)
		counted(out, "", states[CAMPAIGN_WAITING], " WAITING, ");
	counted(out, "", ended, " ended; ");
	text_times(out, m->campaigns.left, "recipient");
	buf_add_str(out, " left\n");
	label(out, "");
	text_count(out, m->suppressed);
	buf_printf(out, " address%s suppressed\n",
		   m->suppressed == 1 ? "" : "es");
}

static void
put_hop(const struct status_input *in, const struct back_hop_status *hop,
	bool first, struct buf *out)
{
	size_t columns =
	    in->columns < MINIMUM_COLUMNS ? DEFAULT_COLUMNS : in->columns;

	label(out, first ? "next hops" : "");
	text_cell(out, slice_str(hop->name), 16);
	if (hop->up) {
		buf_add_str(out, " up; ");
		counted(out, "connections ", hop->connections, "; ");
		counted(out, "delivered ", hop->delivered, ", ");
		counted(out, "failed ", hop->failed, "\n");
		return;
	}
	buf_add_str(out, " DOWN");
	if (hop->since_wall_s != 0) {
		buf_add_str(out, " for ");
		text_span(out, in->metrics->wall_s - hop->since_wall_s);
	}
	buf_add_byte(out, '\n');
	if (hop->error[0] == '\0')
		return;
	label(out, "");
	text_last(out, slice_str(hop->error),
		  in->columns == 0 ? 0 : columns - 13);
	buf_add_byte(out, '\n');
}

static void
put_disk(const struct metrics *m, struct buf *out)
{
	const struct spool_status *s = &m->spool;

	label(out, "disk");
	text_size(out, s->disk_free_bytes);
	buf_add_str(out, " of ");
	text_size(out, s->disk_total_bytes);
	buf_add_str(out, " free; spool ");
	text_size(out, s->segment_bytes);
	buf_add_str(out, ", index ");
	text_size(out, s->map_used_bytes);
	buf_printf(out, "%s\n", s->full ? "; FULL: answering 452" : "");
	if (s->failing != 0) {
		label(out, "");
		buf_printf(out, "FAILING: %s%s\n", gw_err_text(s->failing),
			   s->needs_restart ? "; RESTART sluiced" : "");
	}
}

static void
put_certificate(const struct metrics *m, struct buf *out)
{
	char date[CLOCK_ISO_SIZE];

	label(out, "certificate");
	if (m->certificate_wall_s == 0) {
		buf_add_str(out, "none\n");
		return;
	}
	clock_iso(m->certificate_wall_s * 1000, date);
	buf_printf(out,
		   m->certificate_s > 0 ? "valid until %.10s ("
					: "EXPIRED %.10s (",
		   date);
	text_span(out,
		  m->certificate_s > 0 ? m->certificate_s : -m->certificate_s);
	buf_add_str(out, m->certificate_s > 0 ? ")\n" : " ago)\n");
}

static void
put_ledger(const struct metrics *m, struct buf *out)
{
	label(out, "ledger");
	if (!m->ledger_read)
		buf_add_str(out, "cannot be read\n");
	else if (m->ledger_difference == 0)
		counted(out, "balances: all ",
			(uint64_t)(m->ledger.accepted + m->ledger.generated),
			" recipients are accounted for\n");
	else
		buf_printf(out, "DOES NOT BALANCE: %+" PRId64 " recipients\n",
			   m->ledger_difference);
}

static void
put_alerts(const struct status_input *in, struct buf *out)
{
	const struct alert *alert;
	char since[CLOCK_HUMAN_SIZE];

	for (size_t i = 0; (alert = alerts_active(in->alerts, i)) != NULL;
	     i++) {
		label(out, i == 0 ? "ALERTS" : "");
		text_last(out, slice_str(alert->subject), 0);
		clock_human(alert->since_wall_s, in->metrics->wall_s, since);
		buf_printf(out, " (since %s)\n", since);
	}
	if (alerts_count(in->alerts) == 0) {
		label(out, "alerts");
		buf_add_str(out, "none\n");
	}
}

void
status_text(const struct status_input *in, struct buf *out)
{
	const struct metrics *m = in->metrics;

	put_head(in, out);
	put_front(m, out);
	put_limits(m, out);
	put_resolver(m, out);
	if (m->resolver.asks)
		put_domains(m, out);
	status_scan_text(m, in->columns, out);
	put_back(m, out);
	put_campaigns(m, out);
	for (size_t i = 0; i < m->hop_count; i++)
		put_hop(in, &m->hops[i], i == 0, out);
	put_disk(m, out);
	put_certificate(m, out);
	put_ledger(m, out);
	put_alerts(in, out);
}

static void
json_campaigns(const struct metrics *m, struct json *j)
{
	json_open_object(j, "campaigns");
	for (int i = 0; i < CAMPAIGN_STATES; i++)
		json_u64(j, campaign_state_word((enum campaign_state)i),
			 m->campaigns.by_state[i]);
	json_u64(j, "left", m->campaigns.left);
	json_close_object(j);
	json_u64(j, "suppressed", m->suppressed);
}

static void
json_hops(const struct metrics *m, struct json *j)
{
	json_open_array(j, "hops");
	for (size_t i = 0; i < m->hop_count; i++) {
		const struct back_hop_status *hop = &m->hops[i];

		json_open_object(j, NULL);
		json_str(j, "name", hop->name);
		json_bool(j, "up", hop->up);
		json_time(j, "since", hop->since_wall_s);
		json_str(j, "error", hop->error[0] ? hop->error : NULL);
		json_u64(j, "connections", hop->connections);
		json_u64(j, "delivered", hop->delivered);
		json_u64(j, "failed", hop->failed);
		json_close_object(j);
	}
	json_close_array(j);
}

static void
json_resolver(const struct metrics *m, struct json *j)
{
	json_open_object(j, "resolver");
	json_bool(j, "asked", m->resolver.asks);
	json_str(j, "servers", m->resolver.servers.text);
	json_bool(j, "failing", m->dns_failing);
	json_bool(j, "rewrites_nxdomain", m->dns_rewrites);
	json_bool(j, "slow", m->dns_slow);
	json_bool(j, "remote", m->dns_remote);
	json_u64(j, "questions", m->dns.asked);
	json_u64(j, "timeouts", m->dns.timeouts);
	json_u64(j, "failures", m->dns.failures);
	json_u64(j, "latency_p50_us", (uint64_t)(m->dns.latency_p50_ms * 1000));
	json_u64(j, "latency_p99_us", (uint64_t)(m->dns.latency_p99_ms * 1000));
	json_u64(j, "cached_domains", m->dns.domains);
	json_u64(j, "cache_hits", m->dns.hits);
	json_u64(j, "cache_misses", m->dns.misses);
	json_close_object(j);
}

static void
json_alerts(const struct alerts *alerts, struct json *j)
{
	const struct alert *alert;

	json_open_array(j, "alerts");
	for (size_t i = 0; (alert = alerts_active(alerts, i)) != NULL; i++) {
		json_open_object(j, NULL);
		json_str(j, "cause", alert_name(alert->cause));
		json_str(j, "object", alert->object[0] ? alert->object : NULL);
		json_i64(j, "level", alert->level);
		json_time(j, "since", alert->since_wall_s);
		json_str(j, "what", alert->subject);
		json_close_object(j);
	}
	json_close_array(j);
}

static void
json_disk(const struct metrics *m, struct json *j)
{
	json_open_object(j, "disk");
	json_u64(j, "free_bytes", m->spool.disk_free_bytes);
	json_u64(j, "size_bytes", m->spool.disk_total_bytes);
	json_u64(j, "spool_bytes", m->spool.segment_bytes);
	json_u64(j, "index_bytes", m->spool.map_used_bytes);
	json_bool(j, "full", m->spool.full);
	json_str(j, "failing",
		 m->spool.failing != 0 ? gw_err_text(m->spool.failing) : NULL);
	json_bool(j, "needs_restart", m->spool.needs_restart);
	json_close_object(j);
}

void
status_json(const struct status_input *in, struct buf *out)
{
	const struct metrics *m = in->metrics;
	struct json j;

	json_init(&j, out);
	json_open_object(&j, NULL);
	json_str(&j, "version", SLUICE_VERSION);
	json_str(&j, "hostname", in->hostname);
	json_time(&j, "started", m->start_wall_s);
	json_u64(&j, "uptime_seconds", m->uptime_s);
	json_u64(&j, "sessions", m->front.sessions);
	json_u64(&j, "messages_accepted", m->front.messages_accepted);
	json_u64(&j, "messages_refused", m->front.messages_refused);
	json_u64(&j, "messages_duplicate", m->front.messages_duplicate);
	json_u64(&j, "accepted_per_minute", (uint64_t)m->accepted_per_minute);
	json_u64(&j, "limit_paced", m->front.limit_paced);
	json_u64(&j, "limit_held", m->front.limit_held);
	json_u64(&j, "limit_bulk", m->front.limit_bulk);
	json_u64(&j, "limit_deferred", m->front.limit_deferred);
	json_u64(&j, "limit_rejected", m->front.limit_rejected);
	json_u64(&j, "limit_observed", m->front.limit_observed);
	json_u64(&j, "sender_refused", m->front.sender_refused);
	json_u64(&j, "blocked", m->front.blocked);
	json_u64(&j, "block_entries", m->block_entries);
	json_u64(&j, "domain_refused", m->front.domain_refused);
	json_u64(&j, "domain_dropped", m->front.domain_dropped);
	json_u64(&j, "domain_unverified", m->front.domain_unverified);
	json_u64(&j, "sender_dead", m->front.sender_dead);
	json_resolver(m, &j);
	status_scan_json(m, &j);
	json_u64(&j, "queued", m->back.queued);
	json_i64(&j, "held", m->ledger.by_state[RCPT_HELD]);
	json_u64(&j, "held_by_rule", m->back.held_by_rule);
	json_u64(&j, "undecided", m->back.undecided);
	json_u64(&j, "active", m->back.active);
	json_time(&j, "oldest", m->back.oldest_wall_s);
	json_u64(&j, "delivered", m->back.delivered);
	json_u64(&j, "deferred", m->back.deferred);
	json_u64(&j, "bounced", m->back.bounced);
	json_u64(&j, "delivered_per_minute", (uint64_t)m->delivered_per_minute);
	json_campaigns(m, &j);
	json_hops(m, &j);
	json_disk(m, &j);
	json_time(&j, "certificate_expires", m->certificate_wall_s);
	json_bool(&j, "ledger_balances",
		  m->ledger_read && m->ledger_difference == 0);
	json_i64(&j, "ledger_difference", m->ledger_difference);
	json_alerts(in->alerts, &j);
	json_close_object(&j);
	buf_add_byte(out, '\n');
}

int
status_health(const struct metrics *m, struct buf *out)
{
	if (m->spool.failing != 0)
		buf_printf(out, "store failing: %s%s\n",
			   gw_err_text(m->spool.failing),
			   m->spool.needs_restart ? "; restart sluiced" : "");
	if (m->spool.full)
		buf_add_str(out, "spool full\n");
	if (out->n > 0)
		return 503;
	buf_add_str(out, "ok\n");
	return 200;
}
