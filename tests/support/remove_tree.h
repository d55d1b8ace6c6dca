#ifndef TESTS_SUPPORT_REMOVE_TREE_H
#define TESTS_SUPPORT_REMOVE_TREE_H

#include <check.h>
#include <ftw.h>
#include <stdio.h>

static inline int
remove_entry(const char *path, const struct stat *status, int kind,
	     struct FTW *walk)
{
	(void)status;
	(void)kind;
	(void)walk;
	return remove(path);
}

/* The directory with all that is in it; links are not followed. */
static inline void
remove_tree(const char *dir)
{
	ck_assert_int_eq(nftw(dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
}

#endif
