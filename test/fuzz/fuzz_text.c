/*-------------------------------------------------------------------------
 *
 * fuzz_text.c
 *		libFuzzer target: UTF-8 and the search modes.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "crypto/fc_envelope.h"
#include "fc_fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool		valid = fc_utf8_valid(data, size);
	uint8_t    *out = malloc(FC_NORMALISED_MAX(size));
	uint8_t    *twice;
	size_t		n;
	size_t		m;
	uint8_t		mode;

	CHECK(out != NULL);
	for (mode = FC_MODE_EXACT; mode <= FC_MODE_MAX; mode++)
	{
		FcStatus	status = fc_normalise(mode, data, size, out, &n);

		CHECK(status == (valid ? FC_OK : FC_ERR_UTF8));
		CHECK(n <= FC_NORMALISED_MAX(size));
		if (!valid)
		{
			CHECK(n == 0);
			continue;
		}
		/* the result is valid, and a fixed point of its mode */
		CHECK(fc_utf8_valid(out, n));
		twice = malloc(FC_NORMALISED_MAX(n));
		CHECK(twice != NULL);
		CHECK(fc_normalise(mode, out, n, twice, &m) == FC_OK && m == n && memcmp(out, twice, n) == 0);
		free(twice);
	}
	free(out);
	return 0;
}
