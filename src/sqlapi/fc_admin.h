/*-------------------------------------------------------------------------
 *
 * fc_admin.h
 *		What the administrative functions share, and what they offer to the
 *		hooks.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FC_ADMIN_H
#define FC_ADMIN_H

#include "postgres.h"

#include "fmgr.h"

#include "pg/fc_keyring.h"
#include "pg/fc_requests.h"
#include "sqlapi/fc_relation.h"

/* ---- for the hooks ---- */

/*
 * fc_grants_role_dropped
 *		The role is being dropped (OAT_DROP of pg_authid): remove its grants in
 *		this database.
 */
extern void fc_grants_role_dropped(Oid role);

/* ---- fc_admin.c ---- */

/* An argument that must not be null (22004 names it); palloc'd. */
extern char *fc_arg_text(FunctionCallInfo fcinfo, int n, const char *name);
extern bool fc_arg_bool(FunctionCallInfo fcinfo, int n, const char *name);
extern int	fc_arg_int(FunctionCallInfo fcinfo, int n, const char *name);

/*
 * fc_admin_execute
 *		Run one statement on the key tables through SPI with the guard open;
 *		returns how many rows it wrote.  Object names in it are qualified.
 */
extern uint64 fc_admin_execute(const char *sql, int nargs, Oid *types,
							   Datum *values, const char *nulls);

/*
 * fc_admin_lock_keys
 *		Serialise the functions that make keys and versions, until the end of
 *		the transaction; readers go on.  command is for the error on a standby.
 */
extern void fc_admin_lock_keys(const char *command);

/* The key of that name as of now; 42704 if there is none. */
extern const FcKey *fc_admin_key(const char *name);

/*
 * Procedures that commit cannot be SECURITY DEFINER: they become the owner of
 * the key tables, with a safe search_path, for as long as they write them;
 * fc_run_as_end() gives the caller back.
 */
extern void fc_admin_become_owner(FcRunAs *caller);

/* ---- fc_admin_keys.c ---- */

/* As fc_admin_key, refused if the key is destroyed or locked. */
extern const FcKey *fc_admin_key_in_use(const char *name);

/*
 * The next version of a key for a purpose, made and verified by the provider
 * of the active one; pre-active.  The keys are locked.
 */
extern int	fc_admin_make_version(const char *name, uint8 purpose);

/* The pre-active version becomes active, the active one decrypt-only. */
extern void fc_admin_activate(const FcKeyId *key_id, uint8 purpose, int version);

/* ---- fc_admin.c ---- */

/* A key_id as a palloc'd bytea. */
extern Datum fc_bytes_datum(const void *data, Size length);

/* Text with anything but printable ASCII masked; for what a KMS said. */
extern Datum fc_message_datum(const char *message);

/* Name of a status of a message that is empty. */
extern const char *fc_message_or_status(const char *message, FcStatus status);

/* 42704 unless the provider file has the provider. */
extern void fc_admin_check_provider(const char *provider);

/* Drop the key from the cache now and again at commit (lock_key). */
extern void fc_admin_wipe(const FcKeyId *ids, int count);

/* ---- fc_maintenance.c ---- */

/* 22023 unless it is a window for set_rotation. */
extern void fc_window_check(const char *window);

/* ---- a procedure that maintenance calls ---- */

extern PGDLLEXPORT Datum fc_rotate_key(PG_FUNCTION_ARGS);

#endif							/* FC_ADMIN_H */
