/*-------------------------------------------------------------------------
 *
 * fc_status.h
 *		The one list of results that base/, crypto/ and kms/ return.
 *
 * These layers never throw, log or exit: they return an FcStatus, and
 * pg/fc_report.c alone turns one into an ereport.  A status never carries
 * data, so it can never carry a plaintext or a key.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FC_STATUS_H
#define FC_STATUS_H

typedef enum FcStatus
{
	FC_OK = 0,

	/* the value itself (fc_envelope.h, fc_armour.h) */
	FC_ERR_TRUNCATED,		/* fewer bytes than the format asks for */
	FC_ERR_SUITE,			/* unknown suite */
	FC_ERR_FLAGS,			/* a reserved flag bit is set */
	FC_ERR_MODE,			/* tag with a reserved search mode */
	FC_ERR_TOO_LONG,		/* over a documented limit */
	FC_ERR_ARMOUR,			/* malformed or non-canonical armour */
	FC_ERR_UTF8,			/* text that is not valid UTF-8 */

	/* cryptography */
	FC_ERR_AUTH,			/* does not open under this key; never says which check failed */
	FC_ERR_KCV,				/* the KMS returned another key than the one that was wrapped */
	FC_ERR_CRYPTO,			/* a library call failed that cannot fail on data */
	FC_ERR_RANDOM,			/* the random generator failed */
	FC_ERR_FIPS,			/* refused because fieldcrypt.fips is on */

	/* key management service, the classes of design section 6 */
	FC_ERR_KMS_RETRY,		/* outage: network, DNS, time-out, 429, 5xx */
	FC_ERR_KMS_AUTH,		/* credentials refused or withdrawn (denial) */
	FC_ERR_KMS_KEY,			/* KMS key missing, disabled, destroyed (denial) */
	FC_ERR_KMS_DATA,		/* wrong or malformed answer, wrong blob: possible tampering */
	FC_ERR_KMS_CONFIG,		/* provider configuration unusable */

	/* everything else */
	FC_ERR_NOMEM,			/* out of memory */
	FC_ERR_ARGUMENT			/* the caller broke a contract */
} FcStatus;

/*
 * Every function that returns an FcStatus is marked with this: a result that
 * nobody looks at is a compile error.
 */
#define FC_CHECK_RESULT __attribute__((warn_unused_result))

/*
 * fc_status_name
 *		Short constant English text of a status ("value is truncated"); static
 *		storage, never NULL.
 */
extern const char *fc_status_name(FcStatus status);

#endif							/* FC_STATUS_H */
