use super::*;
use crate::accounts::{Account, State, Tries, UserName};
use crate::devices::TooEarly;
use crate::duties::Why as WhyAppointed;
use crate::forms::{Denied, Fresh};
use crate::store::Place;
use contract::record::{AuthEvent, AuthEventKind, AuthMethod};
use openssl::pkcs12::Pkcs12;
use openssl::x509::X509;
use rcgen::{CertificateParams, KeyPair, PublicKeyData as _};
use std::path::Path;
use tempfile::TempDir;
use uuid::Uuid;

const NOW: Micros = 1_790_000_000_000_000;
const DAY: Micros = 86_400_000_000;

pub(crate) fn hsa() -> HsaId {
    HsaId::parse("SE2321000016-39KJ").expect("valid")
}

pub(crate) fn ward() -> NewDevice {
    NewDevice { organisation: hsa(), name: DeviceName::parse("Avd 3").expect("a name") }
}

/// A desk with an authority and an organisation of its own.
pub(crate) async fn desk(dir: &TempDir, at: Micros) -> Desk {
    let made = pki::authority("Test device CA", &[1; 16], at, 3650).expect("makes");
    let files = AuthorityFiles { cert: dir.path().join("ca.pem"), key: dir.path().join("ca.key") };
    crate::init::write_new(&files.cert, 0o644, made.cert_pem.as_bytes()).expect("writes");
    crate::init::write_new(&files.key, 0o600, made.key_pem.as_bytes()).expect("writes");
    desk_of(dir.path(), files, at).await
}

/// A desk with an authority that there is, and an organisation of its own.
pub(crate) async fn desk_of(folder: &Path, files: impl Into<AuthorityPlace>, at: Micros) -> Desk {
    let store = Store::open(&Place::Sqlite(folder.join("auditor.db"))).await.expect("opens");
    let rules = Rules { days: 30, renewal: Renewal { from_day: 20 }, code_life_us: DAY };
    let desk = Desk::new(store, files, rules, &[3; 32], "Grindvakt");
    let organisation = Organisation { hsa: hsa(), name: "Region".to_owned(), created: at };
    desk.add_organisation(at, By::program("test"), Asker::Operator, &organisation).await.expect("adds");
    desk
}

/// A key, and a request that it has signed.
pub(crate) fn asked() -> (KeyPair, Vec<u8>) {
    let key = KeyPair::generate().expect("makes");
    let params = CertificateParams::new(vec!["evil.example".to_owned()]).expect("params");
    let pem = params.serialize_request(&key).expect("signs").pem().expect("writes");
    (key, pem.into_bytes())
}

fn request() -> Request {
    Request::read(&asked().1).expect("a request")
}

async fn told(store: &Store) -> Vec<AuthEvent> {
    let Some(batch) = store.batch(1_000).await.expect("reads") else { return Vec::new() };
    store.batch_arrived(batch.number, &[0; 32]).await.expect("writes");
    batch.events.into_iter().map(|(_, event)| event).collect()
}

/// Somebody with this appointment.
async fn somebody(store: &Store, number: u128, appointment: Option<&str>) -> By {
    let account = Account {
        id: AccountId::new(Uuid::from_u128(number)),
        user_name: UserName::parse(&format!("user{number}")).expect("valid"),
        hsa: None,
        name: "Person".to_owned(),
        title: String::new(),
        state: State::Active { since: NOW },
        tries: Tries::default(),
        last_login: None,
        created: NOW,
    };
    let mut change = store.change(NOW, By::program("test")).await.expect("begins");
    change.create_account(&account).await.expect("creates");
    if let Some(text) = appointment {
        let appointment = text.parse().expect("an appointment");
        change.appoint(account.id, &appointment, (NOW, None), WhyAppointed::NewDuty).await.expect("appoints");
    }
    change.commit().await.expect("commits");
    By { account: account.id, ..By::program("app") }
}

fn signature(by: &By) -> Signature {
    Fresh::after_check(by.account, NOW, AuthMethod::PasswordTotp).sign(NOW, 1).expect("fresh")
}

#[tokio::test]
async fn a_code_gives_one_certificate_for_the_key_that_was_asked_with() {
    let dir = tempfile::tempdir().expect("a directory");
    let desk = desk(&dir, NOW).await;
    let by = || By::program("test");
    let made = desk.issue_code(NOW, by(), Asker::Operator, &ward()).await.expect("makes");
    told(desk.store()).await;
    let (key, csr) = asked();
    let csr = Request::read(&csr).expect("a request");
    let shown = Code::parse(&made.code.shown()).expect("a code");
    let given = desk.enrol_by_code(NOW, by(), &shown, &csr).await.expect("works").expect("is good");
    let cert = X509::from_der(&given.cert_der).expect("reads");
    let public = cert.public_key().expect("has").public_key_to_der().expect("writes");
    assert_eq!(public, key.subject_public_key_info());
    let authority = X509::from_pem(given.authority_pem.as_bytes()).expect("reads");
    assert!(cert.verify(&authority.public_key().expect("has")).expect("runs"));
    let text = String::from_utf8(cert.to_text().expect("writes")).expect("text");
    assert!(text.contains("CN=Avd 3") && text.contains("Client Authentication") && !text.contains("evil"), "{text}");
    let device = desk.store().device(given.device).await.expect("reads").expect("is there");
    assert_eq!((device.name.as_str(), device.fingerprint), ("Avd 3", CertFingerprint::of_der(&given.cert_der)));

    let again = desk.enrol_by_code(NOW, by(), &shown, &request()).await.expect("works");
    assert_eq!(again.map(|_| ()), Err(Reason::CodeSpent));
    let kinds: Vec<_> = told(desk.store()).await.iter().map(|event| (event.kind, event.reason)).collect();
    assert_eq!(
        kinds,
        [(AuthEventKind::DeviceEnrolled, Reason::None), (AuthEventKind::DeviceCodeRefused, Reason::CodeSpent)]
    );

    // A code is not used up by a request that cannot be answered.
    let made = desk.issue_code(NOW, by(), Asker::Operator, &ward()).await.expect("makes");
    let taken = desk.enrol_by_code(NOW, by(), &made.code, &csr).await.expect_err("the key is another device's");
    assert!(matches!(taken, IssueError::Store(StoreError::Taken(_))), "{taken}");
    desk.enrol_by_code(NOW, by(), &made.code, &request()).await.expect("works").expect("still good");
}

#[tokio::test]
async fn a_device_is_renewed_by_what_it_shows_from_its_day() {
    let dir = tempfile::tempdir().expect("a directory");
    let desk = desk(&dir, NOW).await;
    let by = || By::program("app");
    let first = desk.enrol_request(NOW, by(), Asker::Operator, &ward(), &request()).await.expect("enrols");
    let shown = (first.device, first.certificate.fingerprint);
    let early = desk.renew(NOW + 19 * DAY, by(), shown, &request()).await.expect_err("too early");
    let from = first.certificate.not_before + 20 * DAY;
    assert!(matches!(&early, IssueError::Store(StoreError::Early(TooEarly { from: f })) if *f == from), "{early}");
    let at = NOW + 20 * DAY;
    let next = desk.renew(at, by(), shown, &request()).await.expect("renews");
    assert_eq!(next.device, first.device);
    assert_ne!(next.certificate.serial, first.certificate.serial);
    assert_eq!(next.certificate.not_after, at + 30 * DAY);
    let foreign = (first.device, CertFingerprint([9; 32]));
    let absent = desk.renew(at, by(), foreign, &request()).await.expect_err("not its certificate");
    assert!(matches!(absent, IssueError::Store(StoreError::Absent(_))), "{absent}");
    desk.revoke(at, by(), Asker::Operator, first.device, Why::Lost).await.expect("revokes");
    let revoked = desk.renew(at, by(), shown, &request()).await.expect_err("revoked");
    assert!(matches!(revoked, IssueError::Store(StoreError::Absent(_))), "{revoked}");
}

#[tokio::test]
async fn a_file_opens_with_its_pass_phrase_and_holds_the_certificate() {
    let dir = tempfile::tempdir().expect("a directory");
    let desk = desk(&dir, NOW).await;
    for form in [FileForm::Pkcs12, FileForm::Pkcs12Legacy, FileForm::MobileConfig] {
        let made = desk.enrol_file(NOW, By::program("test"), Asker::Operator, &ward(), form).await;
        let (given, file) = made.expect("makes");
        assert!(file.name.starts_with(&given.device.to_string()), "{}", file.name);
        assert!(!format!("{file:?}").contains(file.pass_phrase.as_str()));
        let archive = if form == FileForm::MobileConfig {
            let read = plist::Value::from_reader_xml(std::io::Cursor::new(file.bytes.as_slice())).expect("reads");
            let payloads = read.as_dictionary().and_then(|whole| whole.get("PayloadContent")).cloned();
            let payload = payloads.and_then(plist::Value::into_array).and_then(|all| all.into_iter().next());
            let payload = payload.and_then(plist::Value::into_dictionary).expect("a payload");
            payload.get("PayloadContent").and_then(plist::Value::as_data).expect("a file").to_vec()
        } else {
            file.bytes.to_vec()
        };
        let opened = Pkcs12::from_der(&archive).expect("reads").parse2(&file.pass_phrase).expect("opens");
        let cert = opened.cert.expect("a certificate").to_der().expect("writes");
        assert_eq!(CertFingerprint::of_der(&cert), given.certificate.fingerprint);
        let (next, _) = desk
            .renew_file(NOW, By::program("test"), Asker::Operator, given.device, form)
            .await
            .expect("an administrator renews when they like");
        assert_eq!(next.device, given.device);
    }
    let left: Vec<_> = std::fs::read_dir(dir.path()).expect("reads").flatten().map(|file| file.path()).collect();
    assert!(left.iter().all(|name| name.extension().is_none_or(|kind| kind != "p12")), "{left:?}");
}

#[tokio::test]
async fn who_may_not_gets_nothing_and_is_on_record() {
    let dir = tempfile::tempdir().expect("a directory");
    let desk = desk(&dir, NOW).await;
    let nobody = somebody(desk.store(), 1, None).await;
    let elsewhere = somebody(desk.store(), 2, Some("device_admin:SE2321000016-0001")).await;
    let here = somebody(desk.store(), 3, Some("device_admin:SE2321000016-39KJ")).await;
    let device = desk.enrol_request(NOW, By::program("test"), Asker::Operator, &ward(), &request()).await;
    let device = device.expect("enrols").device;
    told(desk.store()).await;
    for by in [&nobody, &elsewhere] {
        let signed = signature(by);
        let asker = Asker::Signed(&signed);
        let organisation = Organisation { hsa: hsa(), name: "Mine".to_owned(), created: NOW };
        let results = [
            desk.issue_code(NOW, by.clone(), asker, &ward()).await.map(|_| ()),
            desk.enrol_request(NOW, by.clone(), asker, &ward(), &request()).await.map(|_| ()),
            desk.enrol_file(NOW, by.clone(), asker, &ward(), FileForm::Pkcs12).await.map(|_| ()),
            desk.renew_file(NOW, by.clone(), asker, device, FileForm::Pkcs12).await.map(|_| ()),
            desk.revoke(NOW, by.clone(), asker, device, Why::Lost).await.map(|_| ()),
            desk.add_organisation(NOW, by.clone(), asker, &organisation).await,
        ];
        for result in &results {
            assert!(matches!(result, Err(IssueError::Store(StoreError::Denied(Denied::NotAppointed)))), "{result:?}");
        }
        let events = told(desk.store()).await;
        assert_eq!(events.len(), results.len());
        assert!(events.iter().all(|event| event.kind == AuthEventKind::MoveDenied && event.by == by.account));
    }
    let signed = signature(&here);
    let other = desk.issue_code(NOW, nobody, Asker::Signed(&signed), &ward()).await.expect_err("another's signature");
    assert!(matches!(other, IssueError::Store(StoreError::Denied(Denied::OtherSignature))), "{other}");
    let code = desk.issue_code(NOW, here.clone(), Asker::Signed(&signed), &ward()).await.expect("may");
    desk.withdraw_code(NOW, here.clone(), Asker::Signed(&signed), code.kept.id).await.expect("may");
    desk.revoke(NOW, here, Asker::Signed(&signed), device, Why::OutOfUse).await.expect("may");
    let shown = desk.enrol_by_code(NOW, By::program("test"), &code.code, &request()).await.expect("works");
    assert_eq!(shown.map(|_| ()), Err(Reason::CodeSpent));
}
