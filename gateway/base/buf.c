/*
 * Growing bytes, and the little record codec over them.
 *
 * Invariants: n <= cap; when p is set, n < size, so that there is always room
 * for buf_cstr's NUL (which counts neither in n nor against the cap). An
 * append is whole or absent: a record is never half in a buffer.
 *
 * Small blocks are overwritten before growth gives them back, because the
 * buffers that get buf_wipe (passwords) grow like all others and would leave
 * a copy behind at each doubling. Large ones use realloc, which moves pages
 * and copies nothing.
 */
#include "gateway/base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/base/secret.h"

#define FIRST_SIZE 64
#define WIPE_UNDER 16384 /* longer than any line that carries a password */

void
buf_init(struct buf *b, size_t cap)
{
	*b = (struct buf){.cap = cap};
}

void
buf_fini(struct buf *b)
{
	free(b->p);
	buf_init(b, b->cap);
}

void
buf_wipe(struct buf *b)
{
	if (b->p != NULL)
		secret_wipe(b->p, b->size);
	buf_fini(b);
}

void
buf_clear(struct buf *b)
{
	b->n = 0;
	b->overflow = false;
}

static void
grow(struct buf *b, size_t need)
{
	size_t size = b->size > 0 ? b->size : FIRST_SIZE;

	while (size < need) {
		if (size > SIZE_MAX / 2) {
			size = need;
			break;
		}
		size *= 2;
	}
	/* A cap that is no power of two costs no more than itself. */
	if (size > b->cap && b->cap < SIZE_MAX && b->cap + 1 >= need)
		size = b->cap + 1;
	if (b->p != NULL && b->size <= WIPE_UNDER) {
		char *p = mem_alloc(size);

		memcpy(p, b->p, b->n);
		secret_wipe(b->p, b->size);
		free(b->p);
		b->p = p;
	} else {
		b->p = mem_resize(b->p, size);
	}
	b->size = size;
}

char *
buf_reserve(struct buf *b, size_t n)
{
	if (b->overflow || b->n > b->cap || n > b->cap - b->n) {
		b->overflow = true;
		return NULL;
	}
	if (b->p == NULL || n >= b->size - b->n)
		grow(b, b->n + n + 1);
	return b->p + b->n;
}

void
buf_add(struct buf *b, const void *p, size_t n)
{
	char *room;

	if (n == 0)
		return;
	room = buf_reserve(b, n);
	if (room == NULL)
		return;
	memcpy(room, p, n);
	b->n += n;
}

void
buf_add_slice(struct buf *b, struct slice s)
{
	buf_add(b, s.p, s.n);
}

void
buf_add_str(struct buf *b, const char *s)
{
	if (s != NULL)
		buf_add(b, s, strlen(s));
}

void
buf_add_byte(struct buf *b, char c)
{
	char *room = buf_reserve(b, 1);

	if (room == NULL)
		return;
	*room = c;
	b->n++;
}

static void
add_decimal(struct buf *b, uint64_t n, bool minus)
{
	char text[24], *p = text + sizeof(text);

	do
		*--p = (char)('0' + n % 10);
	while ((n /= 10) > 0);
	if (minus)
		*--p = '-';
	buf_add(b, p, (size_t)(text + sizeof(text) - p));
}

void
buf_add_i64(struct buf *b, int64_t n)
{
	add_decimal(b, n < 0 ? 0 - (uint64_t)n : (uint64_t)n, n < 0);
}

void
buf_add_u64(struct buf *b, uint64_t n)
{
	add_decimal(b, n, false);
}

void
buf_printf(struct buf *b, const char *fmt, ...)
{
	size_t room, left;
	va_list ap;
	int n;

	if (b->overflow || b->n > b->cap) {
		b->overflow = true;
		return;
	}
	/* Most prints fit what is there; the rest say how much they need. */
	left = b->cap - b->n;
	room = b->p != NULL ? b->size - b->n - 1 : FIRST_SIZE - 1;
	if (room > left)
		room = left;
	va_start(ap, fmt);
	n = vsnprintf(buf_reserve(b, room), room + 1, fmt, ap);
	va_end(ap);
	if (n > 0 && (size_t)n > room) {
		char *more = buf_reserve(b, (size_t)n);

		if (more == NULL)
			return;
		room = (size_t)n;
		va_start(ap, fmt);
		n = vsnprintf(more, room + 1, fmt, ap);
		va_end(ap);
	}
	if (n >= 0 && (size_t)n <= room)
		b->n += (size_t)n;
	else
		b->overflow = true;
}

void
buf_drop(struct buf *b, size_t n)
{
	if (n >= b->n) {
		b->n = 0;
		return;
	}
	if (n > 0) {
		memmove(b->p, b->p + n, b->n - n);
		b->n -= n;
	}
}

struct slice
buf_slice(const struct buf *b)
{
	return (struct slice){b->p, b->n};
}

const char *
buf_cstr(struct buf *b)
{
	if (b->p == NULL)
		grow(b, 1);
	b->p[b->n] = '\0';
	return b->p;
}

static void
put_int(struct buf *b, uint64_t v, unsigned bytes)
{
	char *room = buf_reserve(b, bytes);

	if (room == NULL)
		return;
	for (unsigned i = 0; i < bytes; i++)
		room[i] = (char)(uint8_t)(v >> (8 * (bytes - 1 - i)));
	b->n += bytes;
}

void
buf_put_u8(struct buf *b, uint8_t v)
{
	put_int(b, v, 1);
}

void
buf_put_u16(struct buf *b, uint16_t v)
{
	put_int(b, v, 2);
}

void
buf_put_u32(struct buf *b, uint32_t v)
{
	put_int(b, v, 4);
}

void
buf_put_u64(struct buf *b, uint64_t v)
{
	put_int(b, v, 8);
}

void
buf_put_bytes(struct buf *b, struct slice s)
{
	if (s.n > UINT32_MAX || s.n > SIZE_MAX - 4 ||
	    buf_reserve(b, 4 + s.n) == NULL) {
		b->overflow = true;
		return;
	}
	buf_put_u32(b, (uint32_t)s.n);
	buf_add_slice(b, s);
}

void
reader_init(struct reader *r, struct slice s)
{
	*r = (struct reader){.rest = s, .ok = true};
}

struct slice
reader_raw(struct reader *r, size_t n)
{
	struct slice s;

	if (!r->ok || n > r->rest.n) {
		r->ok = false;
		r->rest = SLICE_NONE;
		return SLICE_NONE;
	}
	s = slice_head(r->rest, n);
	r->rest = slice_from(r->rest, n);
	return s;
}

static uint64_t
get_int(struct reader *r, unsigned bytes)
{
	struct slice s = reader_raw(r, bytes);
	uint64_t v = 0;

	for (size_t i = 0; i < s.n; i++)
		v = v << 8 | (uint8_t)s.p[i];
	return v;
}

uint8_t
reader_u8(struct reader *r)
{
	return (uint8_t)get_int(r, 1);
}

uint16_t
reader_u16(struct reader *r)
{
	return (uint16_t)get_int(r, 2);
}

uint32_t
reader_u32(struct reader *r)
{
	return (uint32_t)get_int(r, 4);
}

uint64_t
reader_u64(struct reader *r)
{
	return get_int(r, 8);
}

struct slice
reader_bytes(struct reader *r)
{
	uint32_t n = reader_u32(r);

	return reader_raw(r, n);
}

bool
reader_end(const struct reader *r)
{
	return r->ok && r->rest.n == 0;
}
