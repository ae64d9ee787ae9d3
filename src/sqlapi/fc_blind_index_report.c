/*-------------------------------------------------------------------------
 *
 * fc_blind_index_report.c
 *		What the tags of a column tell to whoever can read it: how many there
 *		are, how many differ, how often the most frequent one stands there.
 *
 * Counted by a query, so that it sorts on disk where it must, and sees what
 * its caller may see; no key is needed.  blind_index_report() makes sentences
 * of it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/spi.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "pg/fc_compat.h"
#include "sqlapi/fc_relation.h"
#include "sqlapi/fc_sqlapi.h"
#include "sqlapi/fc_walk.h"

PG_FUNCTION_INFO_V1(fc_blind_index_tally);

#define TALLY_COLUMNS 4

static void
check_searchable(Oid relation, const char *name)
{
	Oid			type;
	int32		typmod;
	Oid			collation;

	(void) fc_walk_columns(relation, name);
	get_atttypetypmodcoll(relation, get_attnum(relation, name), &type, &typmod, &collation);
	if (getBaseTypeAndTypmod(type, &typmod) != fc_type_oid() || typmod < 0 ||
		FC_TYPMOD_MODE(typmod) == FC_MODE_NONE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("column \"%s\" of relation \"%s\" is not searchable",
						name, get_rel_name(relation)),
				 errhint("It has no blind index: equal texts in it look different.")));
}

/*
 * One row per version of the index key, modulo 32 as tags carry it, and one
 * without version for the values that have no tag.
 */
Datum
fc_blind_index_tally(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Oid			relation = PG_GETARG_OID(0);
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(1));
	char	   *query;

	check_searchable(relation, name);
	query = psprintf("SELECT get_byte(uuid_send(t.tag), 0) & 31, sum(t.n)::bigint,"
					 " count(t.tag), max(t.n) FILTER (WHERE t.tag IS NOT NULL)"
					 " FROM (SELECT fieldcrypt.blind_index(c.%s) AS tag, count(*) AS n"
					 " FROM %s c WHERE c.%s IS NOT NULL GROUP BY 1) t"
					 " GROUP BY 1 ORDER BY 1",
					 quote_identifier(name),
					 fc_relation_name(relation),
					 quote_identifier(name));

	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	if (SPI_execute(query, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not count tags");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		Datum		values[TALLY_COLUMNS];
		bool		nulls[TALLY_COLUMNS];

		/* all of them are passed by value */
		for (int j = 0; j < TALLY_COLUMNS; j++)
			values[j] = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc,
									  j + 1, &nulls[j]);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	SPI_finish();
	return (Datum) 0;
}
