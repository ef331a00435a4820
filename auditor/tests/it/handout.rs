//! Credentials handed out from the command line and collected on an enrolled device.

use crate::installation::{Device, Installation, Request, Response, Server, escape};
use auditor::accounts::UserName;
use auditor::accounts::totp::TotpSecret;
use auditor::clock;
use auditor::config::Config;
use auditor::duties::Region;
use auditor::forms::{Application, Content, Form, Fresh, Move, Person};
use auditor::store::{By, Office, Store};
use contract::Micros;
use contract::id::{AccountId, DeviceId, HsaId, RegistryName};
use contract::record::{AuthMethod, Right};
use uuid::Uuid;

const PASSWORD: &str = "kantarell-vinkel-trumpet-osthyvel";

/// An account that form 1 has made.
pub async fn applied(place: &Installation) -> AccountId {
    for (user, number, duty) in
        [("bosse", "2", "approver:12"), ("cia", "3", "registry_holder:fotled"), ("dan", "4", "account_admin")]
    {
        let hsa = format!("SE2321000016-P00{number}");
        place.ok(&[
            "account",
            "create",
            "--user",
            user,
            "--name",
            user,
            "--hsa",
            &hsa,
            "--appoint",
            duty,
            "--generate-password",
            "--totp",
        ]);
    }
    let config = Config::read(&place.path("auditor.toml"), place.variables()).unwrap();
    let store = Store::open(&config.store).await.unwrap();
    let now = clock::now();
    let mut staff = Vec::new();
    for user in ["bosse", "cia", "dan"] {
        let mut change = store.change(now, By::program("test")).await.unwrap();
        let mut account = change.account_by_name(&UserName::parse(user).unwrap()).await.unwrap();
        account.state = account.state.activate(now).unwrap();
        change.store_tries(&account).await.unwrap();
        change.commit().await.unwrap();
        staff.push(account.id);
    }
    let office = Office::new(store.clone(), config.keys.fields.clone(), clock::DAY);
    let hsa = |text: &str| HsaId::parse(text).unwrap();
    let content = Content::Application(Application {
        name: "Anna Åkesson".to_owned(),
        title: "sjuksköterska".to_owned(),
        unit: ("Ortopedkliniken".to_owned(), hsa("SE2321000016-U001")),
        address: vec!["Barngatan 4".to_owned(), "221 00 Lund".to_owned()],
        telephone: "046-10 00 00".to_owned(),
        mobile: None,
        email: None,
        right: Right::Read,
        valid_from: now,
        valid_to: None,
        purpose: "Registrering".to_owned(),
    });
    let registry = RegistryName::parse("fotled").unwrap();
    let subject = Person { account: None, hsa: Some(hsa("SE2321000016-P001")), number: None };
    let form = Form { subject, region: Region::Skane, registry, content };
    let by = |account| By { account, device: DeviceId::new(Uuid::from_u128(1)), ..By::program("app") };
    let draft = office.begin(now, by(AccountId::NONE), form).await.unwrap();
    let seen = (draft.id, draft.version);
    let mut form = office.make(now, by(AccountId::NONE), seen, Move::SubmitWithoutAccount, None, None).await.unwrap();
    let user = UserName::parse("anna").unwrap();
    for (who, step) in staff.into_iter().zip([Move::Approve("Kollega".to_owned()), Move::Forward, Move::Execute]) {
        let signature = Fresh::after_check(who, now, AuthMethod::Passkey).sign(now, 1).unwrap();
        let seen = (form.id, form.version);
        form = office.make(now, by(who), seen, step, Some(signature), Some(&user)).await.unwrap();
    }
    store.close().await;
    form.account.unwrap()
}

/// A browser that keeps cookies.
struct Browser<'s> {
    server: &'s Server<'s>,
    device: Device,
    cookies: Vec<(String, String)>,
}

impl Browser<'_> {
    fn header(&self) -> String {
        self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    fn keep(&mut self, answer: &Response) {
        for cookie in answer.headers("set-cookie") {
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.retain(|(known, _)| known != name);
            if !value.is_empty() {
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
    }

    fn get(&mut self, path: &str) -> Response {
        let answer = self.server.app(&self.device, Request::get(path).header("cookie", &self.header()));
        self.keep(&answer);
        answer
    }

    /// Fills in the form of a page.
    fn send(&mut self, page: &Response, to: &str, fields: &[(&str, &str)]) -> Response {
        let mut body = String::new();
        for (name, value) in fields.iter().copied().chain([("form", field(page, "form")), ("lang", "en")]) {
            body.push_str(&format!("{name}={}&", escape(value)));
        }
        let request = Request::post(to, "application/x-www-form-urlencoded", body.trim_end_matches('&'))
            .header("cookie", &self.header());
        let answer = self.server.app(&self.device, request);
        self.keep(&answer);
        answer
    }
}

/// The value of a page's hidden field.
fn field<'p>(page: &'p Response, name: &str) -> &'p str {
    page.body.split(&format!("name=\"{name}\" value=\"")).nth(1).unwrap().split('"').next().unwrap()
}

/// The half that a letter has.
fn half_of(pdf: &[u8]) -> String {
    let text: String = pdf.iter().map(|byte| char::from(*byte)).collect();
    let hex = |shown: &str| -> Option<String> {
        let digits = shown.strip_prefix('<')?.strip_suffix('>')?;
        let bytes: Option<Vec<u8>> =
            (0..digits.len() / 2).map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).ok()).collect();
        Some(bytes?.into_iter().map(char::from).collect())
    };
    let shown = text.lines().filter_map(|line| line.strip_suffix(" Tj"));
    let texts = shown.map(|shown| hex(shown).unwrap_or_else(|| shown.trim_matches(['(', ')']).to_owned()));
    let is_half = |text: &String| text.len() == 14 && text.split('-').all(|group| group.len() == 4);
    texts.into_iter().find(is_half).expect("a half")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_letter_and_code_takes_the_account_into_use() {
    let place = Installation::new();
    let stolen_passwords = place.path("stolen.txt");
    std::fs::write(&stolen_passwords, format!("{:0>40}:1\n", "1")).unwrap();
    let place = place.with("LOGIN__BREACHED_FILE", stolen_passwords.to_str().unwrap());
    let account = applied(&place).await;
    let refused = place.run(&["handout", "issue", "anna"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("no provider of text messages"), "{refused:?}");
    let issued = place.ok(&["handout", "issue", "anna", "--code-by", "phone"]);
    assert_eq!((&issued["account"], &issued["state"]), (&account.to_string().into(), &"open".into()));
    let id = issued["handout"].as_str().unwrap().to_owned();
    let out = place.path("letter.pdf");
    place.ok(&["handout", "letter", &id, "--half", "id", "--out", out.to_str().unwrap()]);
    place.ok(&["handout", "posted", &id, "--half", "id"]);
    assert_eq!(place.ok(&["handout", "called", &id, "--half", "code"])["telephone"], "046-10 00 00");
    let code =
        place.ok(&["handout", "called", &id, "--half", "code", "--called-back"])["half"].as_str().unwrap().to_owned();
    let first = half_of(&std::fs::read(&out).unwrap());
    let list = place.ok(&["handout", "list", "--state", "open"]);
    assert_eq!((list.as_array().unwrap().len(), &list[0]["halves"][1]["stage"]), (1, &"gone".into()));

    let server = place.serve();
    let device = place.device("laptop");
    let mut browser = Browser { server: &server, device: device.clone(), cookies: Vec::new() };
    let page = browser.get("/auth/collect?lang=en");
    assert_eq!(page.status, 200, "{}", page.body);
    // One answer for all that is refused.
    let mut answers = Vec::new();
    for (id, code) in [("0000-0000-0000", code.as_str()), (&first, "0000-0000"), ("", ""), (&first, "x")] {
        let answer = browser.send(&page, "/auth/collect", &[("id", id), ("code", code)]);
        assert_eq!(answer.status, 403);
        let typed = format!("value=\"{id}\"");
        answers.push(answer.body.replace(&typed, "").replace(field(&answer, "form"), ""));
    }
    assert!(answers.windows(2).all(|two| two[0] == two[1]), "{answers:?}");

    let shown = browser.send(&page, "/auth/collect", &[("id", &first.to_lowercase()), ("code", &code)]);
    assert_eq!((shown.status, shown.header("location")), (303, Some("/auth/collect")), "{}", shown.body);
    let page = browser.get("/auth/collect?lang=en");
    assert!(page.body.contains("value=\"anna\"") && page.body.contains("<svg"), "{}", page.body);
    assert!(!page.body.contains(&first) && !page.body.contains(&code));
    let secret = page.body.split("<code>").nth(1).unwrap().split("</code>").next().unwrap();
    let totp = TotpSecret::from_base32(secret).unwrap();
    let version = field(&page, "version").to_owned();
    let now = clock::now();
    let good = totp.code(now);
    for (password, again, code, accept, wrong) in [
        ("kort", "kort", good.as_str(), "yes", "password"),
        ("AnnaGrindvakt", "AnnaGrindvakt", &good, "yes", "password"),
        (PASSWORD, "x", &good, "yes", "again"),
        (PASSWORD, PASSWORD, "000000", "yes", "code"),
        (PASSWORD, PASSWORD, &good, "", "accept"),
    ] {
        let fields =
            [("password", password), ("again", again), ("code", code), ("accept", accept), ("version", &version)];
        let answer = browser.send(&page, "/auth/collect/own", &fields);
        assert_eq!(answer.status, 422, "{wrong}: {}", answer.body);
        assert!(answer.body.contains(&format!("<a href=\"#{wrong}\">")), "{wrong}: {}", answer.body);
        assert!(!answer.body.contains(PASSWORD));
    }
    let fields = [
        ("password", PASSWORD),
        ("again", PASSWORD),
        ("code", good.as_str()),
        ("accept", "yes"),
        ("version", &version),
    ];
    // Another device has neither halves nor token.
    let mut thief = Browser { server: &server, device: place.device("other"), cookies: browser.cookies.clone() };
    let stolen = thief.send(&page, "/auth/collect/own", &fields);
    assert_eq!(stolen.status, 403);
    // What cannot be compared with the stolen ones is not set.
    let list = std::fs::read(&stolen_passwords).unwrap();
    for broken in [None, Some("no list of hashes\n")] {
        match broken {
            None => std::fs::remove_file(&stolen_passwords).unwrap(),
            Some(text) => std::fs::write(&stolen_passwords, text).unwrap(),
        }
        assert_eq!(browser.send(&page, "/auth/collect/own", &fields).status, 503, "{broken:?}");
    }
    std::fs::write(&stolen_passwords, list).unwrap();
    let done = browser.send(&page, "/auth/collect/own", &fields);
    assert_eq!((done.status, done.header("location")), (303, Some("/auth/collect/done")), "{}", done.body);
    assert_eq!(browser.get("/auth/collect/done").status, 200);
    let listed = place.ok(&["account", "list"]);
    let anna = listed.as_array().unwrap().iter().find(|known| known["user"] == "anna").unwrap();
    assert_eq!(anna["state"], "active");

    let next: Micros = now + 30 * clock::SECOND;
    let inside = server.log_in(&device, "anna", PASSWORD, &totp.code(next), "/patients");
    assert_eq!((inside.status, inside.header("location")), (303, Some("/patients")), "{}", inside.body);
    // The halves are spent.
    let page = browser.get("/auth/collect?lang=en");
    assert_eq!(browser.send(&page, "/auth/collect", &[("id", &first), ("code", &code)]).status, 403);
    assert_eq!(place.ok(&["handout", "list", "--state", "collected"]).as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn newer_instructions_are_read_before_anything_else() {
    let place = Installation::new();
    std::fs::write(place.path("sv.txt"), "Ny instruktion.\n\nAndra stycket.\n").unwrap();
    std::fs::write(place.path("en.txt"), "New instructions.\n\nSecond paragraph.\n").unwrap();
    let place = place
        .with("INSTRUCTIONS__VERSION", "2")
        .with("INSTRUCTIONS__SV_FILE", "sv.txt")
        .with("INSTRUCTIONS__EN_FILE", "en.txt")
        .with("INSTRUCTIONS__EVERYBODY", "true");
    let user = place.user("anna");
    let device = place.device("laptop");
    let server = place.serve();
    let inside = server.log_in(&device, "anna", &user.password, &user.totp.code(clock::now()), "/patients?q=1");
    assert_eq!((inside.status, inside.header("location")), (303, Some("/auth/instructions")), "{}", inside.body);
    let config = Config::read(&place.path("auditor.toml"), place.variables()).unwrap();
    let store = Store::open(&config.store).await.unwrap();
    let token = inside
        .headers("set-cookie")
        .into_iter()
        .find(|cookie| cookie.starts_with(contract::directory::SESSION_COOKIE))
        .unwrap();
    let token = token.split(';').next().unwrap().split_once('=').unwrap().1;
    let key = contract::id::SessionKey::of_token(token.as_bytes());
    let session = store.live_session(key, clock::now()).await.unwrap().unwrap();
    let ask = |request: Request<'_>| server.app_in(&device, Some(&session), request);
    let away = ask(Request::get("/admin"));
    assert_eq!((away.status, away.header("location")), (303, Some("/auth/instructions")));
    let api = ask(Request::get("/admin/api/v1/appointments"));
    assert_eq!((api.status, &api.json()["type"]), (403, &"urn:grindvakt:problem:instructions_due".into()));
    let page = ask(Request::get("/auth/instructions?lang=en"));
    assert!(
        page.body.contains("<p>New instructions.</p>") && page.body.contains("<p>Second paragraph.</p>"),
        "{}",
        page.body
    );
    let send = |fields: &str| {
        let body = format!("form={}&version=2{fields}", escape(field(&page, "form")));
        let way = base64_url("/patients?q=1");
        ask(Request::post("/auth/instructions", "application/x-www-form-urlencoded", &body)
            .header("cookie", &format!("{}={way}", contract::way_back::RETURN_COOKIE)))
    };
    assert_eq!(send("").status, 422);
    let accepted = send("&accept=yes");
    assert_eq!((accepted.status, accepted.header("location")), (303, Some("/patients?q=1")), "{}", accepted.body);
    assert_eq!(ask(Request::get("/admin")).status, 200);
    assert_eq!(store.instructions_accepted(user.id).await.unwrap(), 2);
    store.close().await;
}

fn base64_url(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text)
}
