/* The input as a user's record, and as a login: a record that is read is
 * written as it was, and a name that is accepted is its own key. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "gateway/auth/user.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* assert would be gone in a release build. */
static void
must(bool holds)
{
	if (!holds)
		abort();
}

static void
record(struct slice in)
{
	struct user user;
	struct buf again;

	if (user_decode(SLICE_LIT("bob"), in, &user) != 0) {
		must(user.name == NULL && user.hash == NULL);
		return;
	}
	buf_init(&again, in.n + 1);
	user_encode(&user, &again);
	must(slice_eq(buf_slice(&again), in));
	buf_fini(&again);
	user_fini(&user);
}

static void
login(struct slice in, const char *domain)
{
	struct buf once, twice;

	buf_init(&once, 1024);
	buf_init(&twice, 1024);
	if (user_normalise(in, domain, &once) == 0) {
		must(once.n > 0 && once.n <= 255);
		must(user_normalise(buf_slice(&once), domain, &twice) == 0);
		must(slice_eq(buf_slice(&once), buf_slice(&twice)));
	} else {
		must(once.n == 0);
	}
	buf_fini(&once);
	buf_fini(&twice);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size);

	record(in);
	login(in, NULL);
	login(in, "example.com");
	return 0;
}
