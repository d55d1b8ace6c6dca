/* First byte: the mechanism and whether there is an initial response; then
 * lines of base64. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "gateway/auth/sasl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* assert would be gone in a release build. */
static void
must(bool holds)
{
	if (!holds)
		abort();
}

static void
no_nul(struct slice s)
{
	must(slice_find(s, '\0') == s.n);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice rest = slice_of(data, size), line, challenge;
	enum sasl_step step = SASL_CHALLENGE;
	struct sasl sasl;

	if (size == 0)
		return 0;
	sasl_init(&sasl, data[0] & 1 ? SASL_LOGIN : SASL_PLAIN);
	rest = slice_from(rest, 1);
	if (data[0] & 2)
		step = sasl_step(&sasl, SLICE_NONE, &challenge);
	while (step == SASL_CHALLENGE && slice_split(&rest, '\n', &line)) {
		step = sasl_step(&sasl, line, &challenge);
		must((challenge.p != NULL) == (step == SASL_CHALLENGE));
	}
	if (step == SASL_READY) {
		no_nul(sasl.authzid);
		no_nul(sasl.authcid);
		no_nul(sasl.password);
	}
	sasl_fini(&sasl);
	return 0;
}
