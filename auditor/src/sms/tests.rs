//! Text messages against a provider that runs, and does what providers do.

mod stage;

use crate::clock;
use crate::handout::{Part, Stage};
use crate::store::By;
use stage::{Does, Hall, Provider};
use std::collections::BTreeSet;

#[tokio::test]
async fn a_message_has_the_providers_form_and_its_callback_closes_it() {
    let provider = Provider::start(vec![Does::Answer]).await;
    let hall = Hall::new(&provider).await;
    assert_eq!(hall.worker.round(hall.now).await.expect("runs"), 1);
    let sent = provider.requests();
    let request = sent.first().expect("one");
    assert_eq!(request.path, "/a1/sms");
    // user:password
    assert_eq!(request.authorization, "Basic dTEyMzpwYXNzd29yZA==");
    let names: BTreeSet<&str> = request.form.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["from", "to", "message", "dontlog", "whendelivered"].into_iter().collect());
    assert_eq!((request.get("from"), request.get("to")), ("Registret", "+46700000000"));
    assert_eq!(request.get("dontlog"), "message");
    let text = request.get("message");
    assert!(text.starts_with("Grindvakt: Din kod") && text.chars().count() <= 160, "{text}");
    assert_eq!(hall.half().await.stage, Stage::Sent);

    // It tells of it out of order, and twice; each time it is content.
    let place = request.get("whendelivered").to_owned();
    for status in ["delivered", "sent", "delivered", "failed"] {
        assert_eq!(hall.call_back(&place, "s1", status).await, 204, "{status}");
        assert_eq!(hall.half().await.stage, Stage::Delivered);
    }
    assert_eq!(hall.worker.round(hall.now + clock::DAY).await.expect("runs"), 0, "nothing is due");
}

#[tokio::test]
async fn a_provider_that_is_in_trouble_is_asked_again_later() {
    let does = vec![Does::Fail(500), Does::Lose, Does::Hang, Does::Fail(429), Does::Fail(401), Does::Garble];
    let provider = Provider::start(does).await;
    let hall = Hall::new(&provider).await;
    let mut now = hall.now;
    for tries in 1..=5 {
        assert_eq!(hall.worker.round(now).await.expect("runs"), 1);
        let kept = hall.half().await;
        assert_eq!((kept.stage, kept.tries), (Stage::Queued, tries), "in sight, and not lost");
        let next = kept.next_try.expect("a time");
        assert!(next - now >= clock::SECOND << (tries - 1), "later each time");
        assert_eq!(hall.worker.round(next - 1).await.expect("runs"), 0, "not before its time");
        now = next;
    }
    // An answer that says «taken» and nothing that can be read is one.
    assert_eq!(hall.worker.round(now).await.expect("runs"), 1);
    assert_eq!(hall.half().await.stage, Stage::Sent);
    let texts: BTreeSet<String> = provider.requests().iter().map(|sent| sent.get("message").to_owned()).collect();
    assert_eq!((provider.requests().len(), texts.len()), (6, 1), "the same words each time");
}

#[tokio::test]
async fn what_the_provider_refuses_for_good_fails_at_once_and_goes_another_way() {
    let provider = Provider::start(vec![Does::Fail(400)]).await;
    let hall = Hall::new(&provider).await;
    assert_eq!(hall.worker.round(hall.now).await.expect("runs"), 1);
    assert_eq!(hall.half().await.stage, Stage::Failed);
    assert_eq!(hall.worker.round(hall.now + clock::DAY).await.expect("runs"), 0);
    let way = (hall.handout, Part::Code);
    let by = By::program("cli user=test");
    let letter = crate::handout::Channel::Letter;
    hall.counter.reroute(hall.now, by, None, way, letter).await.expect("by letter instead");
    assert_eq!(hall.half().await.stage, Stage::Waiting);
}

#[tokio::test]
async fn a_provider_that_is_not_there_loses_nothing() {
    let provider = Provider::start(Vec::new()).await;
    let hall = Hall::new(&provider).await;
    provider.stop().await;
    assert_eq!(hall.worker.round(hall.now).await.expect("runs"), 1);
    assert_eq!(hall.half().await.stage, Stage::Queued);
}

#[tokio::test]
async fn who_is_not_the_provider_is_answered_before_the_body_has_come() {
    let provider = Provider::start(vec![Does::Answer]).await;
    let hall = Hall::new(&provider).await;
    assert_eq!(hall.half_sent("Basic d3Jvbmc6d3Jvbmc=").await, "HTTP/1.1 401 Unauthorized");
}

/// The answer is lost, but not the message: the callback tells.
#[tokio::test]
async fn a_callback_tells_what_a_lost_answer_did_not() {
    let provider = Provider::start(vec![Does::Lose]).await;
    let hall = Hall::new(&provider).await;
    hall.worker.round(hall.now).await.expect("runs");
    assert_eq!(hall.half().await.stage, Stage::Queued);
    let place = provider.requests().first().expect("one").get("whendelivered").to_owned();
    assert_eq!(hall.call_back(&place, "s1", "sent").await, 204);
    assert_eq!(hall.half().await.stage, Stage::Sent);
    assert_eq!(hall.worker.round(hall.now + clock::DAY).await.expect("runs"), 0, "it is not sent again");
}

#[tokio::test]
async fn who_is_not_the_provider_tells_nothing() {
    let provider = Provider::start(vec![Does::Answer]).await;
    let hall = Hall::new(&provider).await;
    hall.worker.round(hall.now).await.expect("runs");
    let place = provider.requests().first().expect("one").get("whendelivered").to_owned();
    let (head, host) = place.split_once('@').expect("user and password");
    assert!(head.starts_with("https://sms:"));
    for wrong in ["https://sms:wrong-password-of-20-letters", "https://:", "https://sms:"] {
        assert_eq!(hall.call_back(&format!("{wrong}@{host}"), "s1", "delivered").await, 401);
    }
    for (id, status) in [("s1", "lost"), ("", "delivered"), ("s1", ""), ("x".repeat(101).as_str(), "delivered")] {
        assert_eq!(hall.call_back(&place, id, status).await, 400, "{id} {status}");
    }
    let start = place.rsplit_once('/').expect("a path").0;
    for unknown in ["x", "00000000-0000-0000-0000-000000000001"] {
        let told = hall.call_back(&format!("{start}/{unknown}"), "s1", "delivered").await;
        assert_eq!(told, 204, "so that it is not told again for hours");
    }
    assert_eq!(hall.half().await.stage, Stage::Sent);
}
