/*-------------------------------------------------------------------------
 *
 * fc_wire.h
 *		The types that clients see as text, and what is made of them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FC_WIRE_H
#define FC_WIRE_H

#include "postgres.h"

#include "executor/execdesc.h"
#include "nodes/parsenodes.h"
#include "parser/parse_node.h"

/* OIDs of this database's objects. */
typedef struct FcWireOids
{
	Oid			type;			/* encrypted_text */
	Oid			array_type;
	Oid			value;			/* fieldcrypt.wire_value */
	Oid			text;			/* fieldcrypt.wire_text */
	Oid			text_array;		/* fieldcrypt.wire_text_array */
	Oid			to_text;		/* fieldcrypt.to_wire() of either */
	Oid			to_text_array;
} FcWireOids;

/* ---- fc_wire_type.c ---- */

/* NULL where the extension is not there, or not whole. */
extern const FcWireOids *fc_wire_oids(void);

/* One of the types for the wire, which no column may have. */
extern bool fc_wire_is(Oid type);

/* After CREATE DOMAIN: if it is one of them, give it its output functions. */
extern void fc_wire_domain_made(const CreateDomainStmt *stmt);

/* The armour of a value in wire_value. */
extern Datum fc_wire_armour(Datum value);

/* ---- fc_wire_dest.c ---- */

/*
 * Where the rows of a query are to go for the next run: to its own receiver,
 * or to one, to be freed after the run, that makes armour of values on the way
 * there.
 */
extern DestReceiver *fc_wire_receiver(const QueryDesc *queryDesc);

/* ---- fc_wire_params.c ---- */

/*
 * Analyse a statement again with text for the parameters that were inferred
 * to be encrypted_text.  True if *query has been replaced.
 */
extern bool fc_wire_parameters(ParseState *pstate, Query *query);

#endif							/* FC_WIRE_H */
