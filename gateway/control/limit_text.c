#include "gateway/control/limit_text.h"

#include <stdio.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/units.h"
#include "gateway/control/text.h"

const char *
per_name(enum limit_per per)
{
	switch (per) {
	case LIMIT_CRED:
		return "login";
	case LIMIT_IP:
		return "address";
	case LIMIT_CRED_IP:
		return "login+address";
	case LIMIT_SITE:
		return "site";
	}
	return "?";
}

static const char *
per_word(enum limit_per per) /* as gateway.conf has it */
{
	switch (per) {
	case LIMIT_CRED:
		return "credential";
	case LIMIT_IP:
		return "ip";
	case LIMIT_CRED_IP:
		return "credential-ip";
	case LIMIT_SITE:
		return "site";
	}
	return "?";
}

void
amount_text(struct buf *out, enum limit_counted counted, uint64_t amount)
{
	if (counted == LIMIT_BYTES)
		text_size(out, amount);
	else
		text_count(out, amount);
}

/* h, 10m, d: the 1 of "1h" says nothing. */
static void
period_text(struct buf *out, int64_t ms)
{
	struct buf text = {.cap = 64};
	struct slice s;

	units_format_time(&text, ms);
	s = buf_slice(&text);
	if (s.n == 2 && s.p[0] == '1')
		s = slice_from(s, 1);
	buf_add_slice(out, s);
	buf_fini(&text);
}

void
rate_text(struct buf *out, const struct limit_hit *hit)
{
	amount_text(out, hit->counted, hit->limit);
	if (hit->period_ms == 0) {
		buf_add_str(out, " at once");
		return;
	}
	buf_add_byte(out, '/');
	period_text(out, hit->period_ms);
	if (hit->burst == 0)
		return;
	buf_add_str(out, " burst ");
	amount_text(out, hit->counted, hit->burst);
}

void
limit_text(struct buf *out, const struct limit_hit *hit)
{
	static const char *const of[] = {
	    [LIMIT_CRED] = "of each login",
	    [LIMIT_IP] = "of each address",
	    [LIMIT_CRED_IP] = "of each login at each address",
	    [LIMIT_SITE] = "of the whole site",
	};

	buf_printf(out, "%s %s: ", limit_counted_name(hit->counted),
		   of[hit->per]);
	rate_text(out, hit);
}

void
limit_table_head(struct buf *out)
{
	buf_printf(out, "%-14s %-13s %-19s %10s %-19s\n", "LIMIT", "EACH",
		   "COUNTS", "USED", "OF");
}

/* What does not fit into a column, and is not always there. */
static void
put_more(struct buf *out, const struct limit_line *line, int64_t now_wall_s)
{
	char at[CLOCK_HUMAN_SIZE];

	if (line->hit.observed)
		buf_add_str(out, "; observe: changes nothing");
	if (line->hit.limit > line->configured) {
		buf_add_str(out, "; granted ");
		amount_text(out, line->hit.counted,
			    line->hit.limit - line->configured);
		buf_add_str(out, " more");
		if (line->grant_until_wall_s != 0) {
			clock_human(line->grant_until_wall_s, now_wall_s, at);
			buf_printf(out, " until %s", at);
		}
	}
	if (line->paced > 0) {
		buf_add_str(out, "; ");
		amount_text(out, line->hit.counted, line->paced);
		buf_add_str(out, " wait for their time");
	}
	if (line->applies && line->hit.used >= line->hit.limit) {
		buf_printf(out, "; full (%s)", limit_action_name(line->over));
		if (line->hit.frees_wall_s != 0) {
			clock_human(line->hit.frees_wall_s, now_wall_s, at);
			buf_printf(out, ", room again at %s", at);
		}
	}
}

void
limit_table_line(struct buf *out, const struct limit_line *line,
		 int64_t now_wall_s)
{
	struct buf text = {.cap = 512};

	text_cell(out, slice_str(line->hit.name), 14);
	buf_printf(out, " %-13s %-19s ", per_name(line->hit.per),
		   limit_counted_name(line->hit.counted));
	if (line->applies)
		amount_text(&text, line->hit.counted, line->hit.used);
	else
		buf_add_byte(&text, '-');
	buf_printf(out, "%10s ", buf_cstr(&text));
	rate_text(out, &line->hit);
	buf_add_byte(out, '\n');
	buf_clear(&text);
	put_more(&text, line, now_wall_s);
	if (text.n > 0)
		buf_printf(out, "  %s\n", buf_cstr(&text) + 2);
	buf_fini(&text);
}

void
limit_hit_json(struct json *j, const struct limit_hit *hit)
{
	json_str(j, "name", hit->name);
	json_str(j, "per", per_word(hit->per));
	json_str(j, "counted", limit_counted_name(hit->counted));
	json_u64(j, "used", hit->used);
	json_u64(j, "limit", hit->limit);
	json_u64(j, "burst", hit->burst);
	json_i64(j, "period_seconds", hit->period_ms / 1000);
	json_bool(j, "observe", hit->observed);
	json_time(j, "frees", hit->frees_wall_s);
}

void
limit_json(struct json *j, const struct limit_line *line)
{
	limit_hit_json(j, &line->hit);
	json_u64(j, "configured", line->configured);
	json_u64(j, "paced", line->paced);
	json_str(j, "over", limit_action_name(line->over));
	json_bool(j, "applies", line->applies);
	json_time(j, "granted_until", line->grant_until_wall_s);
}
