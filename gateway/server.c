/*
 * The composition root. What this decides is an order.
 *
 * Start: log, sockets, directories, privileges, spool, logins, back, front,
 * control, READY. Everything that root may read (certificates, password
 * files) was read with the configuration, before the drop.
 *
 * Stop: control, then the front (on a thread of its own, so that the main loop
 * goes on answering the watchdog and a second signal), then the back, then the
 * spool. A second signal means now: deliveries under way get two seconds, and
 * the process ends. That loses nothing: what was answered 250 is on disk.
 *
 * Reload: a new configuration is made whole beside the old one; whatever can
 * fail is tried before anything is swapped, so it is in force entirely or not
 * at all.
 *
 * The store thread is given its `accepted` before there is a back: until then,
 * and while the back is being stopped, messages are parked here. Parked ones
 * are on disk; dropping them at the end means that the next start finds them.
 */
#include "gateway/server.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
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

#define ERROR_SIZE 512
#define ERRORS_MAX 65536
#define FRONT_GRACE_MS 30000
#define BACK_GRACE_MS 10000
#define HURRY_GRACE_MS 2000
#define SWEEP_MS 2000
#define TICK_MS 1000
#define EXIT_START 1

/* Connections use one descriptor each; the rest is for files and threads. */
#define DESCRIPTORS_BESIDES 256

struct server {
	struct loop *loop;
	struct config *config;
	const char *path;
	struct sockets *sockets;
	struct spool *spool;
	struct auth_pool *auth;
	struct front *front;
	struct control *control;
	struct timer_op *tick, *watchdog, *sweep;
	struct signal_watch *signals[3];
	int64_t watchdog_ms;
	pthread_t stopper;
	bool stopping;

	/* what other threads reach */
	pthread_mutex_t lock;
	struct back *back; /* NULL: park */
	struct spool_msg **parked;
	size_t parked_count, parked_size;
};

/* --- what the units call
 * ------------------------------------------------------ */

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
			s->parked = mem_resize(
			    s->parked, s->parked_size * sizeof(*s->parked));
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

/* --- reload
 * ---------------------------------------------------------------------- */

static void
log_lines(enum log_level level, const char *event, const struct buf *lines)
{
	struct slice rest = buf_slice(lines), line;

	while (slice_split(&rest, '\n', &line)) {
		if (line.n > 0)
			log_event(level, event, LF_SLICE("what", line));
	}
}

static void
log_problems(const struct config_problems *problems)
{
	for (size_t i = 0; i < config_problems_count(problems); i++) {
		bool warning;
		const char *line = config_problems_line(problems, i, &warning);

		log_event(warning ? GW_LOG_WARN : GW_LOG_ERROR, "config",
			  LF_STR("what", line));
	}
}

static void
on_sweep(void *arg)
{
	struct server *s = arg;

	s->sweep = NULL;
	sockets_sweep(s->sockets);
}

static void
sweep_later(struct server *s)
{
	timer_cancel(&s->sweep);
	s->sweep = timer_start(s->loop, SWEEP_MS, on_sweep, s);
}

/* Everything that can fail; afterwards nothing does. */
static int
adopt(struct server *s, struct config *next, struct plan *plan,
      struct buf *errors)
{
	char error[ERROR_SIZE] = "";
	struct log_opts log;

	plan_log(&log, next);
	if (log_setup(&log) != 0) {
		buf_printf(errors, "%s: the log cannot be opened\n",
			   log.path != NULL ? log.path : s->path);
		return GW_EINVAL;
	}
	if (back_reload(s->back, &plan->back, error, sizeof(error)) != 0) {
		buf_printf(errors, "%s: %s\n", s->path, error);
		plan_log(&log, s->config);
		if (log_setup(&log) != 0)
			log_event(GW_LOG_WARN, "log-not-restored",
				  LF_STR("path", log.path));
		return GW_EINVAL;
	}
	front_reload(s->front, &plan->front);
	control_reload(s->control, &plan->control);
	return 0;
}

/* next: checked; stays the caller's on failure. */
static int
swap(struct server *s, struct config *next, struct buf *errors)
{
	struct buf waiting = {.cap = ERRORS_MAX};
	struct plan plan;
	int err = sockets_prepare(s->sockets, next, errors);

	if (err != 0)
		return err;
	plan_make(&plan, next, s->sockets);
	err = adopt(s, next, &plan, errors);
	plan_fini(&plan);
	if (err != 0) {
		sockets_abandon(s->sockets);
		return err;
	}
	sockets_commit(s->sockets);
	sweep_later(s);
	if (config_mark_restart(s->config, next, &waiting) > 0) {
		log_lines(GW_LOG_WARN, "config", &waiting);
		buf_add_slice(errors, buf_slice(&waiting));
	}
	buf_fini(&waiting);
	config_destroy(&s->config);
	s->config = next;
	return 0;
}

/* For control_host: with 0 what stands in errors are warnings. */
static int
reload(void *arg, struct buf *errors)
{
	struct server *s = arg;
	struct config_problems *problems;
	struct config *next;
	size_t before = errors->n;
	int err;

	if (s->stopping)
		return GW_EINVAL;
	notify_reloading(clock_mono_us());
	problems = config_problems_create();
	err = config_load(&next, s->path, 0, problems);
	log_problems(problems);
	config_problems_print(problems, errors);
	config_problems_destroy(&problems);
	if (err == 0) {
		before = errors->n;
		err = swap(s, next, errors);
		if (err != 0) {
			struct buf told = {.p = errors->p + before,
					   .n = errors->n - before};

			log_lines(GW_LOG_ERROR, "config", &told);
			config_destroy(&next);
		}
	}
	if (err == 0)
		log_event(GW_LOG_INFO, "reload", LF_STR("file", s->path));
	else
		log_event(GW_LOG_ERROR, "reload-failed",
			  LF_STR("file", s->path),
			  LF_STR("in-force", "the old configuration"));
	notify_send(err == 0 ? "READY=1\nSTATUS=running"
			     : "READY=1\nSTATUS=the last reload failed; the "
			       "old configuration is in force");
	return err == 0 ? 0 : GW_EINVAL;
}

static void
show(void *arg, struct buf *out, bool json)
{
	struct server *s = arg;

	if (json)
		config_show_json(s->config, out);
	else
		config_show(s->config, out, true);
}

static int64_t
certificate_expires(void *arg)
{
	struct server *s = arg;

	return s->config->tls_ctx != NULL
		   ? tls_ctx_expires_wall_s(s->config->tls_ctx)
		   : 0;
}

/* --- stop
 * -------------------------------------------------------------------------- */

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
	if (pthread_create(&s->stopper, NULL, stop_front, s) != 0) {
		front_stop(&s->front, FRONT_GRACE_MS);
		s->stopper = pthread_self();
		loop_stop(s->loop);
	}
}

static void
on_reload(void *arg, int signum)
{
	struct buf errors = {.cap = ERRORS_MAX};

	(void)signum;
	reload(arg, &errors);
	buf_fini(&errors);
}

/* --- start
 * ---------------------------------------------------------------------------
 */

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

static int
open_log(struct server *s)
{
	struct log_opts log;

	plan_log(&log, s->config);
	if (log_setup(&log) != 0)
		return fail("log", log.path != NULL ? log.path : "syslog");
	return 0;
}

static int
open_sockets(struct server *s)
{
	struct buf errors = {.cap = ERRORS_MAX};
	int err;

	s->sockets = sockets_create(ACTIVATE_FIRST_FD);
	err = sockets_prepare(s->sockets, s->config, &errors);
	log_lines(GW_LOG_ERROR, "start-failed", &errors);
	buf_fini(&errors);
	if (err != 0)
		return EXIT_START;
	sockets_commit(s->sockets);
	sockets_sweep(s->sockets);
	return 0;
}

/* Directories while we may, then the drop. */
static int
become(const struct config *c)
{
	char error[ERROR_SIZE] = "", dir[4096];
	struct privilege p;
	const char *slash = strrchr(c->control, '/');

	if (privilege_plan(&p, c->user, error, sizeof(error)) != 0)
		return fail("user", error);
	snprintf(dir, sizeof(dir), "%.*s",
		 slash > c->control ? (int)(slash - c->control) : 1,
		 c->control);
	if (privilege_directory(&p, c->spool, 0700, error, sizeof(error)) !=
		0 ||
	    privilege_directory(&p, dir, 0750, error, sizeof(error)) != 0)
		return fail("directory", error);
	if (p.drop && p.user != NULL && c->log.to.target == LOG_TO_FILE &&
	    chown(c->log.to.path, p.uid, p.gid) != 0)
		log_event(GW_LOG_WARN, "log-owner",
			  LF_STR("path", c->log.to.path));
	if (privilege_drop(&p, error, sizeof(error)) != 0)
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
	char error[ERROR_SIZE] = "";
	struct auth_opts auth;
	const struct spool_opts opts = {
	    .path = s->config->spool,
	    .resub_window_s = s->config->resubmission_window_ms / 1000,
	    .accepted = accepted,
	    .accepted_arg = s,
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
start_mail(struct server *s, const struct plan *plan)
{
	char error[ERROR_SIZE] = "";
	struct back *back = NULL;
	const struct back_opts back_opts = {.spool = s->spool,
					    .conf = &plan->back};
	const struct front_opts front_opts = {
	    .spool = s->spool,
	    .auth = s->auth,
	    .thread_count = (unsigned)s->config->threads,
	    .conf = &plan->front,
	    .utf8_fn = offers_utf8,
	    .utf8_arg = s,
	};

	if (back_start(&back, &back_opts, error, sizeof(error)) != 0)
		return fail("delivery", error);
	set_back(s, back);
	if (front_start(&s->front, &front_opts, error, sizeof(error)) != 0)
		return fail("listeners", error);
	return 0;
}

static int
start_control(struct server *s, const struct plan *plan)
{
	char error[ERROR_SIZE] = "";
	const struct control_opts opts = {
	    .loop = s->loop,
	    .socket_path = s->config->control,
	    .http = s->config->http.on ? &s->config->http.addr : NULL,
	    .spool = s->spool,
	    .front = s->front,
	    .back = s->back,
	    .auth = s->auth,
	    .users_local = !s->config->auth.backend.dovecot,
	    .host = {.reload = reload,
		     .show = show,
		     .certificate_expires = certificate_expires,
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
	return 0;
}

static int
start(struct server *s)
{
	struct plan plan;
	int code = open_log(s);

	if (code == 0)
		code = open_sockets(s);
	if (code != 0)
		return code;
	check_descriptors(s->config);
	code = become(s->config);
	if (code == 0)
		code = start_loop(s);
	if (code == 0)
		code = open_spool(s);
	if (code != 0)
		return code;
	plan_make(&plan, s->config, s->sockets);
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
	if (s->back != NULL)
		stop_back(s, BACK_GRACE_MS);
	auth_pool_destroy(&s->auth);
	if (s->spool != NULL)
		spool_close(&s->spool);
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
	config_destroy(&s->config);
	pthread_mutex_destroy(&s->lock);
}

int
server_run(struct config **config, const char *path)
{
	struct server s = {.config = *config, .path = path};
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
		if (!pthread_equal(s.stopper, pthread_self()))
			pthread_join(s.stopper, NULL);
	}
	end(&s);
	if (code == 0)
		log_event(GW_LOG_INFO, "stopped",
			  LF_STR("version", SLUICE_VERSION));
	return code;
}
