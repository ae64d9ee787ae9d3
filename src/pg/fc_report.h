/*-------------------------------------------------------------------------
 *
 * fc_report.h
 *		From a status of the lower layers to an ereport; the one place where
 *		SQLSTATE, message and hint are chosen (design section 11).
 *
 * None of these ever takes a plaintext, a key or the text of a value.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FC_REPORT_H
#define FC_REPORT_H

#include "postgres.h"

#include "base/fc_status.h"
#include "pg/fc_compat.h"

/* The library was loaded but is not in shared_preload_libraries: 55000. */
extern void fc_report_not_preloaded(void) pg_attribute_noreturn();

/* No privilege on the key: 42501. */
extern void fc_report_denied(const char *key, const char *privilege) pg_attribute_noreturn();

/* No key of that name in this database: 42704. */
extern void fc_report_unknown_key(const char *key) pg_attribute_noreturn();

/* A column names a key, by its 28-bit prefix, that nobody has made yet: 42704. */
extern void fc_report_unknown_prefix(uint32 prefix) pg_attribute_noreturn();

/*
 * The value names a key that this database's keyring does not hold (55000,
 * hint: import or restore the key tables).  key_id_hex has 12 digits.
 */
extern void fc_report_foreign_key(const char *key_id_hex, int version) pg_attribute_noreturn();

/* Key or version locked, destroyed, withdrawn: 55000, the state in DETAIL. */
extern void fc_report_key_state(const char *key, int version, const char *state,
								const char *hint) pg_attribute_noreturn();

/*
 * The key could not be had in time: 58000 for an outage, 55000 for a denial
 * (withdrawn by the KMS), XX001 never.
 */
typedef struct FcOutage
{
	const char *key;			/* name */
	int			version;
	const char *provider;
	FcStatus	status;			/* FC_ERR_KMS_* */
	const char *message;		/* of the provider, without secrets */
	int64		since;			/* TimestampTz of the first failure, or 0 */
	int64		next_retry;		/* TimestampTz, or 0 */
} FcOutage;
extern void fc_report_outage(const FcOutage *outage) pg_attribute_noreturn();

/* The class of such a failure, in words. */
extern const char *fc_report_class(FcStatus status);

/* The value's key is here and does not open it: XX001, nothing else said. */
extern void fc_report_altered(const char *key, int version) pg_attribute_noreturn();

/* Malformed armour, by status: 22P03, soft where escontext allows. */
struct Node;
extern void fc_report_bad_armour(FcStatus status, struct Node *escontext);

/* A library or random failure: XX000. */
extern void fc_report_internal(FcStatus status) pg_attribute_noreturn();

/* FC_ERR_TOO_LONG of a plaintext: 54000. */
extern void fc_report_too_long(Size length) pg_attribute_noreturn();

#endif							/* FC_REPORT_H */
