/*-------------------------------------------------------------------------
 *
 * fc_log.c
 *		What the server log must not show, by emit_log_hook.
 *
 * Where the failing statement touched an encrypted value, its text, the
 * context (rows of COPY, statements of functions, bind parameters) and
 * details that carry rows stay out of the log.  The client still gets the
 * detail and the context.
 *
 * The hook runs in every process, the postmaster included, and in the middle
 * of handling an error, maybe one of memory.  So it reads no catalog, never
 * throws, and allocates only from ErrorContext, where failing is an option.
 * Strings put into an ErrorData are allocated, because errfinish frees them
 * for some severities; or an existing string is cut where it stands.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/elog.h"
#include "utils/memutils.h"

#include "pg/fc_guc.h"
#include "sqlapi/fc_hooks.h"
#include "sqlapi/fc_sqlapi.h"

#define FC_NEUTRAL_DETAIL \
	"Row data is not logged because the statement touched encrypted values."

/*---- Local variables ----*/

static emit_log_hook_type prev_emit_log_hook = NULL;

/*---- Function declarations ----*/

static void log_emit(ErrorData *edata);
static void redact_statement(ErrorData *edata);
static void redact_message(ErrorData *edata);
static void redact_crash(ErrorData *edata);
static void redact_deadlock(ErrorData *edata);
static bool is_ours(const ErrorData *edata);

void
fc_log_init(void)
{
	prev_emit_log_hook = emit_log_hook;
	emit_log_hook = log_emit;
}

/* Other libraries' log hooks come after, and see what is left. */
static void
log_emit(ErrorData *edata)
{
	if (fc_guc_redact_logs)
	{
		if (fc_was_touched())
			redact_statement(edata);
		else if (edata->sqlerrcode == ERRCODE_T_R_DEADLOCK_DETECTED)
			redact_deadlock(edata);
		if (edata->detail != NULL)
			redact_crash(edata);
	}

	if (prev_emit_log_hook)
		prev_emit_log_hook(edata);
}

static void
redact_statement(ErrorData *edata)
{
	const char *shown = edata->detail_log != NULL ? edata->detail_log : edata->detail;

	edata->hide_stmt = true;
	edata->hide_ctx = true;

	/*
	 * The text of a function's statement has no switch of its own; dynamic
	 * SQL has literals in it.  ErrorContext owns the string.
	 */
	edata->internalquery = NULL;
	edata->internalpos = 0;

	/* our own details are states and names, never data, and are needed */
	if (is_ours(edata))
		return;

	if (shown != NULL)
	{
		char	   *neutral = MemoryContextAllocExtended(ErrorContext,
														 sizeof(FC_NEUTRAL_DETAIL),
														 MCXT_ALLOC_NO_OOM);

		if (neutral != NULL)
		{
			memcpy(neutral, FC_NEUTRAL_DETAIL, sizeof(FC_NEUTRAL_DETAIL));
			edata->detail_log = neutral;
		}
		else
		{
			/* out of memory: nobody gets the detail */
			edata->detail = NULL;
			edata->detail_log = NULL;
		}
	}

	if (ERRCODE_TO_CATEGORY(edata->sqlerrcode) == ERRCODE_DATA_EXCEPTION)
		redact_message(edata);
}

/*
 * Conversion errors quote the value in the primary message, which the log and
 * the client share.  What stands between the outermost quotes is masked; of a
 * translated message with other quotes, what follows the colon goes.
 */
static void
redact_message(ErrorData *edata)
{
	char	   *first;
	char	   *last;

	if (edata->message == NULL)
		return;
	first = strchr(edata->message, '"');
	last = strrchr(edata->message, '"');
	if (first != NULL && last - first > 1)
	{
		int			stars = Min(3, last - first - 1);

		memset(first + 1, '*', stars);
		memmove(first + 1 + stars, last, strlen(last) + 1);
	}
	else if (first == NULL)
	{
		first = strstr(edata->message, ": ");
		if (first != NULL)
			*first = '\0';
	}
}

/*
 * The postmaster logs what a crashed process was running.  It cannot know
 * whether that touched encrypted values, so it never shows it.
 */
static void
redact_crash(ErrorData *edata)
{
	const char *format = _("Failed process was running: %s");
	const char *mark = strstr(format, "%s");
	size_t		prefix = mark != NULL ? mark - format : strlen(format);

	if (edata->elevel == LOG && prefix > 0 && strncmp(edata->detail, format, prefix) == 0)
		strlcpy(edata->detail + prefix, "***", strlen(edata->detail) - prefix + 1);
}

/*
 * A deadlock's log detail is the client's, followed by the statements of all
 * processes involved.  Whether those of others touched encrypted values, the
 * process that logs it cannot know, so they are cut off.
 */
static void
redact_deadlock(ErrorData *edata)
{
	size_t		length;

	if (edata->detail == NULL || edata->detail_log == NULL)
		return;
	length = strlen(edata->detail);
	if (strncmp(edata->detail_log, edata->detail, length) == 0)
		edata->detail_log[length] = '\0';
}

/* errfinish keeps the base name of the source file only. */
static bool
is_ours(const ErrorData *edata)
{
	return edata->filename != NULL &&
		(strncmp(edata->filename, "fc_", 3) == 0 ||
		 strcmp(edata->filename, "fieldcrypt.c") == 0);
}
