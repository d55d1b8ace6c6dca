#include <stdio.h>

#include "gateway/base/buf.h"
#include "gateway/base/escape.h"
#include "gateway/control/alerts_int.h"

static void
put(struct buf *out, const char *s, const char *otherwise)
{
	escape_reply(out, slice_str(s != NULL && s[0] != '\0' ? s : otherwise));
}

void
find_campaign(const struct alert_campaign *campaign, struct finding *f)
{
	struct buf title = {.cap = 128}, reason = {.cap = 160};
	struct buf login = {.cap = 64};

	put(&title, campaign->title, "(no subject)");
	put(&reason, campaign->reason, "no reason is known");
	put(&login, campaign->login, "-");
	f->level = 1;
	snprintf(f->subject, sizeof(f->subject),
		 campaign->waits ? "campaign %.20s waits to be confirmed"
				 : "campaign %.20s was stopped by a rule",
		 campaign->name);
	snprintf(f->text, sizeof(f->text),
		 "%.128s\nof login %.64s: %.160s\n\nNothing more of it is sent "
		 "until somebody says so:\n\n    sluice campaign show %.20s\n"
		 "    sluice campaign resume %.20s\n    sluice campaign cancel "
		 "%.20s\n",
		 buf_cstr(&title), buf_cstr(&login), buf_cstr(&reason),
		 campaign->name, campaign->name, campaign->name);
	buf_fini(&title);
	buf_fini(&reason);
	buf_fini(&login);
}
