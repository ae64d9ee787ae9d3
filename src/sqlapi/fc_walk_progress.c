/*-------------------------------------------------------------------------
 *
 * fc_walk_progress.c
 *		The rows of the view fieldcrypt.rotation_progress.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "pg/fc_progress.h"

PG_FUNCTION_INFO_V1(fc_rotation_walks);

Datum
fc_rotation_walks(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	int			i;

	InitMaterializedSRF(fcinfo, 0);
	for (i = 0; i < FC_PROGRESS_SLOTS; i++)
	{
		FcProgress	progress;
		Datum		values[11];
		bool		nulls[11];

		if (!fc_progress_get(i, &progress) || progress.database != MyDatabaseId)
			continue;
		memset(nulls, 0, sizeof(nulls));
		values[0] = Int32GetDatum(progress.pid);
		values[1] = CStringGetTextDatum(progress.command);
		values[2] = ObjectIdGetDatum(progress.relation);
		values[3] = CStringGetTextDatum(progress.column);
		values[4] = Int32GetDatum(progress.pass);
		values[5] = Int64GetDatum(progress.blocks_done);
		values[6] = Int64GetDatum(progress.blocks_total);
		values[7] = Int64GetDatum(progress.rows_written);
		values[8] = Int64GetDatum(progress.rows_skipped);
		values[9] = Int64GetDatum(progress.errors);
		values[10] = TimestampTzGetDatum(progress.started);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}
