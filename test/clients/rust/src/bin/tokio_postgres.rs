//! tokio-postgres: prepared statements, everything in binary.
use fieldcrypt_clients::{bulk, migration, setting, step, INSERT};
use tokio_postgres::types::{FromSql, ToSql};
use tokio_postgres::{Client, Config, NoTls, Row};

type Error = Box<dyn std::error::Error>;

fn text(value: Option<String>) -> String {
    value.unwrap_or_else(|| "<null>".into())
}

/// A column of a row; the driver checks its type.
fn column<'a, T: FromSql<'a>>(row: &'a Row, i: usize) -> Result<T, tokio_postgres::Error> {
    row.try_get(i)
}

/// Rows of one number.
async fn numbers(client: &Client, query: &str, params: &[&(dyn ToSql + Sync)]) -> Result<String, Error> {
    let mut out = Vec::new();
    for row in client.query(query, params).await? {
        out.push(column::<i32>(&row, 0)?.to_string());
    }
    Ok(out.join(" ; "))
}

/// Rows of one number and texts.
async fn rows(client: &Client, query: &str, params: &[&(dyn ToSql + Sync)]) -> Result<String, Error> {
    let mut out = Vec::new();
    for row in client.query(query, params).await? {
        let mut line = vec![column::<i32>(&row, 0)?.to_string()];
        for i in 1..row.len() {
            line.push(text(column(&row, i)?));
        }
        out.push(line.join("|"));
    }
    Ok(out.join(" ; "))
}

async fn count(client: &Client, condition: &str, params: &[&(dyn ToSql + Sync)]) -> Result<i64, Error> {
    let row = client.query_one(&format!("SELECT count(*) FROM person WHERE {condition}"), params).await?;
    Ok(row.try_get(0)?)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let (mut client, connection) = Config::new()
        .host(setting("PGHOST"))
        .port(setting("PGPORT").parse()?)
        .user(setting("PGUSER"))
        .password(setting("PGPASSWORD"))
        .dbname(setting("PGDATABASE"))
        .connect(NoTls)
        .await?;
    tokio::spawn(connection);

    step!("migration", {
        for statement in migration() {
            client.batch_execute(&statement).await?;
        }
        Ok(count(&client, "true", &[]).await?.to_string())
    });
    step!("insert with bind parameters", {
        rows(
            &client,
            &format!("{INSERT} RETURNING id, email, name, note"),
            &[&1, &"ada@example.org", &"Ada Lovelace", &"first", &"London"],
        )
        .await
    });
    step!("NULL and empty string", {
        let null: Option<&str> = None;
        client.execute(INSERT, &[&2, &"null@example.org", &"Nobody", &null, &null]).await?;
        client.execute(INSERT, &[&3, &"empty@example.org", &"Somebody", &"", &""]).await?;
        rows(&client, "SELECT id, note FROM person WHERE id IN (2, 3) ORDER BY id", &[]).await
    });
    step!("IS NULL", { numbers(&client, "SELECT id FROM person WHERE note IS NULL", &[]).await });
    step!("equality with the empty string", {
        numbers(&client, "SELECT id FROM person WHERE note = $1", &[&""]).await
    });
    step!("non-ASCII text", {
        let zoe = client.prepare(INSERT).await?;
        client.execute(&zoe, &[&4, &"zoë@example.org", &"Zoë Müller 😀", &"Ωμέγα 日本語", &"Köln"]).await?;
        rows(&client, "SELECT id, email, name, note FROM person WHERE id = 4", &[]).await
    });
    step!("equality with non-ASCII text", {
        numbers(
            &client,
            "SELECT id FROM person WHERE email = $1 AND note = $2",
            &[&"zoë@example.org", &"Ωμέγα 日本語"],
        )
        .await
    });
    step!("bulk insert", {
        let transaction = client.transaction().await?;
        let statement = transaction.prepare(INSERT).await?;
        for (id, email, name) in bulk() {
            transaction.execute(&statement, &[&id, &email, &name, &None::<String>, &"bulk"]).await?;
        }
        transaction.commit().await?;
        Ok(count(&client, "id > 100", &[]).await?.to_string())
    });
    step!("equality", {
        rows(&client, "SELECT id, name FROM person WHERE email = $1", &[&"user7@example.org"]).await
    });
    step!("equality without a match", {
        Ok(count(&client, "email = $1", &[&"nobody@example.org"]).await?.to_string())
    });
    step!("IN list", {
        let emails = ["user1@example.org", "user2@example.org", "user3@example.org", "nobody@example.org"];
        let params: Vec<&(dyn ToSql + Sync)> = emails.iter().map(|e| e as &(dyn ToSql + Sync)).collect();
        numbers(&client, "SELECT id FROM person WHERE email IN ($1, $2, $3, $4) ORDER BY id", &params).await
    });
    step!("LIKE", { Ok(count(&client, "name LIKE $1", &[&"Name 09%"]).await?.to_string()) });
    step!("ORDER BY", {
        let mut out = Vec::new();
        for row in client.query("SELECT name FROM person WHERE id > 100 ORDER BY name DESC LIMIT 3", &[]).await? {
            out.push(column::<String>(&row, 0)?);
        }
        Ok(out.join(" ; "))
    });
    step!("aggregates", {
        let query = "SELECT count(DISTINCT name)::integer, min(name), max(name) FROM person WHERE id > 100";
        rows(&client, query, &[]).await
    });
    step!("text functions", {
        let query = "SELECT upper(name), length(name) FROM person WHERE email = $1";
        let row = client.query_one(query, &[&"ada@example.org"]).await?;
        Ok(format!("{}|{}", column::<String>(&row, 0)?, column::<i32>(&row, 1)?))
    });
    step!("unique", {
        let same: [&(dyn ToSql + Sync); 5] = [&5, &"ada@example.org", &"Ada Lovelace", &"first", &"London"];
        match client.execute(INSERT, &same).await {
            Ok(_) => Ok("no error".into()),
            Err(error) => match error.code() {
                Some(state) => Ok(state.code().into()),
                None => Err(error.into()),
            },
        }
    });
    step!("upsert", {
        let null: Option<&str> = None;
        client
            .execute(
                &format!("{INSERT} ON CONFLICT (email) DO UPDATE SET name = EXCLUDED.name"),
                &[&5, &"ada@example.org", &"Ada King", &null, &null],
            )
            .await?;
        rows(&client, "SELECT id, name FROM person WHERE email = $1", &[&"ada@example.org"]).await
    });
    step!("update", {
        let changed = client
            .execute("UPDATE person SET note = $1 WHERE email = $2", &[&"changed", &"ada@example.org"])
            .await?;
        let row = client.query_one("SELECT note FROM person WHERE id = 1", &[]).await?;
        Ok(format!("{changed}|{}", text(column(&row, 0)?)))
    });
    step!("rollback", {
        let null: Option<&str> = None;
        let email = "rollback@example.org";
        let transaction = client.transaction().await?;
        transaction.execute(INSERT, &[&900, &email, &"Rolled back", &null, &null]).await?;
        transaction.execute("UPDATE person SET note = $1 WHERE id = 1", &[&"rolled back"]).await?;
        let query = "SELECT count(*) FROM person WHERE email = $1";
        let inside: i64 = transaction.query_one(query, &[&email]).await?.try_get(0)?;
        transaction.rollback().await?;
        Ok(format!("{inside}, then {}", count(&client, "email = $1", &[&email]).await?))
    });
    step!("commit", {
        let transaction = client.transaction().await?;
        let null: Option<&str> = None;
        transaction.execute(INSERT, &[&901, &"commit@example.org", &"Committed", &"kept", &null]).await?;
        transaction.commit().await?;
        Ok(count(&client, "email = $1 AND note = $2", &[&"commit@example.org", &"kept"]).await?.to_string())
    });
    step!("delete", {
        let deleted = client.execute("DELETE FROM person WHERE email = $1", &[&"user100@example.org"]).await?;
        Ok(format!("{deleted}, then {}", count(&client, "id = 200", &[]).await?))
    });
    step!("type of the column", {
        let statement = client.prepare("SELECT name FROM person WHERE email = $1").await?;
        Ok(format!("{}, parameter {}", statement.columns()[0].type_(), statement.params()[0]))
    });
    Ok(())
}
