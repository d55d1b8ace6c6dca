#ifndef GATEWAY_BASE_JSON_H
#define GATEWAY_BASE_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/buf.h"

/*
 * A JSON writer (nothing here reads JSON). Commas and quotes are its business;
 * key is NULL inside an array and at the top.
 */
struct json {
	struct buf *out;
	bool comma;
};

void json_init(struct json *j, struct buf *out);
void json_open_object(struct json *j, const char *key);
void json_close_object(struct json *j);
void json_open_array(struct json *j, const char *key);
void json_close_array(struct json *j);
void json_slice(struct json *j, const char *key, struct slice s);
void json_str(struct json *j, const char *key, const char *s); /* NULL: null */
void json_i64(struct json *j, const char *key, int64_t v);
void json_u64(struct json *j, const char *key, uint64_t v);
void json_bool(struct json *j, const char *key, bool v);

#endif
