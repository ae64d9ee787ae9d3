// pgx, its own interface: prepared statements and binary, or with the
// argument exec unnamed statements and text, as behind a pooler.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const insert = "INSERT INTO person (id, email, name, note, city) VALUES ($1, $2, $3, $4, $5)"

var (
	ctx  = context.Background()
	conn *pgx.Conn
)

type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// step prints the result of a step.
func step(title string, run func() (string, error)) {
	result, err := run()
	if err != nil {
		result = "ERROR " + strings.ReplaceAll(err.Error(), "\n", " ")
	}
	fmt.Printf("%s: %s\n", title, result)
}

// query returns rows of columns as one line.
func query(on querier, sql string, args ...any) (string, error) {
	rows, err := on.Query(ctx, sql, args...)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	var lines []string
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			return "", err
		}
		var line []string
		for _, value := range values {
			if value == nil {
				line = append(line, "<null>")
			} else {
				line = append(line, fmt.Sprint(value))
			}
		}
		lines = append(lines, strings.Join(line, "|"))
	}
	return strings.Join(lines, " ; "), rows.Err()
}

func exec(sql string, args ...any) (int64, error) {
	tag, err := conn.Exec(ctx, sql, args...)
	return tag.RowsAffected(), err
}

func migrate() (string, error) {
	plain, searchable := os.Getenv("FC_TYPE"), os.Getenv("FC_TYPE_SEARCHABLE")
	for _, statement := range []string{
		"CREATE TABLE person (id integer PRIMARY KEY, email " + searchable + " NOT NULL UNIQUE, name " + plain + " NOT NULL, city text)",
		"ALTER TABLE person ADD COLUMN note " + plain,
	} {
		if _, err := exec(statement); err != nil {
			return "", err
		}
	}
	return query(conn, "SELECT count(*) FROM person")
}

func nullAndEmpty() (string, error) {
	if _, err := exec(insert, 2, "null@example.org", "Nobody", nil, nil); err != nil {
		return "", err
	}
	if _, err := exec(insert, 3, "empty@example.org", "Somebody", "", ""); err != nil {
		return "", err
	}
	return query(conn, "SELECT id, note FROM person WHERE id IN (2, 3) ORDER BY id")
}

// bulk sends all rows in one batch.
func bulk() (string, error) {
	batch := &pgx.Batch{}
	for i := 1; i <= 100; i++ {
		batch.Queue(insert, 100+i, fmt.Sprintf("user%d@example.org", i), fmt.Sprintf("Name %03d", i), nil, "bulk")
	}
	if err := conn.SendBatch(ctx, batch).Close(); err != nil {
		return "", err
	}
	return query(conn, "SELECT count(*) FROM person WHERE id > 100")
}

func inList() (string, error) {
	emails := []string{"user1@example.org", "user2@example.org", "user3@example.org", "nobody@example.org"}
	list, err := query(conn, "SELECT id FROM person WHERE email IN ($1, $2, $3, $4) ORDER BY id",
		emails[0], emails[1], emails[2], emails[3])
	if err != nil {
		return "", err
	}
	array, err := query(conn, "SELECT id FROM person WHERE email = ANY ($1) ORDER BY id", emails)
	if err == nil && array != list {
		err = fmt.Errorf("%s, but with ANY %s", list, array)
	}
	return list, err
}

func unique() (string, error) {
	_, err := exec(insert, 5, "ada@example.org", "Ada Lovelace", "first", "London")
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		return refused.Code, nil
	}
	return "no error", err
}

func rollback() (string, error) {
	const count = "SELECT count(*) FROM person WHERE email = $1"
	const email = "rollback@example.org"
	tx, err := conn.Begin(ctx)
	if err != nil {
		return "", err
	}
	defer tx.Rollback(ctx)
	if _, err = tx.Exec(ctx, insert, 900, email, "Rolled back", nil, nil); err != nil {
		return "", err
	}
	if _, err = tx.Exec(ctx, "UPDATE person SET note = $1 WHERE id = 1", "rolled back"); err != nil {
		return "", err
	}
	inside, err := query(tx, count, email)
	if err != nil {
		return "", err
	}
	if err = tx.Rollback(ctx); err != nil {
		return "", err
	}
	after, err := query(conn, count, email)
	return inside + ", then " + after, err
}

func commit() (string, error) {
	err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, insert, 901, "commit@example.org", "Committed", "kept", nil)
		return err
	})
	if err != nil {
		return "", err
	}
	return query(conn, "SELECT count(*) FROM person WHERE email = $1 AND note = $2", "commit@example.org", "kept")
}

// copyIn uses the binary COPY protocol.
func copyIn() (string, error) {
	rows := [][]any{{300, "copy300@example.org", "Größe", nil, ""}, {301, "copy301@example.org", "", "", nil}}
	_, err := conn.CopyFrom(ctx, pgx.Identifier{"person"}, []string{"id", "email", "name", "note", "city"}, pgx.CopyFromRows(rows))
	if err != nil {
		return "", err
	}
	return query(conn, "SELECT id, email, name, note FROM person WHERE id IN (300, 301) ORDER BY id")
}

// scan reads into Go's types, as applications do.
func scan() (string, error) {
	var name string
	var note *string
	err := conn.QueryRow(ctx, "SELECT name, note FROM person WHERE id = 2").Scan(&name, &note)
	return fmt.Sprint(name, "|", note == nil), err
}

// described tells what the driver is told about a column and a parameter.
func described() (string, error) {
	statement, err := conn.Prepare(ctx, "", "SELECT name FROM person WHERE email = $1")
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d, parameter %d", statement.Fields[0].DataTypeOID, statement.ParamOIDs[0]), nil
}

func main() {
	config, err := pgx.ParseConfig("")
	if err == nil {
		if len(os.Args) > 1 {
			config.DefaultQueryExecMode = pgx.QueryExecModeExec
		}
		conn, err = pgx.ConnectConfig(ctx, config)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer conn.Close(ctx)

	simple := func(sql string, args ...any) func() (string, error) {
		return func() (string, error) { return query(conn, sql, args...) }
	}
	// A change, then a query: how many rows it changed, then what the query finds.
	changed := func(separator, then, sql string, args ...any) func() (string, error) {
		return func() (string, error) {
			n, err := exec(sql, args...)
			if err != nil {
				return "", err
			}
			found, err := query(conn, then)
			return fmt.Sprint(n, separator, found), err
		}
	}

	step("migration", migrate)
	step("insert with bind parameters", simple(insert+" RETURNING id, email, name, note",
		1, "ada@example.org", "Ada Lovelace", "first", "London"))
	step("NULL and empty string", nullAndEmpty)
	step("IS NULL", simple("SELECT id FROM person WHERE note IS NULL"))
	step("equality with the empty string", simple("SELECT id FROM person WHERE note = $1", ""))
	step("non-ASCII text", simple(insert+" RETURNING id, email, name, note",
		4, "zoë@example.org", "Zoë Müller 😀", "Ωμέγα 日本語", "Köln"))
	step("equality with non-ASCII text", simple("SELECT id FROM person WHERE email = $1 AND note = $2",
		"zoë@example.org", "Ωμέγα 日本語"))
	step("bulk insert", bulk)
	step("equality", simple("SELECT id, name FROM person WHERE email = $1", "user7@example.org"))
	step("equality without a match", simple("SELECT count(*) FROM person WHERE email = $1", "nobody@example.org"))
	step("IN list", inList)
	step("LIKE", simple("SELECT count(*) FROM person WHERE name LIKE $1", "Name 09%"))
	step("ORDER BY", simple("SELECT name FROM person WHERE id > 100 ORDER BY name DESC LIMIT 3"))
	step("aggregates", simple("SELECT count(DISTINCT name), min(name), max(name) FROM person WHERE id > 100"))
	step("text functions", simple("SELECT upper(name), length(name) FROM person WHERE email = $1", "ada@example.org"))
	step("unique", unique)
	step("upsert", func() (string, error) {
		_, err := exec(insert+" ON CONFLICT (email) DO UPDATE SET name = EXCLUDED.name", 5, "ada@example.org", "Ada King", nil, nil)
		if err != nil {
			return "", err
		}
		return query(conn, "SELECT id, name FROM person WHERE email = $1", "ada@example.org")
	})
	step("update", changed("|", "SELECT note FROM person WHERE id = 1",
		"UPDATE person SET note = $1 WHERE email = $2", "changed", "ada@example.org"))
	step("rollback", rollback)
	step("commit", commit)
	step("delete", changed(", then ", "SELECT count(*) FROM person WHERE id = 200",
		"DELETE FROM person WHERE email = $1", "user100@example.org"))
	step("COPY in", copyIn)
	step("scan into string and *string", scan)
	step("type of the column", described)
}
