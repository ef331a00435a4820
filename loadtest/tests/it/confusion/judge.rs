//! The judgement: what each backend understood, held against what was recorded and what was sent.

use super::backends::Socket;
use super::corpus::{Means, Must};
use super::exchange::Sent;
use super::records::{Record, Records};
use super::seen::Seen;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use loadtest::client::Protocol;
use percent_encoding::percent_decode_str;
use serde_json::Value;
use std::collections::BTreeMap;

/// What the judgement rests on.
pub(super) struct Case<'c> {
    /// The entries, in the order sent.
    pub(super) sent: &'c [Sent],
    /// The innocent requests, one after each entry.
    pub(super) innocent: &'c [Innocent],
    /// What the backends understood.
    pub(super) seen: &'c [Seen],
    pub(super) records: &'c Records,
    /// Patients' numbers and their pseudonyms.
    pub(super) patients: &'c [(String, String)],
    /// What no backend may get: the tokens of sessions.
    pub(super) secrets: &'c [String],
}

/// An innocent request by somebody else.
pub(super) struct Innocent {
    pub(super) id: String,
    pub(super) user: &'static str,
    pub(super) socket: Socket,
    pub(super) means: Means,
}

/// All that is wrong.
pub(super) fn faults(case: &Case<'_>) -> Vec<String> {
    let mut faults = Vec::new();
    let mut by_id: BTreeMap<&str, &Seen> = BTreeMap::new();
    let mut by_address: BTreeMap<&str, Vec<&Seen>> = BTreeMap::new();
    for seen in case.seen {
        let id = seen.value("x-request-id");
        let Some(record) = case.records.requests.get(id) else {
            faults.push(format!("a request that nobody recorded: {seen:?}"));
            continue;
        };
        if by_id.insert(id, seen).is_some() {
            faults.push(format!("recorded once and seen twice: {seen:?}"));
        }
        by_address.entry(record.from.as_str()).or_default().push(seen);
        for fault in misunderstood(case, seen, record) {
            faults.push(format!("{fault}: seen as {seen:?}, recorded as {record:?}"));
        }
    }
    for innocent in case.innocent {
        let seen = by_id.get(innocent.id.as_str());
        let record = case.records.requests.get(&innocent.id);
        let is_own = seen.is_some_and(|seen| differs(seen, &innocent.means).is_none())
            && record.is_some_and(|record| record.user == innocent.user && record.registry == innocent.socket.name);
        if !is_own {
            faults.push(format!(
                "an innocent request at {}: seen as {seen:?}, recorded as {record:?}",
                innocent.socket.name
            ));
        }
    }
    for (sent, innocent) in case.sent.iter().zip(case.innocent) {
        let from = sent.from.to_string();
        let seen = by_address.get(from.as_str()).map(Vec::as_slice).unwrap_or_default();
        let after = by_id.get(innocent.id.as_str());
        let wrong =
            come_to(sent, seen).into_iter().chain(unrecorded(case, sent, &by_id)).chain(parted(sent, seen, after));
        faults.extend(wrong.map(|fault| format!("{}: {fault}; told {:?}, seen as {seen:?}", sent.name(), sent.told)));
    }
    faults
}

/// What a backend understood otherwise than it was recorded and authorised.
fn misunderstood(case: &Case<'_>, seen: &Seen, record: &Record) -> Vec<String> {
    let mut faults = Vec::new();
    let mut must = |good: bool, what: &str| {
        if !good {
            faults.push(what.to_owned());
        }
    };
    must(record.permitted, "not permitted");
    must(seen.method == record.method, "another method");
    let host = seen.host.split(':').next().unwrap_or_default().to_ascii_lowercase();
    must(host == format!("{}.localhost", record.registry), "another host");
    let path = seen.target.split('?').next().unwrap_or_default();
    must(percent_decode_str(path).decode_utf8_lossy() == seen.path, "a path that is not the target's");
    must(matches(&record.route, &seen.path), "a path of another route");
    must(seen.value("x-forwarded-for") == record.from, "another address");
    must(seen.value("x-forwarded-proto") == "https", "another protocol");
    let claims = claims(seen.value("grindvakt-assertion"));
    must(claims["aud"] == record.registry.as_str() && claims["user_hsa"] == record.user.as_str(), "another identity");
    for (name, value) in &seen.headers {
        let told = |text: &str| name.contains(text) || value.contains(text);
        must(!told("forged"), "a header of the client's making");
        must(!case.secrets.iter().any(|secret| told(secret)), "a session's token");
    }
    for (place, text) in &seen.patients {
        let Some(own) = reads(&record.route, place) else { continue };
        // What is no number, or stands where the route has none, may name nobody. Then the record says that it was not read.
        if !(own && is_number(text)) && record.unidentified {
            continue;
        }
        for (number, reference) in case.patients.iter().filter(|(number, _)| text.replace('-', "").contains(number)) {
            must(record.patients.contains(reference), &format!("patient {number} that is not recorded"));
        }
    }
    faults
}

/// Whether a program that serves this route would look for the patient there: it is the route's own place, or a body that is
/// taken for something else. `None`: it would not.
fn reads(route: &str, place: &str) -> Option<bool> {
    match (route, place) {
        ("/p/{patient}", "path") | ("/q", "query") | ("/h", "header") | ("/j", "json") | ("/f", "form" | "query") => {
            Some(true)
        }
        ("/j", "form") | ("/f", "json") => Some(false),
        _ => None,
    }
}

fn is_number(text: &str) -> bool {
    text.trim().bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
}

/// The claims of an assertion. Its signature is tested elsewhere.
fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap_or_default();
    URL_SAFE_NO_PAD.decode(payload).ok().and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or_default()
}

/// Whether a path is of a route, by the template that was recorded.
fn matches(template: &str, path: &str) -> bool {
    let (template, path): (Vec<&str>, Vec<&str>) = (template.split('/').collect(), path.split('/').collect());
    let same = |(known, segment): (&&str, &&str)| known == segment || known.starts_with('{') && !segment.is_empty();
    // A segment that decodes to a slash would be two.
    template.len() == path.len() && template.iter().zip(&path).all(same)
}

/// What an entry came to, if not to what it must.
fn come_to(sent: &Sent, seen: &[&Seen]) -> Option<String> {
    let statuses: Vec<u16> = sent.told.answers.iter().map(|answer| answer.status).collect();
    match &sent.entry.must {
        Must::BeRefused if !seen.is_empty() => Some("not refused".to_owned()),
        Must::BeRefused if statuses.is_empty() && sent.told.reset => None,
        Must::BeRefused => (statuses.is_empty() || statuses.iter().any(|status| *status < 400))
            .then(|| "not answered by a refusal".to_owned()),
        Must::Mean(means) => match seen {
            [seen] if statuses.first() != Some(&200) && means.method != "HEAD" => {
                Some(format!("passed, and not answered: {seen:?}"))
            }
            [seen] => differs(seen, means),
            _ => Some(format!("seen {} times", seen.len())),
        },
        Must::MeanEach(each) => {
            if seen.is_empty() || seen.len() > each.len() {
                return Some(format!("seen {} times", seen.len()));
            }
            let meant = |seen: &Seen| each.iter().filter(|means| differs(seen, means).is_none()).count() == 1;
            let odd = seen.iter().find(|seen| !meant(seen))?;
            Some(format!("nothing of what was meant: {odd:?}"))
        }
        Must::Break(means) => match seen {
            [] => None,
            [seen] => {
                let begun = means.body.as_bytes().get(..seen.body.len()).is_some_and(|begun| begun == seen.body);
                let whole = Means { body: String::from_utf8_lossy(&seen.body).into_owned(), ..means.clone() };
                if begun { differs(seen, &whole) } else { Some("another body".to_owned()) }
            }
            _ => Some(format!("seen {} times", seen.len())),
        },
    }
}

/// The innocent request took another connection to the backend than the entry before it, and so has shown nothing. After a
/// stream of HTTP/2 it may: nobody tells when the gateway is done with one.
fn parted(sent: &Sent, seen: &[&Seen], after: Option<&&Seen>) -> Option<String> {
    let ([seen], Some(after), Must::Mean(_)) = (seen, after, &sent.entry.must) else { return None };
    let done = sent.entry.protocol == Protocol::Http1;
    (done && seen.connection != after.connection)
        .then(|| format!("the next request came on another connection: {after:?}"))
}

fn differs(seen: &Seen, means: &Means) -> Option<String> {
    // ASGI tells an empty query and none alike.
    let target = |target: &str| target.trim_end_matches('?').to_owned();
    let same = seen.method == means.method
        && target(&seen.target) == target(&means.target)
        && seen.body == means.body.as_bytes();
    (!same).then(|| format!("understood otherwise than as {means:?}"))
}

/// An answer without its record.
fn unrecorded(case: &Case<'_>, sent: &Sent, by_id: &BTreeMap<&str, &Seen>) -> Option<String> {
    let from = sent.from.to_string();
    let recorded = |id: &str| {
        case.records.events.get(id).is_some_and(|source| *source == from)
            || case.records.requests.get(id).is_some_and(|record| record.from == from)
    };
    let of_connection = case.records.events.values().any(|source| *source == from)
        || case.records.requests.values().any(|record| record.from == from);
    if !of_connection && !sent.told.reset {
        return Some("nothing of it is recorded".to_owned());
    }
    sent.told.answers.iter().find_map(|answer| {
        let id = answer.id.as_deref()?;
        let known = recorded(id) && (answer.status >= 400 || by_id.contains_key(id));
        (!known).then(|| format!("the answer {} has no record", answer.status))
    })
}

#[cfg(test)]
mod tests;
