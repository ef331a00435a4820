//! Lists that change in place: what pages with them say to scripts, and which scripts may run there.

use super::browser::{Browser, Page};
use crate::web::admin::tests::bed::{Answer, Bed};
use axum::http::header;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const LISTS: [&str; 5] =
    ["/admin/forms", "/admin/accounts", "/admin/handouts", "/admin/emergencies", "/admin/appointments"];
const OTHERS: [&str; 6] = [
    "/admin",
    "/admin/forms/new/application",
    "/admin/appointments/new",
    "/admin/sessions",
    "/admin/imports",
    "/admin/nothing",
];

/// The scripts of a page: where they are, and what each must be.
fn scripts(page: &Page) -> Vec<(String, String)> {
    let tags = page.html.split("<script ").skip(1).map(|rest| rest.split('>').next().expect("an end"));
    let value = |tag: &str, name: &str| {
        let value = tag.split(&format!("{name}=\"")).nth(1).and_then(|rest| rest.split('"').next());
        value.unwrap_or_else(|| panic!("{tag} has no {name}")).to_owned()
    };
    tags.map(|tag| (value(tag, "src"), value(tag, "integrity"))).collect()
}

async fn asked(bed: &Bed, to: &str) -> Answer {
    bed.raw(&bed.vouch_for_nobody(), ("GET", to), &[], String::new()).await
}

#[tokio::test]
async fn only_pages_with_lists_run_scripts_and_only_those_by_their_hashes() {
    let bed = Bed::new().await.with_htmx();
    let admin = bed.who(1, &["account_admin", "log_auditor", "device_admin"]).await;
    let browser = Browser::new(&bed, &admin);
    for place in LISTS.iter().chain(&["/admin/devices"]) {
        let page = browser.open(place).await.is(200);
        let scripts = scripts(&page);
        let [(htmx, first), (lists, second)] = scripts.as_slice() else { panic!("{place}: {scripts:?}") };
        assert!(
            htmx.starts_with("/auth/static/htmx.js?v=") && lists.starts_with("/auth/static/lists.js?v="),
            "{place}"
        );
        let allowed = format!("script-src '{first}' '{second}'; connect-src 'self'; ");
        assert!(page.policy.contains(&allowed) && !page.policy.contains("unsafe"), "{place}: {}", page.policy);
        for (to, integrity) in &scripts {
            let script = asked(&bed, to).await.is(200);
            let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, script.text.as_bytes());
            assert_eq!(*integrity, format!("sha256-{}", STANDARD.encode(hash)), "{to}");
            assert_eq!(script.headers[header::CONTENT_TYPE], "text/javascript; charset=utf-8");
            assert_eq!(script.headers[header::CACHE_CONTROL], "private, max-age=31536000, immutable");
        }
        let settings = page.html.split("<meta name=\"htmx-config\" content=\"").nth(1).expect("settings");
        let settings = settings.split('"').next().expect("an end").replace("&#34;", "\"");
        let settings: serde_json::Value = serde_json::from_str(&settings).expect("JSON");
        assert_eq!((&settings["allowEval"], &settings["historyCacheSize"]), (&false.into(), &0.into()), "{place}");
        for said in
            ["<div id=\"list\" ", "<p id=\"found\" aria-live=\"polite\"", "<p id=\"busy\"", " hx-select=\"#list\" "]
        {
            assert_eq!(page.html.matches(said).count(), 1, "{place}: {said}");
        }
    }
    for place in OTHERS {
        let page = browser.open(place).await;
        assert!(!page.policy.contains("script-src") && !page.html.contains("<script"), "{place}");
        assert!(!page.html.contains(" hx-"), "{place}");
    }
}

#[tokio::test]
async fn where_there_is_no_such_script_pages_say_nothing_of_it() {
    let bed = Bed::new().await;
    let admin = bed.who(1, &["account_admin", "log_auditor"]).await;
    for place in LISTS {
        let page = Browser::new(&bed, &admin).open(place).await.is(200);
        assert!(!page.policy.contains("script-src") && !page.html.contains("<script"), "{place}");
        assert!(!page.html.contains(" hx-") && !page.html.contains("id=\"busy\""), "{place}");
    }
    for script in ["/auth/static/htmx.js", "/auth/static/lists.js"] {
        asked(&bed, script).await.is(404);
    }
}

#[tokio::test]
async fn what_is_chosen_in_a_list_changes_it_in_place_and_a_name_stays_out_of_addresses() {
    let bed = Bed::new().await.with_htmx();
    for number in 10..70 {
        bed.who(number, &[]).await;
    }
    let admin = bed.who(1, &["account_admin"]).await;
    let browser = Browser::new(&bed, &admin);
    let page = browser.open("/admin/accounts").await.is(200).says("rader visas, och det finns fler på nästa sida.");
    let filter = page.html.split("<form hx-boost=\"true\" hx-trigger=\"").nth(1).expect("a form that chooses");
    assert!(filter.contains(" hx-replace-url=\"true\" method=\"post\" action=\"/admin/accounts\">"), "{filter}");
    assert!(page.html.contains(" rel=\"next\" hx-boost=\"true\">"), "{}", page.html);
    let found = browser.send(&page, "/admin/accounts", &[("text", "person 1")]).await.is(200);
    assert!(found.html.contains("<div id=\"list\" tabindex=\"-1\">"), "the list is in the answer");
    let none = browser.send(&page, "/admin/accounts", &[("text", "Ingen")]).await.is(200);
    none.says("Ingen rad visas.");
    // With what is wrong, the page is loaded whole: what is said of that would stay beside another list.
    let wrong = browser.open("/admin/accounts?state=dead").await.is(400);
    assert!(!wrong.policy.contains("script-src") && !wrong.html.contains(" hx-"), "{}", wrong.html);
    let wrong = browser.open("/admin/forms?state=dead").await.is(400);
    assert!(!wrong.policy.contains("script-src") && !wrong.html.contains(" hx-"), "{}", wrong.html);
    // The order is kept when something else is chosen: it changes with the list, and belongs to the form.
    let sorted = browser.open("/admin/forms?sort=oldest").await.is(200);
    assert!(sorted.html.contains("<form id=\"filter\" hx-boost=\"true\""), "{}", sorted.html);
    let list = sorted.html.split("<div id=\"list\"").nth(1).expect("a list");
    assert!(list.contains("name=\"sort\" value=\"oldest\" form=\"filter\">"), "{list}");
}
