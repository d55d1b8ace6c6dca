#include "gateway/control/http.h"

#include <bsd/sys/queue.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "gateway/base/error.h"
#include "gateway/base/mem.h"
#include "gateway/control/http_parse.h"
#include "gateway/net/listen.h"
#include "gateway/net/stream.h"

#define BODY_MAX (1024 * 1024)
#define BACKLOG 64

struct http_client {
	LIST_ENTRY(http_client) link;
	struct http *http;
	struct stream *stream;
	struct timer_op *deadline;
};

struct http {
	struct loop *loop;
	int fd;
	bool local_only;
	struct listener *listener;
	http_page_fn *page;
	void *arg;
	LIST_HEAD(, http_client) clients;
	size_t client_count;
};

static void
client_destroy(struct http_client *client)
{
	LIST_REMOVE(client, link);
	client->http->client_count--;
	timer_cancel(&client->deadline);
	stream_destroy(&client->stream);
	free(client);
}

static void
on_deadline(void *arg)
{
	struct http_client *client = arg;

	client->deadline = NULL;
	client_destroy(client);
}

static const char *
reason(int status)
{
	switch (status) {
	case 200:
		return "OK";
	case 400:
		return "Bad Request";
	case 403:
		return "Forbidden";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 431:
		return "Request Header Fields Too Large";
	default:
		return "Service Unavailable";
	}
}

/* The answer leaves within what is left of the deadline: the client is ours
 * until it has drained. */
static void
client_answer(struct http_client *client, int status, const char *type,
	      const struct buf *body, bool head_only)
{
	struct buf out = {.cap = BODY_MAX + 1024};

	buf_printf(&out,
		   "HTTP/1.1 %d %s\r\nContent-Type: %s\r\n"
		   "Content-Length: %zu\r\nConnection: close\r\n"
		   "Cache-Control: no-store\r\n"
		   "X-Content-Type-Options: nosniff\r\n%s\r\n",
		   status, reason(status), type, body->n,
		   status == 405 ? "Allow: GET, HEAD\r\n" : "");
	if (!head_only)
		buf_add_slice(&out, buf_slice(body));
	stream_write(client->stream, buf_slice(&out));
	buf_fini(&out);
	stream_finish(&client->stream, HTTP_DEADLINE_MS);
	client_destroy(client);
}

static int
status_of(const struct http *http, const struct http_head *head)
{
	if (head->host.p == NULL && !head->minor0)
		return 400;
	if (http->local_only && head->host.p != NULL &&
	    !http_host_is_local(head->host))
		return 403;
	if (!slice_eq(head->method, SLICE_LIT("GET")) &&
	    !slice_eq(head->method, SLICE_LIT("HEAD")))
		return 405;
	return 200;
}

static void
client_request(struct http_client *client, const struct http_head *head)
{
	struct http *http = client->http;
	const char *type = "text/plain; charset=utf-8";
	struct buf body = {.cap = BODY_MAX};
	int status = status_of(http, head);

	if (status == 200)
		status = http->page(http->arg, head->path, &body, &type);
	if (body.n == 0)
		buf_printf(&body, "%s\n", reason(status));
	client_answer(client, status, type, &body,
		      slice_eq(head->method, SLICE_LIT("HEAD")));
	buf_fini(&body);
}

static size_t
on_data(void *arg, struct slice in)
{
	struct http_client *client = arg;
	struct http_head head;
	struct buf body = {.cap = 64};
	int got = http_parse(in, &head);

	if (got == 0)
		return 0;
	if (got > 0) {
		client_request(client, &head);
		return in.n;
	}
	buf_add_str(&body, "not understood\n");
	client_answer(client, got == GW_ETOOBIG ? 431 : 400, "text/plain",
		      &body, false);
	buf_fini(&body);
	return in.n;
}

static void
on_end(void *arg, int err)
{
	(void)err;
	client_destroy(arg);
}

static const struct stream_ops client_ops = {.on_data = on_data,
					     .on_end = on_end};

static void
on_accept(void *arg, int fd, const struct sock_addr *peer,
	  const struct sock_addr *local)
{
	struct http *http = arg;
	struct http_client *client;

	(void)peer;
	(void)local;
	if (http->client_count == HTTP_CLIENTS) {
		close(fd);
		return;
	}
	client = mem_zalloc(sizeof(*client));
	client->http = http;
	client->stream = stream_create(http->loop, fd, &client_ops, client);
	client->deadline =
	    timer_start(http->loop, HTTP_DEADLINE_MS, on_deadline, client);
	LIST_INSERT_HEAD(&http->clients, client, link);
	http->client_count++;
}

int
http_create(struct http **httpp, struct loop *loop,
	    const struct sock_addr *addr, http_page_fn *page, void *arg,
	    char *error, size_t error_size)
{
	struct http *http = mem_zalloc(sizeof(*http));
	char text[SOCK_ADDR_TEXT_SIZE];
	int err;

	http->loop = loop;
	http->page = page;
	http->arg = arg;
	http->local_only = ip_is_loopback(&addr->ip);
	LIST_INIT(&http->clients);
	err = listen_open(addr, BACKLOG, &http->fd);
	if (err != 0) {
		sock_addr_format(addr, text);
		snprintf(error, error_size, "http %s: %s", text,
			 gw_err_text(err));
		free(http);
		return err;
	}
	http->listener = listener_create(loop, http->fd, on_accept, NULL, http);
	*httpp = http;
	return 0;
}

void
http_destroy(struct http **httpp)
{
	struct http *http = *httpp;
	struct http_client *client, *next;

	*httpp = NULL;
	if (http == NULL)
		return;
	listener_destroy(&http->listener);
	LIST_FOREACH_SAFE (client, &http->clients, link, next)
		client_destroy(client);
	close(http->fd);
	free(http);
}
