#include <crypt.h>
#include <errno.h>
#include <stdlib.h>

#include "gateway/auth/user.h"
#include "gateway/base/error.h"
#include "gateway/base/mem.h"
#include "gateway/base/secret.h"

/* libxcrypt's CRYPT_MAX_PASSPHRASE_SIZE counts the NUL: at 512 bytes it fails
 * with ERANGE. */
#define PASSWORD_MAX_BYTES 511

int
user_hash(struct slice password, char **hash)
{
	struct crypt_data *data;
	char *phrase, *setting;
	const char *out;
	int err = 0;

	*hash = NULL;
	/* crypt(3) would stop at a NUL and hash less than was typed. */
	if (password.n == 0 || password.n > PASSWORD_MAX_BYTES ||
	    slice_find(password, '\0') != password.n)
		return GW_EINVAL;
	setting = crypt_gensalt_ra("$y$", 0, NULL, 0);
	if (setting == NULL)
		return GW_EIO;
	data = mem_zalloc(sizeof(*data));
	phrase = mem_strndup(password.p, password.n);
	out = crypt_rn(phrase, setting, data, (int)sizeof(*data));
	if (out != NULL)
		*hash = mem_strdup(out);
	else
		err = errno == ENOMEM ? GW_ENOMEM : GW_EIO;
	secret_wipe(phrase, password.n);
	secret_wipe(data, sizeof(*data));
	free(phrase);
	free(data);
	free(setting);
	return err;
}
