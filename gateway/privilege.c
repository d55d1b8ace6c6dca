/*
 * Becoming somebody without rights. The order is fixed: groups while still
 * root, then gid, then uid; then the proof that root does not come back. The
 * spool and the control directory are opened by their last name without
 * following a link, because their parents may be somebody else's to write.
 */
#include "gateway/privilege.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/error.h"

/* The leak checker of a test build must be able to trace the process. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define DUMPABLE 1
#endif
#endif
#if !defined(DUMPABLE) && defined(__SANITIZE_ADDRESS__)
#define DUMPABLE 1
#endif
#ifndef DUMPABLE
#define DUMPABLE 0
#endif

static int
fail(int err, char *error, size_t size, const char *what, const char *of)
{
	snprintf(error, size, "%s%s%s", what, of != NULL ? " " : "",
		 of != NULL ? of : "");
	return err;
}

static int
fail_errno(char *error, size_t size, const char *what, const char *of)
{
	int saved = errno;

	snprintf(error, size, "%s %s: %s", what, of, strerror(saved));
	return gw_err_from_errno(saved);
}

int
privilege_plan(struct privilege *p, const char *user, char *error, size_t size)
{
	const struct passwd *entry;

	*p = (struct privilege){.user = user,
				.uid = (unsigned)geteuid(),
				.gid = (unsigned)getegid()};
	if (user == NULL)
		return 0;
	entry = getpwnam(user);
	if (entry == NULL)
		return fail(GW_ENOENT, error, size, "there is no user", user);
	if (geteuid() == 0) {
		p->drop = entry->pw_uid != 0;
		p->uid = (unsigned)entry->pw_uid;
		p->gid = (unsigned)entry->pw_gid;
	} else if (entry->pw_uid != geteuid()) {
		return fail(GW_EDENIED, error, size,
			    "only root can become user", user);
	}
	return 0;
}

int
privilege_directory(const struct privilege *p, const char *path, unsigned mode,
		    char *error, size_t size)
{
	bool made = mkdir(path, (mode_t)mode) == 0;
	int fd, err = 0;

	if (!made && errno != EEXIST)
		return fail_errno(error, size, "cannot make", path);
	if (!made)
		return 0;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return fail_errno(error, size, "cannot open", path);
	if ((p->drop && fchown(fd, p->uid, p->gid) != 0) ||
	    fchmod(fd, (mode_t)mode) != 0)
		err = fail_errno(error, size, "cannot give away", path);
	close(fd);
	return err;
}

int
privilege_file(const struct privilege *p, const char *path, char *error,
	       size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY,
		      0640);
	int err = 0;

	if (fd < 0 && errno == EEXIST)
		return 0;
	if (fd < 0)
		return fail_errno(error, size, "cannot make", path);
	if (p->drop && fchown(fd, p->uid, p->gid) != 0)
		err = fail_errno(error, size, "cannot give away", path);
	close(fd);
	return err;
}

static bool
can_return(void)
{
	uid_t real, effective, saved;

	if (getresuid(&real, &effective, &saved) != 0)
		return true;
	return real == 0 || effective == 0 || saved == 0 || setuid(0) == 0 ||
	       seteuid(0) == 0;
}

int
privilege_drop(const struct privilege *p, char *error, size_t size)
{
	if (p->drop) {
		if (initgroups(p->user, p->gid) != 0)
			return fail_errno(error, size,
					  "cannot take the groups of", p->user);
		if (setresgid(p->gid, p->gid, p->gid) != 0 ||
		    setresuid(p->uid, p->uid, p->uid) != 0)
			return fail_errno(error, size, "cannot become",
					  p->user);
		if (can_return() || getegid() != p->gid)
			return fail(GW_EDENIED, error, size,
				    "root could be regained after becoming",
				    p->user);
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return fail_errno(error, size, "cannot set", "no_new_privs");
	/* memory holds passwords and keys */
	if (p->drop && prctl(PR_SET_DUMPABLE, DUMPABLE, 0, 0, 0) != 0)
		return fail_errno(error, size, "cannot clear", "dumpable");
	return 0;
}

uint64_t
privilege_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return 0;
	if (limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &limit) != 0 &&
		    getrlimit(RLIMIT_NOFILE, &limit) != 0)
			return 0;
	}
	return limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX
					       : (uint64_t)limit.rlim_cur;
}
