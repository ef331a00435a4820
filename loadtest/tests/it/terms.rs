//! What was searched for is recorded as a pseudonym: the same for the same words, whether the search was let through or not.

use crate::shared::{Place, get, patient};
use crate::whole::until;
use http::StatusCode;
use loadtest::client::Protocol;
use loadtest::stack::Component;
use loadtest::stack::people::{ANNA, DAVID};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_search_that_is_refused_keeps_what_was_searched_for() {
    let mut place = Place::start().await;
    place.edit("routes.toml", |routes| {
        let routes = routes["route"].as_array_mut().unwrap();
        let search = routes.iter_mut().find(|route| route["name"].as_str() == Some("search-query")).unwrap();
        search.as_table_mut().unwrap().insert("search_terms".to_owned(), vec!["name"].into());
    });
    place.stack.restart(Component::Gateway).await.unwrap();
    let device = place.stack.device("mottagning").unwrap();
    let path = format!("/patients?personnummer={}&name=Berit", patient(0).id.expose());
    for (person, status) in [(&ANNA, StatusCode::OK), (&DAVID, StatusCode::FORBIDDEN)] {
        let session = place.stack.log_in(person, &device).await.unwrap();
        // The login has made the account active, and the feed is on its way with it.
        until("the gateway knows the account", LIMIT, async || {
            let (answered, _) = place.ask(&device, Protocol::Http1, get("/about", Some(&session))).await.unwrap();
            if answered == status { Ok(()) } else { Err(answered.to_string()) }
        })
        .await;
        let (answered, _) = place.ask(&device, Protocol::Http1, get(&path, Some(&session))).await.unwrap();
        assert_eq!(answered, status, "{}", person.user);
    }
    let sql = "SELECT decision, arrayMap(term -> hex(term), search_terms) AS terms FROM access_log FINAL WHERE route = '/patients' ORDER BY decision";
    let rows = until("both rows are there", LIMIT, async || match place.rows(sql).await.as_slice() {
        [permitted, denied] => Ok([permitted.clone(), denied.clone()]),
        other => Err(format!("{other:?}")),
    });
    let [permitted, denied] = rows.await;
    assert_eq!((permitted["decision"].as_str(), denied["decision"].as_str()), (Some("permit"), Some("deny")));
    assert_eq!(permitted["terms"].as_array().map(Vec::len), Some(1));
    assert_eq!(permitted["terms"], denied["terms"]);
}
