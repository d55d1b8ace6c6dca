/* The input as a From field's value: each address it gives stands for itself
 * when it is written alone, has one '@' outside of quotes, and comes out of the
 * value with every line end unfolded, too. A value that cannot be read gives
 * none. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "policy/binding.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* assert would be gone in a release build. */
static void
must(bool holds)
{
	if (!holds)
		abort();
}

struct all {
	struct buf text;
	size_t count;
	bool alone;
};

static bool collect(void *arg, struct slice address);

static void
alone(struct slice address)
{
	struct all again = {.alone = true};
	struct binding_who who = {.cred = "bob"};

	buf_init(&again.text, 2000);
	must(binding_addresses(address, collect, &again));
	must(again.count == 1);
	must(again.text.n == address.n + 1 &&
	     memcmp(again.text.p, address.p, address.n) == 0);
	must(!binding_ok(BINDING_ADDRESS, &who, address));
	buf_fini(&again.text);
}

static bool
collect(void *arg, struct slice address)
{
	struct all *all = arg;
	size_t ats = 0;

	all->count++;
	must(address.n >= 3 && address.n <= 998);
	for (size_t i = 0; i < address.n; i++) {
		must((uint8_t)address.p[i] >= ' ');
		must(strchr("()<>,;\\", address.p[i]) == NULL);
		ats += address.p[i] == '@';
	}
	must(ats == 1);
	buf_add_slice(&all->text, address);
	buf_add_byte(&all->text, '\n');
	if (!all->alone)
		alone(address);
	return true;
}

/* What the next reader does first: line ends go, white space stays. */
static void
unfold(struct slice in, struct buf *out)
{
	for (size_t i = 0; i < in.n; i++) {
		if (in.p[i] == '\r' && i + 1 < in.n && in.p[i + 1] == '\n')
			i++;
		else
			buf_add_byte(out, in.p[i]);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size);
	struct all all = {.count = 0}, again = {.alone = true};
	struct buf flat;

	buf_init(&all.text, 1 << 24);
	buf_init(&again.text, 1 << 24);
	buf_init(&flat, size);
	if (binding_addresses(in, collect, &all)) {
		must(all.count <= 1000);
		unfold(in, &flat);
		must(binding_addresses(buf_slice(&flat), collect, &again));
		must(slice_eq(buf_slice(&all.text), buf_slice(&again.text)));
	} else {
		must(all.count == 0);
	}
	buf_fini(&all.text);
	buf_fini(&again.text);
	buf_fini(&flat);
	return 0;
}
