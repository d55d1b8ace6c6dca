/*
 * One server: what it has room for, what its answers say of it, what others
 * are shown. When it is asked how it is, is probe.c's; which content it gets,
 * content.c's.
 *
 * All of connection_max is for mail, but while a canary or OPTIONS are due:
 * then the next free connection is theirs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/scan/scan_int.h"
#include "gateway/scan/words.h"

static void
set_name(struct scan_server *server)
{
	const struct scan_server_conf *conf = &server->conf;
	bool v6 = strchr(conf->host, ':') != NULL;

	(void)snprintf(server->status.name, sizeof(server->status.name),
		       "%s%s%s:%u/%s", v6 ? "[" : "", conf->host, v6 ? "]" : "",
		       conf->port, conf->service);
}

static void
copy_conf(struct scan_server *server, const struct scan_server_conf *conf)
{
	server->arena = arena_create(512);
	server->conf = *conf;
	server->conf.host = arena_dup(server->arena, slice_str(conf->host));
	server->conf.service =
	    arena_dup(server->arena, slice_str(conf->service));
	server->conf.profile =
	    arena_dup(server->arena, slice_str(conf->profile));
}

struct scan_server *
scan_server_create(struct scan *scan, const struct scan_server_conf *conf)
{
	struct scan_server *server = mem_zalloc(sizeof(*server));
	const struct scan_conf *all = &scan->settings->conf;
	struct icap_service service = {
	    .host = conf->host,
	    .port = conf->port,
	    .service = conf->service,
	    .tls = conf->tls ? scan->settings->tls : NULL,
	    .method = all->reqmod ? ICAP_REQMOD : ICAP_RESPMOD,
	    .profile = conf->profile,
	    .connection_max = all->connection_max,
	    .io_ms = all->part_ms,
	    .authenticated_user = all->authenticated_user,
	};

	server->scan = scan;
	copy_conf(server, conf);
	set_name(server);
	server->service = scan_settings_service(scan->settings, conf);
	server->pool_key = scan_settings_pool(scan->settings, conf);
	server->connection_max = all->connection_max;
	server->pool = icap_pool_create(scan->loop, &service);
	TAILQ_INIT(&server->asked);
	TAILQ_INIT(&server->doubted);
	health_init(&server->health, all->canary_ms, loop_now_ms(scan->loop));
	server->status.health = SCAN_UNKNOWN;
	server->status.since_wall_s = clock_wall_s();
	return server;
}

void
scan_server_destroy(struct scan_server **serverp)
{
	struct scan_server *server = *serverp;

	*serverp = NULL;
	if (!server)
		return;
	scan_probe_end(server);
	content_server_gone(server);
	icap_pool_destroy(&server->pool);
	arena_destroy(&server->arena);
	free(server);
}

/* --- room ----------------------------------------------------------------- */

uint32_t
scan_server_slots(const struct scan_server *server)
{
	const struct icap_options *options = icap_pool_options(server->pool);

	if (options->known && options->connection_max > 0 &&
	    options->connection_max < server->connection_max)
		return options->connection_max;
	return server->connection_max;
}

uint32_t
scan_server_room(const struct scan_server *server, bool late)
{
	uint32_t slots = scan_server_slots(server), half = (slots + 1) / 2;
	uint32_t taken = server->asked_count;

	if (server->health.state != SCAN_UP)
		return 0;
	if (server->probe_op ||
	    health_is_due(&server->health, loop_now_ms(server->scan->loop)))
		taken++;
	if (taken >= slots)
		return 0;
	/* Half of it stays for those who wait at a dot. */
	if (late && server->late_count >= half)
		return 0;
	return slots - taken;
}

/* --- what others see ------------------------------------------------------ */

void
scan_server_publish(struct scan_server *server)
{
	struct icap_pool_status pool;

	icap_pool_status_get(server->pool, &pool);
	pthread_mutex_lock(&server->scan->lock);
	server->status.health = server->health.state;
	server->status.expires_wall_s = icap_pool_expires_wall_s(server->pool);
	memcpy(server->status.istag, server->istag.now,
	       sizeof(server->status.istag));
	server->status.connections = pool.connections;
	server->status.busy = pool.busy;
	server->status.waiting = pool.waiting;
	pthread_mutex_unlock(&server->scan->lock);
}

static void
set_error(struct scan_server *server, const char *error)
{
	pthread_mutex_lock(&server->scan->lock);
	(void)snprintf(server->status.error, sizeof(server->status.error), "%s",
		       error);
	pthread_mutex_unlock(&server->scan->lock);
}

void
scan_server_tried(struct scan_server *server, bool changed, const char *error)
{
	enum scan_health state = server->health.state;

	set_error(server, state == SCAN_UP ? "" : error);
	if (!changed) {
		scan_server_publish(server);
		return;
	}
	log_event(state == SCAN_UP ? GW_LOG_INFO : GW_LOG_WARN, "scan-server",
		  LF_STR("server", server->status.name),
		  LF_STR("health", scan_health_word(state)),
		  LF_STR("error", state == SCAN_UP ? NULL : error));
	pthread_mutex_lock(&server->scan->lock);
	server->status.since_wall_s = clock_wall_s();
	pthread_mutex_unlock(&server->scan->lock);
	scan_server_publish(server);
	if (state == SCAN_BLIND)
		verdicts_distrust(server->scan->verdicts, server->service);
	if (state != SCAN_UP)
		content_take_back(server, state == SCAN_BLIND);
	scan_update_up(server->scan);
}

/* --- what its answers say of it ------------------------------------------- */

void
scan_server_tag(struct scan_server *server, const char *tag)
{
	struct scan *scan = server->scan;
	struct istag *istag = &server->istag;
	int64_t now_ms = loop_now_ms(scan->loop);
	bool was_unsteady = istag->unsteady, renewed;

	renewed = istag_note(istag, tag, now_ms);
	if (!renewed && istag->unsteady == was_unsteady)
		return;
	if (renewed && !istag->unsteady)
		server->options_old = icap_pool_options(server->pool)->known;
	verdicts_service(scan->verdicts, server->service, istag->now,
			 istag->unsteady);
	if (istag->unsteady != was_unsteady)
		log_event(
		    istag->unsteady ? GW_LOG_WARN : GW_LOG_INFO, "scan-istag",
		    LF_STR("server", server->status.name),
		    LF_STR("istag", istag->now),
		    LF_STR("state", istag->unsteady ? "unsteady" : "steady"));
	if (!istag->unsteady && strcmp(istag->now, server->proven) != 0)
		health_hurry(&server->health, now_ms);
	scan_update_up(scan);
}

static void
count(struct scan_server *server, const struct scan_verdict *verdict)
{
	struct scan_server_status *status = &server->status;

	pthread_mutex_lock(&server->scan->lock);
	switch (verdict->kind) {
	case SCAN_CLEAN:
		status->scanned++;
		break;
	case SCAN_INFECTED:
		status->scanned++;
		status->infected++;
		break;
	case SCAN_UNSCANNABLE:
		status->scanned++;
		status->unscannable++;
		break;
	case SCAN_ERROR:
		status->errors++;
		break;
	}
	pthread_mutex_unlock(&server->scan->lock);
}

static bool
is_believed(const struct scan_server *server, const char *tag)
{
	if (server->health.state == SCAN_BLIND)
		return false;
	if (server->istag.unsteady)
		return true;
	/* Without one it is as good as the last. */
	return strcmp(tag[0] ? tag : server->istag.now, server->proven) == 0;
}

bool
scan_server_note(struct scan_server *server, const struct icap_result *result,
		 int64_t took_ms)
{
	const struct scan_verdict *verdict = &result->verdict;
	int64_t now_ms = loop_now_ms(server->scan->loop);
	bool changed;

	if (verdict->kind == SCAN_ERROR) {
		/* Our own trouble says nothing of it. */
		if (verdict->why == SCAN_WHY_READ ||
		    verdict->why == SCAN_WHY_CANCELED)
			return false;
		count(server, verdict);
		changed = health_error(&server->health,
				       verdict->why == SCAN_WHY_DOWN, now_ms);
		if (changed)
			scan_server_tried(server, true, result->error);
		return false;
	}
	count(server, verdict);
	server->answered_ms = now_ms;
	histogram_add(&server->times, (uint64_t)took_ms * 1000, now_ms);
	health_answer(&server->health);
	scan_server_tag(server, verdict->istag);
	/* Its tags are no news: nothing waits for a canary because of them.
	 * Not where it is a canary's answer, which may show that it is blind.
	 */
	if (server->istag.unsteady)
		content_believe(server, UINT64_MAX);
	return is_believed(server, verdict->istag);
}

/* --- the list ------------------------------------------------------------- */

static struct scan_server *
take_same(struct scan_server_list *old, uint64_t pool_key)
{
	struct scan_server *server;

	TAILQ_FOREACH (server, old, link) {
		if (server->pool_key == pool_key) {
			TAILQ_REMOVE(old, server, link);
			return server;
		}
	}
	return NULL;
}

static struct scan_server *
keep_or_create(struct scan *scan, struct scan_server_list *old,
	       const struct scan_server_conf *conf)
{
	struct scan_server *server =
	    take_same(old, scan_settings_pool(scan->settings, conf));

	if (!server)
		return scan_server_create(scan, conf);
	server->conf.weight = conf->weight;
	icap_pool_set_io_ms(server->pool, scan->settings->conf.part_ms);
	health_configure(&server->health, scan->settings->conf.canary_ms,
			 loop_now_ms(scan->loop));
	return server;
}

static bool
has_service(const struct scan *scan, uint64_t service)
{
	const struct scan_server *server;

	TAILQ_FOREACH (server, &scan->servers, link) {
		if (server->service == service)
			return true;
	}
	return false;
}

void
scan_servers_apply(struct scan *scan)
{
	const struct scan_conf *conf = &scan->settings->conf;
	struct scan_server_list old = TAILQ_HEAD_INITIALIZER(old);
	struct scan_server *server;

	pthread_mutex_lock(&scan->lock);
	TAILQ_CONCAT(&old, &scan->servers, link);
	for (size_t i = 0; i < conf->server_count; i++) {
		server = keep_or_create(scan, &old, &conf->servers[i]);
		server->bit = UINT64_C(1) << i;
		TAILQ_INSERT_TAIL(&scan->servers, server, link);
	}
	pthread_mutex_unlock(&scan->lock);
	while ((server = TAILQ_FIRST(&old))) {
		TAILQ_REMOVE(&old, server, link);
		if (!has_service(scan, server->service))
			verdicts_service_gone(scan->verdicts, server->service);
		scan_server_destroy(&server);
	}
	content_forget_tried(scan);
	TAILQ_FOREACH (server, &scan->servers, link)
		scan_probe_tick(server);
	scan_update_up(scan);
}
