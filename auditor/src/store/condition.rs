//! A condition in the making: what lists are asked for, with a place in the SQL for each value.

use sqlx::AnyConnection;
use sqlx::any::AnyRow;

/// Conditions, and the values for their places.
#[derive(Default)]
pub(super) struct Sql {
    conditions: Vec<String>,
    values: Vec<Value>,
}

enum Value {
    Text(String),
    Number(i64),
}

impl Sql {
    /// A text's place.
    pub(super) fn text(&mut self, text: impl Into<String>) -> String {
        self.value(Value::Text(text.into()))
    }

    /// A number's place.
    pub(super) fn number(&mut self, number: i64) -> String {
        self.value(Value::Number(number))
    }

    fn value(&mut self, value: Value) -> String {
        self.values.push(value);
        format!("${}", self.values.len())
    }

    /// One more condition, of the program's own words and of places.
    pub(super) fn and(&mut self, condition: String) {
        self.conditions.push(condition);
    }

    /// All of them.
    pub(super) fn all(&self) -> String {
        if self.conditions.is_empty() { "1 = 1".to_owned() } else { self.conditions.join(" AND ") }
    }

    /// Asks `text`, which has the places of the values.
    pub(super) async fn fetch(self, text: String, connection: &mut AnyConnection) -> sqlx::Result<Vec<AnyRow>> {
        let mut query = sqlx::query(sqlx::AssertSqlSafe(text));
        for value in self.values {
            query = match value {
                Value::Text(text) => query.bind(text),
                Value::Number(number) => query.bind(number),
            };
        }
        query.fetch_all(connection).await
    }
}
