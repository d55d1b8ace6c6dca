/*
 * Which replies ask for less, and for how long. What is named (Google's rate,
 * Yahoo's TSS04) rests as long as its owner says that it lasts; the general
 * words and a bare 421 take the pace down and leave it to the quiet spans to
 * bring it back.
 *
 * Three things look like it and are not: greylisting, which wants the same
 * mail again soon and knows nothing of rates; a recipient that gets too much,
 * from whomever; and a connection that ends because its time or its share of
 * messages is over.
 */
#include "gateway/campaign/bounce.h"

#include <stddef.h>

#include "gateway/campaign/bounce_int.h"

#define ANY 0xffff
#define MINUTES(n) (INT64_C(60000) * (n))

struct throttle_row {
	int code; /* 0: any; 4: any 4xx */
	uint16_t subject, detail;
	const char *phrases; /* NULL: whatever it says */
	struct bounce_throttle throttle;
};

static const char never[] =
    "greylist|graylist|grey-list|gray-list|postgrey|grey listed|"
    "come back later|try again in a few minutes|"
    "receiving mail at a rate|receiving mail too quickly|"
    "is receiving too many messages|recipient rate limit|"
    "too many recipients|mailbox full|mailbox is full|over quota|overquota|"
    "out of storage|quota exceeded|user unknown|"
    "max message per connection|maximum number of messages per connection|"
    "messages for this session|messages in this session|"
    "timeout|timed out|time-out|idle too long|shutting down|"
    "going down|restarting|too many errors|protocol error|"
    "invalid commands|unrecognized commands|syntax error|"
    "reverse dns|no ptr|ptr record|"
    "starttls|encryption";

static const struct throttle_row rows[] = {
    /* Yahoo, AOL and Yahoo Japan. */
    {4, ANY, ANY, "[tss04]|[ipts04]", {"yahoo-tss04", MINUTES(120), 0}},
    {4, ANY, ANY, "[tss05]|[ipts05]", {"yahoo-tss05", MINUTES(240), 0}},
    {4,
     ANY,
     ANY,
     "[ts01]|[ts02]|[ts03]|[tss|[ipts",
     {"yahoo-ts", 0, MINUTES(90)}},
    /* Google, with Workspace. */
    {4, 7, 28, NULL, {"google-rate", MINUTES(5), MINUTES(60)}},
    {550, 7, 28, NULL, {"google-rate", MINUTES(15), MINUTES(120)}},
    {4, ANY, ANY, "unusual rate of", {"google-rate", MINUTES(5), MINUTES(60)}},
    /* Microsoft, both kinds. */
    {451, 7, 650, NULL, {"microsoft-reputation", MINUTES(10), MINUTES(90)}},
    {451, 7, 651, NULL, {"microsoft-reputation", MINUTES(10), MINUTES(90)}},
    {4,
     ANY,
     ANY,
     "rate limited due to ip reputation",
     {"microsoft-reputation", MINUTES(10), MINUTES(90)}},
    {451, 7, 500, NULL, {"microsoft-busy", MINUTES(5), MINUTES(30)}},
    {4,
     ANY,
     ANY,
     "rp-001|rp-002|rp-003",
     {"microsoft-rate", MINUTES(10), MINUTES(60)}},
    {4,
     ANY,
     ANY,
     "ib007|concurrent connections has exceeded|"
     "exceeded the maximum number of connections|"
     "exceed max concurrent connections",
     {"microsoft-connections", 0, MINUTES(30)}},
    {4, ANY, ANY, "submission rate for this client", {"exchange-rate", 0, 0}},
    /* Apple. */
    {4,
     ANY,
     ANY,
     "[hcm1]|[bs02]|[hm08]|[pr01]|[pr02]|[cs01]|[cs02]|"
     "service unavailable - try again later",
     {"apple-deferred", MINUTES(15), MINUTES(30)}},
    /* Orange with Wanadoo, La Poste, SFR, Free. */
    {4,
     ANY,
     ANY,
     "trop de connexions|ofr004_104|ofr_104|ofr_108|ofr_109|ofr005_|"
     "ofr_999|service refuse|lpn105|lpn106|lpn107|lpn007_|lpnaaa_",
     {"orange-limit", MINUTES(5), MINUTES(60)}},
    /* Comcast. */
    {4,
     ANY,
     ANY,
     "rl000001|rl000002|rl000003|rl000010",
     {"comcast-limit", MINUTES(5), MINUTES(60)}},
    /* QQ and NetEase say it with a 5xx, too. */
    {0,
     ANY,
     ANY,
     "frequency limited|rp:orq|hl:itc|rp:cel|dt:spm",
     {"china-limit", MINUTES(15), MINUTES(60)}},

    {4,
     ANY,
     ANY,
     "rate limit|rate-limit|ratelimit|throttl|too many connections|"
     "too many concurrent|too many simultaneous|too many sessions|"
     "too many open connections|too many messages|too much mail|"
     "sending too|slow down|connection rate|sending rate|message rate|"
     "mail rate|connection limit|concurrency limit|sending limit|"
     "exceeded the maximum number of|exceeded maximum number|"
     "maximum connections|max connections|maximum number of connections|"
     "reduce your|reduce the|unexpected volume|excessive volume|"
     "high volume|temporarily deferred due to|"
     "temporarily blocked|temporary blocked|"
     "reputation|user complaints|server busy|too busy",
     {"limit", 0, 0}},
    {550,
     7,
     ANY,
     "rate limit|rate-limit|too many messages|sending too",
     {"limit", 0, MINUTES(60)}},
    {421, ANY, ANY, NULL, {"421", 0, 0}},
};

static bool
fits(const struct throttle_row *row, const struct bounce_reply *reply)
{
	if (row->code == 4 ? reply->code / 100 != 4
			   : row->code != 0 && row->code != reply->code)
		return false;
	if (row->subject != ANY &&
	    (reply->class == 0 || row->subject != reply->subject))
		return false;
	if (row->detail != ANY && row->detail != reply->detail)
		return false;
	return !row->phrases || bounce_reply_says(reply, row->phrases);
}

const struct bounce_throttle *
bounce_throttle_of(int code, const uint8_t enhanced[3], struct slice text)
{
	struct bounce_reply reply;

	if (code < 400 || code > 599)
		return NULL;
	bounce_reply_read(&reply, code, enhanced, text);
	if (bounce_reply_says(&reply, never))
		return NULL;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (fits(&rows[i], &reply))
			return &rows[i].throttle;
	}
	return NULL;
}
