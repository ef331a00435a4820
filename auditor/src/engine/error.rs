//! Errors as a ClickHouse client sees them: a code, a text `Code: N. DB::Exception: …`, an HTTP status.
//!
//! The text may quote the statement, so it goes to the client and never into a log; the log gets the code.

use http::StatusCode;

use super::{ffi, request, sql};

/// What goes back to the client.
#[derive(Debug, Clone, thiserror::Error)]
#[error("ClickHouse exception {code}")]
pub(crate) struct ServerError {
    code: u32,
    message: String,
    status: StatusCode,
}

impl ServerError {
    /// From a whole text; the code is read from it.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        let message = message.into();
        let code = message
            .strip_prefix("Code: ")
            .and_then(|rest| rest.split('.').next())
            .and_then(|code| code.trim().parse().ok());
        let code = code.unwrap_or(LOGICAL_ERROR);
        Self { code, status: status(code), message }
    }

    pub(crate) fn code(&self) -> u32 {
        self.code
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// A wrong or missing key. Says the same whatever was wrong.
    pub(crate) fn authentication() -> Self {
        Self::new(
            "Code: 516. DB::Exception: Authentication failed: the user or the key is wrong, or missing. (AUTHENTICATION_FAILED)",
        )
    }

    /// More than the server takes on at once.
    pub(crate) fn too_many() -> Self {
        Self::new("Code: 202. DB::Exception: Too many simultaneous queries. (TOO_MANY_SIMULTANEOUS_QUERIES)")
    }

    /// The server is ending.
    pub(crate) fn ending() -> Self {
        Self::new("Code: 203. DB::Exception: The server is shutting down. (NO_FREE_CONNECTION)")
    }

    /// The role does not allow it.
    pub(crate) fn denied(what: &str) -> Self {
        Self::new(format!("Code: 497. DB::Exception: Not enough privileges: {what}. (ACCESS_DENIED)"))
    }

    /// The statement's text is too long.
    pub(crate) fn too_large() -> Self {
        Self::new("Code: 66. DB::Exception: The query is larger than this server takes. (QUERY_IS_TOO_LARGE)")
    }

    /// The body could not be read to its end.
    pub(crate) fn body(error: &std::io::Error) -> Self {
        Self::new(format!(
            "Code: 33. DB::Exception: The request's body could not be read: {error}. (CANNOT_READ_ALL_DATA)"
        ))
    }
}

impl From<ffi::Error> for ServerError {
    fn from(error: ffi::Error) -> Self {
        match error {
            ffi::Error::Exception(message) => Self::new(message.trim_end()),
            other => Self::new(format!("Code: {LOGICAL_ERROR}. DB::Exception: {other}. (LOGICAL_ERROR)")),
        }
    }
}

impl From<sql::Error> for ServerError {
    fn from(error: sql::Error) -> Self {
        Self::new(error.to_string())
    }
}

impl From<request::Error> for ServerError {
    fn from(error: request::Error) -> Self {
        Self::new(error.to_string())
    }
}

const LOGICAL_ERROR: u32 = 49;

/// ClickHouse's own table, as far as its HTTP server has one; everything else is a 500 there too.
fn status(code: u32) -> StatusCode {
    match code {
        // syntax, types, arguments
        6 | 26 | 27 | 33 | 36 | 38 | 41 | 42 | 43 | 47 | 53 | 62 | 69 | 70 | 72 | 117 | 130 | 452 | 456 | 457 => {
            StatusCode::BAD_REQUEST
        }
        46 | 50 | 56 | 60 | 73 | 81 | 115 => StatusCode::NOT_FOUND,
        66 => StatusCode::PAYLOAD_TOO_LARGE,
        48 => StatusCode::NOT_IMPLEMENTED,
        164 | 497 => StatusCode::FORBIDDEN,
        516 => StatusCode::UNAUTHORIZED,
        202 | 203 => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

#[cfg(test)]
mod tests {
    use super::ServerError;
    use http::StatusCode;

    #[test]
    fn the_code_is_read_from_the_text() {
        let error = ServerError::new("Code: 60. DB::Exception: Unknown table. (UNKNOWN_TABLE)");
        assert_eq!((error.code(), error.status()), (60, StatusCode::NOT_FOUND));
        assert_eq!(ServerError::new("what?").code(), 49);
        assert!(!error.to_string().contains("table"), "the log gets the code only");
    }
}
