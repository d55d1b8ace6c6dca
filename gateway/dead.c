#include "gateway/dead.h"

#include "gateway/auth/user.h"
#include "gateway/base/clock.h"

void
dead_met(void *arg, const char *cred, const struct ip_addr *ip,
	 const char *from, const char *domain)
{
	struct dead *dead = arg;
	int64_t now_wall_s = clock_wall_s();
	struct user user = {0};
	struct limit_who who = {.cred = cred, .ip = *ip};

	if (!domains_dead_is_new(dead->domains, cred, slice_str(domain),
				 now_wall_s))
		return;
	top_dead_domain(dead->top, cred, ip, slice_str(from), slice_str(domain),
			now_wall_s);
	if (dead->users != NULL &&
	    user_get(dead->users, slice_str(cred), &user) == 0)
		who.class = user.class;
	limits_dead_domain(dead->limits, &who, clock_mono_us());
	user_fini(&user);
}
