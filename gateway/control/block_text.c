#include "gateway/control/block_text.h"

#include "gateway/base/clock.h"
#include "gateway/base/id.h"
#include "gateway/control/text.h"

#define VALUE_COLUMNS 34

static const char *
action_name(const struct block *block)
{
	switch (block->action) {
	case BLOCK_REFUSE:
		return "refuse";
	case BLOCK_HOLD:
		return "hold";
	}
	return "?";
}

void
block_text_head(struct buf *out)
{
	buf_printf(out, "%-6s %-*s %-7s %-16s %8s\n", "KIND", VALUE_COLUMNS,
		   "VALUE", "ACTION", "UNTIL", "HITS");
}

static void
put_origin(const struct block *block, int64_t now_wall_s, size_t width,
	   struct buf *out)
{
	struct buf text = {.cap = 2048};
	char id[ID_TEXT_SIZE], made[CLOCK_HUMAN_SIZE], since[CLOCK_HUMAN_SIZE];

	id_format(block->id, id);
	clock_human(block->made_wall_s, now_wall_s, made);
	buf_printf(out, "       %s ", id);
	buf_printf(&text, "%s, ", made);
	buf_add_str(&text, block->author[0] != '\0' ? block->author : "?");
	if (block->since_wall_s != 0) {
		clock_human(block->since_wall_s, now_wall_s, since);
		buf_printf(&text, ", mail since %s", since);
	}
	if (block->reason[0] != '\0') {
		buf_add_str(&text, ": ");
		buf_add_str(&text, block->reason);
	}
	text_last(out, buf_slice(&text), width == 0 ? 0 : width - 21);
	buf_add_byte(out, '\n');
	buf_fini(&text);
}

void
block_text(const struct block *block, int64_t now_wall_s, size_t width,
	   struct buf *out)
{
	struct slice value = slice_str(block->value);
	char until[CLOCK_HUMAN_SIZE] = "deleted";

	if (block->until_wall_s != 0)
		clock_human(block->until_wall_s, now_wall_s, until);
	buf_printf(out, "%-6s ", block_kind_name(block->kind));
	if (width == 0 && value.n > VALUE_COLUMNS)
		text_last(out, value, 0);
	else
		text_cell(out, value, VALUE_COLUMNS);
	buf_printf(out, " %-7s %-16s %8llu\n",
		   block->flags & BLOCK_STEALTH ? "stealth"
						: action_name(block),
		   until, (unsigned long long)block->hits);
	put_origin(block, now_wall_s, width, out);
}

void
block_json(const struct block *block, struct json *j)
{
	char id[ID_TEXT_SIZE];

	id_format(block->id, id);
	json_str(j, "id", id);
	json_str(j, "kind", block_kind_name(block->kind));
	json_str(j, "value", block->value);
	json_str(j, "action", action_name(block));
	json_bool(j, "stealth", (block->flags & BLOCK_STEALTH) != 0);
	json_time(j, "made", block->made_wall_s);
	json_time(j, "until", block->until_wall_s);
	json_time(j, "since", block->since_wall_s);
	json_str(j, "author", block->author);
	json_str(j, "reason", block->reason);
	json_u64(j, "hits", block->hits);
}
