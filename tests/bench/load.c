/*
 * The load generator: many SMTP submission sessions on one thread, with TLS
 * and AUTH PLAIN, against any relay. Raw epoll and OpenSSL, none of the code
 * under test. Prints one JSON line. Bounded by --messages and --seconds.
 *
 * size: it is one program without a library, so that none of the code under
 * test is in it.
 *
 * Latency is from the write of the final dot to its 250 (dot), or from MAIL
 * (mail). Commands are not pipelined, as mail clients do not. "late" are those
 * accepted that wait for a virus scanner.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum state {
	ST_IDLE, /* waits for its turn under --rate */
	ST_CONNECT,
	ST_TLS,
	ST_GREETING,
	ST_EHLO,
	ST_STARTTLS,
	ST_EHLO_TLS,
	ST_AUTH,
	ST_READY,
	ST_MAIL,
	ST_RCPT,
	ST_DATA,
	ST_DOT,
	ST_RSET, /* after a refusal, with --hammer */
	ST_QUIT,
	ST_DEAD
};

struct client {
	int fd;
	SSL *ssl;
	enum state state;
	char in[2048];
	size_t in_n;
	char *out; /* small, or of the heap */
	size_t out_n, out_off;
	char small[512];
	int64_t dot_us, mail_us;
	bool want_write;
	uint64_t rcpt_at;   /* of its message, in the list of recipients */
	unsigned rcpt_said; /* of opt.rcpts */
	bool rcpt_good;	    /* one at least was taken */
};

static struct {
	struct sockaddr_in to, bind;
	const char *tls, *user, *password, *from;
	char **rcpt; /* used in turn */
	size_t rcpt_count;
	unsigned sessions, size, rcpts;
	uint64_t messages;
	double rate, seconds;
	bool per_connection, idle, hammer;
	bool attach, same; /* the body is a file in base64; everybody's */
} opt = {.tls = "starttls",
	 .user = "bench",
	 .password = "bench",
	 .from = "bench@example.com",
	 .sessions = 50,
	 .rcpts = 1,
	 .size = 4096,
	 .messages = 1000,
	 .seconds = 60};

static SSL_CTX *ctx;
static int ep;
static uint64_t begun, accepted, failed, lost, refused, late;
static uint64_t rcpt_next;
static int64_t *latency_us, *whole_us;
static char *filler; /* the part of the body that is always the same */
static char *body;   /* the message being written; one at a time is copied */
static char auth_line[512];

static int64_t
now_us(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void step(struct client *c);

static void out_end(struct client *c);

static void
client_close(struct client *c)
{
	if (c->ssl != NULL)
		SSL_free(c->ssl);
	if (c->fd >= 0)
		close(c->fd);
	out_end(c);
	c->ssl = NULL;
	c->fd = -1;
	c->in_n = 0;
}

static void
watch(struct client *c, bool writable)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};

	if (writable)
		ev.events |= EPOLLOUT;
	if (c->want_write == writable)
		return;
	c->want_write = writable;
	epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &ev);
}

static void
client_connect(struct client *c)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT, .data.ptr = c};
	int one = 1;

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	c->state = ST_CONNECT;
	c->want_write = true;
	if (opt.bind.sin_family != 0 &&
	    bind(c->fd, (struct sockaddr *)&opt.bind, sizeof(opt.bind)) < 0)
		perror("bind");
	if (connect(c->fd, (struct sockaddr *)&opt.to, sizeof(opt.to)) < 0 &&
	    errno != EINPROGRESS) {
		perror("connect");
		exit(1);
	}
	epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &ev);
}

/* The session broke: count what was under way, start again. */
static void
client_lost(struct client *c)
{
	if (c->state == ST_DOT || c->state == ST_DATA || c->state == ST_MAIL ||
	    c->state == ST_RCPT)
		begun--;
	if (c->state != ST_QUIT)
		lost++;
	client_close(c);
	if (lost > 1000) {
		c->state = ST_DEAD;
		return;
	}
	client_connect(c);
}

static int
raw_write(struct client *c, const char *p, size_t n)
{
	ssize_t r;
	int s;

	if (c->ssl == NULL) {
		r = write(c->fd, p, n);
		return r >= 0 ? (int)r : errno == EAGAIN ? 0 : -1;
	}
	ERR_clear_error();
	s = SSL_write(c->ssl, p, (int)n);
	if (s > 0)
		return s;
	s = SSL_get_error(c->ssl, s);
	return s == SSL_ERROR_WANT_WRITE || s == SSL_ERROR_WANT_READ ? 0 : -1;
}

static int
raw_read(struct client *c, char *p, size_t n)
{
	ssize_t r;
	int s;

	if (c->ssl == NULL) {
		r = read(c->fd, p, n);
		return r > 0 ? (int)r : r < 0 && errno == EAGAIN ? 0 : -1;
	}
	ERR_clear_error();
	s = SSL_read(c->ssl, p, (int)n);
	if (s > 0)
		return s;
	s = SSL_get_error(c->ssl, s);
	return s == SSL_ERROR_WANT_WRITE || s == SSL_ERROR_WANT_READ ? 0 : -1;
}

static void
out_end(struct client *c)
{
	if (c->out != c->small)
		free(c->out);
	c->out = NULL;
	c->out_n = c->out_off = 0;
}

static int
flush(struct client *c)
{
	int n;

	while (c->out_off < c->out_n) {
		n = raw_write(c, c->out + c->out_off, c->out_n - c->out_off);
		if (n < 0)
			return -1;
		if (n == 0) {
			watch(c, true);
			return 0;
		}
		c->out_off += (size_t)n;
	}
	out_end(c);
	watch(c, false);
	return 0;
}

static void
say(struct client *c, const char *text)
{
	c->out_n = strlen(text);
	c->out_off = 0;
	memcpy(c->small, text, c->out_n);
	c->out = c->small;
	if (flush(c) < 0)
		client_lost(c);
}

static const char *
rcpt_of(const struct client *c)
{
	return opt.rcpt[(c->rcpt_at + c->rcpt_said) % opt.rcpt_count];
}

static void
say_rcpt(struct client *c)
{
	char line[400];

	c->state = ST_RCPT;
	snprintf(line, sizeof(line), "RCPT TO:<%.300s>\r\n", rcpt_of(c));
	c->rcpt_said++;
	say(c, line);
}

/* A recipient was answered. One that is refused is a figure, no failure. */
static void
on_rcpt(struct client *c, int code)
{
	if (code == 250)
		c->rcpt_good = true;
	else
		refused++;
	if (c->rcpt_said < opt.rcpts) {
		say_rcpt(c);
	} else if (c->rcpt_good) {
		c->state = ST_DATA;
		say(c, "DATA\r\n");
	} else {
		c->state = ST_RSET;
		say(c, "RSET\r\n");
	}
}

/* What of a message stands before its filler; and behind it. A file's first
 * line of base64 tells it from all others. */
static int
write_head(char *to, uint64_t serial)
{
	if (!opt.attach)
		return sprintf(to, "\r\n");
	return sprintf(
	    to,
	    "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; "
	    "boundary=\"=_bench\"\r\n\r\n--=_bench\r\n\r\nSee below.\r\n"
	    "--=_bench\r\nContent-Type: application/octet-stream\r\n"
	    "Content-Disposition: attachment; filename=\"bench.bin\"\r\n"
	    "Content-Transfer-Encoding: base64\r\n\r\n%08x%08x\r\n",
	    opt.same ? 0 : (unsigned)getpid(), opt.same ? 0 : (unsigned)serial);
}

static const char *
tail(void)
{
	return opt.attach ? "\r\n--=_bench--\r\n.\r\n" : "\r\n.\r\n";
}

static void
say_body(struct client *c)
{
	static uint64_t serial;
	struct timespec t;
	char date[64];
	size_t n;
	char *p;
	int h;

	clock_gettime(CLOCK_REALTIME, &t);
	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S +0000",
		 gmtime(&t.tv_sec));
	h = sprintf(body,
		    "From: Bench <%s>\r\nTo: <%s>\r\nSubject: bench\r\n"
		    "Date: %s\r\nMessage-ID: <%d.%llu@bench.example.com>\r\n"
		    "X-Bench-Us: %lld\r\n",
		    opt.from, opt.rcpt[c->rcpt_at % opt.rcpt_count], date,
		    (int)getpid(), (unsigned long long)serial,
		    (long long)now_us(CLOCK_REALTIME));
	h += write_head(body + h, serial++);
	n = strlen(filler);
	if (!opt.attach && (size_t)h < opt.size && opt.size - (size_t)h < n)
		n = opt.size - (size_t)h;
	if (n > 0 && filler[n - 1] == '\r')
		n--;
	p = malloc((size_t)h + n + 32);
	memcpy(p, body, (size_t)h);
	memcpy(p + h, filler, n);
	strcpy(p + h + n, tail());
	c->out = p;
	c->out_off = 0;
	c->out_n = (size_t)h + n + strlen(tail());
	c->dot_us = now_us(CLOCK_MONOTONIC);
	if (flush(c) < 0)
		client_lost(c);
}

static void
tls_start(struct client *c)
{
	c->ssl = SSL_new(ctx);
	SSL_set_fd(c->ssl, c->fd);
	SSL_set_connect_state(c->ssl);
	c->state = ST_TLS;
	watch(c, true);
	step(c);
}

/* MAIL, when there is one left to send. */
static void
next_message(struct client *c)
{
	char line[300];

	if (opt.idle) {
		c->state = ST_READY;
		return;
	}
	if (begun >= opt.messages) {
		c->state = ST_QUIT;
		say(c, "QUIT\r\n");
		return;
	}
	begun++;
	c->rcpt_at = rcpt_next;
	rcpt_next += opt.rcpts;
	c->rcpt_said = 0;
	c->rcpt_good = false;
	c->state = ST_MAIL;
	c->mail_us = now_us(CLOCK_MONOTONIC);
	snprintf(line, sizeof(line), "MAIL FROM:<%s>\r\n", opt.from);
	say(c, line);
}

static bool
expects(enum state state, int code)
{
	switch (state) {
	case ST_GREETING:
	case ST_STARTTLS:
		return code == 220;
	case ST_AUTH:
		return code == 235;
	case ST_DATA:
		return code == 354;
	case ST_QUIT:
		return true;
	default:
		return code == 250;
	}
}

static void
on_reply(struct client *c, int code, const char *line)
{
	if (c->state == ST_RCPT &&
	    (code == 250 || code == 550 || code == 556)) {
		on_rcpt(c, code);
		return;
	}
	if (!expects(c->state, code)) {
		if (opt.hammer && code != 421 && c->state > ST_READY &&
		    c->state < ST_RSET) {
			failed++;
			c->state = ST_RSET;
			say(c, "RSET\r\n");
			return;
		}
		if (failed + lost < 5)
			fprintf(stderr, "load: state %d: %s\n", (int)c->state,
				line);
		if (c->state >= ST_MAIL)
			failed++;
		else
			lost++;
		client_close(c);
		if (lost > 1000 || begun >= opt.messages)
			c->state = ST_DEAD;
		else
			client_connect(c);
		return;
	}
	switch (c->state) {
	case ST_GREETING:
		c->state = c->ssl != NULL ? ST_EHLO_TLS : ST_EHLO;
		say(c, "EHLO bench.example.com\r\n");
		return;
	case ST_EHLO:
		c->state = ST_STARTTLS;
		say(c, "STARTTLS\r\n");
		return;
	case ST_STARTTLS:
		tls_start(c);
		return;
	case ST_EHLO_TLS:
		c->state = ST_AUTH;
		say(c, auth_line);
		return;
	case ST_AUTH:
		if (opt.rate > 0)
			c->state = ST_READY;
		else
			next_message(c);
		return;
	case ST_MAIL:
		say_rcpt(c);
		return;
	case ST_DATA:
		c->state = ST_DOT;
		say_body(c);
		return;
	case ST_DOT:
		whole_us[accepted] = now_us(CLOCK_MONOTONIC) - c->mail_us;
		latency_us[accepted++] = now_us(CLOCK_MONOTONIC) - c->dot_us;
		late += strstr(line, "waiting") != NULL;
		if (opt.rate > 0) {
			c->state = ST_READY;
		} else if (opt.per_connection) {
			c->state = ST_QUIT;
			say(c, "QUIT\r\n");
		} else {
			next_message(c);
		}
		return;
	case ST_RSET:
		if (opt.rate > 0)
			c->state = ST_READY;
		else
			next_message(c);
		return;
	case ST_QUIT:
		client_close(c);
		if (begun < opt.messages && !opt.idle)
			client_connect(c);
		else
			c->state = ST_DEAD;
		return;
	default:
		return;
	}
}

/* Whole replies in the buffer; continuation lines are skipped. */
static void
take_lines(struct client *c)
{
	char *end, line[2048];
	size_t n;

	while ((end = memmem(c->in, c->in_n, "\r\n", 2)) != NULL) {
		n = (size_t)(end - c->in);
		memcpy(line, c->in, n);
		line[n] = '\0';
		c->in_n -= n + 2;
		memmove(c->in, end + 2, c->in_n);
		if (n >= 4 && line[3] == '-')
			continue;
		on_reply(c, atoi(line), line);
		if (c->fd < 0 || c->state == ST_TLS)
			return;
	}
}

static void
handshake(struct client *c)
{
	int r, e;

	ERR_clear_error();
	r = SSL_do_handshake(c->ssl);
	if (r == 1) {
		watch(c, false);
		if (strcmp(opt.tls, "implicit") == 0) {
			c->state = ST_GREETING;
			return;
		}
		c->state = ST_EHLO_TLS;
		say(c, "EHLO bench.example.com\r\n");
		return;
	}
	e = SSL_get_error(c->ssl, r);
	if (e == SSL_ERROR_WANT_READ)
		watch(c, false);
	else if (e == SSL_ERROR_WANT_WRITE)
		watch(c, true);
	else
		client_lost(c);
}

static void
step(struct client *c)
{
	int n, err = 0;
	socklen_t len = sizeof(err);

	if (c->state == ST_CONNECT) {
		getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &len);
		if (err != 0) {
			client_lost(c);
			return;
		}
		watch(c, false);
		if (strcmp(opt.tls, "implicit") == 0) {
			tls_start(c);
			return;
		}
		c->state = ST_GREETING;
	}
	if (c->state == ST_TLS) {
		handshake(c);
		if (c->state == ST_TLS || c->fd < 0)
			return;
	}
	if (c->out_n > 0 && flush(c) < 0) {
		client_lost(c);
		return;
	}
	while (c->fd >= 0 && c->state != ST_TLS && c->state != ST_CONNECT) {
		n = raw_read(c, c->in + c->in_n, sizeof(c->in) - c->in_n);
		if (n < 0) {
			if (c->state == ST_QUIT)
				on_reply(c, 221, "");
			else
				client_lost(c);
			return;
		}
		if (n == 0)
			return;
		c->in_n += (size_t)n;
		take_lines(c);
	}
}

static int
compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static double
quantile_ms(const int64_t *us, double q)
{
	if (accepted == 0)
		return 0;
	return (double)us[(size_t)((double)(accepted - 1) * q)] / 1000;
}

static void
usage(void)
{
	fputs("usage: load --port N [--host IP] [--tls starttls|implicit]\n"
	      "  [--sessions N] [--messages N] [--size BYTES] [--rate PER_S]\n"
	      "  [--seconds MAX] [--per-connection] [--idle]\n"
	      "  [--user U] [--password P] [--from A] [--rcpt A]\n"
	      "  [--rcpt-file FILE] [--rcpts N] [--bind IP] [--hammer]\n"
	      "  [--attach] [--same]\n"
	      "--rcpt-file: an address a line, used in turn, N a message\n"
	      "--attach: a file of --size bytes in base64, --same: always one\n"
	      "--hammer: a refused message is followed by the next at once\n",
	      stderr);
	exit(2);
}

static void
rcpt_add(const char *address)
{
	opt.rcpt = realloc(opt.rcpt, (opt.rcpt_count + 1) * sizeof(*opt.rcpt));
	opt.rcpt[opt.rcpt_count++] = strdup(address);
}

static void
rcpt_read(const char *path)
{
	FILE *f = fopen(path, "r");
	char line[400];

	if (f == NULL) {
		perror(path);
		exit(1);
	}
	while (fgets(line, sizeof(line), f) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		rcpt_add(line);
	}
	fclose(f);
}

static void
options(int argc, char **argv)
{
	static const struct option longs[] = {{"host", 1, 0, 'h'},
					      {"port", 1, 0, 'p'},
					      {"tls", 1, 0, 't'},
					      {"sessions", 1, 0, 's'},
					      {"messages", 1, 0, 'm'},
					      {"size", 1, 0, 'z'},
					      {"rate", 1, 0, 'r'},
					      {"seconds", 1, 0, 'S'},
					      {"per-connection", 0, 0, 'c'},
					      {"idle", 0, 0, 'i'},
					      {"user", 1, 0, 'u'},
					      {"password", 1, 0, 'w'},
					      {"from", 1, 0, 'f'},
					      {"rcpt", 1, 0, 'R'},
					      {"bind", 1, 0, 'b'},
					      {"hammer", 0, 0, 'H'},
					      {"rcpt-file", 1, 0, 'F'},
					      {"rcpts", 1, 0, 'n'},
					      {"attach", 0, 0, 'a'},
					      {"same", 0, 0, 'e'},
					      {0, 0, 0, 0}};
	int c;

	opt.to.sin_family = AF_INET;
	opt.to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case 'h':
			if (inet_pton(AF_INET, optarg, &opt.to.sin_addr) != 1)
				usage();
			break;
		case 'p':
			opt.to.sin_port = htons((uint16_t)atoi(optarg));
			break;
		case 't':
			opt.tls = optarg;
			break;
		case 's':
			opt.sessions = (unsigned)atoi(optarg);
			break;
		case 'm':
			opt.messages = (uint64_t)atoll(optarg);
			break;
		case 'z':
			opt.size = (unsigned)atoi(optarg);
			break;
		case 'r':
			opt.rate = atof(optarg);
			break;
		case 'S':
			opt.seconds = atof(optarg);
			break;
		case 'c':
			opt.per_connection = true;
			break;
		case 'i':
			opt.idle = true;
			break;
		case 'u':
			opt.user = optarg;
			break;
		case 'w':
			opt.password = optarg;
			break;
		case 'f':
			opt.from = optarg;
			break;
		case 'R':
			rcpt_add(optarg);
			break;
		case 'F':
			rcpt_read(optarg);
			break;
		case 'n':
			opt.rcpts = (unsigned)atoi(optarg);
			break;
		case 'b':
			opt.bind.sin_family = AF_INET;
			if (inet_pton(AF_INET, optarg, &opt.bind.sin_addr) != 1)
				usage();
			break;
		case 'H':
			opt.hammer = true;
			break;
		case 'a':
			opt.attach = true;
			break;
		case 'e':
			opt.same = true;
			break;
		default:
			usage();
		}
	}
	if (opt.rcpt_count == 0)
		rcpt_add("sink@example.net");
	/* a load goes nowhere but to this machine */
	if ((ntohl(opt.to.sin_addr.s_addr) >> 24) != 127 ||
	    opt.to.sin_port == 0 || opt.sessions == 0 || opt.rcpts == 0)
		usage();
}

/* Lines of 76: letters, or random base64 of opt.size bytes (then cut at a
 * whole quartet, as an encoder's last line is). */
static void
fill(void)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijkl"
				       "mnopqrstuvwxyz0123456789+/";
	uint64_t x = 88172645463325252ULL;
	size_t chars = opt.attach ? opt.size / 3 * 4 : opt.size;
	size_t n, end = opt.attach ? chars / 76 * 78 + chars % 76 / 4 * 4
				   : opt.size - opt.size % 78;

	filler = malloc(end + 80);
	for (n = 0; n < end; n++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		filler[n] = n % 78 == 76   ? '\r'
			    : n % 78 == 77 ? '\n'
			    : opt.attach   ? alphabet[x >> 58]
					   : (char)('a' + n % 23);
	}
	filler[end] = '\0';
}

static void
prepare(void)
{
	char plain[300];
	int k;

	signal(SIGPIPE, SIG_IGN);
	mallopt(M_MXFAST, 0); /* as the daemon does: cheaper handshakes */
	ctx = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
				  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				  SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	latency_us = calloc(opt.messages + 1, sizeof(*latency_us));
	whole_us = calloc(opt.messages + 1, sizeof(*whole_us));
	fill();
	body = malloc(4096);
	k = snprintf(plain, sizeof(plain), "%c%s%c%s", 0, opt.user, 0,
		     opt.password);
	strcpy(auth_line, "AUTH PLAIN ");
	EVP_EncodeBlock((unsigned char *)auth_line + strlen(auth_line),
			(unsigned char *)plain, k);
	strcat(auth_line, "\r\n");
	ep = epoll_create1(0);
}

/* One waiting session sends, at the pace of --rate. */
static void
pace(struct client *clients, int64_t start_us)
{
	static unsigned turn;
	double due =
	    (double)(now_us(CLOCK_MONOTONIC) - start_us) / 1e6 * opt.rate;

	while ((double)begun < due && begun < opt.messages) {
		unsigned i;

		for (i = 0; i < opt.sessions; i++, turn++)
			if (clients[turn % opt.sessions].state == ST_READY)
				break;
		if (i == opt.sessions)
			return;
		next_message(&clients[turn++ % opt.sessions]);
	}
}

static unsigned
count_state(const struct client *clients, enum state state)
{
	unsigned n = 0;

	for (unsigned i = 0; i < opt.sessions; i++)
		n += clients[i].state == state;
	return n;
}

static void
report(double seconds)
{
	qsort(latency_us, accepted, sizeof(*latency_us), compare);
	qsort(whole_us, accepted, sizeof(*whole_us), compare);
	printf("{\"accepted\":%llu,\"failed\":%llu,\"lost\":%llu,"
	       "\"refused\":%llu,\"late\":%llu,\"seconds\":%.3f,\"per_second\":"
	       "%.1f,\"dot_"
	       "p50_ms\":%.3f,"
	       "\"dot_p99_ms\":%.3f,\"dot_max_ms\":%.3f,"
	       "\"mail_p99_ms\":%.3f}\n",
	       (unsigned long long)accepted, (unsigned long long)failed,
	       (unsigned long long)lost, (unsigned long long)refused,
	       (unsigned long long)late, seconds, (double)accepted / seconds,
	       quantile_ms(latency_us, 0.5), quantile_ms(latency_us, 0.99),
	       quantile_ms(latency_us, 1), quantile_ms(whole_us, 0.99));
}

/* Connecting in small groups: a listener's backlog is not what we measure. */
static void
open_some(struct client *clients, unsigned *opened)
{
	unsigned busy = 0;

	for (unsigned i = 0; i < *opened; i++)
		busy += clients[i].state < ST_READY;
	for (; *opened < opt.sessions && busy < 64; busy++)
		client_connect(&clients[(*opened)++]);
}

int
main(int argc, char **argv)
{
	struct epoll_event events[256];
	struct client *clients;
	int64_t start_us, end_us, paced_us = 0;
	unsigned opened = 0;
	bool told = false;
	int n;

	options(argc, argv);
	prepare();
	clients = calloc(opt.sessions, sizeof(*clients));
	for (unsigned i = 0; i < opt.sessions; i++)
		clients[i].fd = -1;
	start_us = now_us(CLOCK_MONOTONIC);
	end_us = start_us + (int64_t)(opt.seconds * 1e6);
	while (now_us(CLOCK_MONOTONIC) < end_us) {
		open_some(clients, &opened);
		if (opened == opt.sessions &&
		    count_state(clients, ST_DEAD) == opt.sessions)
			break;
		if (opt.rate > 0 && opened == opt.sessions &&
		    (paced_us != 0 ||
		     count_state(clients, ST_READY) == opt.sessions)) {
			if (paced_us == 0)
				paced_us = now_us(CLOCK_MONOTONIC);
			pace(clients, paced_us);
			if (accepted + failed >= opt.messages)
				break;
		}
		if (opt.idle && !told && opened == opt.sessions &&
		    count_state(clients, ST_READY) == opt.sessions) {
			printf("ready\n");
			fflush(stdout);
			told = true;
		}
		n = epoll_wait(ep, events, 256, opt.rate > 0 ? 1 : 100);
		for (int i = 0; i < n; i++) {
			struct client *c = events[i].data.ptr;

			if (c->fd >= 0)
				step(c);
		}
	}
	report((double)(now_us(CLOCK_MONOTONIC) -
			(paced_us != 0 ? paced_us : start_us)) /
	       1e6);
	return accepted > 0 || opt.idle ? 0 : 1;
}
