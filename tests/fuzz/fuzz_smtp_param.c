#include <stdlib.h>

#include "gateway/smtp/server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require_word(struct slice s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= ' ' || s.p[i] == 0x7f)
			abort();
}

/* The first octet chooses; values travel on to the next hop's command line. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct smtp_mail mail = {.size = 0};
	struct smtp_rcpt rcpt = {.notify = 0};
	struct slice rest, key;
	bool utf8;

	if (size == 0)
		return 0;
	utf8 = (data[0] & 1) != 0;
	rest = slice_of(data + 1, size - 1);
	if (param_mail(rest, utf8, &mail, &key) == PARAM_FINE) {
		require_word(mail.envid);
		require_word(mail.auth);
		if (mail.utf8 && !utf8)
			abort();
	}
	if (param_rcpt(rest, utf8, &rcpt, &key) == PARAM_FINE) {
		require_word(rcpt.orcpt);
		if ((rcpt.notify & SMTP_NOTIFY_NEVER) != 0 &&
		    rcpt.notify != SMTP_NOTIFY_NEVER)
			abort();
	}
	return 0;
}
