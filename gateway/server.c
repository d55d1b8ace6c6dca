/*
 * The composition root. What this decides is an order.
 *
 * Start: log, sockets, directories, privileges, guard, spool, logins, limits
 * and blocks out of the spool, quarantine and scanning, which look at mail for
 * the others, campaigns, back, front, control, READY. Everything that root may
 * read (certificates, password files) was read with the configuration, before
 * the drop; authorities' files (`ca`) are opened after it, and again at a
 * reload.
 *
 * Stop: control, then the front (on a thread of its own, so that the main loop
 * goes on answering the watchdog and a second signal), then the guard's ticks,
 * then the back, then signing and scanning, which nobody asks any more, then
 * the spool (with the last of what is known of domains), then the guard, which
 * the spool asks. A second signal means now: deliveries under way get two
 * seconds, and the process ends. That loses nothing: what was answered 250 is
 * on disk.
 *
 * The store thread is given its `accepted` before there is a back: until then,
 * and while the back is being stopped, messages are parked here. Parked ones
 * are on disk; dropping them at the end means that the next start finds them.
 */
#include "gateway/server.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/activate.h"
#include "gateway/base/clock.h"
#include "gateway/base/id.h"
#include "gateway/base/mem.h"
#include "gateway/notify.h"
#include "gateway/plan.h"
#include "gateway/privilege.h"
#include "gateway/server_int.h"

#define FRONT_GRACE_MS 30000
#define BACK_GRACE_MS 10000
#define HURRY_GRACE_MS 2000
#define TICK_MS 1000
#define EXIT_START 1

/* Connections use one descriptor each; the rest is for files and threads. */
#define DESCRIPTORS_BESIDES 256

/* --- what the units call --- */

static void
accepted(void *arg, struct spool_msg **msg)
{
	struct server *s = arg;

	pthread_mutex_lock(&s->lock);
	if (s->back != NULL) {
		back_accepted(s->back, msg);
	} else {
		if (s->parked_count == s->parked_size) {
			s->parked_size = 2 * s->parked_size + 8;
			s->parked = mem_resize(s->parked,
					       s->parked_size *
						   sizeof(struct spool_msg *));
		}
		s->parked[s->parked_count++] = *msg;
		*msg = NULL;
	}
	pthread_mutex_unlock(&s->lock);
}

static bool
offers_utf8(void *arg)
{
	struct server *s = arg;
	bool yes;

	pthread_mutex_lock(&s->lock);
	yes = s->back != NULL && back_offers_utf8(s->back);
	pthread_mutex_unlock(&s->lock);
	return yes;
}

static void
set_back(struct server *s, struct back *back)
{
	pthread_mutex_lock(&s->lock);
	s->back = back;
	for (size_t i = 0; i < s->parked_count; i++)
		back_accepted(back, &s->parked[i]);
	s->parked_count = 0;
	pthread_mutex_unlock(&s->lock);
}

/* The guard is stopped before the back is. */
static void
start_work(void *arg, struct back_work *work)
{
	back_work_start(arg, work);
}

static void
stop_back(struct server *s, int64_t grace_ms)
{
	struct back *back;

	pthread_mutex_lock(&s->lock);
	back = s->back;
	s->back = NULL;
	pthread_mutex_unlock(&s->lock);
	back_stop(&back, grace_ms);
}

/* --- stop --- */

static void *
stop_front(void *arg)
{
	struct server *s = arg;

	front_stop(&s->front, FRONT_GRACE_MS);
	loop_stop(s->loop);
	return NULL;
}

static void
hurry(struct server *s)
{
	log_event(GW_LOG_WARN, "stop-now",
		  LF_STR("why", "a second signal: sessions are cut"));
	stop_back(s, HURRY_GRACE_MS);
	_exit(0);
}

static void
on_stop(void *arg, int signum)
{
	struct server *s = arg;

	if (s->stopping)
		hurry(s);
	s->stopping = true;
	log_event(GW_LOG_INFO, "stop", LF_STR("signal", strsignal(signum)));
	notify_send("STOPPING=1\nSTATUS=waiting for sessions to end");
	/* it knows the front, which is about to go */
	control_destroy(&s->control);
	/* nobody will be served: refuse at once rather than leave them hanging
	 * in the backlog for the whole grace */
	timer_cancel(&s->sweep);
	sockets_destroy(&s->sockets);
	if (pthread_create(&s->stopper, NULL, stop_front, s) != 0) {
		stop_front(s);
		return;
	}
	s->stopper_runs = true;
}

static void
on_reload(void *arg, int signum)
{
	struct buf errors = {.cap = SERVER_ERRORS_MAX};

	(void)signum;
	if (((struct server *)arg)->stopping)
		return;
	server_reload(arg, &errors);
	buf_fini(&errors);
}

/* --- start --- */

static void
on_tick(void *arg)
{
	struct server *s = arg;

	/* ids carry the time: see base/id.h */
	id_start(clock_wall_ms(), 0);
	s->tick = timer_start(s->loop, TICK_MS, on_tick, s);
}

static void
on_watchdog(void *arg)
{
	struct server *s = arg;

	notify_send("WATCHDOG=1");
	s->watchdog = timer_start(s->loop, s->watchdog_ms, on_watchdog, s);
}

static int
fail(const char *what, const char *why)
{
	log_event(GW_LOG_ERROR, "start-failed", LF_STR("what", what),
		  LF_STR("why", why));
	notify_send("STATUS=start failed");
	return EXIT_START;
}

static void
check_descriptors(const struct config *c)
{
	uint64_t have = privilege_descriptors();
	uint64_t need =
	    c->connections + c->delivery_connections + DESCRIPTORS_BESIDES;

	if (have < need)
		log_event(GW_LOG_WARN, "descriptors",
			  LF_STR("why", "the limit on open files is lower than "
					"connections and delivery-connections "
					"need"),
			  LF_U64("have", have), LF_U64("need", need));
}

/* The file is made for the user we become, who opens it again at SIGHUP. */
static int
open_log(struct server *s, struct privilege *p)
{
	const struct config *c = s->config;
	char error[SERVER_ERROR_SIZE] = "";
	struct log_opts log;

	if (privilege_plan(p, c->user, error, sizeof(error)) != 0)
		return fail("user", error);
	plan_log(&log, c);
	if (log.target == LOG_TO_FILE &&
	    privilege_file(p, log.path, error, sizeof(error)) != 0)
		return fail("log", error);
	if (log_setup(&log) != 0)
		return fail("log", log.path != NULL ? log.path : "syslog");
	return 0;
}

static int
open_sockets(struct server *s)
{
	struct buf errors = {.cap = SERVER_ERRORS_MAX};
	int err;

	s->sockets = sockets_create(ACTIVATE_FIRST_FD);
	err = sockets_prepare(s->sockets, s->config, &errors);
	server_log_lines(GW_LOG_ERROR, "start-failed", buf_slice(&errors));
	buf_fini(&errors);
	if (err != 0)
		return EXIT_START;
	sockets_commit(s->sockets);
	sockets_sweep(s->sockets);
	return 0;
}

/* Directories while we may, then the drop. */
static int
become(const struct config *c, const struct privilege *p)
{
	char error[SERVER_ERROR_SIZE] = "", dir[4096];
	const char *slash = strrchr(c->control, '/');

	snprintf(dir, sizeof(dir), "%.*s",
		 slash > c->control ? (int)(slash - c->control) : 1,
		 c->control);
	if (privilege_directory(p, c->spool, 0700, error, sizeof(error)) != 0 ||
	    privilege_directory(p, dir, 0750, error, sizeof(error)) != 0)
		return fail("directory", error);
	if (privilege_drop(p, error, sizeof(error)) != 0)
		return fail("user", error);
	if (geteuid() == 0)
		log_event(
		    GW_LOG_WARN, "root",
		    LF_STR("why", "running as root: set 'user' in the file"));
	return 0;
}

static int
open_spool(struct server *s)
{
	char error[SERVER_ERROR_SIZE] = "";
	struct auth_opts auth;
	const struct spool_opts opts = {
	    .path = s->config->spool,
	    .resub_window_s = s->config->resubmission_window_ms / 1000,
	    .accepted = accepted,
	    .accepted_arg = s,
	    .veto = guard_veto,
	    .veto_arg = s->guard,
	};

	if (spool_open(&s->spool, &opts, error, sizeof(error)) != 0)
		return fail("spool", error);
	plan_auth(&auth, s->config);
	auth.store = spool_store(s->spool);
	if (auth_pool_create(&s->auth, &auth, error, sizeof(error)) != 0)
		return fail("auth", error);
	return 0;
}

static int
load_guard(struct server *s, const struct plan *plan)
{
	char error[SERVER_ERROR_SIZE] = "";

	if (guard_load(s->guard, s->spool, &plan->limits, error,
		       sizeof(error)) != 0)
		return fail("limits", error);
	if (names_create(&s->names, s->loop, s->spool, &plan->dns.names, error,
			 sizeof(error)) != 0)
		return fail("domains", error);
	return 0;
}

/* Before those who ask it. Without servers it runs too: a reload may name
 * some. */
static int
start_scan(struct server *s, const struct plan *plan)
{
	char error[SERVER_ERROR_SIZE] = "";
	const struct scan_opts opts = {.conf = &plan->scan};

	if (quarantine_open(&s->quarantine, s->config->spool,
			    spool_store(s->spool), error, sizeof(error)) != 0)
		return fail("quarantine", error);
	if (scan_start(&s->scan, &opts, error, sizeof(error)) != 0)
		return fail("scan", error);
	if (dkim_pool_create(&s->signer, 0) != 0)
		return fail("dkim", "no thread");
	return 0;
}

/* Before those who ask them. */
static int
load_campaigns(struct server *s, const struct plan *plan)
{
	struct store_env *store = spool_store(s->spool);

	s->campaigns = campaigns_create();
	s->suppress = suppress_create();
	campaigns_configure(s->campaigns, &plan->campaigns);
	if (campaigns_load(s->campaigns, store) != 0)
		return fail("campaigns", "the spool cannot be read");
	if (suppress_load(s->suppress, store) != 0)
		return fail("suppressed addresses", "the spool cannot be read");
	return 0;
}

static int
start_mail(struct server *s, const struct plan *plan)
{
	char error[SERVER_ERROR_SIZE] = "";
	struct back *back = NULL;
	const struct guard_parts *guard = guard_parts(s->guard);
	const struct back_opts back_opts = {
	    .spool = s->spool,
	    .blocklist = guard->blocklist,
	    .dns_cache = names_cache(s->names),
	    .domains = names_domains(s->names),
	    .scan = s->scan,
	    .quarantine = s->quarantine,
	    .signer = s->signer,
	    .campaigns = s->campaigns,
	    .suppress = s->suppress,
	    .dead_domain = dead_met,
	    .dead_domain_arg = &s->dead,
	    .conf = &plan->back,
	};
	const struct front_opts front_opts = {
	    .spool = s->spool,
	    .auth = s->auth,
	    .limits = guard->limits,
	    .blocklist = guard->blocklist,
	    .accounts = guard->accounts,
	    .decisions = guard->decisions,
	    .top = guard->top,
	    .dns_cache = names_cache(s->names),
	    .domains = names_domains(s->names),
	    .scan = s->scan,
	    .signer = s->signer,
	    .campaigns = s->campaigns,
	    .thread_count = (unsigned)s->config->threads,
	    .conf = &plan->front,
	    .utf8_fn = offers_utf8,
	    .utf8_arg = s,
	};

	s->dead = (struct dead){
	    .domains = names_domains(s->names),
	    .limits = guard->limits,
	    .top = guard->top,
	    .users =
		s->config->auth.backend.dovecot ? NULL : spool_store(s->spool),
	};
	if (back_start(&back, &back_opts, error, sizeof(error)) != 0)
		return fail("delivery", error);
	set_back(s, back);
	guard_start(s->guard, start_work, back);
	names_start(s->names);
	if (front_start(&s->front, &front_opts, error, sizeof(error)) != 0)
		return fail("listeners", error);
	return 0;
}

static int
start_control(struct server *s, const struct plan *plan)
{
	char error[SERVER_ERROR_SIZE] = "";
	const struct guard_parts *guard = guard_parts(s->guard);
	const struct control_opts opts = {
	    .loop = s->loop,
	    .socket_path = s->config->control,
	    .http = s->config->http.on ? &s->config->http.addr : NULL,
	    .spool = s->spool,
	    .front = s->front,
	    .back = s->back,
	    .auth = s->auth,
	    .limits = guard->limits,
	    .blocklist = guard->blocklist,
	    .accounts = guard->accounts,
	    .decisions = guard->decisions,
	    .top = guard->top,
	    .dns_cache = names_cache(s->names),
	    .domains = names_domains(s->names),
	    .scan = s->scan,
	    .quarantine = s->quarantine,
	    .campaigns = s->campaigns,
	    .suppress = s->suppress,
	    .users_local = !s->config->auth.backend.dovecot,
	    .host = {.reload = server_reload,
		     .show = server_show,
		     .certificate_expires = server_certificate_expires,
		     .dkim = server_dkim,
		     .flushed = server_flushed,
		     .arg = s},
	    .conf = &plan->control,
	};

	if (control_create(&s->control, &opts, error, sizeof(error)) != 0)
		return fail("control", error);
	return 0;
}

static int
start_loop(struct server *s)
{
	s->loop = loop_create();
	if (s->loop == NULL)
		return fail("loop", "out of descriptors");
	signal(SIGPIPE, SIG_IGN);
	s->signals[0] = signal_watch_start(s->loop, SIGTERM, on_stop, s);
	s->signals[1] = signal_watch_start(s->loop, SIGINT, on_stop, s);
	s->signals[2] = signal_watch_start(s->loop, SIGHUP, on_reload, s);
	s->tick = timer_start(s->loop, TICK_MS, on_tick, s);
	if (notify_watchdog(&s->watchdog_ms))
		on_watchdog(s);
	id_start(clock_wall_ms(), 0);
	s->guard = guard_create(s->loop);
	return 0;
}

static int
start(struct server *s)
{
	struct plan plan;
	struct privilege p;
	int code = open_log(s, &p);

	if (code == 0)
		code = open_sockets(s);
	if (code != 0)
		return code;
	check_descriptors(s->config);
	code = become(s->config, &p);
	if (code == 0)
		code = start_loop(s);
	if (code == 0)
		code = open_spool(s);
	if (code != 0)
		return code;
	plan_make(&plan, s->config, s->started, s->sockets);
	code = load_guard(s, &plan);
	if (code == 0)
		code = start_scan(s, &plan);
	if (code == 0)
		code = load_campaigns(s, &plan);
	if (code == 0)
		code = start_mail(s, &plan);
	if (code == 0)
		code = start_control(s, &plan);
	plan_fini(&plan);
	return code;
}

/* In the order opposite to start's; parts that were never made are NULL. */
static void
end(struct server *s)
{
	control_destroy(&s->control);
	if (s->front != NULL)
		front_stop(&s->front, 0);
	if (s->guard != NULL)
		guard_stop(s->guard);
	if (s->back != NULL)
		stop_back(s, BACK_GRACE_MS);
	dkim_pool_destroy(&s->signer);
	if (s->scan != NULL)
		scan_stop(&s->scan);
	if (s->quarantine != NULL)
		quarantine_close(&s->quarantine);
	if (s->names != NULL)
		names_stop(s->names);
	auth_pool_destroy(&s->auth);
	if (s->spool != NULL)
		spool_close(&s->spool);
	names_destroy(&s->names);
	guard_destroy(&s->guard);
	campaigns_destroy(&s->campaigns);
	suppress_destroy(&s->suppress);
	for (size_t i = 0; i < s->parked_count; i++)
		spool_msg_destroy(&s->parked[i]);
	free(s->parked);
	timer_cancel(&s->tick);
	timer_cancel(&s->watchdog);
	timer_cancel(&s->sweep);
	for (size_t i = 0; i < 3; i++)
		signal_watch_stop(&s->signals[i]);
	sockets_destroy(&s->sockets);
	loop_destroy(&s->loop);
	if (s->config != s->started)
		config_destroy(&s->config);
	config_destroy(&s->started);
	pthread_mutex_destroy(&s->lock);
}

int
server_run(struct config **config, const char *path)
{
	struct server s = {.started = *config, .config = *config, .path = path};
	int code;

	*config = NULL;
	pthread_mutex_init(&s.lock, NULL);
	code = start(&s);
	if (code == 0) {
		log_event(GW_LOG_INFO, "start",
			  LF_STR("version", SLUICE_VERSION),
			  LF_STR("hostname", s.config->hostname));
		notify_send("READY=1\nSTATUS=running");
		loop_run(s.loop);
		if (s.stopper_runs)
			pthread_join(s.stopper, NULL);
	}
	end(&s);
	if (code == 0)
		log_event(GW_LOG_INFO, "stopped",
			  LF_STR("version", SLUICE_VERSION));
	return code;
}
