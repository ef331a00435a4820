//! Somebody who is logged in, and what they ask for: pages, forms, the API.
#![expect(clippy::indexing_slicing, reason = "tests")]

use crate::shared::{Place, builder};
use http::{HeaderMap, StatusCode, header};
use loadtest::client::login::{Credentials, Session, log_in};
use loadtest::client::{Body, Connection, Device, Protocol, empty, full, read_all};
use serde_json::Value;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(20);
const BYTES_MAX: usize = 1 << 20;

/// Somebody's browser.
pub(crate) struct Somebody<'p> {
    pub(crate) place: &'p Place,
    pub(crate) device: &'p Device,
    pub(crate) session: Session,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Somebody<'_> {
    pub(crate) async fn send(&self, request: http::Request<Body>) -> Answer {
        let mut connection = Connection::open(&self.place.stack.target(), self.device, Protocol::Http1).await.unwrap();
        let response = connection.send(request, TIMEOUT).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let text = String::from_utf8_lossy(&read_all(response, BYTES_MAX).await.unwrap()).into_owned();
        Answer { status, headers, text }
    }

    /// Opens a page.
    pub(crate) async fn page(&self, path: &str, cookie: Option<&str>) -> Answer {
        let request = builder("GET", path, Some(&self.session)).header(header::ACCEPT, "text/html");
        let request = match cookie {
            Some(cookie) => request.header(header::COOKIE, cookie),
            None => request,
        };
        self.send(request.body(empty()).unwrap()).await
    }

    /// Sends a form of a page of this host.
    pub(crate) async fn form(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let encode = |text: &str| {
            text.bytes().fold(String::new(), |mut out, byte| {
                out.push('%');
                out.push_str(&hex::encode([byte]));
                out
            })
        };
        let body: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
        let request = builder("POST", path, Some(&self.session))
            .header(header::ACCEPT, "text/html")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header("sec-fetch-site", "same-origin");
        self.send(request.body(full(body.join("&"))).unwrap()).await
    }

    pub(crate) async fn api(&self, method: &str, path: &str) -> (StatusCode, Value) {
        let request = builder(method, path, Some(&self.session))
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/json");
        let body = if method == "GET" { empty() } else { full("{}") };
        let answer = self.send(request.body(body).unwrap()).await;
        (answer.status, serde_json::from_str(&answer.text).unwrap())
    }
}

/// The value of a hidden field.
pub(crate) fn hidden<'t>(text: &'t str, name: &str) -> &'t str {
    let after = text.split(&format!("name=\"{name}\" value=\"")).nth(1).unwrap();
    after.split('"').next().unwrap()
}

impl Place {
    /// Somebody new, appointed to this, logged in on a device of the stack's.
    pub(crate) async fn appointed<'p>(&'p self, device: &'p Device, user: &str, appointment: &str) -> Somebody<'p> {
        let arguments = ["account", "create", "--user", user, "--name", user, "--generate-password", "--totp"];
        let made = self.auditor(&[arguments.as_slice(), &["--appoint", appointment]].concat()).await;
        let text = |key: &str| made[key].as_str().unwrap().to_owned();
        let credentials =
            Credentials { user: user.to_owned(), password: text("password"), totp_secret: text("totp_secret") };
        let session = log_in(&self.stack.target(), device, &credentials).await.unwrap();
        Somebody { place: self, device, session }
    }
}
