//! A device from its code to its next certificate, as programs meet it.

use crate::installation::{Device, Installation, ORGANISATION, Request, Response, Server};
use auditor::clock;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use contract::directory::Entry;
use contract::id::CertFingerprint;
use openssl::x509::{CrlStatus, X509, X509Crl};
use rcgen::{CertificateParams, KeyPair};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;

const KIND: &str = "application/pkcs10";
const PEM: &str = "application/pem-certificate-chain";

fn installation() -> Installation {
    let place = Installation::new()
        .with("ENROL__LISTEN", "127.0.0.1:0")
        .with("ENROL__CERT_FILE", "pki/internal-server.pem")
        .with("ENROL__KEY_FILE", "pki/internal-server.key")
        .with("DEVICES__RENEW_FROM_DAY", "0");
    place.ok(&["device", "org-add", "--hsa", ORGANISATION, "--name", "Region"]);
    place
}

fn csr() -> String {
    let key = KeyPair::generate().unwrap();
    CertificateParams::new(vec!["x.example".to_owned()]).unwrap().serialize_request(&key).unwrap().pem().unwrap()
}

/// A connection to the enrolment listener.
fn connect(place: &Installation) -> StreamOwned<ClientConnection, TcpStream> {
    let ready: Value = serde_json::from_slice(&std::fs::read(place.path("ready.json")).unwrap()).unwrap();
    let stream = TcpStream::connect(ready["enrol"].as_str().unwrap()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(place.path("pki/internal-ca.pem")).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), stream)
}

fn enrol(place: &Installation, code: &str, csr: &str) -> Response {
    let basic = format!("Basic {}", STANDARD.encode(format!("device:{code}")));
    let request = Request::post("/enrol", KIND, csr).header("authorization", &basic).header("accept", PEM);
    request.send(connect(place))
}

fn leaf(pem: &str) -> X509 {
    X509::stack_from_pem(pem.as_bytes()).unwrap().remove(0)
}

fn fingerprint(cert: &X509) -> CertFingerprint {
    CertFingerprint::of_der(&cert.to_der().unwrap())
}

fn body_of(server: &Server<'_>, path: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(&server.ops).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    answer.split_off(end + 4)
}

#[test]
fn a_device_enrols_by_code_renews_itself_and_its_old_certificate_is_revoked() {
    let place = installation();
    let code = place.ok(&["device", "code", "--org", ORGANISATION, "--name", "ward 3"]);
    let code = code["code"].as_str().unwrap();
    let server = place.serve();
    let mut feed = server.follow(0);
    feed.snapshot();
    assert_eq!(enrol(&place, "abcde-fghij-kmnpq-rstuv-wxyz2", &csr()).status, 401);
    let given = enrol(&place, code, &csr());
    assert_eq!((given.status, given.header("content-type")), (200, Some(PEM)), "{}", given.body);
    assert_eq!(enrol(&place, code, &csr()).status, 401, "a code is good once");
    let first = leaf(&given.body);
    let Entry::Device(known) = feed.change().0 else { panic!("no device") };
    assert_eq!((known.fingerprint, known.next), (fingerprint(&first), None));

    // Through the gateway, by the certificate that it shows there.
    let device = Device { id: known.id, fingerprint: known.fingerprint };
    let renew = |device: &Device| server.app(device, Request::post("/auth/renew", KIND, &csr()).header("accept", PEM));
    let next = renew(&device);
    assert_eq!(next.status, 200, "{}", next.body);
    let next = leaf(&next.body);
    let Entry::Device(known) = feed.change().0 else { panic!("no device") };
    assert_eq!(known.fingerprint, device.fingerprint, "both are good");
    assert_eq!(known.next.map(|next| next.fingerprint), Some(fingerprint(&next)));

    // A gateway reports that it was used: now it alone counts.
    let used = serde_json::json!({ "used": [], "devices": [[fingerprint(&next), clock::now()]] }).to_string();
    assert_eq!(server.ask_internal(Request::post("/internal/v1/activity", "application/json", &used)).status, 204);
    let Entry::Device(known) = feed.change().0 else { panic!("no device") };
    assert_eq!((known.fingerprint, known.next), (fingerprint(&next), None));
    assert_eq!(renew(&device).status, 403, "not by the old one");

    // Others than the gateways hear of it by the revocation list.
    let out = place.path("device-ca.crl");
    let told = place.ok(&["device", "crl", "--out", out.to_str().unwrap()]);
    assert!(told["number"].as_u64().unwrap() >= 1);
    let der = std::fs::read(&out).unwrap();
    let crl = X509Crl::from_der(&der).unwrap();
    let authority = X509::from_pem(&std::fs::read(place.path("pki/device-ca.pem")).unwrap()).unwrap();
    assert!(crl.verify(&authority.public_key().unwrap()).unwrap());
    assert!(matches!(crl.get_by_cert(&first), CrlStatus::Revoked(_)));
    assert!(matches!(crl.get_by_cert(&next), CrlStatus::NotRevoked));
    let list = X509Crl::from_der(&body_of(&server, "/crl/device-ca.crl")).unwrap();
    assert!(matches!(list.get_by_cert(&first), CrlStatus::Revoked(_)));

    let count = |args: &[&str]| place.ok(args).as_array().unwrap().len();
    assert_eq!(count(&["device", "list", "--expiring", "31"]), 1);
    assert_eq!(count(&["device", "list", "--expiring"]), 0);
    place.ok(&["device", "revoke", &known.id.to_string(), "--why", "lost"]);
    let Entry::Device(known) = feed.change().0 else { panic!("no device") };
    assert!(known.revoked.is_some());
    assert_eq!(renew(&Device { id: known.id, fingerprint: known.fingerprint }).status, 403);
}

#[test]
fn without_its_section_there_is_no_enrolment_listener() {
    let place = Installation::new();
    let _server = place.serve();
    let ready: Value = serde_json::from_slice(&std::fs::read(place.path("ready.json")).unwrap()).unwrap();
    assert!(ready["enrol"].is_null() && ready["app"].is_string());
}

#[test]
fn the_command_line_signs_a_request_and_refuses_a_key_that_others_can_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = installation();
    let file = |name: &str| place.path(name).display().to_string();
    std::fs::write(place.path("device.csr"), csr()).unwrap();
    let (csr, out) = (file("device.csr"), file("device.pem"));
    let args = ["device", "csr", "--org", ORGANISATION, "--name", "server 1", "--csr", &csr, "--out", &out];
    let made = place.ok(&args);
    let cert = leaf(&std::fs::read_to_string(place.path("device.pem")).unwrap());
    assert_eq!(made["fingerprint"].as_str(), Some(fingerprint(&cert).to_string().as_str()));
    let again = place.run(&args);
    assert!(String::from_utf8_lossy(&again.stderr).contains("request's key is taken"), "{again:?}");
    std::fs::write(place.path("device.csr"), self::csr()).unwrap();
    let key = place.path("pki/device-ca.key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let refused = place.run(&args);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("chmod 600"), "{refused:?}");
    assert_eq!(place.ok(&["device", "list"]).as_array().unwrap().len(), 1);
}
