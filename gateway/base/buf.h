#ifndef GATEWAY_BASE_BUF_H
#define GATEWAY_BASE_BUF_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/slice.h"

/*
 * Growing bytes with a cap. Once an append would pass the cap nothing more is
 * added and `overflow` stays set: check it once, at the end.
 * A zeroed struct with cap set is a valid empty buffer; it owns no memory
 * until the first append.
 */
struct buf {
	char *p;
	size_t n;
	size_t size; /* allocated */
	size_t cap;  /* the most n may become */
	bool overflow;
};

void buf_init(struct buf *b, size_t cap);
void buf_fini(struct buf *b);  /* frees, leaves a valid empty buffer */
void buf_wipe(struct buf *b);  /* overwrites, then frees: for secrets */
void buf_clear(struct buf *b); /* n = 0, keeps the memory, clears overflow */
void buf_add(struct buf *b, const void *p, size_t n);
void buf_add_slice(struct buf *b, struct slice s);
void buf_add_str(struct buf *b, const char *s);
void buf_add_byte(struct buf *b, char c);
void buf_add_i64(struct buf *b, int64_t n); /* decimal */
void buf_add_u64(struct buf *b, uint64_t n);
void buf_printf(struct buf *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Remove n bytes from the front. Moves the rest: drop in large steps. */
void buf_drop(struct buf *b, size_t n);
/* Room for n more bytes at p + n, or NULL (and overflow) over the cap; what
 * was written there is taken by adding to b->n. */
char *buf_reserve(struct buf *b, size_t n);
struct slice buf_slice(const struct buf *b);
const char *buf_cstr(struct buf *b); /* NUL behind the content; borrowed */

/* Little codec for records: big-endian integers, length-prefixed bytes. */
void buf_put_u8(struct buf *b, uint8_t v);
void buf_put_u16(struct buf *b, uint16_t v);
void buf_put_u32(struct buf *b, uint32_t v);
void buf_put_u64(struct buf *b, uint64_t v);
void buf_put_bytes(struct buf *b, struct slice s); /* u32 length, bytes */

/*
 * The reader: every get clears `ok` when the bytes run out and returns zeroes
 * from then on, so a decoder checks ok once at the end.
 */
struct reader {
	struct slice rest;
	bool ok;
};

void reader_init(struct reader *r, struct slice s);
uint8_t reader_u8(struct reader *r);
uint16_t reader_u16(struct reader *r);
uint32_t reader_u32(struct reader *r);
uint64_t reader_u64(struct reader *r);
struct slice reader_bytes(struct reader *r);	     /* u32 length, bytes */
struct slice reader_raw(struct reader *r, size_t n); /* exactly n bytes */
bool reader_end(const struct reader *r);	     /* ok and all used */

#endif
