#include "gateway/base/json.h"

#include <inttypes.h>

#include "gateway/base/escape.h"

void
json_init(struct json *j, struct buf *out)
{
	*j = (struct json){.out = out};
}

/* What stands before each value; afterwards the next one needs a comma. */
static void
begin_value(struct json *j, const char *key)
{
	if (j->comma)
		buf_add_byte(j->out, ',');
	j->comma = true;
	if (key != NULL) {
		escape_json(j->out, slice_str(key));
		buf_add_byte(j->out, ':');
	}
}

void
json_open_object(struct json *j, const char *key)
{
	begin_value(j, key);
	buf_add_byte(j->out, '{');
	j->comma = false;
}

void
json_close_object(struct json *j)
{
	buf_add_byte(j->out, '}');
	j->comma = true;
}

void
json_open_array(struct json *j, const char *key)
{
	begin_value(j, key);
	buf_add_byte(j->out, '[');
	j->comma = false;
}

void
json_close_array(struct json *j)
{
	buf_add_byte(j->out, ']');
	j->comma = true;
}

void
json_slice(struct json *j, const char *key, struct slice s)
{
	begin_value(j, key);
	escape_json(j->out, s);
}

void
json_str(struct json *j, const char *key, const char *s)
{
	begin_value(j, key);
	if (s != NULL)
		escape_json(j->out, slice_str(s));
	else
		buf_add_str(j->out, "null");
}

void
json_i64(struct json *j, const char *key, int64_t v)
{
	begin_value(j, key);
	buf_printf(j->out, "%" PRId64, v);
}

void
json_u64(struct json *j, const char *key, uint64_t v)
{
	begin_value(j, key);
	buf_printf(j->out, "%" PRIu64, v);
}

void
json_bool(struct json *j, const char *key, bool v)
{
	begin_value(j, key);
	buf_add_str(j->out, v ? "true" : "false");
}
