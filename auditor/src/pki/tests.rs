use super::*;
use openssl::stack::Stack;
use openssl::x509::X509StoreContext;
use openssl::x509::store::X509StoreBuilder;
use openssl::x509::verify::X509VerifyParam;

const NOW: Micros = 1_790_000_000_000_000;

fn device_authority() -> Authority {
    let made = authority("Test device CA", &[1; 16], NOW, 3650).expect("makes");
    Authority::from_pem(&made.cert_pem, &made.key_pem).expect("reads")
}

fn subject() -> DeviceSubject {
    DeviceSubject {
        id: DeviceId::new(uuid::Uuid::from_u128(7)),
        name: "Ward 3, room 2".to_owned(),
        organisation: HsaId::parse("SE2321000016-39KJ").expect("valid"),
    }
}

fn chains(cert: &X509, authority_pem: &str, at: Micros) -> bool {
    let mut store = X509StoreBuilder::new().expect("makes");
    store.add_cert(X509::from_pem(authority_pem.as_bytes()).expect("reads")).expect("adds");
    let mut param = X509VerifyParam::new().expect("makes");
    param.set_time(at / 1_000_000);
    param.set_purpose(openssl::x509::X509PurposeId::SSL_CLIENT).expect("sets");
    store.set_param(&param).expect("sets");
    let store = store.build();
    let mut context = X509StoreContext::new().expect("makes");
    context
        .init(&store, cert, &Stack::new().expect("makes"), openssl::x509::X509StoreContextRef::verify_cert)
        .expect("runs")
}

#[test]
fn a_device_certificate_chains_and_ends() {
    let authority = device_authority();
    let issued = authority.issue_device(&subject(), &[0xff; 16], NOW, 30).expect("issues");
    let cert = X509::from_der(&issued.cert_der).expect("reads");
    assert!(chains(&cert, authority.cert_pem(), NOW));
    assert!(!chains(&cert, authority.cert_pem(), NOW + 31 * 86_400_000_000));
    assert!(!chains(&cert, device_authority().cert_pem(), NOW), "another authority of the same name");
    let name = cert.subject_alt_names().and_then(|names| names.iter().next().and_then(|n| n.uri().map(str::to_owned)));
    assert_eq!(name.as_deref(), Some("urn:uuid:00000000-0000-0000-0000-000000000007"));
}

#[test]
fn the_pkcs12_file_opens_with_its_pass_phrase_only() {
    let authority = device_authority();
    let issued = authority.issue_device(&subject(), &[2; 16], NOW, 30).expect("issues");
    for (lock, cipher) in [
        (Lock::Modern, &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x2a][..]),
        (Lock::Legacy, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x01, 0x03]),
    ] {
        let bytes = pkcs12(&issued, authority.cert_pem(), "Ward 3\0", "a pass phrase", lock).expect("makes");
        let places = bytes.windows(cipher.len()).filter(|window| *window == cipher).count();
        assert_eq!(places, 2, "key and certificates are locked by {lock:?}");
        let archive = Pkcs12::from_der(&bytes).expect("reads");
        assert!(archive.parse2("another").is_err());
        let parsed = archive.parse2("a pass phrase").expect("opens");
        let cert = parsed.cert.expect("a certificate");
        assert!(chains(&cert, authority.cert_pem(), NOW));
        assert!(cert.public_key().expect("has").public_eq(&parsed.pkey.expect("a key")));
        assert_eq!(parsed.ca.map(|chain| chain.len()), Some(1));
    }
}

#[test]
fn a_request_gives_its_key_and_nothing_else() {
    let authority = device_authority();
    let key = KeyPair::generate().expect("makes");
    let mut asked = CertificateParams::new(vec!["evil.example".to_owned()]).expect("makes");
    asked.distinguished_name.push(DnType::CommonName, "somebody else");
    asked.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::CodeSigning];
    asked.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let request = asked.serialize_request(&key).expect("signs").pem().expect("writes");
    let request = Request::read(request.as_bytes()).expect("a request");
    let (_, der) = authority.issue_device_for(&subject(), &request, &[3; 16], NOW, 30).expect("issues");
    let cert = X509::from_der(&der).expect("reads");
    assert!(chains(&cert, authority.cert_pem(), NOW));
    let text = String::from_utf8(cert.to_text().expect("writes")).expect("text");
    for asked in ["evil", "somebody", "CA:TRUE", "Server Authentication", "Code Signing"] {
        assert!(!text.contains(asked), "{asked}: {text}");
    }
    assert_eq!(KeyHash::of_spki(&key.subject_public_key_info()), request.key_hash());
}

#[test]
fn hosts() {
    let authority = device_authority();
    let hosts = ["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    assert!(authority.issue_host("gateway", &hosts, Usage::Server, &[4; 16], NOW, 30).is_ok());
    for bad in ["", "a b", "https://x", ".x"] {
        assert!(authority.issue_host("gateway", &[bad.to_owned()], Usage::Server, &[4; 16], NOW, 30).is_err(), "{bad}");
    }
}
