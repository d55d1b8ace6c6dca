/*
 * The one key form of a login.
 *
 * Two spellings of one login must give one key, or a limit and a block could
 * be walked around by writing the name differently; and the form must be a
 * fixed point, or a key read back would name somebody else. So: well-formed
 * UTF-8 only, spaces around off, simple lower case (glibc's C.UTF-8, whatever
 * locale the process has), and the configured domain off the end.
 *
 * There is no Unicode normaliser among our libraries, and a login hardly
 * deserves one: instead what is certainly or possibly not NFC is refused - the
 * combining marks of the Latin, Greek and Cyrillic scripts and of kana,
 * conjoining jamo, and characters with a canonical other self (KELVIN SIGN,
 * CJK compatibility ideographs). What is accepted is NFC in these scripts.
 * Left alone: vowel signs of Indic scripts and the order of two marks, where
 * two spellings stay two names, of which the store knows one. Also refused is
 * what no eye sees: controls, zero-width and bidirectional characters.
 */
#include <locale.h>
#include <pthread.h>
#include <wctype.h>

#include "gateway/auth/user.h"
#include "gateway/base/error.h"

#define NAME_MAX_BYTES 255
#define LOGIN_MAX_BYTES 1024 /* before anything is cut off it */

struct range {
	uint32_t from;
	uint32_t to;
};

/* In ascending order. */
static const struct range refused[] = {
    {0x000000, 0x00001f}, /* C0 */
    {0x00007f, 0x00009f}, /* DEL, C1 */
    {0x0000ad, 0x0000ad}, /* soft hyphen */
    {0x000300, 0x000345}, /* combining diacritical marks */
    {0x00034f, 0x00034f}, /* combining grapheme joiner */
    {0x000374, 0x000374}, /* Greek numeral sign */
    {0x00037e, 0x00037e}, /* Greek question mark */
    {0x000387, 0x000387}, /* Greek ano teleia */
    {0x00061c, 0x00061c}, /* Arabic letter mark */
    {0x000653, 0x000655}, /* Arabic maddah and hamza above, below */
    {0x00115f, 0x001175}, /* jamo fillers and vowels */
    {0x0011a8, 0x0011c2}, /* jamo finals */
    {0x00180b, 0x00180f}, /* Mongolian selectors */
    {0x001f71, 0x001f71}, /* Greek with oxia: */
    {0x001f73, 0x001f73}, {0x001f75, 0x001f75},
    {0x001f77, 0x001f77}, {0x001f79, 0x001f79},
    {0x001f7b, 0x001f7b}, {0x001f7d, 0x001f7d},
    {0x001fbb, 0x001fbb}, {0x001fbe, 0x001fbe},
    {0x001fc9, 0x001fc9}, {0x001fcb, 0x001fcb},
    {0x001fd3, 0x001fd3}, {0x001fdb, 0x001fdb},
    {0x001fe3, 0x001fe3}, {0x001feb, 0x001feb},
    {0x001fee, 0x001fef}, {0x001ff9, 0x001ff9},
    {0x001ffb, 0x001ffb}, {0x001ffd, 0x001ffd},
    {0x002000, 0x002001}, /* en and em quad */
    {0x00200b, 0x00200f}, /* zero width, marks of direction */
    {0x002028, 0x00202e}, /* separators, bidirectional embeddings */
    {0x002060, 0x00206f}, /* invisible operators, isolates */
    {0x002126, 0x002126}, /* ohm */
    {0x00212a, 0x00212b}, /* kelvin, angstrom */
    {0x002329, 0x00232a}, /* angle brackets */
    {0x003099, 0x00309a}, /* kana voicing marks */
    {0x003164, 0x003164}, /* Hangul filler */
    {0x00d800, 0x00dfff}, /* surrogates: not UTF-8 */
    {0x00f900, 0x00faff}, /* CJK compatibility ideographs */
    {0x00fb1d, 0x00fb1d}, /* Hebrew presentation forms */
    {0x00fb1f, 0x00fb1f}, {0x00fb2a, 0x00fb4e},
    {0x00fdd0, 0x00fdef}, /* noncharacters */
    {0x00fe00, 0x00fe0f}, /* variation selectors */
    {0x00feff, 0x00feff}, /* byte order mark */
    {0x00ffa0, 0x00ffa0}, /* half-width filler */
    {0x00fff0, 0x00ffff}, /* specials, noncharacters */
    {0x01d15e, 0x01d164}, /* musical symbols */
    {0x01d173, 0x01d17a}, {0x01d1bb, 0x01d1c0},
    {0x02f800, 0x02fa1f}, /* CJK compatibility supplement */
    {0x0e0000, 0x10ffff}, /* tags, selectors, private use */
};

static pthread_once_t locale_once = PTHREAD_ONCE_INIT;
static locale_t utf8_locale;

static void
locale_make(void)
{
	utf8_locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

static bool
is_refused(uint32_t c)
{
	size_t low = 0, high = sizeof(refused) / sizeof(refused[0]);

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (c > refused[mid].to)
			low = mid + 1;
		else if (c < refused[mid].from)
			high = mid;
		else
			return true;
	}
	return false;
}

/* One character off the front: its bytes, or 0 when ill-formed. Overlong
 * forms and what lies past U+10FFFF are ill-formed; surrogates are left to
 * is_refused. */
static size_t
utf8_next(struct slice s, uint32_t *c)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	const uint8_t *p = (const uint8_t *)s.p;
	size_t i, n;

	if (p[0] < 0x80)
		n = 1;
	else if (p[0] >= 0xc2 && p[0] < 0xe0)
		n = 2;
	else if (p[0] >= 0xe0 && p[0] < 0xf0)
		n = 3;
	else if (p[0] >= 0xf0 && p[0] < 0xf5)
		n = 4;
	else
		return 0;
	if (n > s.n)
		return 0;
	*c = n == 1 ? p[0] : p[0] & (0x7fU >> n);
	for (i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		*c = *c << 6 | (p[i] & 0x3fU);
	}
	return *c < least[n] || *c > 0x10ffff ? 0 : n;
}

static void
utf8_put(struct buf *out, uint32_t c)
{
	if (c < 0x80) {
		buf_add_byte(out, (char)c);
	} else if (c < 0x800) {
		buf_add_byte(out, (char)(0xc0 | c >> 6));
		buf_add_byte(out, (char)(0x80 | (c & 0x3f)));
	} else if (c < 0x10000) {
		buf_add_byte(out, (char)(0xe0 | c >> 12));
		buf_add_byte(out, (char)(0x80 | (c >> 6 & 0x3f)));
		buf_add_byte(out, (char)(0x80 | (c & 0x3f)));
	} else {
		buf_add_byte(out, (char)(0xf0 | c >> 18));
		buf_add_byte(out, (char)(0x80 | (c >> 12 & 0x3f)));
		buf_add_byte(out, (char)(0x80 | (c >> 6 & 0x3f)));
		buf_add_byte(out, (char)(0x80 | (c & 0x3f)));
	}
}

static uint32_t
lower(uint32_t c)
{
	if (c < 0x80)
		return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
	return (uint32_t)towlower_l((wint_t)c, utf8_locale);
}

static int
fold(struct slice in, struct buf *out)
{
	uint32_t c;
	size_t n;

	for (; in.n > 0; in = slice_from(in, n)) {
		n = utf8_next(in, &c);
		if (n == 0 || is_refused(c))
			return GW_EINVAL;
		if (c >= 0x80 && utf8_locale == (locale_t)0)
			return GW_EINVAL; /* a system without C.UTF-8 */
		c = lower(c);
		if (is_refused(c))
			return GW_EINVAL;
		utf8_put(out, c);
	}
	return out->overflow ? GW_EINVAL : 0;
}

/* Off the end, as often as it stands there: a fixed point. */
static struct slice
without_domain(struct slice name, struct slice domain)
{
	struct slice suffix;

	name = slice_trim(name);
	while (domain.n > 0 && name.n > domain.n) {
		suffix = slice_from(name, name.n - domain.n);
		if (!slice_ieq(suffix, domain) ||
		    name.p[name.n - domain.n - 1] != '@')
			break;
		name = slice_trim(slice_head(name, name.n - domain.n - 1));
	}
	return name;
}

int
user_normalise(struct slice login, const char *domain, struct buf *out)
{
	struct buf folded;
	struct slice name;
	int err;

	if (login.n > LOGIN_MAX_BYTES)
		return GW_EINVAL;
	pthread_once(&locale_once, locale_make);
	buf_init(&folded, LOGIN_MAX_BYTES * 2);
	err = fold(slice_trim(login), &folded);
	name = without_domain(buf_slice(&folded), slice_str(domain));
	if (err == 0 && (name.n == 0 || name.n > NAME_MAX_BYTES))
		err = GW_EINVAL;
	if (err == 0) {
		buf_add_slice(out, name);
		if (out->overflow)
			err = GW_EINVAL;
	}
	buf_fini(&folded);
	return err;
}
