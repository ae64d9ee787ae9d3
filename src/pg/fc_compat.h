/*-------------------------------------------------------------------------
 *
 * fc_compat.h
 *		The only home of PostgreSQL version conditionals.
 *
 * Each shim has the newest server's name or signature, so that bodies read
 * as if written for it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FC_COMPAT_H
#define FC_COMPAT_H

#include "postgres.h"

#include "miscadmin.h"
#include "storage/proc.h"

#if PG_VERSION_NUM < 150000 || PG_VERSION_NUM >= 190000
#error "fieldcrypt supports PostgreSQL 15 to 18"
#endif

#ifdef EXEC_BACKEND
#error "fieldcrypt needs fork(): the secret region is inherited"
#endif

#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#include "nodes/miscnodes.h"
#endif

/* Since 18 pg_noreturn stands in front; the attribute can stay behind. */
#if PG_VERSION_NUM >= 180000
#define pg_attribute_noreturn() __attribute__((noreturn))
#endif

#if PG_VERSION_NUM < 170000
#define AmAutoVacuumWorkerProcess() IsAutoVacuumWorkerProcess()
#endif

/* Soft errors exist since 16; before, the same call throws. */
#if PG_VERSION_NUM < 160000
#define ereturn(context, dummy_value, ...) \
	do { \
		(void) (context); \
		ereport(ERROR, __VA_ARGS__); \
		return dummy_value; \
	} while (0)
#endif

/* Identity of the current transaction in this backend; 0 outside one. */
static inline LocalTransactionId
fc_current_lxid(void)
{
	if (MyProc == NULL)
		return InvalidLocalTransactionId;
#if PG_VERSION_NUM >= 170000
	return MyProc->vxid.lxid;
#else
	return MyProc->lxid;
#endif
}

/* ParseConfigFp lives in conffiles.h since 16. */
#include "utils/guc.h"
#if PG_VERSION_NUM >= 160000
#include "utils/conffiles.h"
#endif

/* Index of this process in ProcGlobal->allProcs; only where MyProc is set. */
static inline int
fc_my_procno(void)
{
#if PG_VERSION_NUM >= 170000
	return MyProcNumber;
#else
	return MyProc->pgprocno;
#endif
}

/* Ownership by class: one function since 16. */
#include "catalog/pg_class.h"
#include "catalog/pg_database.h"
#include "catalog/pg_extension.h"
#include "utils/acl.h"
static inline bool
fc_ownercheck(Oid classid, Oid objectid, Oid role)
{
#if PG_VERSION_NUM >= 160000
	return object_ownercheck(classid, objectid, role);
#else
	if (classid == DatabaseRelationId)
		return pg_database_ownercheck(objectid, role);
	if (classid == RelationRelationId)
		return pg_class_ownercheck(objectid, role);
	Assert(classid == ExtensionRelationId);
	return pg_extension_ownercheck(objectid, role);
#endif
}

/* ANALYZE: the target left the attribute's row in 17; the delay takes an argument since 18. */
#if PG_VERSION_NUM >= 170000
#define FC_STATS_TARGET(stats) ((stats)->attstattarget)
#else
#define FC_STATS_TARGET(stats) ((stats)->attr->attstattarget)
#endif
#if PG_VERSION_NUM >= 180000
#define fc_vacuum_delay_point() vacuum_delay_point(true)
#else
#define fc_vacuum_delay_point() vacuum_delay_point()
#endif

/*
 * The ExecutorRun hook lost execute_once in 18.  FC_EXECUTOR_RUN_SERIAL, in a
 * hook, makes the run do without parallel workers.
 */
#if PG_VERSION_NUM >= 180000
#define FC_EXECUTOR_RUN_PARAMS \
	QueryDesc *queryDesc, ScanDirection direction, uint64 count
#define FC_EXECUTOR_RUN_ARGS queryDesc, direction, count
#define FC_EXECUTOR_RUN_SERIAL() (queryDesc->already_executed = true)
#else
#define FC_EXECUTOR_RUN_PARAMS \
	QueryDesc *queryDesc, ScanDirection direction, uint64 count, bool execute_once
#define FC_EXECUTOR_RUN_ARGS queryDesc, direction, count, execute_once
#define FC_EXECUTOR_RUN_SERIAL() (execute_once = false)
#endif

/* How many nodes of a plan were disabled is counted since 18. */
#if PG_VERSION_NUM >= 180000
#define FC_COPY_DISABLED_NODES(to, from) ((to)->disabled_nodes = (from)->disabled_nodes)
#else
#define FC_COPY_DISABLED_NODES(to, from) ((void) 0)
#endif

/* CastCreate of an I/O cast without functions of its own. */
#if PG_VERSION_NUM >= 160000
#define fc_cast_create_inout(source, target, context, behavior) \
	CastCreate(source, target, InvalidOid, InvalidOid, InvalidOid, \
			   context, COERCION_METHOD_INOUT, behavior)
#else
#define fc_cast_create_inout(source, target, context, behavior) \
	CastCreate(source, target, InvalidOid, context, COERCION_METHOD_INOUT, behavior)
#endif

/* The expression of a generated column; one argument went in 18. */
#include "catalog/pg_attrdef.h"
#if PG_VERSION_NUM >= 180000
#define fc_store_attr_default(rel, attnum, expr) StoreAttrDefault(rel, attnum, expr, true)
#else
#define fc_store_attr_default(rel, attnum, expr) StoreAttrDefault(rel, attnum, expr, true, false)
#endif

/*
 * Which indexes an update has to enter: a flag before 16, then a choice that
 * knows summarising indexes.
 */
#include "access/tableam.h"
#include "executor/executor.h"
#if PG_VERSION_NUM >= 160000
typedef TU_UpdateIndexes FcUpdateIndexes;
#define FC_INDEXES_CHANGE(update) ((update) != TU_None)
#define fc_insert_index_tuples(info, slot, estate, update) \
	ExecInsertIndexTuples(info, slot, estate, true, false, NULL, NIL, \
						  (update) == TU_Summarizing)
#else
typedef bool FcUpdateIndexes;
#define FC_INDEXES_CHANGE(update) (update)
#define fc_insert_index_tuples(info, slot, estate, update) \
	ExecInsertIndexTuples(info, slot, estate, true, false, NULL, NIL)
#endif

/* Query jumbling left utils/ in 16, where it no longer asks for the text. */
#if PG_VERSION_NUM >= 160000
#include "nodes/queryjumble.h"
#define fc_jumble_query(query, text) JumbleQuery(query)
#else
#include "utils/queryjumble.h"
#define fc_jumble_query(query, text) JumbleQuery(query, text)
#endif

/* parseTypeString takes an error context since 16, a flag before. */
#if PG_VERSION_NUM >= 160000
#define FC_PARSE_TYPE_THROWS NULL
#else
#define FC_PARSE_TYPE_THROWS false
#endif

#endif							/* FC_COMPAT_H */
