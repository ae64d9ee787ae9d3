/*-------------------------------------------------------------------------
 *
 * fc_wire_type.c
 *		Domains over text whose output decrypts.
 *
 * Clients are told that an encrypted column is text.  A cast to text would
 * put the plaintext into the result's tuples, and those do not go to the
 * client directly: sorts above them, RETURNING, FETCH, EXECUTE and cursors
 * WITH HOLD collect them in files.  So what stands in the tuples is the
 * value, or its armour, under a domain over text whose output functions open
 * it by the rules of encrypted_text's own.  In the protocol a domain goes by
 * its base type, which is all that a client learns.
 *
 * wire_value is what a column becomes: the value as it is, which costs the
 * executor nothing, or the armour where rows do not go to the client directly
 * (fc_wire_dest.c).  What is not plainly armour is a value, and reported if it
 * is damaged: armour begins with "f", and a value with its suite.
 *
 * wire_text is the result of to_wire(), for all that is not a plain column
 * and may be a literal: armour, or the text of a literal.
 *
 * CREATE DOMAIN copies the output functions of the base type; the utility
 * hook calls fc_wire_domain_made() to set ours, when the extension is made
 * and when pg_upgrade makes its members one by one.  The dependency of the
 * domains on the functions sees to it that these come first there, and bring
 * the library.  Without them values would show as armour.
 *
 * The domains' CHECK refuses every value: only the analysis hook (fc_wire.c)
 * makes one, for what goes to a client.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "libpq/pqformat.h"
#include "parser/parse_func.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "base/fc_b64.h"
#include "crypto/fc_envelope.h"
#include "pg/fc_compat.h"
#include "pg/fc_keyring.h"
#include "sqlapi/fc_valueio.h"
#include "sqlapi/fc_wire.h"

PG_FUNCTION_INFO_V1(fc_to_wire);
PG_FUNCTION_INFO_V1(fc_to_wire_array);
PG_FUNCTION_INFO_V1(fc_wire_value_out);
PG_FUNCTION_INFO_V1(fc_wire_value_send);
PG_FUNCTION_INFO_V1(fc_wire_out);
PG_FUNCTION_INFO_V1(fc_wire_send);
PG_FUNCTION_INFO_V1(fc_wire_array_out);
PG_FUNCTION_INFO_V1(fc_wire_array_send);

/* Converts one element of an array. */
typedef text *(*FcElementFunction) (Datum element);

/* The domains, and their output functions. */
enum
{
	WIRE_VALUE,
	WIRE_TEXT,
	WIRE_TEXT_ARRAY
};

static const struct
{
	const char *name;
	const char *out;
	const char *send;
}			domains[] =
{
	[WIRE_VALUE] = {"wire_value", "wire_value_out", "wire_value_send"},
	[WIRE_TEXT] = {"wire_text", "wire_out", "wire_send"},
	[WIRE_TEXT_ARRAY] = {"wire_text_array", "wire_array_out", "wire_array_send"},
};

/*---- Function declarations ----*/

static text *to_wire(Datum value);
static text *armour_of(const struct varlena *datum);
static Datum stored_value(text *wire);
static text *shown_text(Datum wire);
static struct varlena *from_armour(const text *wire);
static Datum map_array(Datum source, FcElementFunction function);
static bool load_oids(FcWireOids *oids, Oid type);
static Oid	find_domain(Oid schema, int which);
static Oid	find_function(const char *name, Oid argument);
static void depend_on(Oid type, Oid function);

/* ---- into the domains ---- */

Datum
fc_to_wire(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(to_wire(PG_GETARG_DATUM(0)));
}

Datum
fc_to_wire_array(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(map_array(PG_GETARG_DATUM(0), to_wire));
}

/* The armour; a literal is text already, and never begins like armour. */
static text *
to_wire(Datum value)
{
	struct varlena *datum = PG_DETOAST_DATUM_PACKED(value);

	return fc_is_literal(datum) ? fc_literal_text(datum) : armour_of(datum);
}

static text *
armour_of(const struct varlena *datum)
{
	Size		len = VARSIZE_ANY_EXHDR(datum);
	FcValue		parsed;
	text	   *result;

	fc_datum_parse(datum, &parsed);
	result = palloc(VARHDRSZ + FC_ARMOUR_LEN(len));
	SET_VARSIZE(result, VARHDRSZ + FC_ARMOUR_LEN(len));
	fc_armour_encode((const uint8 *) VARDATA_ANY(datum), len, VARDATA(result));
	return result;
}

/*
 * A column of a named key has no literals; should one ever come, it stays one,
 * for its text could not be told from a damaged value.
 */
Datum
fc_wire_armour(Datum value)
{
	struct varlena *datum = PG_DETOAST_DATUM_PACKED(value);

	return fc_is_literal(datum) ? PointerGetDatum(datum) : PointerGetDatum(armour_of(datum));
}

/* ---- out of them, to the client ---- */

Datum
fc_wire_value_out(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(DirectFunctionCall1(fc_encrypted_text_out,
										stored_value(PG_GETARG_TEXT_PP(0))));
}

Datum
fc_wire_value_send(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(DirectFunctionCall1(fc_encrypted_text_send,
										stored_value(PG_GETARG_TEXT_PP(0))));
}

static Datum
stored_value(text *wire)
{
	struct varlena *value = from_armour(wire);

	return PointerGetDatum(value != NULL ? value : wire);
}

Datum
fc_wire_out(PG_FUNCTION_ARGS)
{
	text	   *wire = PG_GETARG_TEXT_PP(0);
	struct varlena *value = from_armour(wire);

	if (value == NULL)
		PG_RETURN_CSTRING(text_to_cstring(wire));
	PG_RETURN_DATUM(DirectFunctionCall1(fc_encrypted_text_out, PointerGetDatum(value)));
}

Datum
fc_wire_send(PG_FUNCTION_ARGS)
{
	text	   *wire = PG_GETARG_TEXT_PP(0);
	struct varlena *value = from_armour(wire);
	StringInfoData buf;

	if (value != NULL)
		PG_RETURN_DATUM(DirectFunctionCall1(fc_encrypted_text_send, PointerGetDatum(value)));

	pq_begintypsend(&buf);
	pq_sendtext(&buf, VARDATA_ANY(wire), VARSIZE_ANY_EXHDR(wire));
	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}

Datum
fc_wire_array_out(PG_FUNCTION_ARGS)
{
	PG_RETURN_CSTRING(OidOutputFunctionCall(F_ARRAY_OUT,
											map_array(PG_GETARG_DATUM(0), shown_text)));
}

Datum
fc_wire_array_send(PG_FUNCTION_ARGS)
{
	PG_RETURN_BYTEA_P(OidSendFunctionCall(F_ARRAY_SEND,
										  map_array(PG_GETARG_DATUM(0), shown_text)));
}

static text *
shown_text(Datum wire)
{
	return cstring_to_text(DatumGetCString(DirectFunctionCall1(fc_wire_out, wire)));
}

/* The value whose armour this is, or NULL if it is not armour. */
static struct varlena *
from_armour(const text *wire)
{
	const char *armour = VARDATA_ANY(wire);
	Size		len = VARSIZE_ANY_EXHDR(wire);
	struct varlena *result;
	FcValue		value;
	size_t		value_len;

	if (!fc_armour_is(armour, len))
		return NULL;
	result = palloc(VARHDRSZ + FC_B64_MAX_DECODED(len));
	if (fc_armour_decode(armour, len, (uint8 *) VARDATA(result), &value_len, &value) != FC_OK)
	{
		pfree(result);
		return NULL;
	}
	SET_VARSIZE(result, VARHDRSZ + value_len);
	return result;
}

/*
 * map_array
 *		An array of text from one of encrypted_text, or a domain over it, or of
 *		text.  Nulls stay.
 */
static Datum
map_array(Datum source, FcElementFunction function)
{
	ArrayType  *array = DatumGetArrayTypeP(source);
	Datum	   *elements;
	bool	   *nulls;
	int			count;

	deconstruct_array(array, ARR_ELEMTYPE(array), -1, false, TYPALIGN_INT,
					  &elements, &nulls, &count);
	for (int i = 0; i < count; i++)
	{
		if (!nulls[i])
			elements[i] = PointerGetDatum(function(elements[i]));
	}
	return PointerGetDatum(construct_md_array(elements, nulls, ARR_NDIM(array),
											  ARR_DIMS(array), ARR_LBOUND(array),
											  TEXTOID, -1, false, TYPALIGN_INT));
}

/* ---- the domains themselves ---- */

/*
 * fc_wire_oids
 *		Looked up once per backend and extension, as fc_planner_oids() is.
 */
const FcWireOids *
fc_wire_oids(void)
{
	static FcWireOids oids;
	Oid			type = fc_type_oid();

	if (!OidIsValid(type))
		return NULL;
	if (oids.type != type)
	{
		FcWireOids	found;

		if (!load_oids(&found, type))
			return NULL;
		oids = found;
	}
	return &oids;
}

bool
fc_wire_is(Oid type)
{
	const FcWireOids *oids;

	if (type < FirstNormalObjectId || (oids = fc_wire_oids()) == NULL)
		return false;
	return type == oids->value || type == oids->text || type == oids->text_array;
}

static bool
load_oids(FcWireOids *oids, Oid type)
{
	Oid			schema = get_namespace_oid("fieldcrypt", true);

	if (!OidIsValid(schema))
		return false;
	oids->type = type;
	oids->array_type = get_array_type(type);
	oids->value = find_domain(schema, WIRE_VALUE);
	oids->text = find_domain(schema, WIRE_TEXT);
	oids->text_array = find_domain(schema, WIRE_TEXT_ARRAY);
	oids->to_text = find_function("to_wire", type);
	oids->to_text_array = find_function("to_wire", oids->array_type);
	return OidIsValid(oids->value) && OidIsValid(oids->text) && OidIsValid(oids->text_array) &&
		OidIsValid(oids->to_text) && OidIsValid(oids->to_text_array);
}

/* The domain, if it has our output functions. */
static Oid
find_domain(Oid schema, int which)
{
	HeapTuple	tuple = SearchSysCache2(TYPENAMENSP, CStringGetDatum(domains[which].name),
										ObjectIdGetDatum(schema));
	Oid			found = InvalidOid;

	if (HeapTupleIsValid(tuple))
	{
		Form_pg_type form = (Form_pg_type) GETSTRUCT(tuple);

		if (form->typtype == TYPTYPE_DOMAIN &&
			form->typoutput == find_function(domains[which].out, form->typbasetype))
			found = form->oid;
		ReleaseSysCache(tuple);
	}
	return found;
}

static Oid
find_function(const char *name, Oid argument)
{
	return LookupFuncName(list_make2(makeString("fieldcrypt"), makeString(pstrdup(name))),
						  1, &argument, true);
}

void
fc_wire_domain_made(const CreateDomainStmt *stmt)
{
	char	   *schema;
	char	   *name;
	int			which = 0;
	Relation	catalog;
	HeapTuple	tuple;
	Form_pg_type form;

	DeconstructQualifiedName(stmt->domainname, &schema, &name);
	while (which < lengthof(domains) && strcmp(name, domains[which].name) != 0)
		which++;
	if (schema == NULL || strcmp(schema, "fieldcrypt") != 0 || which == lengthof(domains))
		return;

	CommandCounterIncrement();
	catalog = table_open(TypeRelationId, RowExclusiveLock);
	tuple = SearchSysCacheCopy2(TYPENAMENSP, CStringGetDatum(name),
								ObjectIdGetDatum(get_namespace_oid(schema, false)));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for domain %s", name);
	form = (Form_pg_type) GETSTRUCT(tuple);
	form->typoutput = find_function(domains[which].out, form->typbasetype);
	form->typsend = find_function(domains[which].send, form->typbasetype);
	if (OidIsValid(form->typoutput) && OidIsValid(form->typsend))
	{
		CatalogTupleUpdate(catalog, &tuple->t_self, tuple);
		depend_on(form->oid, form->typoutput);
		depend_on(form->oid, form->typsend);
	}
	heap_freetuple(tuple);
	table_close(catalog, RowExclusiveLock);
	CommandCounterIncrement();
}

static void
depend_on(Oid type, Oid function)
{
	ObjectAddress domain;
	ObjectAddress needed;

	ObjectAddressSet(domain, TypeRelationId, type);
	ObjectAddressSet(needed, ProcedureRelationId, function);
	recordDependencyOn(&domain, &needed, DEPENDENCY_NORMAL);
}
