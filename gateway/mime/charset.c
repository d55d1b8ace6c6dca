#include "gateway/mime/charset.h"

#include <errno.h>
#include <iconv.h>
#include <pthread.h>

/* The analyser takes iconv_open's (iconv_t)-1 for one that must be closed. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif

/* Names that mail uses, and what iconv calls them. Nothing stateful but
 * ISO-2022-JP, which Japanese mail is still written in. */
static const struct {
	struct slice name;
	const char *iconv;
} sets[] = {
    {SLICE_LIT("iso-8859-1"), "WINDOWS-1252"}, /* as every client reads it */
    {SLICE_LIT("latin1"), "WINDOWS-1252"},
    {SLICE_LIT("windows-1252"), "WINDOWS-1252"},
    {SLICE_LIT("cp1252"), "WINDOWS-1252"},
    {SLICE_LIT("iso-8859-2"), "ISO-8859-2"},
    {SLICE_LIT("iso-8859-3"), "ISO-8859-3"},
    {SLICE_LIT("iso-8859-4"), "ISO-8859-4"},
    {SLICE_LIT("iso-8859-5"), "ISO-8859-5"},
    {SLICE_LIT("iso-8859-6"), "ISO-8859-6"},
    {SLICE_LIT("iso-8859-7"), "ISO-8859-7"},
    {SLICE_LIT("iso-8859-8"), "ISO-8859-8"},
    {SLICE_LIT("iso-8859-8-i"), "ISO-8859-8"},
    {SLICE_LIT("iso-8859-9"), "ISO-8859-9"},
    {SLICE_LIT("iso-8859-10"), "ISO-8859-10"},
    {SLICE_LIT("iso-8859-13"), "ISO-8859-13"},
    {SLICE_LIT("iso-8859-14"), "ISO-8859-14"},
    {SLICE_LIT("iso-8859-15"), "ISO-8859-15"},
    {SLICE_LIT("iso-8859-16"), "ISO-8859-16"},
    {SLICE_LIT("windows-1250"), "WINDOWS-1250"},
    {SLICE_LIT("windows-1251"), "WINDOWS-1251"},
    {SLICE_LIT("windows-1253"), "WINDOWS-1253"},
    {SLICE_LIT("windows-1254"), "WINDOWS-1254"},
    {SLICE_LIT("windows-1255"), "WINDOWS-1255"},
    {SLICE_LIT("windows-1256"), "WINDOWS-1256"},
    {SLICE_LIT("windows-1257"), "WINDOWS-1257"},
    {SLICE_LIT("windows-1258"), "WINDOWS-1258"},
    {SLICE_LIT("windows-874"), "WINDOWS-874"},
    {SLICE_LIT("koi8-r"), "KOI8-R"},
    {SLICE_LIT("koi8-u"), "KOI8-U"},
    {SLICE_LIT("macintosh"), "MACINTOSH"},
    {SLICE_LIT("tis-620"), "TIS-620"},
    {SLICE_LIT("gb2312"), "GB18030"},
    {SLICE_LIT("gbk"), "GB18030"},
    {SLICE_LIT("gb18030"), "GB18030"},
    {SLICE_LIT("big5"), "BIG5"},
    {SLICE_LIT("shift_jis"), "CP932"},
    {SLICE_LIT("windows-31j"), "CP932"},
    {SLICE_LIT("euc-jp"), "EUC-JP"},
    {SLICE_LIT("iso-2022-jp"), "ISO-2022-JP"},
    {SLICE_LIT("euc-kr"), "UHC"},
    {SLICE_LIT("ks_c_5601-1987"), "UHC"},
};

size_t
mime_utf8_measure(struct slice s, uint32_t *point)
{
	static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
	const uint8_t *p = (const uint8_t *)s.p;
	size_t n;

	if (s.n == 0)
		return 0;
	if (p[0] < 0x80) {
		*point = p[0];
		return 1;
	}
	n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	if (p[0] < 0xc2 || p[0] > 0xf4 || n > s.n)
		return 0;
	*point = p[0] & (0x7fU >> n);
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		*point = *point << 6 | (p[i] & 0x3fU);
	}
	if (*point < smallest[n] || *point > 0x10ffff ||
	    (*point >= 0xd800 && *point < 0xe000))
		return 0;
	return n;
}

/*
 * One descriptor of each set that was ever asked for is never closed: with the
 * last one glibc would unload the set's module, and to load it anew costs 50
 * us, which a message of such names could ask for ten thousand times.
 */
static iconv_t
open_set(size_t i)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static iconv_t kept[sizeof(sets) / sizeof(sets[0])];

	pthread_mutex_lock(&lock);
	if (kept[i] == NULL)
		kept[i] = iconv_open("UTF-8", sets[i].iconv);
	pthread_mutex_unlock(&lock);
	return iconv_open("UTF-8", sets[i].iconv);
}

static void
copy_utf8(struct slice in, struct buf *out)
{
	uint32_t point;
	size_t n;

	for (; in.n > 0; in = slice_from(in, n)) {
		n = mime_utf8_measure(in, &point);
		if (n == 0) {
			buf_add_byte(out, '?');
			n = 1;
		} else {
			buf_add(out, in.p, n);
		}
	}
}

static void
copy_ascii(struct slice in, struct buf *out)
{
	for (size_t i = 0; i < in.n; i++)
		buf_add_byte(out, (uint8_t)in.p[i] < 0x80 ? in.p[i] : '?');
}

/* One step converts what it can; each sequence that is none costs one byte. */
static void
convert(iconv_t cd, struct slice in, struct buf *out)
{
	char *from = (char *)(uintptr_t)in.p; /* iconv does not write there */
	size_t left = in.n;

	while (left > 0 && !out->overflow) {
		char room[256], *to = room;
		size_t free_bytes = sizeof(room);
		size_t result = iconv(cd, &from, &left, &to, &free_bytes);

		buf_add(out, room, (size_t)(to - room));
		if (result != (size_t)-1 || errno == E2BIG || left == 0)
			continue;
		buf_add_byte(out, '?');
		from++;
		left--;
	}
}

bool
mime_charset_decode(struct slice charset, struct slice in, struct buf *out)
{
	if (slice_ieq(charset, SLICE_LIT("utf-8")) ||
	    slice_ieq(charset, SLICE_LIT("utf8"))) {
		copy_utf8(in, out);
		return true;
	}
	if (slice_ieq(charset, SLICE_LIT("us-ascii")) ||
	    slice_ieq(charset, SLICE_LIT("ascii"))) {
		copy_ascii(in, out);
		return true;
	}
	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
		iconv_t cd;

		if (!slice_ieq(charset, sets[i].name))
			continue;
		cd = open_set(i);
		if (cd == (iconv_t)-1)
			break;
		convert(cd, in, out);
		iconv_close(cd);
		return true;
	}
	copy_ascii(in, out);
	return false;
}
