//! A personal login over the device's connection: user name, password, one-time code; a session comes back.

use super::totp::Authenticator;
use super::{ClientError, Connection, Device, Protocol, Target, full, read_all};
use contract::directory::SESSION_COOKIE;
use http::{Request, header};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// What a user logs in with.
#[derive(Clone, Serialize, Deserialize)]
pub struct Credentials {
    /// The user name.
    pub user: String,
    /// The password.
    pub password: String,
    /// The second factor's secret, base32.
    pub totp_secret: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({}, hidden)", self.user)
    }
}

/// A session: what the gateway knows a logged-in user by.
#[derive(Clone)]
pub struct Session {
    token: String,
    carrier: Carrier,
}

#[derive(Clone, Copy)]
enum Carrier {
    Bearer,
    Cookie,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Session(hidden)")
    }
}

impl Session {
    /// The header that carries it.
    pub fn header(&self) -> (&'static str, String) {
        match self.carrier {
            Carrier::Bearer => ("authorization", format!("Bearer {}", self.token)),
            Carrier::Cookie => ("cookie", format!("{SESSION_COOKIE}={}", self.token)),
        }
    }

    /// The same session as browsers carry it.
    #[must_use]
    pub fn in_cookie(mut self) -> Self {
        self.carrier = Carrier::Cookie;
        self
    }
}

#[derive(Deserialize)]
struct Token {
    token: String,
}

const TIMEOUT: Duration = Duration::from_secs(20);
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// Logs in for a bearer token. A code is good once: the same user's next login needs the next 30 seconds' code.
pub async fn log_in(target: &Target, device: &Device, credentials: &Credentials) -> Result<Session, ClientError> {
    let wrong = |error: &dyn fmt::Display| ClientError::Answer(format!("the login: {error}"));
    let app = Authenticator::from_base32(&credentials.totp_secret).map_err(|error| wrong(&error))?;
    let code = app.code(crate::clock::now_seconds());
    let body =
        serde_json::json!({"user": credentials.user, "password": credentials.password, "code": code}).to_string();
    let request = Request::post("/auth/token")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, "application/json")
        .body(full(body))
        .map_err(|error| wrong(&error))?;
    let mut connection = Connection::open(target, device, Protocol::Http1).await?;
    let response = connection.send(request, TIMEOUT).await?;
    let status = response.status();
    let answer = read_all(response, ANSWER_BYTES_MAX).await?;
    if !status.is_success() {
        return Err(ClientError::Answer(format!("the login: {status}: {}", String::from_utf8_lossy(&answer))));
    }
    let token: Token = serde_json::from_slice(&answer).map_err(|error| wrong(&error))?;
    Ok(Session { token: token.token, carrier: Carrier::Bearer })
}
