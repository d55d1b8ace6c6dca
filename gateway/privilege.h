#ifndef GATEWAY_PRIVILEGE_H
#define GATEWAY_PRIVILEGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* From root to a user without rights, for good. */
struct privilege {
	const char *user; /* the configured name, or NULL */
	bool drop;	  /* we are root, and are to become user */
	unsigned uid, gid;
};

/* GW_ENOENT: no such user; GW_EDENIED: user is set, we are not root and not
 * that user either. */
int privilege_plan(struct privilege *p, const char *user, char *error,
		   size_t error_size);

/*
 * The directory, made if missing with the mode and, when we are to drop, given
 * to the user. One that is there is left as it is: a directory that somebody
 * else made is never given away.
 */
int privilege_directory(const struct privilege *p, const char *path,
			unsigned mode, char *error, size_t error_size);

/* The same for a file: made empty, mode 0640. */
int privilege_file(const struct privilege *p, const char *path, char *error,
		   size_t error_size);

/* Groups, gid, uid; verified that there is no way back. Then, also without a
 * drop, no program run later gains rights. */
int privilege_drop(const struct privilege *p, char *error, size_t error_size);

/* Raises the cap on open descriptors as far as allowed; what it is then. */
uint64_t privilege_descriptors(void);

#endif
