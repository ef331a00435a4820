//! Certificates that open nothing: each is refused in the handshake with its reason, or, if it is in order but not
//! enrolled, by a page that says so. And how operators learn when those end that the gateway uses.
#![expect(clippy::cast_precision_loss, reason = "times as metrics have them")]

use crate::shared::{LIMIT, Place, Shared};
use crate::whole::until;
use crate::wire::{self, Wire};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};
use rustls::AlertDescription;
use rustls_pki_types::{CertificateDer, pem::PemObject as _};
use serde_json::Value;
use sha2::Digest as _;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use time::{Duration, OffsetDateTime};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

static PLACE: Shared<Place> = Shared::new();

/// The name of the stack's device authority.
const OUR_AUTHORITY: &str = "Grindvakt device CA";

/// A certificate to be shown, and how it is refused.
struct Shown {
    name: &'static str,
    files: (PathBuf, PathBuf),
    alert: AlertDescription,
    reason: &'static str,
}

/// The parameters of a device's certificate that is in order.
fn params(name: &str) -> CertificateParams {
    let now = OffsetDateTime::now_utc();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    (params.not_before, params.not_after) = (now - Duration::days(1), now + Duration::days(1));
    params
}

fn authority(name: &str) -> CertificateParams {
    let mut params = params(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.extended_key_usages = Vec::new();
    params
}

/// The stack's device authority.
fn device_authority(place: &Place) -> Issuer<'static, KeyPair> {
    let certificate = place.stack.layout().gateway_tls().2;
    let key = KeyPair::from_pem(&std::fs::read_to_string(certificate.with_extension("key")).unwrap()).unwrap();
    Issuer::from_ca_cert_pem(&std::fs::read_to_string(certificate).unwrap(), key).unwrap()
}

fn write(dir: &Path, name: &str, chain: &[&Certificate], key: &KeyPair) -> (PathBuf, PathBuf) {
    let files = (dir.join(format!("{name}.pem")), dir.join(format!("{name}.key")));
    std::fs::write(&files.0, chain.iter().map(|certificate| certificate.pem()).collect::<String>()).unwrap();
    std::fs::write(&files.1, key.serialize_pem()).unwrap();
    files
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_is_refused_with_its_reason() {
    let place = PLACE.get(Place::start).await;
    let dir = tempfile::tempdir().unwrap();
    let ours = device_authority(&place);
    let now = OffsetDateTime::now_utc();
    let mut list = Vec::new();
    let mut add = |name, chain: &[&Certificate], key: &KeyPair, alert, reason| {
        list.push(Shown { name, files: write(dir.path(), name, chain, key), alert, reason });
    };
    let key = || KeyPair::generate().unwrap();
    let issue = |name: &str, issuer: &Issuer<'static, KeyPair>, change: &dyn Fn(&mut CertificateParams)| {
        let (key, mut params) = (key(), params(name));
        change(&mut params);
        (params.signed_by(&key, issuer).unwrap(), key)
    };

    let (expired, expired_key) = issue("expired", &ours, &|params| {
        (params.not_before, params.not_after) = (now - Duration::days(2), now - Duration::seconds(5));
    });
    add("expired", &[&expired], &expired_key, AlertDescription::CertificateExpired, "cert_expired");
    let (early, early_key) = issue("not yet valid", &ours, &|params| params.not_before = now + Duration::hours(1));
    add("not-yet-valid", &[&early], &early_key, AlertDescription::CertificateExpired, "cert_expired");
    let (server, server_key) =
        issue("a server", &ours, &|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]);
    add("server-only", &[&server], &server_key, AlertDescription::UnsupportedCertificate, "cert_purpose");

    let foreign_key = key();
    let foreign_certificate = authority("another authority").self_signed(&foreign_key).unwrap();
    let foreign = Issuer::new(authority("another authority"), foreign_key);
    let (stranger, stranger_key) = issue("a stranger", &foreign, &|_| {});
    add("foreign", &[&stranger], &stranger_key, AlertDescription::UnknownCA, "cert_foreign");
    add(
        "foreign-with-chain",
        &[&stranger, &foreign_certificate],
        &stranger_key,
        AlertDescription::UnknownCA,
        "cert_foreign",
    );
    // The name of our authority, and another key.
    let pretended_key = key();
    let mut pretended = authority("pretended");
    pretended.distinguished_name = DistinguishedName::new();
    pretended.distinguished_name.push(DnType::CommonName, OUR_AUTHORITY);
    let own = CertificateDer::from_pem_file(place.stack.layout().gateway_tls().2).unwrap();
    assert!(own.windows(OUR_AUTHORITY.len()).any(|window| window == OUR_AUTHORITY.as_bytes()));
    let pretended_certificate = pretended.self_signed(&pretended_key).unwrap();
    let pretended = Issuer::new(pretended, pretended_key);
    let (forged, forged_key) =
        issue("forged", &pretended, &|params| params.use_authority_key_identifier_extension = false);
    add("forged-issuer", &[&forged], &forged_key, AlertDescription::DecryptError, "cert_foreign");
    add(
        "forged-issuer-with-chain",
        &[&forged, &pretended_certificate],
        &forged_key,
        AlertDescription::DecryptError,
        "cert_foreign",
    );
    let self_key = key();
    let self_signed = params("self-signed").self_signed(&self_key).unwrap();
    add("self-signed", &[&self_signed], &self_key, AlertDescription::UnknownCA, "cert_foreign");
    // A device's certificate that plays authority.
    let (device, device_key) = issue("a device", &ours, &|_| {});
    let device_as_authority = Issuer::new(params("a device"), device_key);
    let (below, below_key) = issue("below a device", &device_as_authority, &|_| {});
    add("below-a-device", &[&below, &device], &below_key, AlertDescription::CertificateUnknown, "cert_broken");

    let revoked = place.newcomer("no-longer").await;
    place.auditor(&["device", "revoke", &revoked.device_id]).await;
    list.push(Shown {
        name: "revoked",
        files: revoked.files,
        alert: AlertDescription::CertificateRevoked,
        reason: "cert_revoked",
    });

    let mut faults = Vec::new();
    for shown in list {
        let config = Arc::new(settings(&place, Some(&shown.files)));
        let (target, from) = (place.stack.target(), std::cell::Cell::new(Ipv4Addr::UNSPECIFIED));
        let alert = until("the handshake is refused", LIMIT, async || {
            from.set(wire::address());
            wire::refusal(&target, &config, from.get()).await.ok_or_else(|| shown.name.to_owned())
        })
        .await;
        if alert != shown.alert {
            faults.push(format!("{}: refused by {alert:?}, not {:?}", shown.name, shown.alert));
        }
        let event = event(&place, from.get()).await;
        let fingerprint = hex::encode(sha2::Sha256::digest(CertificateDer::from_pem_file(&shown.files.0).unwrap()));
        let wanted = ("handshake_refused", shown.reason, fingerprint.as_str());
        if (text(&event, "kind"), text(&event, "reason"), text(&event, "cert")) != wanted {
            faults.push(format!("{}: recorded as {event}, not {wanted:?}", shown.name));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn their_ends_are_told_to_operators() {
    let mut ending = authority("an authority that ends");
    ending.not_after = OffsetDateTime::now_utc() + Duration::days(9);
    let end = ending.not_after.unix_timestamp();
    let certificate = ending.self_signed(&KeyPair::generate().unwrap()).unwrap();
    let place = Place::start_with(|dir, settings| {
        let file = dir.join("ending.pem");
        std::fs::write(&file, certificate.pem()).unwrap();
        settings["tls"]["client_ca"].as_array_mut().unwrap().push(file.to_str().unwrap().into());
    })
    .await;
    let told = async |which: &str| place.metric("tls_certificate_expiry_seconds", &format!("which=\"{which}\"")).await;
    // Of several, the first that ends.
    assert!((told("device_ca").await - end as f64).abs() < f64::EPSILON);
    // As `auditor init` issues it: for 397 days.
    let server = told("server").await - OffsetDateTime::now_utc().unix_timestamp() as f64;
    assert!((server / 86_400.0 - 397.0).abs() < 1.0, "{server}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_certificate_is_refused() {
    let place = PLACE.get(Place::start).await;
    let from = wire::address();
    let alert = wire::refusal(&place.stack.target(), &Arc::new(settings(&place, None)), from).await;
    assert_eq!(alert, Some(AlertDescription::CertificateRequired));
    let event = event(&place, from).await;
    assert_eq!((text(&event, "kind"), text(&event, "reason")), ("handshake_refused", "cert_absent"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_is_not_enrolled_gets_a_page_that_says_so() {
    let place = PLACE.get(Place::start).await;
    let dir = tempfile::tempdir().unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = params("not enrolled").signed_by(&key, &device_authority(&place)).unwrap();
    let files = write(dir.path(), "device", &[&certificate], &key);
    refused_by_a_page(&place, &certificate, &files).await;
    // Our authority issues no other authority. Should somebody have made it do so, the chain holds, for that of an
    // anchor its own path length is not looked at; but what stands below is not enrolled either.
    let middle_key = KeyPair::generate().unwrap();
    let middle_certificate = authority("in the middle").signed_by(&middle_key, &device_authority(&place)).unwrap();
    let middle = Issuer::new(authority("in the middle"), middle_key);
    let lower = params("lower").signed_by(&key, &middle).unwrap();
    let files = write(dir.path(), "lower", &[&lower, &middle_certificate], &key);
    refused_by_a_page(&place, &lower, &files).await;
}

async fn refused_by_a_page(place: &Place, certificate: &Certificate, files: &(PathBuf, PathBuf)) {
    let config = Arc::new(settings(place, Some(files)));
    let target = place.stack.target();
    for (path, accept, kind) in
        [("/about", "text/html", "text/html; charset=utf-8"), ("/api/patients/1", "*/*", "application/problem+json")]
    {
        let from = wire::address();
        let mut wire = Wire::open(&target, &config, from).await.unwrap();
        wire.write(
            format!("GET {path} HTTP/1.1\r\nHost: {}\r\nAccept: {accept}\r\n\r\n", target.authority()).as_bytes(),
        )
        .await
        .unwrap();
        let answer = wire.answer().await.unwrap();
        assert_eq!((answer.status, answer.header("content-type")), (403, Some(kind)));
        let body = String::from_utf8(answer.body.clone()).unwrap();
        assert!(body.contains(answer.header("x-request-id").unwrap()), "{body}");
        let event = event(place, from).await;
        assert_eq!((text(&event, "kind"), text(&event, "reason")), ("device_refused", "device_unknown"));
        assert_eq!(text(&event, "cert"), hex::encode(sha2::Sha256::digest(certificate.der())));
        assert_eq!(text(&event, "id"), answer.header("x-request-id").unwrap());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_of_tls_1_2_is_refused() {
    let place = PLACE.get(Place::start).await;
    let from = wire::address();
    let mut stream = wire::tcp(&place.stack.target(), from).await.unwrap();
    stream.write_all(&hello_of_tls_1_2(&place.stack.target().host)).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    // An alert (21), fatal (2), protocol_version (70).
    assert_eq!((answer.first(), answer.get(5..7)), (Some(&21), Some(&[2, 70][..])), "{answer:?}");
    let event = event(&place, from).await;
    assert_eq!((text(&event, "kind"), text(&event, "reason")), ("handshake_refused", "tls_version"));
}

/// A client's first message that knows nothing of TLS 1.3 (RFC 5246): one suite, a server name, curves, signatures.
fn hello_of_tls_1_2(host: &str) -> Vec<u8> {
    let with_length = |bytes: &[u8]| [&u16::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat();
    let extension = |kind: u16, bytes: &[u8]| [&kind.to_be_bytes()[..], &with_length(bytes)].concat();
    let name = with_length(&[&[0][..], &with_length(host.as_bytes())].concat());
    let extensions = [extension(0, &name), extension(10, &[0, 2, 0, 23]), extension(13, &[0, 4, 4, 3, 8, 4])].concat();
    let body = [&[3, 3][..], &[7; 32], &[0], &[0, 2, 0xc0, 0x2b], &[1, 0], &with_length(&extensions)].concat();
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    let message = [&[1][..], &length[1..], &body].concat();
    [&[22, 3, 1][..], &with_length(&message)].concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_tls_at_all_is_refused() {
    let place = PLACE.get(Place::start).await;
    let from = wire::address();
    let mut stream = wire::tcp(&place.stack.target(), from).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    // Closed, by whatever means.
    let _ = stream.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    let event = event(&place, from).await;
    assert_eq!((text(&event, "kind"), text(&event, "reason")), ("handshake_refused", "cert_broken"));
}

fn settings(place: &Place, files: Option<&(PathBuf, PathBuf)>) -> rustls::ClientConfig {
    let pair = files.map(|(certificate, key)| (certificate.as_path(), key.as_path()));
    wire::settings(&place.stack.layout().server_ca(), pair)
}

fn text<'v>(row: &'v Value, key: &str) -> &'v str {
    row[key].as_str().unwrap_or_default()
}

/// The one event of an address, when it is there.
async fn event(place: &Place, from: Ipv4Addr) -> Value {
    let from = wire::shown(from);
    let sql = format!(
        "SELECT toString(event_id) AS id, kind, reason, lower(hex(device_cert)) AS cert FROM auth_event FINAL WHERE src_ip = toIPv6('{from}')"
    );
    until("the event is there", LIMIT, async || match place.rows(&sql).await.as_slice() {
        [event] => Ok(event.clone()),
        other => Err(format!("{other:?}")),
    })
    .await
}
