//! The error page: small, readable without style, by keyboard and by screen readers; no script, nothing from elsewhere.

use super::{Problem, WayOut, words};
use contract::emergency::{PATH, TICKET_FIELD};

/// The page's only style. [`POLICY`] names its digest.
pub(super) const STYLE: &str = "body{font:1.125rem/1.5 system-ui,sans-serif;color:#1a1a1a;background:#fff;margin:0}main{max-width:40rem;margin:4rem auto;padding:0 1rem}h1{font-size:1.75rem;line-height:1.2}a{color:#004b87}code{overflow-wrap:anywhere}";

/// The page's security policy: its own style, and nothing else.
pub(super) const POLICY: &str = "default-src 'none'; img-src data:; style-src 'sha256-9QvbrqvqsO4nlinj7oYX8IeCSywLDJh5sXgl4focAeM='; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The policy of a page with a form: it posts to this host.
const POLICY_WITH_FORM: &str = "default-src 'none'; img-src data:; style-src 'sha256-9QvbrqvqsO4nlinj7oYX8IeCSywLDJh5sXgl4focAeM='; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// The policy of the page for a problem.
pub(super) const fn policy(problem: &Problem<'_>) -> &'static str {
    if problem.ticket.is_some() { POLICY_WITH_FORM } else { POLICY }
}

/// Else the browser would ask for one by itself, and who is refused a page may be refused the icon: one more refusal.
const NO_ICON: &str = "<link rel=\"icon\" href=\"data:,\">";

pub(super) fn write(problem: &Problem<'_>) -> String {
    let language = problem.preferences.language;
    let (code, labels) = (words::code(language), words::labels(language));
    let words = words::of(problem.reason, language);
    let way_out = WayOut::of(problem.reason).map_or_else(String::new, |way_out| {
        format!("<p><a href=\"{}\">{}</a></p>\n", way_out.path(), words::link(way_out, language))
    });
    let emergency = problem.ticket.map_or_else(String::new, |ticket| emergency(&labels, ticket));
    let contact = problem
        .contact
        .filter(|contact| !contact.is_empty())
        .map(|contact| format!("<p>{} {}</p>\n", labels.contact, escape(contact)))
        .unwrap_or_default();
    format!(
        "<!DOCTYPE html>\n<html lang=\"{code}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n{NO_ICON}\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <h1>{title}</h1>\n<p>{detail}</p>\n{way_out}{emergency}\
         <p>{request}: <code>{id}</code><br>{keep}</p>\n{contact}</main>\n</body>\n</html>\n",
        title = words.title,
        detail = words.detail,
        request = labels.request,
        id = problem.request,
        keep = labels.keep,
    )
}

/// The way on in an emergency. A ticket is base64 with dots.
fn emergency(labels: &words::Labels, ticket: &str) -> String {
    format!(
        "<h2>{heading}</h2>\n<p>{text}</p>\n<form method=\"post\" action=\"{PATH}\">\
         <input type=\"hidden\" name=\"{TICKET_FIELD}\" value=\"{ticket}\">\
         <button type=\"submit\">{button}</button></form>\n",
        heading = labels.emergency,
        text = labels.emergency_text,
        ticket = escape(ticket),
        button = labels.emergency_button,
    )
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(character),
        }
    }
    out
}
