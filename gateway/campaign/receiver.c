/*
 * Consumers' domains alone: mail to a company that is hosted by one of them is
 * not counted. The order of the table is that of its names.
 */
#include "gateway/campaign/receiver.h"

#include <stdlib.h>
#include <string.h>

#define NAME_MAX_BYTES 32

struct row {
	const char *domain;
	enum receiver receiver;
};

#define G(name)                       \
	{                             \
		name, RECEIVER_GOOGLE \
	}
#define Y(name)                      \
	{                            \
		name, RECEIVER_YAHOO \
	}
#define M(name)                          \
	{                                \
		name, RECEIVER_MICROSOFT \
	}

static const struct row rows[] = {
    Y("aol.co.uk"),	 Y("aol.com"),	       Y("aol.de"),
    Y("aol.fr"),	 Y("aol.it"),	       G("gmail.com"),
    G("googlemail.com"), M("hotmail.be"),      M("hotmail.ch"),
    M("hotmail.co.jp"),	 M("hotmail.co.uk"),   M("hotmail.com"),
    M("hotmail.com.ar"), M("hotmail.com.br"),  M("hotmail.com.tr"),
    M("hotmail.de"),	 M("hotmail.dk"),      M("hotmail.es"),
    M("hotmail.fr"),	 M("hotmail.gr"),      M("hotmail.it"),
    M("hotmail.nl"),	 M("hotmail.no"),      M("hotmail.se"),
    M("live.at"),	 M("live.be"),	       M("live.ca"),
    M("live.cl"),	 M("live.co.uk"),      M("live.com"),
    M("live.com.ar"),	 M("live.com.au"),     M("live.com.mx"),
    M("live.com.pt"),	 M("live.de"),	       M("live.dk"),
    M("live.fr"),	 M("live.ie"),	       M("live.it"),
    M("live.jp"),	 M("live.nl"),	       M("live.no"),
    M("live.se"),	 M("msn.com"),	       M("outlook.at"),
    M("outlook.be"),	 M("outlook.cl"),      M("outlook.co.id"),
    M("outlook.com"),	 M("outlook.com.ar"),  M("outlook.com.au"),
    M("outlook.com.br"), M("outlook.cz"),      M("outlook.de"),
    M("outlook.dk"),	 M("outlook.es"),      M("outlook.fr"),
    M("outlook.hu"),	 M("outlook.ie"),      M("outlook.it"),
    M("outlook.jp"),	 M("outlook.kr"),      M("outlook.pt"),
    M("outlook.sa"),	 M("outlook.sg"),      M("passport.com"),
    Y("rocketmail.com"), M("windowslive.com"), Y("yahoo.at"),
    Y("yahoo.be"),	 Y("yahoo.bg"),	       Y("yahoo.ca"),
    Y("yahoo.cl"),	 Y("yahoo.co.id"),     Y("yahoo.co.il"),
    Y("yahoo.co.in"),	 Y("yahoo.co.kr"),     Y("yahoo.co.nz"),
    Y("yahoo.co.th"),	 Y("yahoo.co.uk"),     Y("yahoo.co.za"),
    Y("yahoo.com"),	 Y("yahoo.com.ar"),    Y("yahoo.com.au"),
    Y("yahoo.com.br"),	 Y("yahoo.com.co"),    Y("yahoo.com.hk"),
    Y("yahoo.com.mx"),	 Y("yahoo.com.my"),    Y("yahoo.com.pe"),
    Y("yahoo.com.ph"),	 Y("yahoo.com.sg"),    Y("yahoo.com.tr"),
    Y("yahoo.com.tw"),	 Y("yahoo.com.ve"),    Y("yahoo.com.vn"),
    Y("yahoo.cz"),	 Y("yahoo.de"),	       Y("yahoo.dk"),
    Y("yahoo.es"),	 Y("yahoo.fi"),	       Y("yahoo.fr"),
    Y("yahoo.gr"),	 Y("yahoo.hu"),	       Y("yahoo.ie"),
    Y("yahoo.in"),	 Y("yahoo.it"),	       Y("yahoo.nl"),
    Y("yahoo.no"),	 Y("yahoo.pl"),	       Y("yahoo.pt"),
    Y("yahoo.ro"),	 Y("yahoo.se"),	       Y("ymail.com"),
};

static int
compare(const void *key, const void *row)
{
	return strcmp(key, ((const struct row *)row)->domain);
}

enum receiver
receiver_of(struct slice domain)
{
	char name[NAME_MAX_BYTES];
	const struct row *row;

	if (domain.n > 0 && domain.p[domain.n - 1] == '.')
		domain.n--;
	if (domain.n == 0 || domain.n >= sizeof(name))
		return RECEIVER_NONE;
	for (size_t i = 0; i < domain.n; i++) {
		char c = domain.p[i];

		name[i] = c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
	}
	name[domain.n] = '\0';
	row = bsearch(name, rows, sizeof(rows) / sizeof(rows[0]),
		      sizeof(rows[0]), compare);
	return row ? row->receiver : RECEIVER_NONE;
}

const char *
receiver_name(enum receiver receiver)
{
	switch (receiver) {
	case RECEIVER_GOOGLE:
		return "Gmail";
	case RECEIVER_YAHOO:
		return "Yahoo and AOL";
	case RECEIVER_MICROSOFT:
		return "Outlook.com";
	case RECEIVER_NONE:
	case RECEIVERS:
		break;
	}
	return "";
}
