/*
 * Connecting, the greeting, the list of mechanisms, and the pauses between
 * attempts.
 *
 * CPID must differ between connections, or Dovecot closes the second; the
 * process id would do for one loop only. Random numbers above the largest pid
 * Linux gives, a new one for each connection, do.
 *
 * The pause before a new attempt doubles, and shrinks only after a connection
 * that lasted: a server that greets and hangs up would otherwise be called,
 * and written of in the log, ten times a second.
 */
#include "gateway/auth/dovecot_link.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/error.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/base/secret.h"
#include "gateway/net/connect.h"
#include "gateway/net/stream.h"

#define CONNECT_MS 5000
#define HELLO_MS 10000
#define PAUSE_FIRST_MS 100
#define PAUSE_MAX_MS 10000
#define MECHANISM_MAX_COUNT 32
#define MECHANISM_MAX_BYTES 20 /* RFC 4422, 3.1 */
#define CPID_ABOVE_PIDS 0x40000000U

enum link_state { LINK_DOWN, LINK_CONNECTING, LINK_HELLO, LINK_READY };

struct dovecot_link {
	struct loop *loop;
	char *path;
	const struct dovecot_link_ops *ops;
	void *arg;
	enum link_state state;
	bool has_version;
	bool told; /* of being away, in the log */
	struct connect_op *connect;
	struct stream *stream;
	struct timer_op *timer; /* the pause, or the hello's deadline */
	int64_t pause_ms;
	int64_t heard_ms; /* when the last line came */
	int64_t ready_ms; /* when the greeting ended */
	char mechanisms[MECHANISM_MAX_COUNT][MECHANISM_MAX_BYTES + 1];
	size_t mechanism_count;
	struct buf list; /* the same with spaces between */
};

static void link_connect(void *arg);

void
dovecot_link_drop(struct dovecot_link *link, const char *why)
{
	bool was_up = link->state == LINK_READY;

	if (!link->told)
		log_event(GW_LOG_WARN, "auth-dovecot-away",
			  LF_STR("socket", link->path), LF_STR("why", why));
	link->told = true;
	/* One that greets and hangs up at once is no better than none. */
	if (was_up && loop_now_ms(link->loop) - link->ready_ms > PAUSE_MAX_MS)
		link->pause_ms = PAUSE_FIRST_MS;
	link->state = LINK_DOWN;
	connect_cancel(&link->connect);
	stream_destroy(&link->stream);
	timer_cancel(&link->timer);
	link->timer =
	    timer_start(link->loop, link->pause_ms, link_connect, link);
	link->pause_ms *= 2;
	if (link->pause_ms > PAUSE_MAX_MS)
		link->pause_ms = PAUSE_MAX_MS;
	if (was_up)
		link->ops->on_lost(link->arg);
}

static bool
mechanism_wanted(struct slice name, struct slice flags)
{
	struct slice value;

	if (name.n > MECHANISM_MAX_BYTES ||
	    dovecot_field(flags, "private", &value) ||
	    dovecot_field(flags, "anonymous", &value) ||
	    slice_ieq(name, SLICE_LIT("ANONYMOUS")) ||
	    slice_ieq(name, SLICE_LIT("EXTERNAL")))
		return false;
	/* It goes into our EHLO answer as it is. */
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];

		if (!(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
		    c != '-' && c != '_')
			return false;
	}
	return true;
}

static void
mechanism_add(struct dovecot_link *link, struct slice name, struct slice flags)
{
	char *into;

	if (link->mechanism_count == MECHANISM_MAX_COUNT ||
	    !mechanism_wanted(name, flags))
		return;
	into = link->mechanisms[link->mechanism_count++];
	memcpy(into, name.p, name.n);
	into[name.n] = '\0';
	if (link->list.n != 0)
		buf_add_byte(&link->list, ' ');
	buf_add_slice(&link->list, name);
}

const char *
dovecot_link_mechanism(const struct dovecot_link *link, struct slice name)
{
	for (size_t i = 0; i < link->mechanism_count; i++) {
		const char *known = link->mechanisms[i];

		if (slice_ieq(name, slice_str(known)))
			return known;
	}
	return NULL;
}

static int
hello_done(struct dovecot_link *link)
{
	if (!link->has_version || link->list.overflow)
		return GW_EPROTO;
	timer_cancel(&link->timer);
	link->state = LINK_READY;
	link->ready_ms = loop_now_ms(link->loop);
	link->told = false;
	log_event(GW_LOG_INFO, "auth-dovecot-ready",
		  LF_STR("socket", link->path),
		  LF_SLICE("mechanisms", buf_slice(&link->list)));
	return 0;
}

static int
on_line(struct dovecot_link *link, struct slice text)
{
	bool hello = link->state == LINK_HELLO;
	struct dovecot_line line;

	link->heard_ms = loop_now_ms(link->loop);
	if (dovecot_line_parse(text, &line) != 0)
		return GW_EPROTO;
	switch (line.word) {
	case DOVECOT_WORD_VERSION:
		link->has_version = line.id == 1;
		return hello && line.id == 1 ? 0 : GW_EPROTO;
	case DOVECOT_WORD_MECH:
		if (!hello)
			return GW_EPROTO;
		mechanism_add(link, line.name, line.fields);
		return 0;
	case DOVECOT_WORD_DONE:
		return hello ? hello_done(link) : GW_EPROTO;
	case DOVECOT_WORD_OK:
	case DOVECOT_WORD_FAIL:
	case DOVECOT_WORD_CONT:
		return hello ? GW_EPROTO
			     : link->ops->on_answer(link->arg, &line);
	case DOVECOT_WORD_OTHER:
		break;
	}
	return 0;
}

static size_t
on_data(void *arg, struct slice in)
{
	struct dovecot_link *link = arg;
	size_t used = 0, n;
	struct slice rest;

	for (;;) {
		rest = slice_from(in, used);
		n = slice_find(rest, '\n');
		if (n > DOVECOT_ANSWER_MAX ||
		    (n < rest.n && on_line(link, slice_head(rest, n)) != 0)) {
			dovecot_link_drop(link, "not the auth protocol");
			return in.n;
		}
		if (n == rest.n)
			return used;
		used += n + 1;
	}
}

static void
on_end(void *arg, int err)
{
	dovecot_link_drop(arg, gw_err_text(err));
}

static const struct stream_ops stream_ops = {
    .on_data = on_data,
    .on_end = on_end,
};

static void
on_hello_timeout(void *arg)
{
	struct dovecot_link *link = arg;

	link->timer = NULL;
	dovecot_link_drop(link, "no handshake");
}

static void
on_connect(void *arg, int err, int fd)
{
	struct dovecot_link *link = arg;
	struct buf hello;
	uint32_t number;

	link->connect = NULL;
	if (err != 0) {
		dovecot_link_drop(link, gw_err_text(err));
		return;
	}
	link->state = LINK_HELLO;
	link->has_version = false;
	link->mechanism_count = 0;
	buf_clear(&link->list);
	link->stream = stream_create(link->loop, fd, &stream_ops, link);
	link->timer = timer_start(link->loop, HELLO_MS, on_hello_timeout, link);
	secret_random(&number, sizeof(number));
	buf_init(&hello, 128);
	buf_printf(&hello, "VERSION\t1\t1\nCPID\t%u\n",
		   (number >> 2) | CPID_ABOVE_PIDS);
	stream_write(link->stream, buf_slice(&hello));
	buf_fini(&hello);
}

static void
link_connect(void *arg)
{
	struct dovecot_link *link = arg;

	link->timer = NULL;
	link->state = LINK_CONNECTING;
	link->connect = connect_unix_start(link->loop, link->path, CONNECT_MS,
					   on_connect, link);
}

struct dovecot_link *
dovecot_link_create(struct loop *loop, const char *path,
		    const struct dovecot_link_ops *ops, void *arg)
{
	struct dovecot_link *link = mem_zalloc(sizeof(*link));

	link->loop = loop;
	link->path = mem_strdup(path);
	link->ops = ops;
	link->arg = arg;
	link->pause_ms = PAUSE_FIRST_MS;
	buf_init(&link->list, MECHANISM_MAX_COUNT * (MECHANISM_MAX_BYTES + 1));
	link_connect(link);
	return link;
}

void
dovecot_link_destroy(struct dovecot_link **linkp)
{
	struct dovecot_link *link = *linkp;

	*linkp = NULL;
	if (link == NULL)
		return;
	connect_cancel(&link->connect);
	stream_destroy(&link->stream);
	timer_cancel(&link->timer);
	buf_fini(&link->list);
	free(link->path);
	free(link);
}

bool
dovecot_link_ready(const struct dovecot_link *link)
{
	return link->state == LINK_READY;
}

const char *
dovecot_link_mechanisms(struct dovecot_link *link)
{
	if (link->state != LINK_READY || link->list.n == 0)
		return NULL;
	return buf_cstr(&link->list);
}

void
dovecot_link_send(struct dovecot_link *link, struct slice line)
{
	stream_write(link->stream, line);
}

size_t
dovecot_link_unsent(const struct dovecot_link *link)
{
	return stream_unsent(link->stream);
}

int64_t
dovecot_link_heard_ms(const struct dovecot_link *link)
{
	return link->heard_ms;
}
