/*-------------------------------------------------------------------------
 *
 * fc_broker.c
 *		"Give me the key for this value".
 *
 * The slow way goes through keyring (does the key exist, may the user, in
 * which state) and cache (a worker is asked on a miss).  What it finds is
 * remembered as a memo for the rest of the statement: who asked for what, and
 * the cache slot with its sequence number.  The fast way is a memo that
 * matches and a slot whose sequence number has not moved.
 *
 * A memo is dropped when the statement ends, when any relation is invalidated
 * (the key tables' triggers send that), and when its slot moved.  In the last
 * case the keyring is read anew too: the slot may have been wiped by
 * lock_key() of another session, which this transaction must see.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/inval.h"

#include "base/fc_b64.h"
#include "pg/fc_broker.h"
#include "pg/fc_compat.h"
#include "pg/fc_guc.h"
#include "pg/fc_report.h"
#include "pg/fc_shmem.h"

/* What is wanted; together with the user the memo's identity. */
typedef enum WantKind
{
	WANT_NOTHING,				/* an unused memo */
	WANT_OPEN,					/* master key of a value: key_id and version */
	WANT_SEAL,					/* active master key of a prefix */
	WANT_INDEX_ENCRYPT,			/* a version of the index key of a prefix, or (0) its
								 * active one; privilege encrypt */
	WANT_INDEX_DECRYPT,			/* the same, privilege decrypt */
	WANT_REWRAP					/* a version of a key, or (0) its active one; no privilege */
} WantKind;

typedef struct Want
{
	WantKind	kind;
	Oid			user;
	uint32		prefix;			/* WANT_SEAL, WANT_INDEX_* */
	uint16		version;		/* WANT_OPEN, WANT_REWRAP, WANT_INDEX_* */
	FcKeyId		key_id;			/* WANT_OPEN, WANT_REWRAP */
} Want;

typedef struct Memo
{
	Want		want;
	FcKeyIdentity id;
	FcKeyRef	ref;
	uint64		used;			/* times handed out and not yet counted in the cache */
} Memo;

/* Enough for a statement over a few keys; the oldest goes first. */
#define MEMOS 16

static Memo memos[MEMOS];
static int	memo_last = 0;		/* where the last hit was */
static int	memo_next = 0;		/* where the next one is written */

/* How often a slot may vanish between look-up and copy before we give up. */
#define COPY_TRIES 8

/* Why a key could not be had, for the throwing callers. */
typedef struct Problem
{
	FcAccess	access;
	char		key[FC_KEY_NAME_MAX];
	const char *privilege;
	const char *state;			/* FC_ACCESS_STATE */
	int			version;
	FcKeyId		key_id;
	char		provider[FC_KMS_NAME_MAX];
	FcKeyFailure failure;		/* FC_ACCESS_UNAVAILABLE */
} Problem;

static void memo_drop(Memo *memo);
static bool fast_path(const Want *want, FcKeyContext *context, FcSecret *key);
static FcAccess slow_path(const Want *want, FcKeyContext *context, FcSecret *key,
						  Problem *problem);
static bool fetch(const FcKeyVersion *version, FcKeyRef *ref, Problem *problem);
static const FcKeyVersion *resolve(const Want *want, Problem *problem);
static void throw_problem(const Want *want, const Problem *problem) pg_attribute_noreturn();

static inline bool
want_equal(const Want *a, const Want *b)
{
	return a->kind == b->kind && a->user == b->user && a->prefix == b->prefix &&
		   a->version == b->version &&
		   memcmp(&a->key_id, &b->key_id, sizeof(FcKeyId)) == 0;	/* not a secret */
}

/* Field by field: a copy would read 16 bytes where 4 were just written. */
static inline void
want_set(Want *want, WantKind kind, uint32 prefix, uint16 version, const FcKeyId *key_id)
{
	want->kind = kind;
	want->user = GetUserId();
	want->prefix = prefix;
	want->version = version;
	want->key_id = *key_id;
}

static inline void
want_open(Want *want, const FcValue *value)
{
	want_set(want, WANT_OPEN, 0, value->version, &value->key_id);
}

static inline void
want_prefix(Want *want, WantKind kind, uint32 prefix, uint16 version)
{
	static const FcKeyId none;

	want_set(want, kind, prefix, version, &none);
}

static FcAccess
acquire(const Want *want, FcKeyContext *context, FcSecret *key, Problem *problem)
{
	if (fast_path(want, context, key))
		return FC_ACCESS_OK;
	return slow_path(want, context, key, problem);
}

void
fc_broker_open_key(const FcValue *value, FcSecret *key)
{
	Want		want;
	Problem		problem;

	want_open(&want, value);
	if (acquire(&want, NULL, key, &problem) != FC_ACCESS_OK)
		throw_problem(&want, &problem);
}

FcAccess
fc_broker_try_open_key(const FcValue *value, FcSecret *key)
{
	Want		want;
	Problem		problem;

	want_open(&want, value);
	return acquire(&want, NULL, key, &problem);
}

void
fc_broker_rewrap_key(const FcKeyId *key_id, uint16 version, FcKeyContext *context, FcSecret *key)
{
	Want		want;
	Problem		problem;

	want_set(&want, WANT_REWRAP, 0, version, key_id);
	if (acquire(&want, context, key, &problem) != FC_ACCESS_OK)
		throw_problem(&want, &problem);
}

void
fc_broker_seal_key(uint32 prefix, FcKeyContext *context, FcSecret *key)
{
	Want		want;
	Problem		problem;

	want_prefix(&want, WANT_SEAL, prefix, 0);
	if (acquire(&want, context, key, &problem) != FC_ACCESS_OK)
		throw_problem(&want, &problem);
}

void
fc_broker_index_key(uint32 prefix, FcPrivilege privilege, uint16 *version, FcSecret *key)
{
	Want		want;
	FcKeyContext context;
	Problem		problem;

	want_prefix(&want, privilege == FC_PRIV_DECRYPT ? WANT_INDEX_DECRYPT : WANT_INDEX_ENCRYPT,
				prefix, *version);
	if (acquire(&want, &context, key, &problem) != FC_ACCESS_OK)
		throw_problem(&want, &problem);
	*version = context.version;
}

bool
fc_broker_may_decrypt(const FcValue *value)
{
	Want		want;
	const FcKey *key;

	want_open(&want, value);
	for (int n = 0; n < MEMOS; n++)
		if (want_equal(&memos[(memo_last + n) % MEMOS].want, &want))
			return true;
	if (!fc_keyring_usable())
		return false;
	key = fc_keyring_by_id(&value->key_id);
	return key != NULL && fc_keyring_may(key, FC_PRIV_DECRYPT);
}

/* Is a key got by this used to encrypt? */
static inline bool
want_seals(const Want *want)
{
	return want->kind == WANT_SEAL || (want->kind == WANT_REWRAP && want->version == 0);
}

static void
memo_drop(Memo *memo)
{
	if (memo->used > 0 && want_seals(&memo->want))
		fc_keycache_count(&memo->ref, memo->used);
	memo->used = 0;
	memo->want.kind = WANT_NOTHING;
}

/* A memo that matches, and a slot that has not moved since. */
static bool
fast_path(const Want *want, FcKeyContext *context, FcSecret *key)
{
	for (int n = 0; n < MEMOS; n++)
	{
		int			i = (memo_last + n) % MEMOS;

		if (!want_equal(&memos[i].want, want))
			continue;
		if (fc_keycache_copy(&memos[i].ref, &memos[i].id, key))
		{
			memo_last = i;
			memos[i].used++;
			if (context)
				*context = memos[i].id.context;
			return true;
		}
		/* the slot was refreshed with another key, evicted or locked */
		memo_drop(&memos[i]);
		fc_keyring_forget();
		return false;
	}
	return false;
}

static FcAccess
slow_path(const Want *want, FcKeyContext *context, FcSecret *key, Problem *problem)
{
	Memo	   *memo;

	memset(problem, 0, sizeof(*problem));
	if (!fc_shmem_ready())
		return problem->access = FC_ACCESS_NOT_PRELOADED;

	for (int tries = 0; tries < COPY_TRIES; tries++)
	{
		const FcKeyVersion *version = resolve(want, problem);
		FcKeyIdentity id;
		FcKeyRef	ref;

		if (version == NULL)
			return problem->access;
		id = version->source.id;
		if (!fc_keycache_find(&id, &ref) && !fetch(version, &ref, problem))
			return problem->access;
		if (!fc_keycache_copy(&ref, &id, key))
		{
			fc_keyring_forget();
			continue;
		}

		memo = &memos[memo_next];
		memo_drop(memo);
		memo->want = *want;
		memo->used = 1;
		memo->id = id;
		memo->ref = ref;
		memo_last = memo_next;
		memo_next = (memo_next + 1) % MEMOS;
		if (context)
			*context = id.context;
		return FC_ACCESS_OK;
	}

	problem->failure.status = FC_ERR_KMS_RETRY;
	strlcpy(problem->failure.message, "the key was evicted from the cache again and again",
			sizeof(problem->failure.message));
	return problem->access = FC_ACCESS_UNAVAILABLE;
}

/*
 * The key is not in the cache: have it unwrapped.  Copies the source, of
 * almost 2 kB, because the keyring's memory may go while we wait.
 */
static pg_noinline bool
fetch(const FcKeyVersion *version, FcKeyRef *ref, Problem *problem)
{
	FcKeySource source = version->source;

	if (!fc_keycache_get(&source, fc_guc_kms_timeout, ref, &problem->failure))
	{
		problem->access = FC_ACCESS_UNAVAILABLE;
		return false;
	}
	fc_keycache_supersede(&source.id);
	return true;
}

static const FcKeyVersion *
refuse(Problem *problem, FcAccess access)
{
	problem->access = access;
	return NULL;
}

/*
 * Which version of which key is wanted, may the user, is it in a state to be
 * used?  NULL if not, and *problem says why.  What is returned is the
 * keyring's.
 */
static const FcKeyVersion *
resolve(const Want *want, Problem *problem)
{
	const FcKey *key = NULL;
	const FcKeyVersion *version;
	FcPrivilege privilege;
	uint8		purpose;
	bool		by_id = want->kind == WANT_OPEN || want->kind == WANT_REWRAP;

	privilege = (want->kind == WANT_OPEN || want->kind == WANT_INDEX_DECRYPT) ?
				FC_PRIV_DECRYPT : FC_PRIV_ENCRYPT;
	purpose = (by_id || want->kind == WANT_SEAL) ?
			  FC_PURPOSE_WRAP : FC_PURPOSE_INDEX;
	problem->privilege = privilege == FC_PRIV_DECRYPT ? "decrypt" : "encrypt";
	problem->key_id = want->key_id;
	problem->version = want->version;

	if (fc_keyring_usable())
		key = by_id ? fc_keyring_by_id(&want->key_id)
			  : fc_keyring_by_prefix(want->prefix);
	if (key == NULL)
		return refuse(problem, FC_ACCESS_FOREIGN);

	strlcpy(problem->key, key->name, sizeof(problem->key));
	if (want->kind != WANT_REWRAP && !fc_keyring_may(key, privilege))
		return refuse(problem, FC_ACCESS_DENIED);
	if (key->destroyed || key->locked)
	{
		problem->version = 0;
		problem->state = key->destroyed ? "destroyed" : "locked";
		return refuse(problem, FC_ACCESS_STATE);
	}

	/* of several identities with one name, imported ones only open */
	if (want->kind == WANT_SEAL && !key->writes)
	{
		problem->version = 0;
		problem->state = "imported and only opens values";
		return refuse(problem, FC_ACCESS_STATE);
	}

	version = want->version > 0 ?
			  fc_keyring_version(key, purpose, want->version) :
			  fc_keyring_active(key, purpose);
	if (version == NULL)
	{
		if (want->version > 0)
			return refuse(problem, FC_ACCESS_FOREIGN);
		problem->version = 0;
		problem->state = "without an active version";
		return refuse(problem, FC_ACCESS_STATE);
	}
	if (version->state == FC_VERSION_DESTROYED)
	{
		problem->version = version->source.id.context.version;
		problem->state = "destroyed";
		return refuse(problem, FC_ACCESS_STATE);
	}
	problem->version = version->source.id.context.version;
	strlcpy(problem->provider, version->source.provider, sizeof(problem->provider));
	return version;
}

static void
throw_problem(const Want *want, const Problem *problem)
{
	char		hex[2 * FC_KEY_ID_BYTES + 1];
	FcOutage	outage;

	switch (problem->access)
	{
		case FC_ACCESS_NOT_PRELOADED:
			fc_report_not_preloaded();
		case FC_ACCESS_DENIED:
			fc_report_denied(problem->key, problem->privilege);
		case FC_ACCESS_FOREIGN:
			if (want->kind == WANT_OPEN || want->kind == WANT_REWRAP)
			{
				fc_hex_encode(problem->key_id.bytes, FC_KEY_ID_BYTES, hex);
				hex[2 * FC_KEY_ID_BYTES] = '\0';
				fc_report_foreign_key(hex, problem->version);
			}
			fc_report_unknown_prefix(want->prefix);
		case FC_ACCESS_STATE:
			fc_report_key_state(problem->key, problem->version, problem->state,
								strcmp(problem->state, "locked") == 0 ?
								"A key custodian can unlock it with fieldcrypt.unlock_key()." : NULL);
		case FC_ACCESS_UNAVAILABLE:
			outage.key = problem->key;
			outage.version = problem->version;
			outage.provider = problem->provider;
			outage.status = problem->failure.status;
			outage.message = problem->failure.message;
			outage.since = problem->failure.since;
			outage.next_retry = problem->failure.next_retry;
			fc_report_outage(&outage);
		case FC_ACCESS_OK:
			break;
	}
	elog(ERROR, "unexpected key access result %d", (int) problem->access);
}

void
fc_broker_forget(void)
{
	for (int i = 0; i < MEMOS; i++)
		memo_drop(&memos[i]);
}

/* Any invalidation may be one of a key table; memos are cheap to make anew. */
static void
relation_changed(Datum arg, Oid relid)
{
	fc_broker_forget();
}

void
fc_broker_init(void)
{
	CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
}
