/*-------------------------------------------------------------------------
 *
 * fc_wire_type.c
 *		Domains over text whose output decrypts.
 *
 * Clients are told that an encrypted column is text.  A cast to text would
 * put the plaintext into the result's tuples, and those do not go to the
 * client directly: sorts above them, RETURNING, FETCH, EXECUTE and cursors
 * WITH HOLD collect them in files.  So what stands in the tuples is the
 * armour, under a domain over text whose output functions open it by the
 * rules of encrypted_text's own.  In the protocol a domain goes by its base
 * type, which is all that a client learns.
 *
 * CREATE DOMAIN copies the output functions of the base type; the utility
 * hook calls fc_wire_domain_made() to set ours, when the extension is made
 * and when pg_upgrade makes its members one by one.  The dependency of the
 * domains on the functions sees to it that these come first there, and bring
 * the library.  Without them values would show as armour.
 *
 * The domains' CHECK refuses every value: only to_wire() makes one, and only
 * the analysis hook (fc_wire.c) calls it, for what goes to a client.
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
PG_FUNCTION_INFO_V1(fc_wire_out);
PG_FUNCTION_INFO_V1(fc_wire_send);
PG_FUNCTION_INFO_V1(fc_wire_array_out);
PG_FUNCTION_INFO_V1(fc_wire_array_send);

/* Converts one element of an array. */
typedef text *(*FcElementFunction) (Datum element);

/*---- Function declarations ----*/

static text *to_wire(Datum value);
static text *shown_text(Datum wire);
static struct varlena *wire_value(const text *wire);
static Datum map_array(Datum source, FcElementFunction function);
static bool load_oids(FcWireOids *oids, Oid type);
static Oid	find_domain(Oid schema, const char *name, const char *out);
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
	Size		len = VARSIZE_ANY_EXHDR(datum);
	FcValue		parsed;
	text	   *result;

	if (fc_is_literal(datum))
		return fc_literal_text(datum);

	fc_datum_parse(datum, &parsed);
	result = palloc(VARHDRSZ + FC_ARMOUR_LEN(len));
	SET_VARSIZE(result, VARHDRSZ + FC_ARMOUR_LEN(len));
	fc_armour_encode((const uint8 *) VARDATA_ANY(datum), len, VARDATA(result));
	return result;
}

/* ---- out of them, to the client ---- */

Datum
fc_wire_out(PG_FUNCTION_ARGS)
{
	text	   *wire = PG_GETARG_TEXT_PP(0);
	struct varlena *value = wire_value(wire);

	if (value == NULL)
		PG_RETURN_CSTRING(text_to_cstring(wire));
	PG_RETURN_DATUM(DirectFunctionCall1(fc_encrypted_text_out, PointerGetDatum(value)));
}

Datum
fc_wire_send(PG_FUNCTION_ARGS)
{
	text	   *wire = PG_GETARG_TEXT_PP(0);
	struct varlena *value = wire_value(wire);
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

/* The value whose armour this is, or NULL for the text of a literal. */
static struct varlena *
wire_value(const text *wire)
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
	return type == oids->text || type == oids->text_array;
}

static bool
load_oids(FcWireOids *oids, Oid type)
{
	Oid			schema = get_namespace_oid("fieldcrypt", true);

	if (!OidIsValid(schema))
		return false;
	oids->type = type;
	oids->array_type = get_array_type(type);
	oids->text = find_domain(schema, "wire_text", "wire_out");
	oids->text_array = find_domain(schema, "wire_text_array", "wire_array_out");
	oids->to_text = find_function("to_wire", type);
	oids->to_text_array = find_function("to_wire", oids->array_type);
	return OidIsValid(oids->text) && OidIsValid(oids->text_array) &&
		OidIsValid(oids->to_text) && OidIsValid(oids->to_text_array);
}

/* The domain, if it has our output functions. */
static Oid
find_domain(Oid schema, const char *name, const char *out)
{
	HeapTuple	tuple = SearchSysCache2(TYPENAMENSP, CStringGetDatum(name),
										ObjectIdGetDatum(schema));
	Oid			found = InvalidOid;

	if (HeapTupleIsValid(tuple))
	{
		Form_pg_type form = (Form_pg_type) GETSTRUCT(tuple);

		if (form->typtype == TYPTYPE_DOMAIN &&
			form->typoutput == find_function(out, form->typbasetype))
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
	bool		array;
	Relation	catalog;
	HeapTuple	tuple;
	Form_pg_type form;

	DeconstructQualifiedName(stmt->domainname, &schema, &name);
	array = strcmp(name, "wire_text_array") == 0;
	if (schema == NULL || strcmp(schema, "fieldcrypt") != 0 ||
		(!array && strcmp(name, "wire_text") != 0))
		return;

	CommandCounterIncrement();
	catalog = table_open(TypeRelationId, RowExclusiveLock);
	tuple = SearchSysCacheCopy2(TYPENAMENSP, CStringGetDatum(name),
								ObjectIdGetDatum(get_namespace_oid(schema, false)));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for domain %s", name);
	form = (Form_pg_type) GETSTRUCT(tuple);
	form->typoutput = find_function(array ? "wire_array_out" : "wire_out", form->typbasetype);
	form->typsend = find_function(array ? "wire_array_send" : "wire_send", form->typbasetype);
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
