/*
 * libpq: PQexecParams and prepared statements.  Everything is done with
 * parameters and results as text and then, where it reads, again in binary.
 */
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INSERT "INSERT INTO person (id, email, name, note, city) VALUES ($1::integer, $2, $3, $4, $5)"

static PGconn *conn;

/* One statement; results and text parameters in the format. */
static PGresult *
run(const char *query, int nparams, const char *const *params, int format)
{
	int			lengths[8];
	int			formats[8];
	int			i;
	PGresult   *res;

	for (i = 0; i < nparams; i++)
	{
		/* a number stays text; the bytes of a text are the same in binary */
		formats[i] = strstr(query, "::integer") != NULL && i == 0 ? 0 : format;
		lengths[i] = params[i] != NULL ? (int) strlen(params[i]) : 0;
	}
	res = PQexecParams(conn, query, nparams, NULL, params, lengths, formats, format);
	if (PQresultStatus(res) != PGRES_TUPLES_OK && PQresultStatus(res) != PGRES_COMMAND_OK)
		fprintf(stderr, "%s", PQresultErrorMessage(res));
	return res;
}

/* Rows of columns as one line; numbers are cast to text by the queries. */
static void
print_rows(const PGresult *res)
{
	int			row;
	int			column;

	if (PQresultStatus(res) != PGRES_TUPLES_OK && PQresultStatus(res) != PGRES_COMMAND_OK)
		printf("ERROR %s", PQresultErrorField(res, PG_DIAG_SQLSTATE));
	for (row = 0; row < PQntuples(res); row++)
	{
		if (row > 0)
			printf(" ; ");
		for (column = 0; column < PQnfields(res); column++)
		{
			if (column > 0)
				printf("|");
			if (PQgetisnull(res, row, column))
				printf("<null>");
			else
				printf("%.*s", PQgetlength(res, row, column), PQgetvalue(res, row, column));
		}
	}
}

/* Read as text, then in binary: both must be the same. */
static void
query(const char *title, const char *sql, int nparams, const char *const *params)
{
	PGresult   *text = run(sql, nparams, params, 0);
	PGresult   *binary = run(sql, nparams, params, 1);
	int			i;
	int			j;

	if (title != NULL)
		printf("%s: ", title);
	print_rows(text);
	for (i = 0; i < PQntuples(text); i++)
		for (j = 0; j < PQnfields(text); j++)
			if (PQntuples(binary) != PQntuples(text) ||
				PQgetlength(binary, i, j) != PQgetlength(text, i, j) ||
				memcmp(PQgetvalue(binary, i, j), PQgetvalue(text, i, j), PQgetlength(text, i, j)) != 0)
				printf(" (another result in binary)");
	printf("\n");
	PQclear(text);
	PQclear(binary);
}

/* Returns how many rows the statement changed, as text. */
static const char *
change(const char *sql, int nparams, const char *const *params, int format)
{
	static char rows[32];
	PGresult   *res = run(sql, nparams, params, format);

	snprintf(rows, sizeof(rows), "%s", PQcmdTuples(res));
	PQclear(res);
	return rows;
}

static void
migrate(void)
{
	char		sql[512];
	const char *type = getenv("FC_TYPE");

	snprintf(sql, sizeof(sql),
			 "CREATE TABLE person (id integer PRIMARY KEY, email %s NOT NULL UNIQUE, name %s NOT NULL, city text)",
			 getenv("FC_TYPE_SEARCHABLE"), type);
	change(sql, 0, NULL, 0);
	snprintf(sql, sizeof(sql), "ALTER TABLE person ADD COLUMN note %s", type);
	change(sql, 0, NULL, 0);
}

/* All rows in one transaction, by a prepared statement. */
static void
bulk_insert(void)
{
	int			i;
	char		id[16];
	char		email[32];
	char		name[32];
	const char *params[] = {id, email, name, NULL, "bulk"};

	PQclear(PQprepare(conn, "person_insert", INSERT, 0, NULL));
	change("BEGIN", 0, NULL, 0);
	for (i = 1; i <= 100; i++)
	{
		PGresult   *res;

		snprintf(id, sizeof(id), "%d", 100 + i);
		snprintf(email, sizeof(email), "user%d@example.org", i);
		snprintf(name, sizeof(name), "Name %03d", i);
		res = PQexecPrepared(conn, "person_insert", 5, params, NULL, NULL, 0);
		if (PQresultStatus(res) != PGRES_COMMAND_OK)
			fprintf(stderr, "%s", PQresultErrorMessage(res));
		PQclear(res);
	}
	change("COMMIT", 0, NULL, 0);
}

static void
unique(void)
{
	const char *const params[] = {"5", "ada@example.org", "Ada Lovelace", "first", "London"};
	PGresult   *res = run(INSERT, 5, params, 0);

	printf("unique: %s\n", PQresultErrorField(res, PG_DIAG_SQLSTATE));
	PQclear(res);
}

static void
rollback(void)
{
	const char *const row[] = {"900", "rollback@example.org", "Rolled back", NULL, NULL};
	const char *const email[] = {"rollback@example.org"};
	PGresult   *inside;
	PGresult   *after;

	change("BEGIN", 0, NULL, 0);
	change(INSERT, 5, row, 0);
	change("UPDATE person SET note = 'rolled back' WHERE id = 1", 0, NULL, 0);
	inside = run("SELECT count(*) FROM person WHERE email = $1", 1, email, 0);
	change("ROLLBACK", 0, NULL, 0);
	after = run("SELECT count(*) FROM person WHERE email = $1", 1, email, 0);
	printf("rollback: ");
	print_rows(inside);
	printf(", then ");
	print_rows(after);
	printf("\n");
	PQclear(inside);
	PQclear(after);
}

/* What the driver is told about a column and a parameter. */
static void
types(void)
{
	PGresult   *res;

	PQclear(PQprepare(conn, "types", "SELECT name FROM person WHERE email = $1", 0, NULL));
	res = PQdescribePrepared(conn, "types");
	printf("type of the column: %u, parameter %u\n", PQftype(res, 0), PQparamtype(res, 0));
	PQclear(res);
}

int
main(void)
{
	const char *const ada[] = {"1", "ada@example.org", "Ada Lovelace", "first", "London"};
	const char *const null_note[] = {"2", "null@example.org", "Nobody", NULL, NULL};
	const char *const empty_note[] = {"3", "empty@example.org", "Somebody", "", ""};
	const char *const zoe[] = {"4", "zoë@example.org", "Zoë Müller 😀", "Ωμέγα 日本語", "Köln"};
	const char *const ada_king[] = {"5", "ada@example.org", "Ada King", NULL, NULL};
	const char *const commit[] = {"901", "commit@example.org", "Committed", "kept", NULL};
	const char *const emails[] = {"user1@example.org", "user2@example.org", "user3@example.org", "nobody@example.org"};
	PGresult   *res;

	conn = PQconnectdb("");
	if (PQstatus(conn) != CONNECTION_OK)
	{
		fprintf(stderr, "%s", PQerrorMessage(conn));
		return 1;
	}
	PQsetClientEncoding(conn, "UTF8");

	migrate();
	query("migration", "SELECT count(*)::text FROM person", 0, NULL);
	printf("insert with bind parameters: ");
	res = run(INSERT " RETURNING id, email, name, note", 5, ada, 0);
	print_rows(res);
	printf("\n");
	PQclear(res);
	change(INSERT, 5, null_note, 1);
	change(INSERT, 5, empty_note, 1);
	query("NULL and empty string", "SELECT id::text, note FROM person WHERE id IN (2, 3) ORDER BY id", 0, NULL);
	query("IS NULL", "SELECT id::text FROM person WHERE note IS NULL", 0, NULL);
	query("equality with the empty string", "SELECT id::text FROM person WHERE note = $1", 1, empty_note + 3);
	change(INSERT, 5, zoe, 1);
	query("non-ASCII text", "SELECT id::text, email, name, note FROM person WHERE id = 4", 0, NULL);
	query("equality with non-ASCII text",
		  "SELECT id::text FROM person WHERE email = $1 AND name = $2 AND note = $3", 3, zoe + 1);
	bulk_insert();
	query("bulk insert", "SELECT count(*)::text FROM person WHERE id > 100", 0, NULL);
	query("equality", "SELECT id::text, name FROM person WHERE email = $1", 1,
		  (const char *const[]) {"user7@example.org"});
	query("equality without a match", "SELECT count(*)::text FROM person WHERE email = $1", 1, emails + 3);
	query("IN list", "SELECT id::text FROM person WHERE email IN ($1, $2, $3, $4) ORDER BY id", 4, emails);
	query("LIKE", "SELECT count(*)::text FROM person WHERE name LIKE $1", 1, (const char *const[]) {"Name 09%"});
	query("ORDER BY", "SELECT name FROM person WHERE id > 100 ORDER BY name DESC LIMIT 3", 0, NULL);
	query("aggregates", "SELECT count(DISTINCT name)::text, min(name), max(name) FROM person WHERE id > 100", 0, NULL);
	query("text functions", "SELECT upper(name), length(name)::text FROM person WHERE email = $1", 1, ada + 1);
	unique();
	change(INSERT " ON CONFLICT (email) DO UPDATE SET name = EXCLUDED.name", 5, ada_king, 0);
	query("upsert", "SELECT id::text, name FROM person WHERE email = $1", 1, ada + 1);
	printf("update: %s|", change("UPDATE person SET note = $1 WHERE email = $2", 2,
								 (const char *const[]) {"changed", "ada@example.org"}, 0));
	query(NULL, "SELECT note FROM person WHERE id = 1", 0, NULL);
	rollback();
	change("BEGIN", 0, NULL, 0);
	change(INSERT, 5, commit, 0);
	change("COMMIT", 0, NULL, 0);
	query("commit", "SELECT count(*)::text FROM person WHERE email = $1 AND note = 'kept'", 1, commit + 1);
	printf("delete: %s, then ", change("DELETE FROM person WHERE email = $1", 1,
									   (const char *const[]) {"user100@example.org"}, 0));
	query(NULL, "SELECT count(*)::text FROM person WHERE id = 200", 0, NULL);
	types();
	PQfinish(conn);
	return 0;
}
