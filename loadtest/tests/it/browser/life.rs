//! The account whose life the browser walks: a year passes for it, and then all of it is on record, with who did it.

use super::SHIPPED_WITHIN;
use crate::whole;
use loadtest::stack::Stack;
use serde_json::Value;
use std::collections::HashMap;
use std::process::Command;

/// Whose it is.
const USER: &str = "nina";
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/browser/year_later.py");
/// What is told of the account in ClickHouse, in this order: what, why, and who did it. Nobody is logged in when halves are shown, and
/// when the auditor does something by itself.
const LIFE: &str = "\
account_created none maja
grant_changed by_form maja
form_executed none maja
credentials_issued none olle
credentials_issued none olle
credentials_sent none olle
credentials_sent none olle
credentials_sent none -
account_changed none -
credentials_failed code_unknown -
credentials_failed code_unknown -
credentials_set none -
credentials_collected none -
instructions_accepted none -
account_changed none -
login none nina
grant_changed by_form nina
form_submitted none nina
form_approved none karin
form_forwarded none lars
grant_changed by_form maja
form_executed none maja
review_due none -
account_confirmed none karin
account_closed by_form nina
session_ended none nina
form_submitted none nina
login_failed account_inactive -
login_failed account_inactive -
form_approved none karin
form_forwarded none lars
form_executed none maja
";

/// What its user did with the patient: the right to write came between the second note and the third, and the end before the last.
const WORK: &str = "\
read permit none
write deny read_only
read permit none
write deny read_only
read permit none
write permit none
read permit none
read deny no_session
";

/// The command that makes somebody's account almost a year older, but for the user's name.
pub(super) fn year_later(stack: &Stack) -> Vec<String> {
    let store = stack.layout().dir().join("state/auditor.db");
    vec!["python3".to_owned(), SCRIPT.to_owned(), store.display().to_string()]
}

/// Waits until the whole life is told, and the work in it. That a form was read is left out: a page may be asked for again.
pub(super) async fn told(stack: &Stack) {
    let users = users(stack);
    let (id, _) = users.iter().find(|(_, user)| *user == USER).unwrap();
    let who = |by: String| users.get(&by).cloned().unwrap_or_else(|| "-".to_owned());
    let life = "SELECT toString(kind), toString(reason), toString(by) FROM event \
        WHERE account = ? AND kind != 'form_revealed' ORDER BY seq";
    until(stack, life, id, LIFE, |(kind, why, by)| [kind, why, who(by)]).await;
    let work = "SELECT toString(activity), toString(decision), toString(reason) FROM access \
        WHERE account = ? AND route LIKE '/patients/%' ORDER BY ts";
    until(stack, work, id, WORK, |(activity, decision, why)| [activity, decision, why]).await;
}

/// Waits until what is asked of an account has these lines.
async fn until(
    stack: &Stack,
    sql: &str,
    id: &str,
    lines: &str,
    line: impl Fn((String, String, String)) -> [String; 3],
) {
    let client = stack.clickhouse().unwrap();
    whole::until("the life of the account is in ClickHouse", SHIPPED_WITHIN, async || {
        let found = client.query(sql).bind(id).fetch_all::<(String, String, String)>().await;
        let found = found.map_err(|error| error.to_string())?;
        let told: String = found.into_iter().map(|row| line(row).join(" ") + "\n").collect();
        if told == lines { Ok(()) } else { Err(told) }
    })
    .await;
}

/// Every account's user name, by the account's id.
fn users(stack: &Stack) -> HashMap<String, String> {
    let arguments = stack.layout().auditor_arguments(&["account", "list"]);
    let told = whole::run(Command::new(&stack.settings().programs.auditor).args(arguments));
    let accounts: Vec<Value> = serde_json::from_str(&told).unwrap();
    let text = |account: &Value, name: &str| account[name].as_str().unwrap().to_owned();
    accounts.iter().map(|account| (text(account, "account"), text(account, "user"))).collect()
}
