//! Login as browsers and programs meet it.

use crate::installation::{Installation, Request, Server, User};
use auditor::clock;
use contract::directory::{AccountStanding, Entry};
use contract::way_back::{RETURN_COOKIE, set_return_cookie};
use std::time::{Duration, Instant};

const STEP: i64 = 30_000_000;

fn code(user: &User) -> String {
    user.totp.code(clock::now())
}

#[test]
fn a_login_gives_a_session_and_leads_back() {
    let place = Installation::new();
    let user = place.user("anna");
    let device = place.device("ward3");
    let server = place.serve();
    let mut feed = server.follow(0);
    feed.snapshot();
    let answer = server.log_in(&device, " Anna ", &user.password, &code(&user), "/patients?q=1&r=%20");
    assert_eq!(answer.status, 303, "{}", answer.body);
    assert_eq!(answer.header("location"), Some("/patients?q=1&r=%20"));
    let cookies = answer.headers("set-cookie");
    let cookie = cookies.iter().find(|c| c.starts_with("__Host-grindvakt=")).unwrap();
    for part in ["; Path=/", "; Secure", "; HttpOnly", "; SameSite=Lax"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.to_ascii_lowercase().contains("domain"));
    // The first login makes the account active, and the session is in the feed under the token's hash.
    assert!(matches!(feed.change().0, Entry::Account(a) if a.standing == AccountStanding::Active));
    let session = feed.session();
    let token = cookie.trim_start_matches("__Host-grindvakt=").split(';').next().unwrap();
    assert_eq!(session.key, contract::id::SessionKey::of_token(token.as_bytes()));
    assert_eq!((session.account, session.device), (user.id, device.id));

    let me = server.app_in(&device, Some(&session), Request::get("/auth/me"));
    assert_eq!(me.json()["account"].as_str(), Some(user.id.to_string().as_str()));
    assert_eq!(server.app(&device, Request::get("/auth/me")).status, 401);
    let out = || Request::post("/auth/logout", "application/x-www-form-urlencoded", "").header("accept", "text/html");
    // A browser that does not say where it was asked to, and no proof; and one that says it was asked to elsewhere.
    assert_eq!(server.app_in(&device, Some(&session), out()).status, 403);
    let cross = out().header("sec-fetch-site", "cross-site");
    assert_eq!(server.app_in(&device, Some(&session), cross).status, 403);
    let out = server.app_in(&device, Some(&session), out().header("sec-fetch-site", "same-origin"));
    assert_eq!((out.status, out.header("location")), (303, Some("/auth/login")));
    let forgotten = out.headers("set-cookie");
    assert!(forgotten.iter().all(|cookie| cookie.contains("Max-Age=0")), "{forgotten:?}");
    for name in ["__Host-grindvakt=", "__Host-grindvakt-return="] {
        assert!(forgotten.iter().any(|cookie| cookie.starts_with(name)), "{forgotten:?}");
    }
    assert!(feed.session().ended.is_some());
}

#[test]
fn an_address_where_there_is_nothing_says_so_to_people_and_programs() {
    let place = Installation::new();
    let device = place.device("ward3");
    let server = place.serve();
    for (language, text) in [("sv", "Det finns ingenting här"), ("en", "There is nothing here")] {
        let path = format!("/auth/nothing?lang={language}");
        let page = server.app(&device, Request::get(&path).header("accept", "text/html"));
        assert_eq!((page.status, page.header("content-type")), (404, Some("text/html; charset=utf-8")), "{path}");
        assert!(page.body.contains(&format!("<html lang=\"{language}\">")) && page.body.contains(text), "{path}");
    }
    let told = server.app(&device, Request::get("/auth/nothing"));
    assert_eq!((told.status, told.json()["status"].as_u64()), (404, Some(404)));
}

#[test]
fn programs_get_a_token_and_a_login_replaces_the_session_it_came_from() {
    let place = Installation::new();
    let user = place.user("anna");
    let device = place.device("ward3");
    let server = place.serve();
    let mut feed = server.follow(0);
    feed.snapshot();
    let ask = |code: &str, session: Option<&contract::directory::Session>| {
        let body = serde_json::json!({ "user": "anna", "password": user.password, "code": code }).to_string();
        server.app_in(&device, session, Request::post("/auth/token", "application/json", &body))
    };
    let answer = ask(&code(&user), None);
    assert_eq!(answer.status, 200, "{}", answer.body);
    let first = feed.session();
    let token = answer.json()["token"].as_str().unwrap().to_owned();
    assert_eq!(first.key, contract::id::SessionKey::of_token(token.as_bytes()));
    assert_eq!(ask(&user.totp.code(clock::now() + STEP), Some(&first)).status, 200);
    let ended = feed.session();
    assert!(ended.key == first.key && ended.ended.is_some());
    assert!(feed.session().ended.is_none());
    let refused = ask("000000", None);
    assert_eq!((refused.status, refused.header("content-type")), (401, Some("application/problem+json")));
    let form = server.app(&device, Request::post("/auth/token", "application/x-www-form-urlencoded", "user=anna"));
    assert_eq!(form.status, 415);
}

#[test]
fn a_code_counts_once() {
    let place = Installation::new();
    let user = place.user("anna");
    let device = place.device("ward3");
    let server = place.serve();
    let first = code(&user);
    assert_eq!(server.log_in(&device, "anna", &user.password, &first, "/").status, 303);
    assert_eq!(server.log_in(&device, "anna", &user.password, &first, "/").status, 403);
    assert_eq!(server.metric("auditor_logins_total{result=\"code_replayed\"}").round() as i64, 1);
    let next = user.totp.code(clock::now() + STEP);
    assert_eq!(server.log_in(&device, "anna", &user.password, &next, "/").status, 303);
}

#[test]
fn of_many_attempts_with_one_code_one_gets_in() {
    let place = Installation::new().with("LOGIN__FAILURES_MAX", "10");
    let user = place.user("anna");
    let device = place.device("ward3");
    let server = place.serve();
    let code = code(&user);
    let form = server.form(&device);
    let inside = std::thread::scope(|scope| {
        let attempts: Vec<_> = (0..6)
            .map(|_| scope.spawn(|| server.send_form(&device, &form, "anna", &user.password, &code, "/").status))
            .collect();
        attempts.into_iter().map(|attempt| attempt.join().unwrap()).filter(|status| *status == 303).count()
    });
    assert_eq!(inside, 1);
}

#[test]
fn five_wrong_attempts_lock_and_only_an_administrator_ends_the_third_lock() {
    let place = Installation::new().with("LOGIN__LOCKS_MAX", "1");
    let user = place.user("anna");
    let device = place.device("ward3");
    let server = place.serve();
    let mut feed = server.follow(0);
    assert_eq!(server.log_in(&device, "anna", &user.password, &code(&user), "/").status, 303);
    for _ in 0..5 {
        assert_eq!(server.log_in(&device, "anna", "a wrong password", "000000", "/").status, 403);
    }
    feed.until(|m| matches!(m, contract::directory::Message::Change { entry: Entry::Account(a), .. } if a.standing == AccountStanding::Locked));
    let next = user.totp.code(clock::now() + STEP);
    assert_eq!(
        server.log_in(&device, "anna", &user.password, &next, "/").status,
        403,
        "locked for the right password too"
    );
    assert_eq!(server.metric("auditor_logins_total{result=\"locked\"}").round() as i64, 1);
    place.ok(&["account", "unlock", "anna"]);
    feed.until(|m| matches!(m, contract::directory::Message::Change { entry: Entry::Account(a), .. } if a.standing == AccountStanding::Active));
    assert_eq!(server.log_in(&device, "anna", &user.password, &next, "/").status, 303);
}

/// The page without what differs each time it is shown.
fn shape(body: &str) -> String {
    let mut parts = body.split("name=\"form\" value=\"");
    let before = parts.next().unwrap().to_owned();
    before + parts.next().unwrap().split_once('"').unwrap().1
}

#[test]
fn every_refusal_looks_the_same_and_takes_as_long() {
    let place = Installation::new().with("LOGIN__REFUSAL_MS", "700");
    let (anna, locked) = (place.user("anna"), place.user("locked"));
    let device = place.device("ward3");
    let server = place.serve();
    assert_eq!(server.log_in(&device, "locked", &locked.password, &code(&locked), "/").status, 303);
    place.ok(&["account", "lock", "locked"]);
    let right = code(&anna);
    let next = locked.totp.code(clock::now() + STEP);
    let attempts = [
        ("nobody.here", anna.password.as_str(), right.as_str()),
        ("not a name!", anna.password.as_str(), right.as_str()),
        ("anna", "a wrong password", right.as_str()),
        ("anna", anna.password.as_str(), "000000"),
        ("locked", locked.password.as_str(), next.as_str()),
    ];
    let mut shapes = Vec::new();
    for (user, password, code) in attempts {
        let form = server.form(&device);
        let begun = Instant::now();
        let answer = server.send_form(&device, &form, user, password, code, "/x");
        let took = begun.elapsed();
        assert!(took >= Duration::from_millis(700), "{took:?}");
        let cookies = answer.headers("set-cookie").len();
        shapes.push((answer.status, cookies, answer.header("content-length").map(str::to_owned), shape(&answer.body)));
    }
    assert_eq!(shapes[0].0, 403);
    assert!(shapes.windows(2).all(|pair| pair[0] == pair[1]), "{shapes:#?}");
}

#[test]
fn the_way_back_never_leads_to_another_host() {
    let place = Installation::new();
    let device = place.device("ward3");
    let server = place.serve();
    for (index, to) in
        ["//evil.example/x", "/\\evil.example", "https://evil.example", "/\t/evil.example", "javascript:x", ""]
            .iter()
            .enumerate()
    {
        let user = place.user(&format!("anna{index}"));
        let answer = server.log_in(&device, &format!("anna{index}"), &user.password, &code(&user), to);
        assert_eq!((answer.status, answer.header("location")), (303, Some("/")), "{to:?}");
    }
}

#[test]
fn the_way_back_is_asked_for_once_and_told_to_nobody() {
    let place = Installation::new();
    let user = place.user("anna");
    let device = place.device("ward3");
    let server = place.serve();
    let way = "/patients/191212121212?x=1";
    let form = server.form(&device);
    let refused = server.send_form(&device, &form, "anna", "a wrong password", "000000", way);
    assert_eq!(refused.status, 403);
    assert!(!refused.body.contains("191212121212"), "no page names whom it leads to");
    let kept = |answer: &crate::installation::Response| {
        answer.headers("set-cookie").iter().all(|cookie| !cookie.starts_with(RETURN_COOKIE))
    };
    assert!(kept(&refused), "a second try leads back as well");
    let answer = server.send_form(&device, &form, "anna", &user.password, &code(&user), way);
    assert_eq!((answer.status, answer.header("location")), (303, Some(way)));
    let forgets = set_return_cookie(None);
    assert!(answer.headers("set-cookie").iter().any(|cookie| *cookie == forgets), "{:?}", answer.headers("set-cookie"));
    let twice = (format!("{}; {RETURN_COOKIE}=Lw", form.0), form.1);
    let next = user.totp.code(clock::now() + STEP);
    let answer = server.send_form(&device, &twice, "anna", &user.password, &next, way);
    assert_eq!(answer.header("location"), Some("/"), "two ways back are none");
}

#[test]
fn a_form_counts_only_where_it_was_asked_for() {
    let place = Installation::new();
    let user = place.user("anna");
    let (device, other) = (place.device("ward3"), place.device("ward4"));
    let server = place.serve();
    let (cookie, field) = server.form(&device);
    let send = |device, cookie: &str, field: &str| {
        server
            .send_form(device, &(cookie.to_owned(), field.to_owned()), "anna", &user.password, &code(&user), "/")
            .status
    };
    assert_eq!(send(&device, "x=y", &field), 403, "no cookie");
    assert_eq!(send(&device, &cookie, ""), 403, "no field");
    assert_eq!(send(&other, &cookie, &field), 403, "another device");
    assert_eq!(send(&device, &format!("{cookie}; {cookie}"), &field), 403, "two cookies");
    let body = format!("user=anna&password=x&code=1&form={field}");
    let request = Request::post("/auth/login", "application/x-www-form-urlencoded", &body)
        .header("cookie", &cookie)
        .header("sec-fetch-site", "cross-site");
    assert_eq!(server.app(&device, request).status, 403, "another site");
    assert_eq!(server.metric("auditor_logins_total{result=\"forged\"}").round() as i64, 5);
    assert_eq!(send(&device, &cookie, &field), 303);
}

#[test]
fn nothing_without_a_valid_assertion() {
    let place = Installation::new();
    let device = place.device("ward3");
    let server = place.serve();
    let plain = |request: Request<'_>| request.send(std::net::TcpStream::connect(&server.app).unwrap()).status;
    for path in [
        "/auth/login",
        "/auth/me",
        "/auth/static/style.css",
        "/auth/static/passkey.js",
        "/favicon.ico",
        "/",
        "/nothing",
    ] {
        assert_eq!(plain(Request::get(path)), 401, "{path}");
    }
    assert_eq!(plain(Request::get("/auth/login").header("grindvakt-assertion", "a.b.c")), 401);
    let stranger = Installation::new();
    let foreign = stranger.assertion(&device, None);
    assert_eq!(plain(Request::get("/auth/login").header("grindvakt-assertion", &foreign)), 401);
    assert_eq!(server.app(&device, Request::get("/auth/login")).status, 200);
}

fn page(server: &Server<'_>, device: &crate::installation::Device, language: &str) -> crate::installation::Response {
    server.app(device, Request::get("/auth/login?to=/a%22%3E%3Cb&lang=%22%3E%3Cb").header("accept-language", language))
}

#[test]
fn the_page_is_safe_and_speaks_two_languages() {
    let place = Installation::new();
    let device = place.device("ward3");
    let server = place.serve();
    let swedish = page(&server, &device, "sv, en;q=0.5");
    assert!(swedish.body.contains("<html lang=\"sv\">") && swedish.body.contains("Logga in"));
    let english = page(&server, &device, "en-GB");
    assert!(english.body.contains("<html lang=\"en\">") && english.body.contains("Log in"));
    assert!(english.body.contains("010-000 00 00"), "the help contact");
    assert!(!english.body.contains("\"><b"), "what came in the address is escaped");
    for id in ["user", "password", "code"] {
        assert!(english.body.contains(&format!("<label for=\"{id}\">")));
    }
    let policy = english.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"));
    assert_eq!(english.header("cache-control"), Some("no-store"));
    let scripts: Vec<_> = english.body.split("<script").skip(1).filter_map(|rest| rest.split('>').next()).collect();
    assert_eq!(scripts, [" src=\"/auth/static/passkey.js\" defer"], "no script but our own file");
    assert!(!english.body.contains("style="));
    let style = server.app(&device, Request::get("/auth/static/style.css"));
    assert_eq!(style.header("content-type"), Some("text/css; charset=utf-8"));
}

#[test]
fn who_is_logged_in_is_listed_and_can_be_logged_out() {
    let place = Installation::new();
    let (anna, bertil) = (place.user("anna"), place.user("bertil"));
    let device = place.device("ward3");
    let server = place.serve();
    let mut feed = server.follow(0);
    feed.snapshot();
    let mut sessions = Vec::new();
    for (user, name) in [(&anna, "anna"), (&bertil, "bertil")] {
        assert_eq!(server.log_in(&device, name, &user.password, &code(user), "/").status, 303);
        sessions.push(feed.session());
    }
    let list = |arguments: &[&str]| {
        let all = [&["session", "list"], arguments].concat();
        place.ok(&all).as_array().unwrap().iter().map(|one| one["session"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    let [of_anna, of_bertil] = [&sessions[0], &sessions[1]].map(|session| session.key.reference());
    assert_eq!(list(&[]).len(), 2);
    assert_eq!(list(&["--account", "anna"]), [of_anna]);
    let shown = place.ok(&["session", "list", "--account", "bertil"]);
    assert_eq!((shown[0]["user"].as_str(), shown[0]["device_name"].as_str()), (Some("bertil"), Some("ward3")));
    assert!(!shown.to_string().contains(&sessions[1].key.to_string()), "the key is nobody's business");

    assert_eq!(place.ok(&["session", "end", "--session", &of_anna.to_string()])["ended"][0].as_u64(), Some(of_anna));
    let told = feed.session();
    assert!(told.key == sessions[0].key && told.ended.is_some());
    assert_eq!(list(&[]), [of_bertil]);
    let again = place.run(&["session", "end", "--session", &of_anna.to_string()]);
    assert!(String::from_utf8_lossy(&again.stderr).contains("no such session"), "{again:?}");
    place.ok(&["session", "end", "--account", "bertil"]);
    assert!(feed.session().ended.is_some() && list(&[]).is_empty());
    assert_eq!(place.ok(&["session", "end", "--account", "bertil"])["ended"].as_array().map(Vec::len), Some(0));
}

#[test]
fn administrators_see_passkeys_and_end_those_that_were_lost() {
    let place = Installation::new();
    let user = place.user("anna");
    let listed = place.ok(&["account", "passkeys", "anna"]);
    assert_eq!(listed["account"].as_str(), Some(user.id.to_string().as_str()));
    assert_eq!(listed["passkeys"].as_array().map(Vec::len), Some(0));
    place.ok(&["account", "passkeys", "anna", "--remove-all"]);
    let none = place.run(&["account", "passkeys", "anna", "--remove", &"0".repeat(64)]);
    assert!(String::from_utf8_lossy(&none.stderr).contains("no such passkey"), "{none:?}");
    assert!(!place.run(&["account", "passkeys", "anna", "--remove", "0"]).status.success());
}
