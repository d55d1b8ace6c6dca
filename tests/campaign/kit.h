#ifndef TESTS_CAMPAIGN_KIT_H
#define TESTS_CAMPAIGN_KIT_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/error.h"
#include "gateway/campaign/campaign.h"
#include "gateway/store/env.h"
#include "tests/support/remove_tree.h"

/*
 * A registry on a store of its own. Messages are of a login and a text: texts
 * of one letter are alike, others are not.
 */
#define NOW INT64_C(1800000000)
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct store_env *env;
static struct campaigns *all;
static struct arena *arena;
static char dir[64];
static uint64_t next_message = 100;

static inline void
kit_open(const struct campaigns_conf *conf)
{
	struct store_opts opts = {.map_bytes = 64 << 20};
	char path[80], error[256];

	strcpy(dir, "/tmp/sluice-campaign-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/db", dir);
	opts.path = path;
	ck_assert_msg(store_open(&env, &opts, error, sizeof(error)) == 0, "%s",
		      error);
	all = campaigns_create();
	campaigns_configure(all, conf);
	arena = arena_create(4096);
}

static inline void
kit_close(void)
{
	campaigns_destroy(&all);
	store_close(&env);
	arena_destroy(&arena);
	remove_tree(dir);
}

/* As after a kill: what was committed is all there is. */
static inline void
kit_restart(const struct campaigns_conf *conf)
{
	campaigns_destroy(&all);
	all = campaigns_create();
	campaigns_configure(all, conf);
	ck_assert_int_eq(campaigns_load(all, env), 0);
}

static inline void
kit_commit(const struct store_change *changes, size_t count)
{
	struct store_txn *txn = store_write(env);

	for (size_t i = 0; i < count; i++)
		ck_assert(store_change_valid(&changes[i]));
	store_apply(txn, changes, count);
	ck_assert_int_eq(store_commit(&txn), 0);
}

static inline struct campaign_mail
kit_mail(const char *cred, char text, uint32_t recipients)
{
	struct campaign_mail mail = {
	    .id = next_message++,
	    .cred = cred,
	    .owner = "ann@example.com",
	    .subject = SLICE_LIT("Report"),
	    .recipients = recipients,
	};

	/* far apart: each letter has bits of its own */
	mail.shape.fuzzy =
	    0x0101010101010101ULL * (unsigned char)text * 0x9e3779b97f4a7c15ULL;
	memset(mail.shape.exact, text, sizeof(mail.shape.exact));
	return mail;
}

static inline void
kit_join(const struct campaign_mail *mail, int64_t now, bool accepted,
	 struct campaign_join *join)
{
	campaign_join(all, mail, now, arena, join);
	if (accepted && join->change_count > 0)
		kit_commit(join->changes, join->change_count);
	campaign_join_end(all, join, accepted);
}

/* The campaign that an accepted message is of. */
static inline uint64_t
kit_send(const char *cred, char text, uint32_t recipients, int64_t now)
{
	struct campaign_mail mail = kit_mail(cred, text, recipients);
	struct campaign_join join;

	kit_join(&mail, now, true, &join);
	return join.id;
}

static inline int
kit_order(uint64_t id, enum campaign_state state, int64_t now)
{
	const struct campaign_order order = {
	    .id = id, .state = state, .rate_per_h = -1, .connections = -1};
	struct store_change change;
	int err = campaign_order(all, &order, now, arena, &change);

	if (err == 0)
		kit_commit(&change, 1);
	return err;
}

static inline bool
kit_count(uint64_t id, enum campaign_count count, int64_t n, int64_t now)
{
	struct store_change change;

	campaign_count_change(id, count, n, arena, &change);
	kit_commit(&change, 1);
	return campaign_count(all, id, count, n, now);
}

static inline struct campaign_view
kit_view(uint64_t id, int64_t now)
{
	struct campaign_view view = {0};

	ck_assert_int_eq(campaign_get(all, id, now, &view), 0);
	return view;
}

#endif
