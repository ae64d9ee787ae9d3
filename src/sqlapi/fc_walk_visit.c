/*-------------------------------------------------------------------------
 *
 * fc_walk_visit.c
 *		Reaching the values inside a Datum: the column itself, arrays,
 *		composites, and domains over any of these.
 *
 * A plain value is handed on as it is stored, so that a visitor that looks at
 * the header alone fetches no more of a toasted value than that.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

#include "pg/fc_compat.h"
#include "pg/fc_keyring.h"
#include "sqlapi/fc_hooks.h"
#include "sqlapi/fc_walk.h"

static bool visit_type(Oid type, Datum *datum, FcVisitor visitor, void *arg);

static bool
visit_array(Oid element, Datum *datum, FcVisitor visitor, void *arg)
{
	ArrayType  *array = DatumGetArrayTypeP(*datum);
	Datum	   *values;
	bool	   *nulls;
	int			count;
	int16		length;
	bool		byval;
	char		align;
	bool		replaced = false;
	int			i;

	get_typlenbyvalalign(element, &length, &byval, &align);
	deconstruct_array(array, element, length, byval, align, &values, &nulls, &count);
	for (i = 0; i < count; i++)
	{
		if (!nulls[i] && visit_type(element, &values[i], visitor, arg))
			replaced = true;
	}
	if (replaced)
		*datum = PointerGetDatum(construct_md_array(values, nulls, ARR_NDIM(array),
													ARR_DIMS(array), ARR_LBOUND(array),
													element, length, byval, align));
	return replaced;
}

static bool
visit_composite(Datum *datum, FcVisitor visitor, void *arg)
{
	HeapTupleHeader header = DatumGetHeapTupleHeader(*datum);
	TupleDesc	desc = lookup_rowtype_tupdesc_copy(HeapTupleHeaderGetTypeId(header),
												   HeapTupleHeaderGetTypMod(header));
	Datum	   *values = palloc(desc->natts * sizeof(Datum));
	bool	   *nulls = palloc(desc->natts * sizeof(bool));
	HeapTupleData tuple;
	bool		replaced = false;
	int			i;

	memset(&tuple, 0, sizeof(tuple));
	tuple.t_len = HeapTupleHeaderGetDatumLength(header);
	ItemPointerSetInvalid(&tuple.t_self);
	tuple.t_data = header;
	heap_deform_tuple(&tuple, desc, values, nulls);
	for (i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		if (!nulls[i] && !attribute->attisdropped && fc_type_contains(attribute->atttypid) &&
			visit_type(attribute->atttypid, &values[i], visitor, arg))
			replaced = true;
	}
	if (replaced)
		*datum = heap_copy_tuple_as_datum(heap_form_tuple(desc, values, nulls), desc);
	return replaced;
}

static bool
visit_type(Oid type, Datum *datum, FcVisitor visitor, void *arg)
{
	Oid			base = getBaseType(type);
	Oid			element;

	check_stack_depth();
	if (base == fc_type_oid())
		return visitor(datum, arg);
	element = get_element_type(base);
	if (OidIsValid(element))
		return visit_array(element, datum, visitor, arg);
	if (get_typtype(base) == TYPTYPE_COMPOSITE)
		return visit_composite(datum, visitor, arg);
	return false;
}

bool
fc_walk_visit(const FcWalkColumn *column, Datum *datum, FcVisitor visitor, void *arg)
{
	if (column->direct)
		return visitor(datum, arg);
	return visit_type(column->type, datum, visitor, arg);
}
