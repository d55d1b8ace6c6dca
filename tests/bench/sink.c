/*
 * The benchmark's next hop: accepts every message, keeps nothing, counts, and
 * takes the time from the X-Bench-Us header to the final dot. Plain SMTP with
 * PIPELINING. With --expect N it prints one JSON line after N messages (or
 * after --seconds) and ends. With --suffix only messages whose first recipient
 * ends so are counted and measured, the rest are "others", or "reports" from
 * the null sender; --linger SECONDS waits on for more of these. --refuse TEXT
 * answers 550 to each recipient with TEXT in its line.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct peer {
	int fd;
	bool data, stamped, other, rcpt, report;
	char in[65536];
	size_t n;
	int64_t sent_us;
	char out[8192];
	size_t out_n;
};

static uint64_t expect = 1000, messages, others, reports, refused;
static const char *suffix = "", *refuse;
static int64_t *latency_us;
static int64_t first_us, last_us;

static int64_t
now_us(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void
say(struct peer *peer, const char *text)
{
	size_t n = strlen(text);

	if (peer->out_n + n <= sizeof(peer->out)) {
		memcpy(peer->out + peer->out_n, text, n);
		peer->out_n += n;
	}
}

/* Of the first RCPT of a message. */
static void
look_at(struct peer *peer, const char *line)
{
	const char *end = strchr(line, '>');
	size_t n = strlen(suffix);

	if (peer->rcpt)
		return;
	peer->rcpt = true;
	peer->other = end == NULL || (size_t)(end - line) < n ||
		      strncasecmp(end - n, suffix, n) != 0;
}

static void
command(struct peer *peer, const char *line)
{
	if (strncasecmp(line, "MAIL", 4) == 0) {
		peer->rcpt = false;
		peer->report = strstr(line, "<>") != NULL;
	}
	if (strncasecmp(line, "RCPT", 4) == 0) {
		look_at(peer, line);
		if (refuse != NULL && strstr(line, refuse) != NULL) {
			refused++;
			say(peer, "550 5.1.1 nobody of that name\r\n");
			return;
		}
	}
	if (strncasecmp(line, "EHLO", 4) == 0) {
		say(peer, "250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n"
			  "250-SIZE 100000000\r\n250 ENHANCEDSTATUSCODES\r\n");
	} else if (strncasecmp(line, "DATA", 4) == 0) {
		peer->data = true;
		peer->stamped = false;
		say(peer, "354 go\r\n");
	} else if (strncasecmp(line, "QUIT", 4) == 0) {
		say(peer, "221 2.0.0 bye\r\n");
	} else {
		say(peer, "250 2.0.0 ok\r\n");
	}
}

static void
delivered(struct peer *peer)
{
	peer->data = peer->rcpt = false;
	say(peer, "250 2.0.0 ok\r\n");
	if (peer->other) {
		others += !peer->report;
		reports += peer->report;
		return;
	}
	last_us = now_us(CLOCK_MONOTONIC);
	if (messages == 0)
		first_us = last_us;
	if (messages < expect && peer->stamped)
		latency_us[messages] = now_us(CLOCK_REALTIME) - peer->sent_us;
	messages++;
}

static void
data_line(struct peer *peer, const char *line, size_t n)
{
	if (n == 1 && line[0] == '.') {
		delivered(peer);
	} else if (!peer->stamped && n > 12 &&
		   strncasecmp(line, "X-Bench-Us: ", 12) == 0) {
		peer->sent_us = strtoll(line + 12, NULL, 10);
		peer->stamped = true;
	}
}

/* Once the stamp is found, look for the end alone. */
static size_t
skip_body(struct peer *peer, size_t at)
{
	char *end = memmem(peer->in + at, peer->n - at, "\r\n.\r\n", 5);

	if (end != NULL)
		return (size_t)(end - peer->in) + 2;
	return peer->n - at > 4 ? peer->n - 4 : at;
}

static void
take(struct peer *peer)
{
	size_t at = 0, length;
	char *end;

	while (at < peer->n) {
		if (peer->data && peer->stamped) {
			size_t next = skip_body(peer, at);

			if (next == at &&
			    memcmp(peer->in + at, ".\r\n", 3) != 0)
				break;
			at = next;
		}
		end = memmem(peer->in + at, peer->n - at, "\r\n", 2);
		if (end == NULL)
			break;
		*end = '\0';
		length = (size_t)(end - peer->in) - at;
		if (peer->data)
			data_line(peer, peer->in + at, length);
		else
			command(peer, peer->in + at);
		*end = '\r';
		at += length + 2;
	}
	memmove(peer->in, peer->in + at, peer->n - at);
	peer->n -= at;
}

static int
compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static double
quantile_ms(uint64_t n, double q)
{
	return n > 0 ? (double)latency_us[(size_t)((double)(n - 1) * q)] / 1000
		     : 0;
}

static void
report(void)
{
	uint64_t n = messages < expect ? messages : expect;
	double seconds = (double)(last_us - first_us) / 1e6;

	qsort(latency_us, n, sizeof(*latency_us), compare);
	printf("{\"delivered\":%llu,\"others\":%llu,\"reports\":%llu,"
	       "\"refused\":%llu,\"seconds\":%.3f,"
	       "\"per_second\":%.1f,\"p50_ms\":%.3f,\"p95_ms\":%.3f,"
	       "\"p99_ms\":%.3f,\"max_ms\":%.3f}\n",
	       (unsigned long long)messages, (unsigned long long)others,
	       (unsigned long long)reports, (unsigned long long)refused,
	       seconds, seconds > 0 ? (double)messages / seconds : 0,
	       quantile_ms(n, 0.5), quantile_ms(n, 0.95), quantile_ms(n, 0.99),
	       quantile_ms(n, 1));
	fflush(stdout);
}

static void
on_readable(int ep, struct peer *peer)
{
	ssize_t n;

	n = read(peer->fd, peer->in + peer->n, sizeof(peer->in) - 1 - peer->n);
	if (n <= 0) {
		epoll_ctl(ep, EPOLL_CTL_DEL, peer->fd, NULL);
		close(peer->fd);
		free(peer);
		return;
	}
	peer->n += (size_t)n;
	take(peer);
	if (peer->n >= sizeof(peer->in) - 1)
		peer->n = 0; /* a line over 64 KiB: not from this bench */
	if (peer->out_n > 0) {
		if (write(peer->fd, peer->out, peer->out_n) < 0)
			perror("sink: write");
		peer->out_n = 0;
	}
}

static void
on_accept(int ep, int listener)
{
	struct epoll_event ev = {.events = EPOLLIN};
	int fd = accept(listener, NULL, NULL), one = 1;
	struct peer *peer;

	if (fd < 0)
		return;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	peer = calloc(1, sizeof(*peer));
	peer->fd = fd;
	say(peer, "220 sink ESMTP\r\n");
	if (write(fd, peer->out, peer->out_n) < 0)
		perror("sink: write");
	peer->out_n = 0;
	ev.data.ptr = peer;
	epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
}

static int
listen_on(const char *host, int port)
{
	struct sockaddr_in to = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	inet_pton(AF_INET, host, &to.sin_addr);
	to.sin_port = htons((uint16_t)port);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&to, sizeof(to)) < 0 ||
	    listen(fd, 1024) < 0) {
		perror("sink: listen");
		exit(1);
	}
	return fd;
}

static struct listener {
	int fd;
} listeners[64];
static int listener_count;

static void
add_listener(int ep, const char *host, int port)
{
	struct epoll_event ev = {.events = EPOLLIN};
	struct listener *made;

	if (listener_count == 64)
		exit(2);
	made = &listeners[listener_count++];
	made->fd = listen_on(host, port);
	ev.data.ptr = made;
	epoll_ctl(ep, EPOLL_CTL_ADD, made->fd, &ev);
}

static void
on_event(int ep, void *what)
{
	struct listener *l = what;

	if (l >= listeners && l < listeners + listener_count)
		on_accept(ep, l->fd);
	else
		on_readable(ep, what);
}

int
main(int argc, char **argv)
{
	static const struct option longs[] = {
	    {"port", 1, 0, 'p'},    {"expect", 1, 0, 'e'},
	    {"seconds", 1, 0, 's'}, {"suffix", 1, 0, 'x'},
	    {"linger", 1, 0, 'l'},  {"host", 1, 0, 'h'},
	    {"refuse", 1, 0, 'r'},  {0, 0, 0, 0}};
	const char *hosts[64] = {"127.0.0.1"};
	struct epoll_event events[256];
	int port = 2526, host_count = 0, ep, c, n;
	double seconds = 120, linger = 0;
	int64_t end_us, now;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c == 'p')
			port = atoi(optarg);
		else if (c == 'e')
			expect = (uint64_t)atoll(optarg);
		else if (c == 's')
			seconds = atof(optarg);
		else if (c == 'x')
			suffix = optarg;
		else if (c == 'r')
			refuse = optarg;
		else if (c == 'l')
			linger = atof(optarg);
		else if (c == 'h' && host_count < 64)
			hosts[host_count++] = optarg;
		else
			return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	latency_us = calloc(expect + 1, sizeof(*latency_us));
	ep = epoll_create1(0);
	add_listener(ep, hosts[0], port);
	for (int i = 1; i < host_count; i++)
		add_listener(ep, hosts[i], port);
	end_us = now_us(CLOCK_MONOTONIC) + (int64_t)(seconds * 1e6);
	while ((now = now_us(CLOCK_MONOTONIC)) < end_us) {
		if (messages >= expect &&
		    (double)(now - last_us) >= linger * 1e6)
			break;
		n = epoll_wait(ep, events, 256, 100);
		for (int i = 0; i < n; i++)
			on_event(ep, events[i].data.ptr);
	}
	report();
	return messages >= expect ? 0 : 1;
}
