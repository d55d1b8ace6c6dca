#include "tests/support/names.h"

#include <arpa/inet.h>
#include <check.h>
#include <ctype.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/base/clock.h"
#include "gateway/base/mem.h"

#define NAMES_MAX 256 /* questions kept */

struct question {
	char name[256], type[8];
	char asked[256]; /* the name in the letters it was asked with */
	unsigned char packet[512];
	size_t n;
	struct sockaddr_in from;
	bool waits;
};

struct names {
	pthread_mutex_t lock;
	pthread_t thread;
	int fd;
	bool ends, holds;
	char text[64]; /* for dns_opts */
	const struct dns_row *rows;
	size_t row_count;
	struct question asked[NAMES_MAX];
	size_t asked_count;
};

static bool
question_read(struct question *q)
{
	size_t at = 12, used = 0;
	unsigned type;

	while (at < q->n && q->packet[at] != 0) {
		size_t n = q->packet[at];

		if (n > 63 || at + 1 + n >= q->n || used + n + 1 > 255)
			return false;
		if (used > 0) {
			q->name[used] = q->asked[used] = '.';
			used++;
		}
		memcpy(q->asked + used, q->packet + at + 1, n);
		for (size_t i = 0; i < n; i++)
			q->name[used + i] =
			    (char)tolower(q->packet[at + 1 + i]);
		used += n;
		at += 1 + n;
	}
	q->name[used] = q->asked[used] = '\0';
	if (at + 5 > q->n)
		return false;
	type = (unsigned)q->packet[at + 1] << 8 | q->packet[at + 2];
	snprintf(q->type, sizeof(q->type), "%s",
		 type == 15   ? "MX"
		 : type == 28 ? "AAAA"
			      : "A");
	return true;
}

static void
answer(struct names *names, const struct question *q)
{
	static const struct dns_row nowhere = {.rcode = 3,
					       .records = "!lab 900 SOA 60"};
	const struct dns_row *row = &nowhere;
	struct buf out = {.cap = 4096};

	for (size_t i = names->row_count; i-- > 0;) {
		const struct dns_row *r = &names->rows[i];

		if (strcmp(r->name, q->name) == 0 &&
		    (r->type == NULL || strcmp(r->type, q->type) == 0))
			row = r;
	}
	if (row->manner == DNS_SILENT)
		return;
	dns_reply_build(&out, q->asked, q->type, row->rcode,
			row->records != NULL ? row->records : "");
	memcpy(out.p, q->packet, 2);
	(void)sendto(names->fd, out.p, out.n, 0,
		     (const struct sockaddr *)&q->from, sizeof(q->from));
	buf_fini(&out);
}

static bool
is_held(const char *name)
{
	size_t n = strlen(name);

	return n > 9 && strcmp(name + n - 9, ".held.lab") == 0;
}

static void *
run(void *arg)
{
	struct names *names = arg;
	struct question *q;
	socklen_t size = sizeof(q->from);
	ssize_t n;

	for (;;) {
		poll(&(struct pollfd){names->fd, POLLIN, 0}, 1, 20);
		pthread_mutex_lock(&names->lock);
		if (names->ends)
			break;
		ck_assert_uint_lt(names->asked_count, NAMES_MAX);
		q = &names->asked[names->asked_count];
		n = recvfrom(names->fd, q->packet, sizeof(q->packet),
			     MSG_DONTWAIT, (struct sockaddr *)&q->from, &size);
		q->n = n > 0 ? (size_t)n : 0;
		if (q->n > 12 && question_read(q)) {
			names->asked_count++;
			q->waits = names->holds && is_held(q->name);
			if (!q->waits)
				answer(names, q);
		}
		pthread_mutex_unlock(&names->lock);
	}
	pthread_mutex_unlock(&names->lock);
	return NULL;
}

struct names *
names_create(const struct dns_row *rows, size_t count)
{
	struct names *names = mem_zalloc(sizeof(*names));
	struct sockaddr_in at = {.sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(at);

	pthread_mutex_init(&names->lock, NULL);
	names->rows = rows;
	names->row_count = count;
	names->holds = true;
	names->fd = socket(AF_INET, SOCK_DGRAM, 0);
	ck_assert_int_eq(bind(names->fd, (struct sockaddr *)&at, n), 0);
	ck_assert_int_eq(getsockname(names->fd, (struct sockaddr *)&at, &n), 0);
	snprintf(names->text, sizeof(names->text), "127.0.0.1:%u",
		 ntohs(at.sin_port));
	ck_assert_int_eq(pthread_create(&names->thread, NULL, run, names), 0);
	return names;
}

void
names_destroy(struct names **namesp)
{
	struct names *names = *namesp;

	*namesp = NULL;
	pthread_mutex_lock(&names->lock);
	names->ends = true;
	pthread_mutex_unlock(&names->lock);
	pthread_join(names->thread, NULL);
	close(names->fd);
	pthread_mutex_destroy(&names->lock);
	free(names);
}

const char *
names_text(const struct names *names)
{
	return names->text;
}

void
names_release(struct names *names)
{
	pthread_mutex_lock(&names->lock);
	names->holds = false;
	for (size_t i = 0; i < names->asked_count; i++)
		if (names->asked[i].waits) {
			names->asked[i].waits = false;
			answer(names, &names->asked[i]);
		}
	pthread_mutex_unlock(&names->lock);
}

unsigned
names_count(struct names *names, const char *name)
{
	unsigned count = 0;

	pthread_mutex_lock(&names->lock);
	for (size_t i = 0; i < names->asked_count; i++)
		count += strcmp(names->asked[i].name, name) == 0 &&
			 strcmp(names->asked[i].type, "MX") == 0;
	pthread_mutex_unlock(&names->lock);
	return count;
}

void
names_wait(struct names *names, const char *name)
{
	int64_t until_ms = clock_mono_ms() + 60000;

	while (names_count(names, name) == 0) {
		ck_assert_msg(clock_mono_ms() < until_ms,
			      "%s was never asked for", name);
		usleep(1000);
	}
}
