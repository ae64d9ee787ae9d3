/*-------------------------------------------------------------------------
 *
 * fc_status.c
 *		Names of the results.
 *
 *-------------------------------------------------------------------------
 */
#include "base/fc_status.h"

/*
 * A switch without a default: the compiler then says which name is missing
 * when a status is added.
 */
const char *
fc_status_name(FcStatus status)
{
	switch (status)
	{
		case FC_OK:
			return "ok";
		case FC_ERR_TRUNCATED:
			return "value is truncated";
		case FC_ERR_SUITE:
			return "unknown suite";
		case FC_ERR_FLAGS:
			return "unknown flag";
		case FC_ERR_MODE:
			return "unknown search mode";
		case FC_ERR_TOO_LONG:
			return "value is too long";
		case FC_ERR_ARMOUR:
			return "malformed armour";
		case FC_ERR_UTF8:
			return "invalid UTF-8";
		case FC_ERR_AUTH:
			return "value does not open under this key";
		case FC_ERR_KCV:
			return "key check value does not match";
		case FC_ERR_CRYPTO:
			return "cryptographic library failed";
		case FC_ERR_RANDOM:
			return "random generator failed";
		case FC_ERR_FIPS:
			return "refused in FIPS mode";
		case FC_ERR_KMS_RETRY:
			return "key management service is out of reach";
		case FC_ERR_KMS_AUTH:
			return "key management service refused the credentials";
		case FC_ERR_KMS_KEY:
			return "key management service does not offer the key";
		case FC_ERR_KMS_DATA:
			return "key management service gave a bad answer";
		case FC_ERR_KMS_CONFIG:
			return "provider configuration is unusable";
		case FC_ERR_NOMEM:
			return "out of memory";
		case FC_ERR_ARGUMENT:
			return "invalid argument";
	}
	return "unknown status";
}
