/*-------------------------------------------------------------------------
 *
 * fc_guc.h
 *		All settings (design section 11), alphabetical.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FC_GUC_H
#define FC_GUC_H

#include "postgres.h"

#include "nodes/pg_list.h"

typedef enum FcInputMode
{
	FC_INPUT_PLAINTEXT,			/* text is encrypted, armour refused */
	FC_INPUT_CIPHERTEXT,		/* armour only */
	FC_INPUT_AUTO				/* either */
} FcInputMode;

typedef enum FcOutputMode
{
	FC_OUTPUT_PLAINTEXT,		/* decrypted for holders of the privilege */
	FC_OUTPUT_CIPHERTEXT		/* always the armour */
} FcOutputMode;

typedef enum FcOnDenied
{
	FC_DENIED_AUTO,				/* armour for dumps and administrators, else error */
	FC_DENIED_CIPHERTEXT,
	FC_DENIED_ERROR,
	FC_DENIED_NULL
} FcOnDenied;

typedef enum FcDescribeAs
{
	FC_DESCRIBE_TEXT,			/* clients see columns and parameters of type text */
	FC_DESCRIBE_NATIVE			/* ... of type encrypted_text */
} FcDescribeAs;

extern bool fc_guc_allow_drop;
extern int	fc_guc_cache_max_age;	/* seconds, 0 = until restart */
extern int	fc_guc_cache_refresh;	/* seconds */
extern int	fc_guc_cache_slots;
extern char *fc_guc_default_provider;
extern int	fc_guc_describe_as;		/* FcDescribeAs */
extern bool fc_guc_fips;
extern bool fc_guc_full_core_files;
extern int	fc_guc_input;			/* FcInputMode */
extern int	fc_guc_kms_timeout;		/* milliseconds */
extern int	fc_guc_on_denied;		/* FcOnDenied */
extern int	fc_guc_output;			/* FcOutputMode */
extern char *fc_guc_provider_file;
extern bool fc_guc_redact_logs;
extern int	fc_guc_trigger_output;	/* FcOutputMode: default ciphertext */
extern char *fc_guc_warm_databases;

/*
 * Define the settings.  The postmaster-level ones only when the library is
 * preloaded: PostgreSQL refuses to define them later.
 */
extern void fc_guc_init(bool preloaded);

/* Databases that fieldcrypt.warm_databases may name. */
#define FC_WARM_DATABASES_MAX 64

/*
 * The names of fieldcrypt.warm_databases, a list of palloc'd strings (what
 * they are cut from is palloc'd too: give it a context of its own).
 */
extern List *fc_guc_warm_names(void);

/*
 * The provider file's path: the setting, or fieldcrypt_kms.conf beside the
 * configuration file.  palloc'd.
 */
extern char *fc_guc_provider_path(void);

#endif							/* FC_GUC_H */
