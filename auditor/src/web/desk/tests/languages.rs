//! Every page in both languages, for every role.

use super::browser::{Browser, Page};
use super::forms::Five;
use crate::duties::Region;
use crate::web::admin::tests::bed::{Bed, Who};
use contract::record::Right;
use serde_json::json;

/// What begins the keys of texts. None of them stands in a page: a text that is missing shows its key.
const KEYS: [&str; 18] = [
    "forms-",
    "home-",
    "problem-",
    "appointments-",
    "step-up-",
    "start-",
    "page-",
    "trouble-",
    "wrong-",
    "link-",
    "leaf-",
    "accounts-",
    "called-back-",
    "sessions-",
    "reviews-",
    "handouts-",
    "devices-",
    "imports-",
];

#[track_caller]
fn whole(page: &Page, what: &str) {
    for key in KEYS {
        for rest in page.html.split(key).skip(1) {
            assert!(
                !rest.starts_with(|c: char| c.is_ascii_lowercase()),
                "{what}: {key}{}",
                &rest[..20.min(rest.len())]
            );
        }
    }
    for hole in ["{ $", "{$", "{ forms", "{{", "{%"] {
        assert!(!page.html.contains(hole), "{what}: {hole}");
    }
    assert_eq!(page.html.matches("<h1>").count(), 1, "{what}");
    // Each id once, and what refers to one finds it.
    let mut ids: Vec<&str> = page.html.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    ids.sort_unstable();
    let count = ids.len();
    ids.dedup();
    assert_eq!(ids.len(), count, "{what}: an id twice");
    for attribute in ["aria-describedby", "aria-labelledby", " for"] {
        for refers in page.html.split(&format!("{attribute}=\"")).skip(1) {
            for id in refers.split('"').next().expect("a value").split(' ') {
                assert!(ids.binary_search(&id).is_ok(), "{what}: {attribute} {id}");
            }
        }
    }
}

#[tokio::test]
async fn every_page_is_whole_in_both_languages_for_every_role() {
    let five = Five::new().await;
    let bed = &five.bed;
    let approved = five.browser(&five.anna).submitted().await;
    five.browser(&five.approver).deed(&approved, "approve", &[("basis", "Kollega")]).await.is(200);
    let submitted = five.browser(&five.anna).submitted().await;
    let draft = five.browser(&five.anna).applied().await;
    let new = format!("/admin/forms/{}", bed.newcomer(20, Region::Skane).await.id);
    let forwarded = five.browser(&five.anna).submitted().await;
    five.browser(&five.approver).deed(&forwarded, "approve", &[("basis", "Kollega")]).await.is(200);
    five.browser(&five.holder).deed(&forwarded, "forward", &[]).await.is(200);
    bed.vouched(&five.anna, Right::Read).await;
    let account = format!("/admin/accounts/{}", five.anna.id);
    let made = bed.made((&five.approver, &five.holder, &five.admin), 200).await;
    let issue = json!({ "account": made, "code_by": "phone" });
    let issued = bed.post(&five.admin, "/handouts", &issue).await.is(201).json();
    let handout = format!("/admin/handouts/{}", issued["id"].as_str().expect("an id"));
    let device = format!("/admin/devices/{}", five.anna.session.device);
    let mut people: Vec<Who> = vec![five.anna.clone(), five.approver.clone(), five.holder.clone(), five.admin.clone()];
    for (number, duty) in [
        (31, "device_admin"),
        (32, "device_admin:SE2321000016-39KJ"),
        (33, "log_reviewer:SE2321000016-P00900"),
        (34, "log_auditor"),
        (35, "help_desk"),
    ] {
        people.push(bed.who(number, &[duty]).await);
    }
    for who in &people {
        for language in ["sv", "en"] {
            let browser = Browser { language, ..Browser::new(bed, who) };
            for place in [
                "/admin",
                "/admin/forms",
                "/admin/forms?queue=waiting",
                "/admin/forms/new/application",
                "/admin/forms/new/change",
                "/admin/forms/new/deregistration",
                "/admin/appointments",
                "/admin/appointments?ended=true",
                "/admin/appointments/new",
                "/admin/accounts",
                "/admin/reviews",
                "/admin/sessions",
                "/admin/handouts",
                "/admin/handouts?state=all",
                "/admin/devices",
                "/admin/devices/new",
                "/admin/devices/codes",
                "/admin/devices/organisations",
                "/admin/imports",
                &account,
                &handout,
                &device,
                "/admin/nothing",
                &draft,
                &format!("{draft}/edit"),
                &submitted,
                &approved,
                &forwarded,
                &new,
            ] {
                let page = browser.open(place).await;
                assert!(matches!(page.status, 200 | 403 | 404), "{place} {}", page.status);
                assert!(page.html.contains(&format!("<html lang=\"{language}\">")), "{place}");
                whole(&page, &format!("{place} {language}"));
            }
        }
    }
}

#[tokio::test]
async fn pages_that_say_what_is_wrong_are_whole_too() {
    let five = Five::new().await;
    let form = five.browser(&five.anna).submitted().await;
    for language in ["sv", "en"] {
        let anna = Browser { language, ..five.browser(&five.anna) };
        for (place, to) in [
            ("/admin/forms/new/application", "/admin/forms/new/application"),
            ("/admin/forms/new/change", "/admin/forms/new/change"),
            ("/admin/forms/new/deregistration", "/admin/forms/new/deregistration"),
        ] {
            let empty = anna.open(place).await.is(200);
            whole(&anna.send(&empty, to, &[]).await.is(422), place);
            whole(&anna.send(&empty, to, &[("form", "")]).await.is(403), place);
        }
        let approver = Browser { language, ..five.browser(&five.approver) };
        for name in ["approve", "return", "refuse"] {
            whole(&approver.deed(&form, name, &[]).await.is(422), name);
        }
        whole(&approver.deed(&form, "approve", &[("version", "77"), ("basis", "x")]).await.is(412), "version");
        let unsigned = five.bed.who(if language == "sv" { 40 } else { 41 }, &["approver:12"]).await;
        let unsigned = Browser { language, ..Browser::new(&five.bed, &unsigned) };
        let asked = unsigned.deed(&form, "approve", &[("basis", "x")]).await.is(200);
        whole(&asked, "step-up");
        let wrong = unsigned.send(&asked, &format!("{form}/approve"), &[("code", "000000")]).await.is(403);
        whole(&wrong, "step-up");
    }
}

#[tokio::test]
async fn the_switch_is_remembered() {
    let bed = Bed::new().await;
    let anna = bed.who(1, &[]).await;
    let browser = Browser::new(&bed, &anna);
    let page = browser.open("/admin/forms").await.is(200).says("Blanketter");
    let answer = bed
        .raw(&bed.vouch(&anna), ("GET", &format!("/admin/forms{}", page.link("In English"))), &[], String::new())
        .await;
    assert!(answer.text.contains("<html lang=\"en\">"));
    let cookie = answer.headers["set-cookie"].to_str().expect("text").split(';').next().expect("a cookie").to_owned();
    let later = bed
        .raw(&bed.vouch(&anna), ("GET", "/admin"), &[("cookie", &cookie), ("accept-language", "sv")], String::new())
        .await;
    assert!(later.text.contains("<html lang=\"en\">"), "{cookie}");
}
