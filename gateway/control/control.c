/*
 * The parts put together, and the tick: each second the figures are read, the
 * rates and the alerts fed, and the ids kept at the time of day.
 *
 * All of this is on the main thread; of other threads only `done` functions
 * of the store come by, and they push to a queue.
 */
#include "gateway/control/control.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/base/id.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/control/campaign_chores.h"
#include "gateway/control/cancels.h"
#include "gateway/control/control_int.h"
#include "gateway/control/gather.h"
#include "gateway/control/status.h"

#define TICK_MS 1000

static void
gather_dns(struct control *control, struct metrics *m)
{
	if (control->resolver == NULL)
		return;
	dns_cache_status_get(control->dns_cache, &m->dns);
	resolver_get(control->resolver, &m->resolver);
}

static void
gather_scan(struct control *control, struct metrics *m)
{
	if (control->scan == NULL)
		return;
	scan_status_get(control->scan, &m->scan);
	m->scanner_count =
	    scan_servers_get(control->scan, m->scanners, METRICS_SCANNERS);
	if (m->scanner_count > METRICS_SCANNERS)
		m->scanner_count = METRICS_SCANNERS;
}

static void
gather_campaigns(struct control *control, struct metrics *m)
{
	if (control->campaigns != NULL)
		campaigns_status_get(control->campaigns, &m->campaigns);
	if (control->suppress != NULL)
		m->suppressed = suppress_count(control->suppress);
}

void
gather(struct control *control, struct metrics *m)
{
	memset(m, 0, sizeof(*m));
	m->wall_s = clock_wall_s();
	m->start_wall_s = control->start_wall_s;
	front_status_get(control->front, &m->front);
	back_status_get(control->back, &m->back);
	m->hop_count = back_hops_get(control->back, m->hops, METRICS_HOPS);
	if (m->hop_count > METRICS_HOPS)
		m->hop_count = METRICS_HOPS;
	spool_status_get(control->spool, &m->spool);
	m->ledger_read = spool_ledger_read(control->spool, &m->ledger) == 0;
	if (!m->ledger_read)
		memset(&m->ledger, 0, sizeof(m->ledger));
	m->certificate_wall_s =
	    control->host.certificate_expires(control->host.arg);
	m->accepted_per_minute = rate_per_minute(&control->rate, RATE_ACCEPTED);
	m->delivered_per_minute =
	    rate_per_minute(&control->rate, RATE_DELIVERED);
	m->alerts = alerts_count(control->alerts);
	m->block_entries = blocklist_count(control->blocklist);
	limits_usage(control->limits, &m->limit_keys, &m->limit_bytes);
	gather_dns(control, m);
	gather_scan(control, m);
	gather_campaigns(control, m);
	metrics_derive(m);
}

static void
on_alert(void *arg, const struct alert *alert, bool raised)
{
	struct control *control = arg;

	if (raised)
		alert_send(control->sender, alert);
	else
		alert_cleared(control->sender, alert);
}

static void
feed_alerts(struct control *control, const struct metrics *m, int64_t now_ms)
{
	struct alert_hop hops[METRICS_HOPS];
	struct alert_scanner scanners[METRICS_SCANNERS];
	struct campaign_alarm alarms[ALERT_CAMPAIGNS];
	struct alert_campaign campaigns[ALERT_CAMPAIGNS];
	int64_t held = m->ledger.by_state[RCPT_HELD];
	struct alert_facts facts = {
	    .altered_total = m->back.altered,
	    .held = held > 0 ? (uint64_t)held : 0,
	    .certificate_wall_s = m->certificate_wall_s,
	    .disk_free_bytes = m->spool.disk_free_bytes,
	    .disk_total_bytes = m->spool.disk_total_bytes,
	    .disk_low_bytes = control->conf.disk_low_bytes,
	    .disk_full = m->spool.full,
	    .store_failing = m->spool.failing,
	    .store_needs_restart = m->spool.needs_restart,
	    .queued = m->back.queued,
	    .delivered = m->back.delivered,
	    .oldest_wall_s = m->back.oldest_wall_s,
	    .dovecot_away = control->auth_probe != NULL &&
			    auth_mechanisms(control->auth_probe) == NULL,
	    .resolver = {.servers = m->resolver.servers.text,
			 .found = m->resolver.found,
			 .p50_ms = m->dns.latency_p50_ms,
			 .failing = m->dns_failing != 0,
			 .slow = m->dns_slow != 0,
			 .rewrites = m->dns_rewrites != 0,
			 .remote = m->dns_remote != 0},
	    .scan = {.servers = scanners,
		     .server_count = m->scanner_count,
		     .up = m->scan.up,
		     .unsteady = m->scan.istag_unsteady,
		     .waiting = m->back.scan_waiting,
		     .bypass_until_wall_s = m->scan.bypass_until_wall_s},
	    .campaigns = campaigns,
	    .campaign_count = campaign_alarms(control, m, alarms),
	    .hops = hops,
	    .hop_count = m->hop_count,
	};

	for (size_t i = 0; i < facts.campaign_count; i++)
		campaigns[i] = (struct alert_campaign){
		    .name = alarms[i].name,
		    .title = alarms[i].view.name,
		    .reason = alarms[i].view.reason,
		    .login = alarms[i].view.cred,
		    .waits = alarms[i].view.state == CAMPAIGN_WAITING};

	for (size_t i = 0; i < m->hop_count; i++) {
		hops[i].name = m->hops[i].name;
		hops[i].up = m->hops[i].up;
		hops[i].error = m->hops[i].error;
	}
	for (size_t i = 0; i < m->scanner_count; i++) {
		const struct scan_server_status *from = &m->scanners[i];

		scanners[i] = (struct alert_scanner){
		    .name = from->name,
		    .error = from->error,
		    .up = from->health == SCAN_UP,
		    .blind = from->health == SCAN_BLIND,
		    .certificate_wall_s = from->expires_wall_s,
		};
	}
	alerts_update(control->alerts, &facts, now_ms, m->wall_s, on_alert,
		      control);
}

static void
on_tick(void *arg)
{
	struct control *control = arg;
	int64_t now_ms = loop_now_ms(control->loop);
	struct metrics *m = mem_zalloc(sizeof(*m));
	uint64_t counts[RATES];

	control->tick = timer_start(control->loop, TICK_MS, on_tick, control);
	id_start(clock_wall_ms(), 0);
	if (control->resolver != NULL)
		resolver_tick(control->resolver, now_ms);
	gather(control, m);
	counts[RATE_ACCEPTED] = m->front.messages_accepted;
	counts[RATE_DELIVERED] = m->back.delivered;
	rate_add(&control->rate, counts, now_ms);
	feed_alerts(control, m, now_ms);
	alert_sender_tick(control->sender, now_ms);
	campaign_chores_tick(control->chores, now_ms);
	free(m);
}

static int
page(void *arg, struct slice path, struct buf *body, const char **type)
{
	struct control *control = arg;
	bool metrics = slice_eq(path, SLICE_LIT("/metrics"));
	struct metrics *m;
	int status = 200;

	if (!metrics && !slice_eq(path, SLICE_LIT("/healthz")))
		return 404;
	m = mem_zalloc(sizeof(*m));
	gather(control, m);
	if (metrics) {
		metrics_prometheus(m, body);
		*type = "text/plain; version=0.0.4; charset=utf-8";
	} else {
		status = status_health(m, body);
	}
	free(m);
	return status;
}

static void
conf_fini(struct control_conf *conf)
{
	free((char *)conf->alert_mail);
	free((char *)conf->alert_exec);
	free((char *)conf->hostname);
	free((char *)conf->postmaster);
	free((char *)conf->auth_domain);
	free((char *)conf->dns.servers);
	free((char *)conf->dns.second);
}

static void
conf_copy(struct control_conf *to, const struct control_conf *from)
{
	to->alert_mail = mem_strdup(from->alert_mail);
	to->alert_exec = mem_strdup(from->alert_exec);
	to->hostname = mem_strdup(from->hostname);
	to->postmaster = mem_strdup(from->postmaster);
	to->auth_domain = mem_strdup(from->auth_domain);
	to->disk_low_bytes = from->disk_low_bytes;
	to->dns = from->dns;
	to->dns.servers = mem_strdup(from->dns.servers);
	to->dns.second = mem_strdup(from->dns.second);
	to->dns_check = from->dns_check;
	to->dns_asks = from->dns_asks;
	to->scan_texts = from->scan_texts;
}

static struct dns_opts
dns_opts_of(const struct control *control)
{
	struct dns_opts opts = control->conf.dns;

	opts.cache = control->dns_cache;
	return opts;
}

void
control_reload(struct control *control, const struct control_conf *conf)
{
	struct control_conf old = control->conf;

	struct dns_opts dns;

	conf_copy(&control->conf, conf);
	conf_fini(&old);
	dns = dns_opts_of(control);
	if (control->resolver != NULL)
		resolver_reload(control->resolver, &dns, conf->dns_asks);
}

/* What needs descriptors or a thread; what was made is destroyed by
 * control_destroy. */
static int
create_parts(struct control *control, const struct control_opts *opts,
	     char *error, size_t error_size)
{
	int err;

	snprintf(error, error_size, "control: out of descriptors or threads");
	control->sender = alert_sender_create(control);
	control->changes = changes_create(control);
	control->works = works_create(control);
	if (control->sender == NULL || control->changes == NULL ||
	    control->works == NULL)
		return GW_EIO;
	if (opts->dns_cache != NULL) {
		const struct dns_opts dns = dns_opts_of(control);

		control->resolver =
		    resolver_create(opts->loop, &dns, opts->conf->dns_asks);
		if (control->resolver == NULL)
			return GW_EIO;
	}
	if (opts->users_local) {
		control->users = users_create(control);
		if (control->users == NULL)
			return GW_EIO;
	} else {
		control->auth_probe = auth_create(opts->loop, opts->auth);
	}
	if (opts->quarantine != NULL) {
		control->releaser = releaser_create(control);
		if (control->releaser == NULL)
			return GW_EIO;
	}
	err = admin_create(&control->admin, control, opts->socket_path, error,
			   error_size);
	if (err == 0 && opts->http != NULL)
		err = http_create(&control->http, opts->loop, opts->http, page,
				  control, error, error_size);
	return err;
}

int
control_create(struct control **controlp, const struct control_opts *opts,
	       char *error, size_t error_size)
{
	struct control *control = mem_zalloc(sizeof(*control));
	int err;

	control->loop = opts->loop;
	control->spool = opts->spool;
	control->front = opts->front;
	control->back = opts->back;
	control->auth = opts->auth;
	control->limits = opts->limits;
	control->blocklist = opts->blocklist;
	control->accounts = opts->accounts;
	control->decisions = opts->decisions;
	control->top = opts->top;
	control->dns_cache = opts->dns_cache;
	control->domains = opts->domains;
	control->scan = opts->scan;
	control->quarantine = opts->quarantine;
	control->campaigns = opts->campaigns;
	control->suppress = opts->suppress;
	control->users_local = opts->users_local;
	control->host = opts->host;
	control->start_wall_s = clock_wall_s();
	control->alerts = alerts_create();
	control->chores = campaign_chores_create(control);
	control->cancels = cancels_create(control);
	conf_copy(&control->conf, opts->conf);
	err = create_parts(control, opts, error, error_size);
	if (err != 0) {
		control_destroy(&control);
		return err;
	}
	control->tick = timer_start(control->loop, 0, on_tick, control);
	error[0] = '\0';
	*controlp = control;
	return 0;
}

void
control_destroy(struct control **controlp)
{
	struct control *control = *controlp;

	*controlp = NULL;
	if (control == NULL)
		return;
	timer_cancel(&control->tick);
	http_destroy(&control->http);
	admin_destroy(&control->admin);
	releaser_destroy(&control->releaser);
	users_destroy(&control->users);
	works_destroy(&control->works); /* whose ends are told to the trail */
	changes_destroy(&control->changes);
	cancels_destroy(&control->cancels);
	auth_destroy(&control->auth_probe);
	resolver_destroy(&control->resolver);
	alert_sender_destroy(&control->sender);
	alerts_destroy(&control->alerts);
	campaign_chores_destroy(&control->chores);
	conf_fini(&control->conf);
	free(control);
}
