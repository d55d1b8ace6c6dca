/*
 * Two short lists of notices, for mail and for the program; each sends its
 * head and nothing else until that has ended. When a list is full the newest
 * is dropped (it is in the log): what went wrong first is what explains.
 *
 * The program is started without a shell, in a process group of its own, and
 * that group is killed when it takes longer than EXEC_MS. Its end is looked
 * for each second: a SIGCHLD handler would be one for the whole process.
 */
#include "gateway/control/alert_send.h"

#include <bsd/sys/queue.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/base/id.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/control/control_int.h"
#include "gateway/net/queue.h"

#define NOTICES_MAX 32
#define MAIL_RETRY_MS 60000
#define EXEC_MS 30000

struct notice {
	STAILQ_ENTRY(notice) link;
	struct alert alert;
};

STAILQ_HEAD(notices, notice);

struct alert_sender {
	struct control *control;
	struct notices mails, execs;
	size_t mail_count, exec_count;
	int64_t mail_not_before_ms;
	struct queue *done;
	struct queue_item item; /* of the mail under way: there is one */
	struct spool_accept op;
	bool mailing;
	pthread_mutex_t lock;
	pthread_cond_t stored;
	bool with_store;
	pid_t child; /* 0: none runs */
	int64_t child_until_ms;
};

static void
notice_add(struct notices *list, size_t *count, const struct alert *alert)
{
	struct notice *notice;

	if (*count == NOTICES_MAX)
		return;
	notice = mem_zalloc(sizeof(*notice));
	notice->alert = *alert;
	STAILQ_INSERT_TAIL(list, notice, link);
	++*count;
}

static void
notice_drop(struct notices *list, size_t *count)
{
	struct notice *notice = STAILQ_FIRST(list);

	if (notice == NULL)
		return;
	STAILQ_REMOVE_HEAD(list, link);
	--*count;
	free(notice);
}

/* --- mail -------------------------------------------------------------- */

static void
put_header(struct buf *out, const struct control_conf *conf,
	   const struct alert *alert, uint64_t id, int64_t now_wall_s)
{
	char date[CLOCK_RFC5322_SIZE], text[ID_TEXT_SIZE];

	clock_rfc5322(now_wall_s, date);
	id_format(id, text);
	buf_printf(out,
		   "Date: %s\r\nFrom: Sluice <%s>\r\nTo: <%s>\r\n"
		   "Subject: [sluice] %s: %s\r\nMessage-ID: <%s@%s>\r\n"
		   "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
		   "Content-Type: text/plain; charset=us-ascii\r\n\r\n",
		   date, conf->postmaster, conf->alert_mail, conf->hostname,
		   alert->subject, text, conf->hostname);
}

static void
put_crlf(struct buf *out, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '\n')
			buf_add_byte(out, '\r');
		buf_add_byte(out, *text);
	}
}

static struct spool_msg *
mail_envelope(const struct control_conf *conf, const struct buf *prefix,
	      uint64_t id, int64_t now_wall_ms)
{
	struct spool_msg *msg = spool_msg_create();
	char *p = arena_alloc(msg->arena, prefix->n);

	memcpy(p, prefix->p, prefix->n);
	msg->id = id;
	msg->accepted_wall_ms = now_wall_ms;
	msg->cred = "";
	msg->session = "";
	msg->mail_from = "";
	msg->flags = MSG_GENERATED;
	msg->lane = LANE_DSN;
	msg->prefix = slice_of(p, prefix->n);
	spool_msg_add_rcpt(msg, slice_str(conf->alert_mail))->notify =
	    NOTIFY_NEVER;
	return msg;
}

/* On the store thread. */
static void
on_stored(struct spool_accept *op)
{
	struct alert_sender *sender =
	    (struct alert_sender *)((char *)op -
				    offsetof(struct alert_sender, op));

	pthread_mutex_lock(&sender->lock);
	queue_push(sender->done, &sender->item);
	sender->with_store = false;
	pthread_cond_broadcast(&sender->stored);
	pthread_mutex_unlock(&sender->lock);
}

static void
mail_start(struct alert_sender *sender, const struct alert *alert)
{
	const struct control_conf *conf = &sender->control->conf;
	struct buf prefix = {.cap = 4096}, body = {.cap = 8192};
	char since[CLOCK_RFC5322_SIZE];
	uint8_t digest[DIGEST_SIZE];
	uint64_t id = id_next();
	int64_t now_wall_ms = clock_wall_ms();

	put_header(&prefix, conf, alert, id, now_wall_ms / 1000);
	clock_rfc5322(alert->since_wall_s, since);
	put_crlf(&body, alert->text);
	buf_printf(&body,
		   "\r\nSeen on %s since %s.\r\nThis is said once; the log "
		   "has a line when it is over.\r\n",
		   conf->hostname, since);
	memset(&sender->op, 0, sizeof(sender->op));
	sender->op.msg = mail_envelope(conf, &prefix, id, now_wall_ms);
	sender->op.body = spool_body_create(sender->control->spool);
	spool_body_add(sender->op.body, buf_slice(&body));
	spool_body_end(sender->op.body, digest);
	sender->op.done = on_stored;
	sender->mailing = true;
	sender->with_store = true;
	spool_accept_start(sender->control->spool, &sender->op);
	buf_fini(&prefix);
	buf_fini(&body);
}

static void
on_mailed(void *arg, struct queue_item *item)
{
	struct alert_sender *sender = arg;

	(void)item;
	sender->mailing = false;
	if (sender->op.answer == SPOOL_ACCEPTED ||
	    sender->op.answer == SPOOL_DUPLICATE) {
		notice_drop(&sender->mails, &sender->mail_count);
		return;
	}
	log_event(
	    GW_LOG_WARN, "alert-mail-deferred",
	    LF_STR("cause",
		   alert_name(STAILQ_FIRST(&sender->mails)->alert.cause)));
	sender->mail_not_before_ms =
	    loop_now_ms(sender->control->loop) + MAIL_RETRY_MS;
}

static void
mail_tick(struct alert_sender *sender, int64_t now_ms)
{
	struct notice *notice = STAILQ_FIRST(&sender->mails);

	if (notice == NULL || sender->mailing ||
	    now_ms < sender->mail_not_before_ms)
		return;
	if (sender->control->conf.alert_mail == NULL) /* reloaded away */
		notice_drop(&sender->mails, &sender->mail_count);
	else
		mail_start(sender, &notice->alert);
}

/* --- program ----------------------------------------------------------- */

#define ENV_MAX 8

struct environment {
	struct buf text[ENV_MAX];
	char *v[ENV_MAX + 1];
	size_t count;
};

static void
env_add(struct environment *env, const char *name, const char *value)
{
	struct buf *b = &env->text[env->count];

	buf_init(b, 4096);
	buf_printf(b, "%s=", name);
	buf_add_str(b, value);
	(void)buf_cstr(b);
	env->v[env->count++] = b->p;
}

static void
env_make(struct environment *env, const struct control_conf *conf,
	 const struct alert *alert)
{
	char level[16], since[CLOCK_ISO_SIZE];

	snprintf(level, sizeof(level), "%d", alert->level);
	clock_iso(alert->since_wall_s * 1000, since);
	env_add(env, "PATH",
		"/usr/local/sbin:/usr/local/bin:/usr/sbin:"
		"/usr/bin:/sbin:/bin");
	env_add(env, "SLUICE_ALERT_HOST", conf->hostname);
	env_add(env, "SLUICE_ALERT_CAUSE", alert_name(alert->cause));
	env_add(env, "SLUICE_ALERT_OBJECT", alert->object);
	env_add(env, "SLUICE_ALERT_LEVEL", level);
	env_add(env, "SLUICE_ALERT_SINCE", since);
	env_add(env, "SLUICE_ALERT_SUBJECT", alert->subject);
	env_add(env, "SLUICE_ALERT_TEXT", alert->text);
}

/* Everything a child of a daemon should not inherit: signals, descriptors. */
static int
spawn(const char *path, char *const *argv, char *const *envp, pid_t *pid)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t all, none;
	int err;

	sigfillset(&all);
	sigemptyset(&none);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addclosefrom_np(&files, 3);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF |
					    POSIX_SPAWN_SETSIGMASK |
					    POSIX_SPAWN_SETPGROUP);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setpgroup(&attr, 0);
	err = posix_spawn(pid, path, &files, &attr, argv, envp);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	return err;
}

static void
exec_start(struct alert_sender *sender, const struct alert *alert,
	   int64_t now_ms)
{
	const struct control_conf *conf = &sender->control->conf;
	struct environment env = {0};
	char *path = mem_strdup(conf->alert_exec);
	char *cause = mem_strdup(alert_name(alert->cause));
	char *subject = mem_strdup(alert->subject);
	char *argv[] = {path, cause, subject, NULL};
	int err;

	env_make(&env, conf, alert);
	err = spawn(path, argv, env.v, &sender->child);
	if (err != 0) {
		sender->child = 0;
		log_event(GW_LOG_ERROR, "alert-exec-failed",
			  LF_STR("path", path), LF_STR("error", strerror(err)));
	}
	sender->child_until_ms = now_ms + EXEC_MS;
	for (size_t i = 0; i < env.count; i++)
		buf_fini(&env.text[i]);
	free(path);
	free(cause);
	free(subject);
}

static void
child_ended(struct alert_sender *sender, int status)
{
	sender->child = 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return;
	log_event(GW_LOG_WARN, "alert-exec-failed",
		  LF_STR("path", sender->control->conf.alert_exec),
		  LF_I64(WIFSIGNALED(status) ? "signal" : "exit",
			 WIFSIGNALED(status) ? WTERMSIG(status)
					     : WEXITSTATUS(status)));
}

static void
exec_tick(struct alert_sender *sender, int64_t now_ms)
{
	struct notice *notice = STAILQ_FIRST(&sender->execs);
	int status = 0;
	pid_t pid;

	if (sender->child != 0) {
		pid = waitpid(sender->child, &status, WNOHANG);
		if (pid == sender->child)
			child_ended(sender, status);
		else if (pid < 0 && errno == ECHILD)
			sender->child = 0;
		else if (now_ms >= sender->child_until_ms)
			kill(-sender->child, SIGKILL);
	}
	if (notice == NULL || sender->child != 0)
		return;
	if (sender->control->conf.alert_exec != NULL)
		exec_start(sender, &notice->alert, now_ms);
	notice_drop(&sender->execs, &sender->exec_count);
}

/* --- both -------------------------------------------------------------- */

struct alert_sender *
alert_sender_create(struct control *control)
{
	struct alert_sender *sender = mem_zalloc(sizeof(*sender));

	sender->control = control;
	STAILQ_INIT(&sender->mails);
	STAILQ_INIT(&sender->execs);
	sender->done = queue_create(control->loop, on_mailed, sender);
	if (sender->done == NULL) {
		free(sender);
		return NULL;
	}
	pthread_mutex_init(&sender->lock, NULL);
	pthread_cond_init(&sender->stored, NULL);
	return sender;
}

void
alert_sender_destroy(struct alert_sender **senderp)
{
	struct alert_sender *sender = *senderp;

	*senderp = NULL;
	if (sender == NULL)
		return;
	pthread_mutex_lock(&sender->lock);
	while (sender->with_store)
		pthread_cond_wait(&sender->stored, &sender->lock);
	pthread_mutex_unlock(&sender->lock);
	queue_destroy(&sender->done);
	while (sender->mail_count > 0)
		notice_drop(&sender->mails, &sender->mail_count);
	while (sender->exec_count > 0)
		notice_drop(&sender->execs, &sender->exec_count);
	pthread_mutex_destroy(&sender->lock);
	pthread_cond_destroy(&sender->stored);
	free(sender);
}

void
alert_send(struct alert_sender *sender, const struct alert *alert)
{
	const struct control_conf *conf = &sender->control->conf;

	log_event(
	    GW_LOG_ERROR, "alert", LF_STR("cause", alert_name(alert->cause)),
	    LF_STR("object", alert->object[0] ? alert->object : NULL),
	    LF_I64("level", alert->level), LF_STR("what", alert->subject));
	if (conf->alert_mail != NULL)
		notice_add(&sender->mails, &sender->mail_count, alert);
	if (conf->alert_exec != NULL)
		notice_add(&sender->execs, &sender->exec_count, alert);
	alert_sender_tick(sender, loop_now_ms(sender->control->loop));
}

void
alert_cleared(struct alert_sender *sender, const struct alert *alert)
{
	(void)sender;
	log_event(GW_LOG_INFO, "alert-cleared",
		  LF_STR("cause", alert_name(alert->cause)),
		  LF_STR("object", alert->object[0] ? alert->object : NULL),
		  LF_STR("what", alert->subject));
}

void
alert_sender_tick(struct alert_sender *sender, int64_t now_ms)
{
	mail_tick(sender, now_ms);
	exec_tick(sender, now_ms);
}
