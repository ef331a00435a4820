//! The ClickHouse schema: numbered SQL files, applied in order by `auditor migrate` and by nobody else.
//!
//! The files have a few placeholders, so that one text serves the embedded engine, one server, and a cluster. A
//! migration that has been released is never changed: its hash is kept with its number.

/// A numbered step of the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migration {
    /// Its number, from 1, without gaps.
    pub number: u32,
    /// Its name, from the file's.
    pub name: &'static str,
    /// Its SQL, with placeholders: statements that end in `;` at the end of a line.
    pub sql: &'static str,
}

impl Migration {
    /// BLAKE3 over the SQL, in hexadecimal digits.
    pub fn hash(&self) -> String {
        blake3::hash(self.sql.as_bytes()).to_hex().to_string()
    }
}

macro_rules! migrations {
    ($($number:literal $name:literal,)*) => {
        /// Every migration, in order.
        pub const MIGRATIONS: &[Migration] = &[$(Migration {
            number: $number,
            name: $name,
            sql: include_str!(concat!("../clickhouse/", $name, ".sql")),
        },)*];
    };
}

migrations! {
    1 "0001_access_log",
    2 "0002_auth_event",
    3 "0003_access_seal",
    4 "0004_data_key",
    5 "0005_views",
    6 "0006_views_of_their_definer",
    7 "0007_disclosures",
    8 "0008_seal_key",
    9 "0009_account_procedure",
    10 "0010_who_gets_in",
    11 "0011_emergency_access",
    12 "0012_instructions",
}

/// Where the schema goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The database.
    pub database: String,
    /// The cluster, if there is one: then tables are replicated.
    pub cluster: Option<String>,
    /// How long rows are kept, in years: at least 5 (HSLF-FS 2016:40 4 kap. 9 §).
    pub retention_years: u16,
}

/// The database or cluster name cannot stand in SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// A name has other characters than letters, digits and `_`.
    #[error("a database or cluster name has only letters, digits and '_'")]
    Name,
    /// Fewer years than the law asks for.
    #[error("rows are kept for at least 5 years")]
    Retention,
}

impl Target {
    /// The migration's statements for this target.
    pub fn statements(&self, migration: &Migration) -> Result<Vec<String>, TargetError> {
        let named = |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !named(&self.database) || self.cluster.as_deref().is_some_and(|cluster| !named(cluster)) {
            return Err(TargetError::Name);
        }
        if self.retention_years < 5 {
            return Err(TargetError::Retention);
        }
        let on_cluster = self.cluster.as_ref().map_or(String::new(), |cluster| format!(" ON CLUSTER {cluster}"));
        let replacing = match self.cluster {
            Some(_) => "ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')",
            None => "ReplacingMergeTree",
        };
        let sql = migration
            .sql
            .replace("${database}", &self.database)
            .replace("${on_cluster}", &on_cluster)
            .replace("${replacing}", replacing)
            .replace("${retention_years}", &self.retention_years.to_string());
        Ok(sql.split(";\n").map(|s| strip_comments(s).trim().to_owned()).filter(|s| !s.is_empty()).collect())
    }
}

fn strip_comments(sql: &str) -> String {
    sql.lines().filter(|line| !line.trim_start().starts_with("--")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{
        Activity, AuthEventKind, AuthMethod, Decision, Initiator, OutcomeKind, Phase, Protection, Purpose, Reason,
        Relation, Sensitivity, Source,
    };
    use crate::row::{AccessRow, AuthRow, KeyRow, Record as _, SealKeyRow, SealRow};

    fn target() -> Target {
        Target { database: "grindvakt".into(), cluster: None, retention_years: 10 }
    }

    /// The column names of a CREATE TABLE, in order.
    fn columns(sql: &str) -> Vec<String> {
        let body = sql.split_once("(\n").expect("a body").1.split_once("\n)\n").expect("an end").0;
        body.lines()
            .filter(|line| line.starts_with("    ") && !line.starts_with("     ") && !line.contains("INDEX"))
            .filter_map(|line| line.split_whitespace().next())
            .filter(|word| *word != ")" && *word != "),")
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn numbers_have_no_gaps_and_names_begin_with_them() {
        for (i, migration) in MIGRATIONS.iter().enumerate() {
            assert_eq!(migration.number as usize, i + 1);
            assert!(migration.name.starts_with(&format!("{:04}_", migration.number)));
        }
    }

    #[test]
    fn tables_have_the_rows_columns_in_their_order() {
        let sql = |name: &str| MIGRATIONS.iter().find(|m| m.name.ends_with(name)).expect("there").sql;
        assert_eq!(columns(sql("access_log")), AccessRow::COLUMNS);
        assert_eq!(columns(sql("auth_event")), AuthRow::COLUMNS);
        assert_eq!(columns(sql("data_key")), KeyRow::COLUMNS);
        assert_eq!(columns(sql("access_seal")), SealRow::COLUMNS);
        assert_eq!(columns(sql("0008_seal_key")), SealKeyRow::COLUMNS);
    }

    #[test]
    fn enums_list_every_value_under_its_number() {
        /// What the newest statement about this column says.
        fn check(sql: &str, column: &str, values: &[(&str, u8)]) {
            let at = sql.rfind(&format!(" {column} Enum8(")).unwrap_or_else(|| panic!("no {column}"));
            let tail = sql.get(at..).unwrap_or_default();
            let list = tail.split_once("Enum8(").expect("an enum").1.split_once(')').expect("an end").0;
            let wanted: Vec<_> = values.iter().map(|(text, tag)| format!("'{text}' = {tag}")).collect();
            let found: Vec<_> = list.split(',').map(|s| s.trim().to_owned()).collect();
            assert_eq!(found, wanted, "{column}");
        }
        macro_rules! check {
            ($sql:expr, $($column:literal $t:ty,)*) => {$(
                check($sql, $column, &<$t>::ALL.iter().map(|v| (v.as_str(), v.tag())).collect::<Vec<_>>());
            )*};
        }
        let about = |table: &str| -> String {
            let all = MIGRATIONS.iter().flat_map(|migration| target().statements(migration).expect("renders"));
            all.filter(|statement| {
                statement.contains(&format!("TABLE IF NOT EXISTS grindvakt.{table} "))
                    || statement.contains(&format!("ALTER TABLE grindvakt.{table}\n"))
            })
            .collect()
        };
        let access = about("access_log");
        check!(&access, "phase" Phase, "auth_method" AuthMethod, "activity" Activity, "purpose" Purpose,
            "initiator" Initiator, "decision" Decision, "reason" Reason, "sensitivity" Sensitivity,
            "patient_source" Source, "protection" Protection, "care_relation" Relation, "outcome" OutcomeKind,);
        let auth = about("auth_event");
        check!(&auth, "kind" AuthEventKind, "reason" Reason, "auth_method" AuthMethod,);
    }

    /// A reader on a real server has grants for the views alone.
    #[test]
    fn views_read_by_the_right_of_who_made_them() {
        let target = target();
        let mut views = std::collections::BTreeMap::new();
        for migration in MIGRATIONS {
            for statement in target.statements(migration).expect("renders") {
                let (head, _) = statement.split_once("SELECT").unwrap_or((&statement, ""));
                if let Some((_, name)) = head.split_once("VIEW ") {
                    let name = name.trim_start_matches("IF NOT EXISTS ").split_whitespace().next().unwrap_or_default();
                    views.insert(name.to_owned(), head.contains("DEFINER = CURRENT_USER SQL SECURITY DEFINER"));
                }
            }
        }
        let wanted = [("grindvakt.access".to_owned(), true), ("grindvakt.event".to_owned(), true)];
        assert_eq!(views, wanted.into());
    }

    #[test]
    fn placeholders_are_all_filled_and_statements_stand_alone() {
        for cluster in [None, Some("care".to_owned())] {
            let target = Target { cluster, ..target() };
            for migration in MIGRATIONS {
                let statements = target.statements(migration).expect("renders");
                assert!(!statements.is_empty());
                for statement in statements {
                    assert!(!statement.contains("${"), "{statement}");
                    assert!(statement.starts_with("CREATE ") || statement.starts_with("ALTER "), "{statement}");
                }
            }
        }
    }

    #[test]
    fn names_and_years_are_checked() {
        let migration = MIGRATIONS.first().expect("one");
        let bad = Target { database: "a; DROP".into(), ..target() };
        assert_eq!(bad.statements(migration), Err(TargetError::Name));
        let short = Target { retention_years: 4, ..target() };
        assert_eq!(short.statements(migration), Err(TargetError::Retention));
    }
}
