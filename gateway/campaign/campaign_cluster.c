/*
 * Messages of one login and one text that are no campaign yet: how many
 * recipients they had within the gap, and which they were, so that the
 * campaign can have them when there are enough.
 *
 * Memory is bounded whatever is sent: so many texts a login, so many in all
 * (the one that was touched longest ago goes), so many messages a text (older
 * ones stay personal mail, but their recipients are still counted).
 */
#include "gateway/campaign/campaign_int.h"

#include <string.h>

#include "gateway/base/mem.h"

bool
campaign_alike(uint64_t fuzzy, const uint8_t exact[16],
	       const struct shape_facts *facts)
{
	static const uint8_t none[16];

	if (shape_alike(fuzzy, facts->fuzzy))
		return true;
	return memcmp(exact, facts->exact, sizeof(none)) == 0 &&
	       memcmp(exact, none, sizeof(none)) != 0;
}

void
cluster_detach(struct campaigns *campaigns, struct cluster *cluster)
{
	struct login *login = cluster->login;

	TAILQ_REMOVE(&campaigns->lru, cluster, in_all);
	TAILQ_REMOVE(&login->clusters, cluster, in_login);
	campaigns->cluster_count--;
	login->cluster_count--;
	cluster->login = NULL;
	campaign_login_put(campaigns, login);
}

void
cluster_forget(struct campaigns *campaigns, struct cluster *cluster)
{
	if (cluster->login != NULL)
		cluster_detach(campaigns, cluster);
	HASH_DEL(campaigns->clusters, cluster);
	free(cluster->mails);
	free(cluster);
}

/* What is too old, a few at a time, and then what is too many. keep is not
 * forgotten, nor is its login. */
static void
make_room(struct campaigns *campaigns, struct login *login, int64_t now_wall_s)
{
	int64_t old = now_wall_s - campaigns_gap_s(campaigns);

	login->cluster_count++; /* so that it stays */
	for (int i = 0; i < 4; i++) {
		struct cluster *first = TAILQ_FIRST(&campaigns->lru);

		if (first == NULL || first->last_wall_s >= old)
			break;
		cluster_forget(campaigns, first);
	}
	if (login->cluster_count > CLUSTERS_LOGIN_MAX)
		cluster_forget(campaigns, TAILQ_FIRST(&login->clusters));
	if (campaigns->cluster_count >= CLUSTERS_MAX)
		cluster_forget(campaigns, TAILQ_FIRST(&campaigns->lru));
	login->cluster_count--;
}

void
cluster_attach(struct campaigns *campaigns, struct cluster *cluster,
	       struct login *login)
{
	cluster->login = login;
	TAILQ_INSERT_TAIL(&campaigns->lru, cluster, in_all);
	TAILQ_INSERT_TAIL(&login->clusters, cluster, in_login);
	login->cluster_count++;
	campaigns->cluster_count++;
}

static struct cluster *
cluster_create(struct campaigns *campaigns, struct login *login,
	       const struct shape_facts *facts, int64_t now_wall_s)
{
	struct cluster *cluster;

	make_room(campaigns, login, now_wall_s);
	cluster = mem_zalloc(sizeof(*cluster));
	cluster->ticket = ++campaigns->last_ticket;
	cluster->fuzzy = facts->fuzzy;
	memcpy(cluster->exact, facts->exact, sizeof(cluster->exact));
	HASH_ADD(hh, campaigns->clusters, ticket, sizeof(cluster->ticket),
		 cluster);
	cluster_attach(campaigns, cluster, login);
	return cluster;
}

static struct cluster *
find(const struct campaigns *campaigns, struct login *login,
     const struct shape_facts *facts, int64_t now_wall_s)
{
	int64_t old = now_wall_s - campaigns_gap_s(campaigns);
	struct cluster *cluster;

	TAILQ_FOREACH (cluster, &login->clusters, in_login) {
		if (cluster->last_wall_s >= old &&
		    campaign_alike(cluster->fuzzy, cluster->exact, facts))
			return cluster;
	}
	return NULL;
}

static int64_t
slot_at(const struct campaigns *campaigns, int64_t wall_s)
{
	int64_t length = campaigns_gap_s(campaigns) / CLUSTER_SLOTS;

	return wall_s / (length > 0 ? length : 1);
}

static size_t
slot_index(int64_t slot)
{
	return (size_t)((uint64_t)slot % CLUSTER_SLOTS);
}

static void
remember(struct cluster *cluster, const struct campaign_mail *mail,
	 int64_t now_wall_s)
{
	if (cluster->mail_count == CLUSTER_MAILS) {
		memmove(cluster->mails, cluster->mails + 1,
			(CLUSTER_MAILS - 1) * sizeof(*cluster->mails));
		cluster->mail_count--;
	}
	if (cluster->mail_count == cluster->mail_room) {
		cluster->mail_room =
		    cluster->mail_room == 0 ? 2 : 2 * cluster->mail_room;
		cluster->mails =
		    mem_resize(cluster->mails,
			       cluster->mail_room * sizeof(*cluster->mails));
	}
	cluster->mails[cluster->mail_count++] = (struct mail){
	    .id = mail->id,
	    .wall_s = now_wall_s,
	    .recipients = mail->recipients + mail->dead,
	};
}

struct cluster *
cluster_add(struct campaigns *campaigns, struct login *login,
	    const struct campaign_mail *mail, int64_t now_wall_s)
{
	struct cluster *cluster =
	    find(campaigns, login, &mail->shape, now_wall_s);
	int64_t slot = slot_at(campaigns, now_wall_s);
	size_t at = slot_index(slot);

	if (cluster == NULL)
		cluster =
		    cluster_create(campaigns, login, &mail->shape, now_wall_s);
	TAILQ_REMOVE(&campaigns->lru, cluster, in_all);
	TAILQ_INSERT_TAIL(&campaigns->lru, cluster, in_all);
	TAILQ_REMOVE(&login->clusters, cluster, in_login);
	TAILQ_INSERT_TAIL(&login->clusters, cluster, in_login);
	cluster->last_wall_s = now_wall_s;
	if (cluster->slot_of[at] != slot) {
		cluster->slot_of[at] = slot;
		cluster->slot_count[at] = 0;
	}
	cluster->slot_count[at] += (uint64_t)mail->recipients + mail->dead;
	remember(cluster, mail, now_wall_s);
	return cluster;
}

uint64_t
cluster_sum(const struct campaigns *campaigns, const struct cluster *cluster,
	    int64_t now_wall_s)
{
	int64_t now = slot_at(campaigns, now_wall_s);
	uint64_t sum = 0;

	for (size_t i = 0; i < CLUSTER_SLOTS; i++)
		if (cluster->slot_of[i] > now - CLUSTER_SLOTS &&
		    cluster->slot_of[i] <= now)
			sum += cluster->slot_count[i];
	return sum;
}

bool
cluster_settle(struct campaigns *campaigns, uint64_t ticket, uint64_t message,
	       bool accepted)
{
	struct cluster *cluster;
	struct mail *mail = NULL;
	size_t at;

	HASH_FIND(hh, campaigns->clusters, &ticket, sizeof(ticket), cluster);
	if (cluster == NULL)
		return false;
	for (uint32_t i = cluster->mail_count; i > 0 && mail == NULL; i--)
		if (cluster->mails[i - 1].id == message)
			mail = &cluster->mails[i - 1];
	if (mail == NULL)
		return false;
	if (accepted) {
		mail->settled = true;
		return true;
	}
	at = slot_index(slot_at(campaigns, mail->wall_s));
	if (cluster->slot_of[at] == slot_at(campaigns, mail->wall_s) &&
	    cluster->slot_count[at] >= mail->recipients)
		cluster->slot_count[at] -= mail->recipients;
	memmove(mail, mail + 1,
		(size_t)(cluster->mails + cluster->mail_count - mail - 1) *
		    sizeof(*mail));
	if (--cluster->mail_count == 0 && cluster->login != NULL)
		cluster_forget(campaigns, cluster);
	return true;
}
