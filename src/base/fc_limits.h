/*-------------------------------------------------------------------------
 *
 * fc_limits.h
 *		Sizes that both the provider interface and shared memory use; in base/
 *		so that pg/ need not see providers.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FC_LIMITS_H
#define FC_LIMITS_H

#define FC_KMS_NAME_MAX		64	/* provider name, with NUL */
#define FC_KMS_KEY_MAX		512 /* KMS key reference, with NUL */
#define FC_KMS_BLOB_MAX		1024	/* wrapped root secret, bytes */
#define FC_KMS_MESSAGE_MAX	256 /* error text, with NUL; never a secret */

#endif							/* FC_LIMITS_H */
