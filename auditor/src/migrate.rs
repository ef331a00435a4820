//! `auditor migrate`: brings ClickHouse's schema up to date.
//!
//! Each step is kept with its number and hash. A step that was released is never changed: a database whose history
//! differs from this program's is left alone. Every statement can run again, so that two programs that start at
//! once, or one that died half-way, do no harm.

use crate::config::ClickHouse;
use crate::outbox::client;
use clickhouse::Client;
use contract::schema::{MIGRATIONS, Migration, Target, TargetError};
use serde::Serialize;

/// Why the schema cannot be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// ClickHouse does not answer, or refused.
    #[error("ClickHouse did not take a statement of step {step}")]
    ClickHouse {
        /// The step; 0 for the bookkeeping.
        step: u32,
        /// Why.
        #[source]
        source: clickhouse::error::Error,
    },
    /// The target cannot be.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// A step was applied in another form.
    #[error("step {0} was applied in another form than this program has: one of the two was changed after its release")]
    Changed(u32),
    /// The database is ahead.
    #[error("the database has step {0}, which this program does not know: it is older than the database")]
    Newer(u32),
}

/// A step, and whether it was applied now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Its number.
    pub number: u32,
    /// Its name.
    pub name: &'static str,
    /// Whether it was applied now, or before.
    pub applied: bool,
}

const BOOKKEEPING: Migration = Migration {
    number: 0,
    name: "schema_migration",
    sql: "CREATE DATABASE IF NOT EXISTS ${database}${on_cluster};\n\
          CREATE TABLE IF NOT EXISTS ${database}.schema_migration${on_cluster} (\n\
          number UInt32, name String, hash String, at DateTime64(6, 'UTC') DEFAULT now64(6)\n\
          ) ENGINE = ${replacing} ORDER BY (number, hash);\n",
};

/// Applies every step that is missing.
pub async fn migrate(settings: &ClickHouse) -> Result<Vec<Step>, MigrateError> {
    // The database named in a request must exist, and it may not yet: every statement names it itself.
    let client = client(settings).with_database("default");
    let target = &settings.target;
    apply(&client, target, &BOOKKEEPING).await?;
    let applied = history(&client, target).await?;
    if let Some(newer) = compare(&applied)? {
        return Err(MigrateError::Newer(newer));
    }
    let mut steps = Vec::with_capacity(MIGRATIONS.len());
    for migration in MIGRATIONS {
        let missing = !applied.iter().any(|(number, _)| *number == migration.number);
        if missing {
            apply(&client, target, migration).await?;
            let sql = format!("INSERT INTO {}.schema_migration (number, name, hash) VALUES (?, ?, ?)", target.database);
            client
                .query(&sql)
                .bind(migration.number)
                .bind(migration.name)
                .bind(migration.hash())
                .execute()
                .await
                .map_err(at_step(migration.number))?;
        }
        steps.push(Step { number: migration.number, name: migration.name, applied: missing });
    }
    Ok(steps)
}

async fn apply(client: &Client, target: &Target, migration: &Migration) -> Result<(), MigrateError> {
    for statement in target.statements(migration)? {
        client.query_raw(&statement).execute().await.map_err(at_step(migration.number))?;
    }
    Ok(())
}

async fn history(client: &Client, target: &Target) -> Result<Vec<(u32, String)>, MigrateError> {
    let sql = format!("SELECT DISTINCT number, hash FROM {}.schema_migration ORDER BY number", target.database);
    client.query(&sql).fetch_all().await.map_err(at_step(0))
}

fn at_step(step: u32) -> impl Fn(clickhouse::error::Error) -> MigrateError {
    move |source| MigrateError::ClickHouse { step, source }
}

/// Compares what was applied with what this program has. Returns the first step that it does not know.
fn compare(applied: &[(u32, String)]) -> Result<Option<u32>, MigrateError> {
    for (number, hash) in applied {
        match MIGRATIONS.iter().find(|migration| migration.number == *number) {
            None => return Ok(Some(*number)),
            Some(migration) if migration.hash() != *hash => return Err(MigrateError::Changed(*number)),
            Some(_) => {}
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_or_newer_history_is_refused() {
        let same: Vec<_> = MIGRATIONS.iter().map(|m| (m.number, m.hash())).collect();
        assert!(matches!(compare(&same), Ok(None)));
        assert!(matches!(compare(&[]), Ok(None)));
        assert!(matches!(compare(&[(1, "other".to_owned())]), Err(MigrateError::Changed(1))));
        assert!(matches!(compare(&[(9_999, "x".to_owned())]), Ok(Some(9_999))));
    }

    #[test]
    fn the_bookkeeping_renders() {
        let target = Target { database: "grindvakt".into(), cluster: None, retention_years: 10 };
        let statements = target.statements(&BOOKKEEPING).expect("renders");
        assert_eq!(statements.len(), 2);
        assert!(statements.iter().all(|s| s.starts_with("CREATE ") && !s.contains("${")), "{statements:?}");
    }
}
