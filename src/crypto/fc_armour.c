/*-------------------------------------------------------------------------
 *
 * fc_armour.c
 *		The text form of a value: prefix and canonical base64.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "base/fc_b64.h"
#include "crypto/fc_envelope.h"

bool
fc_armour_is(const char *text, size_t len)
{
	return len >= FC_ARMOUR_PREFIX_LEN &&
		   memcmp(text, FC_ARMOUR_PREFIX, FC_ARMOUR_PREFIX_LEN) == 0;
}

void
fc_armour_encode(const uint8_t *value, size_t len, char *out)
{
	memcpy(out, FC_ARMOUR_PREFIX, FC_ARMOUR_PREFIX_LEN);
	fc_b64_encode(value, len, out + FC_ARMOUR_PREFIX_LEN);
}

FcStatus
fc_armour_decode(const char *text, size_t len, uint8_t *out, size_t *out_len,
				 FcValue *value)
{
	FcStatus	status;

	*out_len = 0;
	memset(value, 0, sizeof(*value));
	if (!fc_armour_is(text, len))
		return FC_ERR_ARMOUR;
	status = fc_b64_decode(text + FC_ARMOUR_PREFIX_LEN, len - FC_ARMOUR_PREFIX_LEN,
						   out, out_len);
	if (status != FC_OK)
		return status;
	return fc_value_parse(out, *out_len, value);
}
