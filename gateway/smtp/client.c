/*
 * The connection under a client: bytes to replies, the deadline, idle, close.
 * What is said on it is decided by a driver, client_connect.c first, then
 * client_send.c for each message.
 *
 * The deadline belongs to a whole reply, not to a byte: a server that drips
 * is as late as one that is silent. Whatever a server says while nobody asked
 * ends the connection, since most of the time it is "421 idle too long", and
 * the rest cannot be told from an answer to the next command.
 *
 * Invariant: a driver is called as the last thing of each path (see the
 * header), and in the loop over replies `gone` says whether there still is a
 * client.
 */
#include "gateway/smtp/client.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "gateway/base/error.h"
#include "gateway/base/mem.h"
#include "gateway/smtp/client_int.h"

#define OUT_CAP ((size_t)64 * 1024 * 1024)  /* 50,000 long RCPTs are 20 MiB */
#define OUT_KEEP_BYTES ((size_t)128 * 1024) /* what an idle client may hold */
#define LINGER_MS 5000

static int64_t
or_default(int64_t ms, int64_t fallback)
{
	return ms > 0 ? ms : fallback;
}

struct smtp_client *
client_create(struct loop *loop, const struct smtp_client_timeouts *timeouts)
{
	struct smtp_client *c = mem_zalloc(sizeof(*c));

	c->loop = loop;
	c->reply_used = true;
	/* RFC 5321, 4.5.3.2; it has nothing to say about connect(2) */
	c->timeouts.connect_ms = or_default(timeouts->connect_ms, 30000);
	c->timeouts.greeting_ms = or_default(timeouts->greeting_ms, 300000);
	c->timeouts.command_ms = or_default(timeouts->command_ms, 300000);
	c->timeouts.data_block_ms = or_default(timeouts->data_block_ms, 180000);
	c->timeouts.dot_ms = or_default(timeouts->dot_ms, 600000);
	buf_init(&c->out, OUT_CAP);
	return c;
}

void
client_destroy(struct smtp_client **client)
{
	struct smtp_client *c = *client;

	*client = NULL;
	if (c == NULL)
		return;
	if (c->gone != NULL)
		*c->gone = true;
	timer_cancel(&c->timer);
	stream_destroy(&c->stream);
	buf_fini(&c->out);
	free(c);
}

void
client_drive(struct smtp_client *c, const struct client_driver *driver,
	     void *arg)
{
	assert(c->driver == NULL || driver == NULL);
	c->driver = driver;
	c->driver_arg = arg;
}

void
client_release(struct smtp_client *c)
{
	c->driver = NULL;
	c->driver_arg = NULL;
	c->deadline_ms = 0;
	if (c->out.size > OUT_KEEP_BYTES)
		buf_fini(&c->out);
}

void
client_drop(struct smtp_client *c, bool polite)
{
	c->deadline_ms = 0;
	timer_cancel(&c->timer);
	if (c->stream == NULL)
		return;
	c->all_left = stream_bytes_out(c->stream) >= c->written_bytes;
	if (polite)
		stream_finish(&c->stream, LINGER_MS);
	else
		stream_destroy(&c->stream);
}

void
client_fail(struct smtp_client *c, int err, const char *why)
{
	const struct client_driver *driver = c->driver;
	void *arg = c->driver_arg;

	client_drop(c, false);
	client_release(c);
	if (driver != NULL)
		driver->broken(arg, err, why);
}

static void on_timer(void *arg);

static void
timer_arm(struct smtp_client *c, int64_t now_ms)
{
	c->timer_at_ms = c->deadline_ms;
	c->timer = timer_start(c->loop, c->deadline_ms - now_ms, on_timer, c);
}

static void
on_timer(void *arg)
{
	struct smtp_client *c = arg;
	int64_t now_ms = loop_now_ms(c->loop);

	c->timer = NULL;
	if (c->deadline_ms == 0)
		return;
	if (now_ms < c->deadline_ms)
		timer_arm(c, now_ms);
	else
		client_fail(c, GW_ETIMEDOUT, gw_err_text(GW_ETIMEDOUT));
}

void
client_deadline(struct smtp_client *c, int64_t ms)
{
	int64_t now_ms = loop_now_ms(c->loop);

	c->deadline_ms = now_ms + (ms > 0 ? ms : 1);
	if (c->timer != NULL && c->timer_at_ms <= c->deadline_ms)
		return;
	timer_cancel(&c->timer);
	timer_arm(c, now_ms);
}

void
client_write(struct smtp_client *c, struct slice s)
{
	c->written_bytes += s.n;
	stream_write(c->stream, s);
}

/* One line of a reply. False: no more to do with this input. */
static bool
take_line(struct smtp_client *c, struct slice *in)
{
	struct smtp_reply reply;
	struct slice line;
	enum reply_step step;

	if (c->driver == NULL) {
		client_drop(c, false);
		return false;
	}
	if (c->reply_used)
		reply_parse_init(&c->reply);
	c->reply_used = false;
	step = reply_parse_next(&c->reply, in, &line);
	switch (step) {
	case REPLY_MORE:
		return false;
	case REPLY_BROKEN:
		client_fail(c, GW_EPROTO, "not an SMTP reply");
		return false;
	case REPLY_LINE:
		if (c->driver->line != NULL)
			c->driver->line(c->driver_arg, line);
		return true;
	case REPLY_DONE:
		if (c->driver->line != NULL)
			c->driver->line(c->driver_arg, line);
		c->reply_used = true;
		reply_parse_get(&c->reply, &reply);
		c->driver->reply(c->driver_arg, &reply, in->n > 0);
		return true;
	}
	return false;
}

static size_t
on_data(void *arg, struct slice in)
{
	struct smtp_client *c = arg;
	struct slice rest = in;
	bool gone = false;

	c->gone = &gone;
	while (rest.n > 0 && take_line(c, &rest) && !gone) {
		if (c->stream == NULL)
			break;
	}
	if (!gone)
		c->gone = NULL;
	return in.n - rest.n;
}

static void
on_drain(void *arg)
{
	struct smtp_client *c = arg;

	if (c->driver != NULL && c->driver->drained != NULL)
		c->driver->drained(c->driver_arg);
}

static void
on_secure(void *arg)
{
	struct smtp_client *c = arg;

	(void)snprintf(c->tls_text, sizeof(c->tls_text), "%s %s",
		       stream_tls_version(c->stream),
		       stream_tls_cipher(c->stream));
	c->is_dane = stream_is_dane(c->stream);
	if (c->driver != NULL && c->driver->secured != NULL)
		c->driver->secured(c->driver_arg);
}

static void
on_end(void *arg, int err)
{
	struct smtp_client *c = arg;
	char why[REPLY_TEXT_MAX];

	(void)snprintf(why, sizeof(why), "%s",
		       err == GW_ETLS ? stream_tls_error(c->stream) : "");
	client_fail(c, err, why[0] != '\0' ? why : gw_err_text(err));
}

void
client_stream_start(struct smtp_client *c, int fd)
{
	static const struct stream_ops ops = {
	    .on_data = on_data,
	    .on_drain = on_drain,
	    .on_secure = on_secure,
	    .on_end = on_end,
	};

	c->reply_used = true;
	c->written_bytes = 0;
	c->tls_text[0] = '\0';
	c->is_dane = false;
	c->stream = stream_create(c->loop, fd, &ops, c);
}

uint32_t
smtp_client_caps(const struct smtp_client *client)
{
	return client->caps;
}

uint64_t
smtp_client_size_max(const struct smtp_client *client)
{
	return client->size_max;
}

const char *
smtp_client_tls_text(const struct smtp_client *client)
{
	return client->tls_text[0] != '\0' ? client->tls_text : NULL;
}

bool
smtp_client_is_dane(const struct smtp_client *client)
{
	return client->is_dane;
}

bool
smtp_client_usable(const struct smtp_client *client)
{
	return client->stream != NULL;
}

uint32_t
smtp_client_sent_count(const struct smtp_client *client)
{
	return client->sent_count;
}

void
smtp_client_close(struct smtp_client **client)
{
	struct smtp_client *c = *client;

	if (c == NULL)
		return;
	assert(c->driver == NULL); /* the op holds it: cancel that first */
	if (c->stream != NULL)
		client_write(c, SLICE_LIT("QUIT\r\n"));
	client_drop(c, true);
	client_destroy(client);
}
