#ifndef TESTS_SCAN_SCAN_HELP_H
#define TESTS_SCAN_SCAN_HELP_H

#include "tests/scan/fake_icap.h"
#include "tests/scan/mail_help.h"

/* One field of a fake, read under its lock. */
#define FAKE(i, field)                                         \
	({                                                     \
		__typeof__(((struct fake *)0)->field) value_ = \
		    fake_lock(i)->field;                       \
		fake_unlock();                                 \
		value_;                                        \
	})
#define FAKE_SET(i, field, v)              \
	do {                               \
		fake_lock(i)->field = (v); \
		fake_unlock();             \
	} while (0)

static const struct scan_server_conf help_servers[FAKES_MAX] = {
    {.host = "127.0.0.1", .port = 1344, .service = "av", .weight = 1},
    {.host = "127.0.0.2", .port = 1344, .service = "av", .weight = 1},
    {.host = "127.0.0.3", .port = 1344, .service = "av", .weight = 1},
    {.host = "127.0.0.4", .port = 1344, .service = "av", .weight = 1},
};

static inline struct scan_conf
help_conf(size_t servers)
{
	return (struct scan_conf){
	    .servers = help_servers,
	    .server_count = servers,
	    .dns = {.servers = "127.0.0.1:9"},
	};
}

static inline struct scan *
help_start(const struct scan_conf *conf)
{
	struct scan_opts opts = {.conf = conf};
	struct scan *scan;
	char error[200] = "";

	ck_assert_msg(scan_start(&scan, &opts, error, sizeof(error)) == 0, "%s",
		      error);
	return scan;
}

static inline enum scan_health
help_health(struct scan *scan, int i)
{
	struct scan_server_status status[FAKES_MAX];

	ck_assert_int_gt((int)scan_servers_get(scan, status, FAKES_MAX), i);
	return status[i].health;
}

static inline struct scan *
help_start_up(const struct scan_conf *conf)
{
	struct scan *scan = help_start(conf);

	for (size_t i = 0; i < conf->server_count; i++)
		UNTIL(help_health(scan, (int)i) == SCAN_UP);
	return scan;
}

/* The whole way: known at once, or after a job. */
static inline enum scan_kind
help_scan(struct scan *scan, const char *text)
{
	struct mail *mail = mail_create(text);
	enum scan_kind kind;

	if (!scan_known(scan, &mail->job)) {
		scan_job_start(scan, &mail->job);
		mail_wait(mail);
	}
	kind = mail->job.verdict.kind;
	mail_destroy(mail);
	return kind;
}

/* A new content each time, so that nothing is known. */
static inline enum scan_kind
scan_new(struct scan *scan)
{
	static int n;
	char text[32];

	(void)snprintf(text, sizeof(text), "new%d", n++);
	return help_scan(scan, text);
}

static inline int
help_run(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
