//! What the Rust clients share.

/// The rows of the bulk insert: id, email, name.
pub fn bulk() -> Vec<(i32, String, String)> {
    (1..=100)
        .map(|i| (100 + i, format!("user{i}@example.org"), format!("Name {i:03}")))
        .collect()
}

/// The statements of the migration.
pub fn migration() -> Vec<String> {
    let plain = std::env::var("FC_TYPE").expect("FC_TYPE");
    let searchable = std::env::var("FC_TYPE_SEARCHABLE").expect("FC_TYPE_SEARCHABLE");
    vec![
        format!(
            "CREATE TABLE person (id integer PRIMARY KEY, email {searchable} NOT NULL UNIQUE, name {plain} NOT NULL, city text)"
        ),
        format!("ALTER TABLE person ADD COLUMN note {plain}"),
    ]
}

/// A variable of the environment, as libpq names it.
pub fn setting(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"))
}

/// Print the result of a step.
pub fn report(title: &str, result: Result<String, Box<dyn std::error::Error>>) {
    match result {
        Ok(result) => println!("{title}: {result}"),
        Err(error) => {
            let mut text = error.to_string();
            let mut source = error.source();
            while let Some(inner) = source {
                text = format!("{text}: {inner}");
                source = inner.source();
            }
            println!("{title}: ERROR {}", text.replace('\n', " "));
        }
    }
}

pub const INSERT: &str = "INSERT INTO person (id, email, name, note, city) VALUES ($1, $2, $3, $4, $5)";

/// A step: a block that ends with a Result<String, _>, and may use `?`.
#[macro_export]
macro_rules! step {
    ($title:expr, $body:block) => {
        let result: Result<String, Box<dyn std::error::Error>> = async { $body }.await;
        $crate::report($title, result);
    };
}
