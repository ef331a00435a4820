//! Types that a setting can have.

use super::tree::Value;

/// A type that reads itself from a value of the tree, or says why it cannot.
pub trait Setting: Sized {
    /// Reads a value. The error is the reason that the user sees.
    fn read(value: &Value) -> Result<Self, String>;
}

fn expected(value: &Value, what: &str) -> String {
    format!("is {}, where {what} is expected", value.what())
}

impl Setting for String {
    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::Text(text) => Ok(text.clone()),
            other => Err(expected(other, "a text")),
        }
    }
}

impl Setting for bool {
    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::Bool(truth) => Ok(*truth),
            other => Err(expected(other, "true or false")),
        }
    }
}

impl Setting for f64 {
    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::Float(number) if number.is_finite() => Ok(*number),
            #[expect(clippy::cast_precision_loss, reason = "settings are far below 2^52")]
            Value::Integer(number) => Ok(*number as Self),
            other => Err(expected(other, "a number")),
        }
    }
}

macro_rules! integers {
    ($($t:ty),*) => {$(
        impl Setting for $t {
            fn read(value: &Value) -> Result<Self, String> {
                match value {
                    Value::Integer(number) => Self::try_from(*number)
                        .map_err(|_| format!("is {number}, and must be {} to {}", Self::MIN, Self::MAX)),
                    other => Err(expected(other, "an integer")),
                }
            }
        }
    )*};
}
integers!(u8, u16, u32, u64, usize, i64);

/// A value that may stand alone or as a list of several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OneOrSeveral<T>(pub Vec<T>);

impl<T: Setting> Setting for OneOrSeveral<T> {
    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::List(_) => Vec::read(value).map(Self),
            one => T::read(one).map(|one| Self(vec![one])).map_err(|reason| format!("{reason}, or a list of such")),
        }
    }
}

impl<T: Setting> Setting for Vec<T> {
    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::List(items) => items
                .iter()
                .enumerate()
                .map(|(i, item)| T::read(&item.value).map_err(|reason| format!("item {} {reason}", i + 1)))
                .collect(),
            other => Err(expected(other, "a list")),
        }
    }
}
