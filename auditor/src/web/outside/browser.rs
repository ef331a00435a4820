//! A browser for tests, of somebody who is not logged in.

use crate::web::admin::tests::bed::{Answer, Bed};
use axum::http::header;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

/// A browser of somebody who is not logged in. It keeps cookies.
pub(in crate::web) struct Browser<'b> {
    pub(in crate::web) bed: &'b Bed,
    cookies: Vec<(String, String)>,
}

impl<'b> Browser<'b> {
    pub(in crate::web) fn new(bed: &'b Bed) -> Self {
        Self { bed, cookies: Vec::new() }
    }

    async fn ask(&mut self, method: &str, to: &str, kind: &str, body: String) -> Answer {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let cookies = cookies.join("; ");
        let headers = [("cookie", cookies.as_str()), ("content-type", kind), ("accept-language", "en")];
        let answer = self.bed.raw(&self.bed.vouch_for_nobody(), (method, to), &headers, body).await;
        for cookie in answer.headers.get_all(header::SET_COOKIE) {
            let (name, value) = cookie.to_str().expect("text").split_once('=').expect("a cookie");
            let value = value.split(';').next().expect("a value");
            self.cookies.retain(|(known, _)| known != name);
            if !value.is_empty() {
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
        answer
    }

    /// Takes over a cookie of another browser.
    pub(in crate::web) fn take_cookie(&mut self, other: &Self, name: &str) {
        self.cookies.extend(other.cookies.iter().filter(|(known, _)| known == name).cloned());
    }

    pub(in crate::web) async fn open(&mut self, to: &str) -> Answer {
        self.ask("GET", to, "text/plain", String::new()).await
    }

    pub(in crate::web) async fn send(&mut self, to: &str, fields: &[(&str, &str)]) -> Answer {
        let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let body: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
        self.ask("POST", to, "application/x-www-form-urlencoded", body.join("&")).await
    }

    pub(in crate::web) async fn script(&mut self, to: &str, body: Value) -> Answer {
        self.ask("POST", to, "application/json", body.to_string()).await
    }
}

/// The proof of a page's form.
pub(in crate::web) fn field(page: &Answer) -> String {
    let rest = page.text.split("name=\"form\" value=\"").nth(1).expect("a form");
    rest.split('"').next().expect("a value").to_owned()
}
