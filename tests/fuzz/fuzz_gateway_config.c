/* A configuration from memory: no crash, bounded messages, and what is shown
 * reads back to the same. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct config *
load(struct slice text)
{
	struct config_problems *problems = config_problems_create();
	struct buf out = {.cap = (size_t)1 << 22};
	struct config *config = NULL;
	int err =
	    config_load_text(&config, "fuzz", text,
			     CONFIG_NO_SYSTEM | CONFIG_NO_INCLUDE, problems);

	config_problems_print(problems, &out);
	if (out.overflow || (err == 0) != (config != NULL) ||
	    (err == 0) != (config_problems_errors(problems) == 0))
		abort();
	buf_fini(&out);
	config_problems_destroy(&problems);
	return config;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config *config = load(slice_of(data, size));
	struct buf first = {.cap = (size_t)1 << 24};
	struct buf second = {.cap = (size_t)1 << 24};

	if (config == NULL)
		return 0;
	config_show(config, &first, false);
	config_show_json(config, &second);
	buf_clear(&second);
	config_destroy(&config);
	config = load(buf_slice(&first));
	if (config == NULL)
		abort();
	config_show(config, &second, false);
	if (!slice_eq(buf_slice(&first), buf_slice(&second)))
		abort();
	config_destroy(&config);
	buf_fini(&first);
	buf_fini(&second);
	return 0;
}
