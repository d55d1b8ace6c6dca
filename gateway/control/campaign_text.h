#ifndef GATEWAY_CONTROL_CAMPAIGN_TEXT_H
#define GATEWAY_CONTROL_CAMPAIGN_TEXT_H

#include "gateway/base/json.h"
#include "gateway/campaign/campaign.h"
#include "gateway/control/call.h"

/* Campaigns for a person and for a program. */

/* "C7", "c7" or "7". */
bool campaign_number(struct slice text, uint64_t *id);
/* Operand i; false after a sentence: it is none, or there is none of it. */
bool campaign_operand(struct call *call, size_t i, struct campaign_view *view);
/* There are campaigns in this daemon; false after a sentence. */
bool campaigns_there(struct call *call);

/* That did not get it, and never will, for reasons of their own. */
uint64_t campaign_failed(const struct campaign_view *view);
/* 0 to 100; 100 only when all are final. */
unsigned campaign_percent(const struct campaign_view *view);

/* The head of a list, and a line of it. width 0 does not cut. */
void campaign_head(struct buf *out, size_t width);
void campaign_line(const struct campaign_view *view, int64_t now_wall_s,
		   size_t width, struct buf *out);
/* All of it. columns 0: no terminal, and no bar. */
void campaign_text(const struct campaign_view *view, int64_t now_wall_s,
		   size_t columns, struct buf *out);
/* In one line that fits into the columns, without a line feed. */
void campaign_progress(const struct campaign_view *view, int64_t now_wall_s,
		       size_t columns, struct buf *out);
/* Into the open object. */
void campaign_json(const struct campaign_view *view, struct json *j);

#endif
