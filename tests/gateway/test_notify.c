/* What systemd is told, and what it hands over. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "gateway/activate.h"
#include "gateway/base/error.h"
#include "gateway/net/listen.h"
#include "gateway/notify.h"

static int
datagram_socket(const char *name, bool abstract)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	memcpy(at.sun_path + abstract, name, strlen(name));
	ck_assert_int_eq(
	    bind(fd, (struct sockaddr *)&at,
		 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + abstract +
			     strlen(name))),
	    0);
	return fd;
}

static void
expect(int fd, const char *want)
{
	char got[256];
	ssize_t n = recv(fd, got, sizeof(got) - 1, 0);

	ck_assert_int_ge(n, 0);
	got[n] = '\0';
	ck_assert_str_eq(got, want);
}

START_TEST(sends)
{
	char path[64], name[32];
	int fd;

	snprintf(path, sizeof(path), "/tmp/sluice-notify-%d", (int)getpid());
	fd = datagram_socket(path, false);
	setenv("NOTIFY_SOCKET", path, 1);
	ck_assert_int_eq(notify_send("READY=1"), 0);
	expect(fd, "READY=1");
	ck_assert_int_eq(notify_reloading(123456), 0);
	expect(fd, "RELOADING=1\nMONOTONIC_USEC=123456");
	close(fd);
	ck_assert_int_eq(notify_send("READY=1"), GW_EIO);
	unlink(path);

	snprintf(name, sizeof(name), "sluice-notify-%d", (int)getpid());
	snprintf(path, sizeof(path), "@%s", name);
	fd = datagram_socket(name, true);
	setenv("NOTIFY_SOCKET", path, 1);
	ck_assert_int_eq(notify_send("STOPPING=1"), 0);
	expect(fd, "STOPPING=1");
	close(fd);
}
END_TEST

START_TEST(sends_to_nobody)
{
	char path[200];

	unsetenv("NOTIFY_SOCKET");
	ck_assert_int_eq(notify_send("READY=1"), GW_ENOENT);
	setenv("NOTIFY_SOCKET", "", 1);
	ck_assert_int_eq(notify_send("READY=1"), GW_ENOENT);
	setenv("NOTIFY_SOCKET", "relative", 1);
	ck_assert_int_eq(notify_send("READY=1"), GW_EINVAL);
	memset(path, 'a', sizeof(path));
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	setenv("NOTIFY_SOCKET", path, 1);
	ck_assert_int_eq(notify_send("READY=1"), GW_EINVAL);
}
END_TEST

static const struct {
	const char *label, *usec;
	int pid;	     /* 0: none, 1: ours, 2: another's */
	int64_t interval_ms; /* 0: off */
} dogs[] = {
    {"none", NULL, 0, 0},
    {"half of it", "30000000", 0, 15000},
    {"ours", "30000000", 1, 15000},
    {"another's", "30000000", 2, 0},
    {"zero", "0", 0, 0},
    {"no number", "30s", 0, 0},
    {"tiny", "1000", 0, 1},
    {"too large", "18446744073709551615", 0, 0},
};

START_TEST(watchdog)
{
	char pid[32];
	int64_t interval_ms = 0;
	bool on;

	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	if (dogs[_i].usec != NULL)
		setenv("WATCHDOG_USEC", dogs[_i].usec, 1);
	snprintf(pid, sizeof(pid), "%d", (int)getpid() + dogs[_i].pid - 1);
	if (dogs[_i].pid > 0)
		setenv("WATCHDOG_PID", pid, 1);
	on = notify_watchdog(&interval_ms);
	ck_assert_msg(on == (dogs[_i].interval_ms > 0) &&
			  interval_ms == dogs[_i].interval_ms,
		      "%s", dogs[_i].label);
}
END_TEST

#define FIRST 100

static int
place(int fd, int at)
{
	ck_assert_int_eq(dup2(fd, at), at);
	if (fd != at)
		close(fd);
	return at;
}

static void
listening(int at)
{
	struct sock_addr addr;
	int fd;

	sock_addr_parse(SLICE_LIT("127.0.0.1:0"), &addr);
	ck_assert_int_eq(listen_open(&addr, 5, &fd), 0);
	place(fd, at);
}

static void
handed(const char *fds, const char *names, int other_pid)
{
	char pid[32];

	snprintf(pid, sizeof(pid), "%d", (int)getpid() + other_pid);
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", fds, 1);
	if (names != NULL)
		setenv("LISTEN_FDNAMES", names, 1);
	else
		unsetenv("LISTEN_FDNAMES");
}

START_TEST(takes)
{
	struct activated *list;

	listening(FIRST);
	place(socket(AF_INET, SOCK_STREAM, 0), FIRST + 1);
	place(open("/dev/null", O_RDONLY), FIRST + 2);
	close(FIRST + 3);
	listening(FIRST + 4);
	handed("5", "submission:a:b::", 0);
	ck_assert_uint_eq(activate_take(&list, FIRST), 5);
	ck_assert_ptr_null(list[0].fault);
	ck_assert_str_eq(list[0].name, "submission");
	ck_assert(list[0].local.port != 0 && ip_is_loopback(&list[0].local.ip));
	ck_assert_int_ne(fcntl(FIRST, F_GETFD) & FD_CLOEXEC, 0);
	ck_assert_int_ne(fcntl(FIRST, F_GETFL) & O_NONBLOCK, 0);
	ck_assert_str_eq(list[1].fault, "not a listening socket");
	ck_assert_str_eq(list[2].fault, "not a listening socket");
	ck_assert_str_eq(list[3].fault, "not an open descriptor");
	ck_assert_ptr_null(list[4].fault);
	ck_assert_str_eq(list[4].name, "");
	free(list);
	/* once */
	ck_assert_ptr_null(getenv("LISTEN_FDS"));
	ck_assert_uint_eq(activate_take(&list, FIRST), 0);
	ck_assert_ptr_null(list);
}
END_TEST

static const struct {
	const char *label, *fds;
	int other_pid;
} nothing[] = {
    {"another process's", "1", 1},
    {"none", "0", 0},
    {"no number", "x", 0},
    {"negative", "-1", 0},
};

START_TEST(takes_nothing)
{
	struct activated *list;

	handed(nothing[_i].fds, NULL, nothing[_i].other_pid);
	ck_assert_msg(activate_take(&list, FIRST) == 0, "%s",
		      nothing[_i].label);
	ck_assert_ptr_null(list);
}
END_TEST

#define ROWS(t) ((int)(sizeof(t) / sizeof((t)[0])))

int
main(void)
{
	Suite *s = suite_create("gateway/notify");
	TCase *t = tcase_create("notify");
	SRunner *r;
	int failed;

	tcase_add_test(t, sends);
	tcase_add_test(t, sends_to_nobody);
	tcase_add_loop_test(t, watchdog, 0, ROWS(dogs));
	tcase_add_test(t, takes);
	tcase_add_loop_test(t, takes_nothing, 0, ROWS(nothing));
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
