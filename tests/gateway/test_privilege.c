/* Becoming somebody else for good. As root all of it; else what is left. */
#include <check.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/error.h"
#include "gateway/privilege.h"

static char dir[64];
static char error[256];

static void
setup(void)
{
	strcpy(dir, "/tmp/sluice-privilege-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(chdir(dir), 0);
}

static void
teardown(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	ck_assert_int_eq(chdir("/"), 0);
	ck_assert_int_eq(system(command), 0);
}

START_TEST(plans)
{
	struct privilege p;
	bool root = geteuid() == 0;
	const char *other;

	ck_assert_int_eq(privilege_plan(&p, NULL, error, sizeof(error)), 0);
	ck_assert(!p.drop);
	ck_assert_int_eq(
	    privilege_plan(&p, "no-such-user-here", error, sizeof(error)),
	    GW_ENOENT);
	ck_assert_str_eq(error, "there is no user no-such-user-here");
	ck_assert_int_eq(privilege_plan(&p, "root", error, sizeof(error)),
			 root ? 0 : GW_EDENIED);
	ck_assert(!p.drop);
	other = geteuid() == getpwnam("nobody")->pw_uid ? "daemon" : "nobody";
	ck_assert_int_eq(privilege_plan(&p, other, error, sizeof(error)),
			 root ? 0 : GW_EDENIED);
	ck_assert(p.drop == root);
}
END_TEST

START_TEST(makes)
{
	struct privilege p;
	struct stat st;
	bool root = geteuid() == 0;

	privilege_plan(&p, root ? "nobody" : NULL, error, sizeof(error));
	umask(0077);
	ck_assert_int_eq(
	    privilege_directory(&p, "new", 0750, error, sizeof(error)), 0);
	ck_assert_int_eq(stat("new", &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0750);
	ck_assert_uint_eq(st.st_uid, p.uid);
	ck_assert_int_eq(privilege_file(&p, "log", error, sizeof(error)), 0);
	ck_assert_int_eq(stat("log", &st), 0);
	ck_assert_uint_eq(st.st_uid, p.uid);
	/* what is there is never given away, nor what a link leads to */
	ck_assert_int_eq(mkdir("old", 0711), 0);
	ck_assert_int_eq(symlink("old", "link"), 0);
	ck_assert_int_eq(
	    privilege_directory(&p, "link", 0750, error, sizeof(error)), 0);
	ck_assert_int_eq(
	    privilege_directory(&p, "old", 0750, error, sizeof(error)), 0);
	ck_assert_int_eq(stat("old", &st), 0);
	ck_assert_uint_eq(st.st_uid, geteuid());
	ck_assert_int_eq(symlink("absent", "dangling"), 0);
	ck_assert_int_eq(privilege_file(&p, "dangling", error, sizeof(error)),
			 0);
	ck_assert_int_ne(stat("absent", &st), 0);
	ck_assert_int_ne(
	    privilege_directory(&p, "no/parent", 0750, error, sizeof(error)),
	    0);
	ck_assert_str_eq(error,
			 "cannot make no/parent: No such file or directory");
}
END_TEST

START_TEST(drops)
{
	struct privilege p;
	const struct passwd *nobody = getpwnam("nobody");
	gid_t groups[8];

	ck_assert_int_eq(privilege_plan(&p, geteuid() == 0 ? "nobody" : NULL,
					error, sizeof(error)),
			 0);
	ck_assert_msg(privilege_drop(&p, error, sizeof(error)) == 0, "%s",
		      error);
	ck_assert_int_eq(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
	if (!p.drop)
		return;
	ck_assert_uint_eq(getuid(), nobody->pw_uid);
	ck_assert_uint_eq(getegid(), nobody->pw_gid);
	ck_assert_int_ne(setuid(0), 0);
	ck_assert_int_eq(getgroups(8, groups), 1);
	ck_assert_uint_eq(groups[0], nobody->pw_gid);
	ck_assert_int_lt(open("/etc/shadow", O_RDONLY), 0);
}
END_TEST

START_TEST(descriptors)
{
	struct rlimit limit;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = 64;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert(privilege_descriptors() >= limit.rlim_max);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert(limit.rlim_cur == limit.rlim_max);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("gateway/privilege");
	TCase *t = tcase_create("privilege");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, plans);
	tcase_add_test(t, makes);
	tcase_add_test(t, descriptors);
	suite_add_tcase(s, t);
	/* cannot clean up behind itself: no folder */
	t = tcase_create("drop");
	tcase_add_test(t, drops);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
