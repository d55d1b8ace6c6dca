/* Which socket serves which block; reloads that keep, open and close. */
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/net/listen.h"
#include "gateway/sockets.h"
#include "tests/gateway/config_help.h"

#define FIRST 100
#define HEAD                                                   \
	"hostname h.example; tls { certificate /c; key /k; } " \
	"auth { backend local; } route default { via mx; }\n"

/* A port of the kernel's choice, open on fd FIRST + i or free again. */
static unsigned
port(int i, bool keep)
{
	struct sockaddr_in in;
	socklen_t n = sizeof(in);
	struct sock_addr addr;
	int fd;

	sock_addr_parse(SLICE_LIT("127.0.0.1:0"), &addr);
	ck_assert_int_eq(listen_open(&addr, 5, &fd), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&in, &n), 0);
	if (keep)
		ck_assert_int_eq(dup2(fd, FIRST + i), FIRST + i);
	close(fd);
	return ntohs(in.sin_port);
}

static void
handed(int count, const char *names)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", (int)getpid());
	setenv("LISTEN_PID", text, 1);
	snprintf(text, sizeof(text), "%d", count);
	setenv("LISTEN_FDS", text, 1);
	setenv("LISTEN_FDNAMES", names, 1);
}

static struct config *
with(const char *listens)
{
	struct buf text = {.cap = 65536};
	struct config *c;

	buf_printf(&text, HEAD "%s", listens);
	c = config_help_good(buf_cstr(&text), listens);
	buf_fini(&text);
	return c;
}

/* "name=fd " of each, in no order of ours. */
static int
fd_of(const struct sockets *s, const struct config *c, const char *name)
{
	size_t listen;
	int fd;

	for (size_t i = 0; sockets_get(s, i, &fd, &listen); i++) {
		if (strcmp(config_listen(c, listen)->block.name, name) == 0)
			return fd;
	}
	return -1;
}

START_TEST(inherited)
{
	struct buf errors = {.cap = 4096};
	struct sockets *s;
	struct config *c;
	char text[256];
	unsigned b;

	port(0, true);
	b = port(1, true);
	port(2, true);
	handed(3, "first:whatever:unused");
	s = sockets_create(FIRST);
	snprintf(text, sizeof(text),
		 "listen first { address 127.0.0.1:1; }\n"
		 "listen second { address 127.0.0.1:%u; }\n",
		 b);
	c = with(text);
	ck_assert_int_eq(sockets_prepare(s, c, &errors), 0);
	ck_assert_int_eq(fd_of(s, c, "first"), FIRST);
	ck_assert_int_eq(fd_of(s, c, "second"), FIRST + 1);
	sockets_commit(s);
	sockets_sweep(s);
	ck_assert_int_eq(close(FIRST + 2), -1); /* nobody wanted it */
	ck_assert_int_eq(fd_of(s, c, "first"), FIRST);
	sockets_destroy(&s);
	ck_assert_int_eq(close(FIRST), -1);
	config_destroy(&c);
}
END_TEST

/* systemd's socket brings its own address: never in the clear to the world. */
START_TEST(inherited_unsafe)
{
	struct buf errors = {.cap = 4096};
	struct sock_addr any;
	struct sockets *s;
	struct config *c;
	int fd;

	sock_addr_parse(SLICE_LIT("*:0"), &any);
	ck_assert_int_eq(listen_open(&any, 5, &fd), 0);
	ck_assert_int_eq(dup2(fd, FIRST), FIRST);
	close(fd);
	handed(1, "clear");
	s = sockets_create(FIRST);
	c = with("listen clear { address 127.0.0.1:1; tls none; "
		 "insecure-auth on; }\n");
	ck_assert_int_eq(sockets_prepare(s, c, &errors), GW_EINVAL);
	ck_assert(strstr(buf_cstr(&errors),
			 "t:2:1: 'listen clear' may serve loopback only") !=
		  NULL);
	sockets_destroy(&s);
	config_destroy(&c);
	buf_fini(&errors);
}
END_TEST

START_TEST(reloads)
{
	struct buf errors = {.cap = 4096};
	struct sockets *s = sockets_create(FIRST);
	struct config *c, *next;
	char text[256];
	unsigned a = port(0, false), b = port(0, false), d = port(0, false);
	int fd;

	snprintf(text, sizeof(text),
		 "listen a { address 127.0.0.1:%u; }\n"
		 "listen b { address 127.0.0.1:%u; }\n",
		 a, b);
	c = with(text);
	ck_assert_int_eq(sockets_prepare(s, c, &errors), 0);
	sockets_commit(s);
	fd = fd_of(s, c, "a");
	/* a stays under another name, b goes, d comes */
	snprintf(text, sizeof(text),
		 "listen other { address 127.0.0.1:%u; }\n"
		 "listen d { address 127.0.0.1:%u; }\n",
		 a, d);
	next = with(text);
	ck_assert_int_eq(sockets_prepare(s, next, &errors), 0);
	ck_assert_int_eq(fd_of(s, next, "other"), fd);
	ck_assert_int_ge(fd_of(s, next, "d"), 0);
	sockets_commit(s);
	/* back again before b was closed */
	fd = fd_of(s, next, "other");
	ck_assert_int_eq(sockets_prepare(s, c, &errors), 0);
	ck_assert_int_eq(fd_of(s, c, "a"), fd);
	sockets_commit(s);
	sockets_sweep(s);
	/* d was swept: its port is free */
	port(0, false);
	config_destroy(&c);
	config_destroy(&next);
	sockets_destroy(&s);
	ck_assert_uint_eq(errors.n, 0);
}
END_TEST

/* One address is taken: nothing stays open of the others. */
START_TEST(all_or_nothing)
{
	struct buf errors = {.cap = 4096};
	struct sockets *s = sockets_create(FIRST);
	struct config *c;
	struct sock_addr addr;
	char text[256];
	unsigned free_port = port(0, false), taken = port(0, true);
	int fd;

	snprintf(text, sizeof(text),
		 "listen a { address 127.0.0.1:%u; }\n"
		 "listen b {\n address 127.0.0.1:%u; }\n",
		 free_port, taken);
	c = with(text);
	ck_assert_int_eq(sockets_prepare(s, c, &errors), GW_EINVAL);
	snprintf(text, sizeof(text),
		 "t:4:10: cannot listen on 127.0.0.1:%u: %s: another program "
		 "listens there\n",
		 taken, gw_err_text(GW_EEXIST));
	ck_assert_str_eq(buf_cstr(&errors), text);
	snprintf(text, sizeof(text), "127.0.0.1:%u", free_port);
	sock_addr_parse(slice_str(text), &addr);
	ck_assert_int_eq(listen_open(&addr, 5, &fd), 0);
	close(fd);
	config_destroy(&c);
	sockets_destroy(&s);
	buf_fini(&errors);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("gateway/sockets");
	TCase *t = tcase_create("sockets");
	SRunner *r;
	int failed;

	tcase_add_test(t, inherited);
	tcase_add_test(t, inherited_unsafe);
	tcase_add_test(t, reloads);
	tcase_add_test(t, all_or_nothing);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
