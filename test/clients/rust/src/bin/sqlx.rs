//! sqlx: it prepares with the types of the values it binds.
use fieldcrypt_clients::{bulk, migration, setting, step, INSERT};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgRow};
use sqlx::{Connection, Executor, Row};

type Error = Box<dyn std::error::Error>;

/// One row: a number, then texts.
fn line(row: &PgRow) -> Result<String, sqlx::Error> {
    let mut out = vec![row.try_get::<i32, _>(0)?.to_string()];
    for i in 1..row.len() {
        out.push(row.try_get::<Option<String>, _>(i)?.unwrap_or_else(|| "<null>".into()));
    }
    Ok(out.join("|"))
}

fn lines(rows: Vec<PgRow>) -> Result<String, Error> {
    let out: Result<Vec<String>, sqlx::Error> = rows.iter().map(line).collect();
    Ok(out?.join(" ; "))
}

/// Rows that the query finds with these texts as parameters.
async fn query(conn: &mut PgConnection, sql: &'static str, params: &[&str]) -> Result<String, Error> {
    let mut query = sqlx::query(sql);
    for param in params {
        query = query.bind(*param);
    }
    lines(query.fetch_all(conn).await?)
}

async fn count(conn: &mut PgConnection, sql: &'static str, params: &[&str]) -> Result<i64, Error> {
    let mut query = sqlx::query_scalar(sql);
    for param in params {
        query = query.bind(*param);
    }
    Ok(query.fetch_one(conn).await?)
}

async fn insert(
    conn: &mut PgConnection,
    id: i32,
    email: &str,
    name: &str,
    note: Option<&str>,
    city: Option<&str>,
) -> Result<(), sqlx::Error> {
    sqlx::query(INSERT).bind(id).bind(email).bind(name).bind(note).bind(city).execute(conn).await?;
    Ok(())
}

const BY_EMAIL: &str = "SELECT count(*) FROM person WHERE email = $1";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let options = PgConnectOptions::new()
        .host(&setting("PGHOST"))
        .port(setting("PGPORT").parse()?)
        .username(&setting("PGUSER"))
        .password(&setting("PGPASSWORD"))
        .database(&setting("PGDATABASE"));
    let mut conn = PgConnection::connect_with(&options).await?;

    step!("migration", {
        for statement in migration() {
            conn.execute(sqlx::AssertSqlSafe(statement)).await?;
        }
        Ok(count(&mut conn, "SELECT count(*) FROM person", &[]).await?.to_string())
    });
    step!("insert with bind parameters", {
        let sql = "INSERT INTO person (id, email, name, note, city) VALUES ($1, $2, $3, $4, $5)
            RETURNING id, email, name, note";
        let query = sqlx::query(sql).bind(1).bind("ada@example.org").bind("Ada Lovelace").bind("first").bind("London");
        lines(query.fetch_all(&mut conn).await?)
    });
    step!("NULL and empty string", {
        insert(&mut conn, 2, "null@example.org", "Nobody", None, None).await?;
        insert(&mut conn, 3, "empty@example.org", "Somebody", Some(""), Some("")).await?;
        query(&mut conn, "SELECT id, note FROM person WHERE id IN (2, 3) ORDER BY id", &[]).await
    });
    step!("IS NULL", { query(&mut conn, "SELECT id FROM person WHERE note IS NULL", &[]).await });
    step!("equality with the empty string", {
        query(&mut conn, "SELECT id FROM person WHERE note = $1", &[""]).await
    });
    step!("non-ASCII text", {
        insert(&mut conn, 4, "zoë@example.org", "Zoë Müller 😀", Some("Ωμέγα 日本語"), Some("Köln")).await?;
        query(&mut conn, "SELECT id, email, name, note FROM person WHERE id = 4", &[]).await
    });
    step!("equality with non-ASCII text", {
        let sql = "SELECT id FROM person WHERE email = $1 AND note = $2";
        query(&mut conn, sql, &["zoë@example.org", "Ωμέγα 日本語"]).await
    });
    step!("bulk insert", {
        let mut transaction = conn.begin().await?;
        for (id, email, name) in bulk() {
            insert(&mut transaction, id, &email, &name, None, Some("bulk")).await?;
        }
        transaction.commit().await?;
        Ok(count(&mut conn, "SELECT count(*) FROM person WHERE id > 100", &[]).await?.to_string())
    });
    step!("equality", {
        query(&mut conn, "SELECT id, name FROM person WHERE email = $1", &["user7@example.org"]).await
    });
    step!("equality without a match", {
        Ok(count(&mut conn, BY_EMAIL, &["nobody@example.org"]).await?.to_string())
    });
    step!("IN list", {
        let emails = ["user1@example.org", "user2@example.org", "user3@example.org", "nobody@example.org"];
        let one =
            query(&mut conn, "SELECT id FROM person WHERE email IN ($1, $2, $3, $4) ORDER BY id", &emails).await?;
        let any = sqlx::query("SELECT id FROM person WHERE email = ANY ($1) ORDER BY id").bind(&emails[..]);
        assert_eq!(one, lines(any.fetch_all(&mut conn).await?)?);
        Ok(one)
    });
    step!("LIKE", {
        Ok(count(&mut conn, "SELECT count(*) FROM person WHERE name LIKE $1", &["Name 09%"]).await?.to_string())
    });
    step!("ORDER BY", {
        let sql = "SELECT name FROM person WHERE id > 100 ORDER BY name DESC LIMIT 3";
        let names: Vec<String> = sqlx::query_scalar(sql).fetch_all(&mut conn).await?;
        Ok(names.join(" ; "))
    });
    step!("aggregates", {
        let sql = "SELECT count(DISTINCT name)::integer, min(name), max(name) FROM person WHERE id > 100";
        query(&mut conn, sql, &[]).await
    });
    step!("text functions", {
        let sql = "SELECT upper(name), length(name) FROM person WHERE email = $1";
        let (name, length): (String, i32) = sqlx::query_as(sql).bind("ada@example.org").fetch_one(&mut conn).await?;
        Ok(format!("{name}|{length}"))
    });
    step!("unique", {
        match insert(&mut conn, 5, "ada@example.org", "Ada Lovelace", Some("first"), Some("London")).await {
            Err(sqlx::Error::Database(error)) => Ok(error.code().unwrap_or_default().into_owned()),
            other => Ok(format!("{other:?}")),
        }
    });
    step!("upsert", {
        let sql = "INSERT INTO person (id, email, name) VALUES (5, $1, $2)
            ON CONFLICT (email) DO UPDATE SET name = EXCLUDED.name";
        sqlx::query(sql).bind("ada@example.org").bind("Ada King").execute(&mut conn).await?;
        query(&mut conn, "SELECT id, name FROM person WHERE email = $1", &["ada@example.org"]).await
    });
    step!("update", {
        let update = sqlx::query("UPDATE person SET note = $1 WHERE email = $2").bind("changed").bind("ada@example.org");
        let changed = update.execute(&mut conn).await?.rows_affected();
        let note: String = sqlx::query_scalar("SELECT note FROM person WHERE id = 1").fetch_one(&mut conn).await?;
        Ok(format!("{changed}|{note}"))
    });
    step!("rollback", {
        let email = "rollback@example.org";
        let mut transaction = conn.begin().await?;
        insert(&mut transaction, 900, email, "Rolled back", None, None).await?;
        sqlx::query("UPDATE person SET note = $1 WHERE id = 1").bind("rolled back").execute(&mut *transaction).await?;
        let inside = count(&mut transaction, BY_EMAIL, &[email]).await?;
        transaction.rollback().await?;
        Ok(format!("{inside}, then {}", count(&mut conn, BY_EMAIL, &[email]).await?))
    });
    step!("commit", {
        let mut transaction = conn.begin().await?;
        insert(&mut transaction, 901, "commit@example.org", "Committed", Some("kept"), None).await?;
        transaction.commit().await?;
        let sql = "SELECT count(*) FROM person WHERE email = $1 AND note = $2";
        Ok(count(&mut conn, sql, &["commit@example.org", "kept"]).await?.to_string())
    });
    step!("delete", {
        let delete = sqlx::query("DELETE FROM person WHERE email = $1").bind("user100@example.org");
        let deleted = delete.execute(&mut conn).await?.rows_affected();
        Ok(format!("{deleted}, then {}", count(&mut conn, "SELECT count(*) FROM person WHERE id = 200", &[]).await?))
    });
    Ok(())
}
