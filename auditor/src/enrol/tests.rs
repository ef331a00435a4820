use super::*;
use crate::clock;
use crate::issuing::Asker;
use crate::issuing::tests::{asked, desk, ward};
use axum::http::Request as HttpRequest;
use contract::record::AuthEventKind;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use openssl::pkcs7::Pkcs7;
use openssl::x509::X509;
use tempfile::TempDir;

struct Bed {
    _dir: TempDir,
    desk: Arc<Desk>,
    router: Router,
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }
}

impl Bed {
    async fn new(tries_a_minute: u32) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let desk = Arc::new(desk(&dir, clock::now()).await);
        let router = router(Arc::clone(&desk), tries_a_minute);
        Self { _dir: dir, desk, router }
    }

    async fn code(&self) -> String {
        let made = self.desk.issue_code(clock::now(), By::program("test"), Asker::Operator, &ward()).await;
        made.expect("makes").code.shown().to_string()
    }

    async fn ask(&self, request: HttpRequest<Body>) -> Answer {
        let answer = TowerToHyperService::new(self.router.clone()).call(request).await.expect("answers");
        let (head, body) = answer.into_parts();
        let body = to_bytes(body, 1 << 20).await.expect("a body").to_vec();
        Answer { status: head.status.as_u16(), headers: head.headers, body }
    }

    async fn enrol(&self, from: &str, code: Option<&str>, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
        let mut request = HttpRequest::post("/enrol").header("content-type", est::REQUEST_TYPE);
        if let Some(code) = code {
            request = request.header("authorization", format!("Basic {}", STANDARD.encode(format!("any:{code}"))));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let peer = Peer(from.parse().expect("an address"));
        self.ask(request.extension(peer).body(body.into()).expect("a request")).await
    }
}

const HERE: &str = "192.0.2.1";

#[tokio::test]
async fn a_code_and_a_request_give_a_certificate_once() {
    let bed = Bed::new(100).await;
    let code = bed.code().await;
    let (_, csr) = asked();
    let given = bed.enrol(HERE, Some(&code), &[], csr).await;
    assert_eq!(given.status, 200, "{}", given.text());
    assert_eq!(given.headers["content-type"], "application/pkcs7-mime; smime-type=certs-only");
    assert_eq!(
        (&given.headers["content-transfer-encoding"], &given.headers["cache-control"]),
        (&HeaderValue::from_static("base64"), &HeaderValue::from_static("no-store"),)
    );
    let der = STANDARD.decode(given.text().split_ascii_whitespace().collect::<String>()).expect("base64");
    let read = Pkcs7::from_der(&der).expect("reads");
    let found = read.signed().and_then(|signed| signed.certificates()).expect("certificates");
    assert_eq!(found.len(), 1, "the one that was issued and no other (RFC 7030 4.2.3)");
    let again = bed.enrol(HERE, Some(&code), &[], asked().1).await;
    assert_eq!(again.status, 401);

    let code = bed.code().await;
    let pem = bed.enrol(HERE, Some(&code), &[("accept", "application/x-pem-file")], asked().1).await;
    assert_eq!(pem.headers["content-type"], "application/pem-certificate-chain");
    let chain = X509::stack_from_pem(&pem.body).expect("certificates");
    assert_eq!(chain.len(), 2);
    assert!(chain[0].verify(&chain[1].public_key().expect("has")).expect("runs"));
    let told = bed.desk.store().batch(100).await.expect("reads").expect("some").events;
    let from = told.iter().filter(|(_, event)| event.kind == AuthEventKind::DeviceEnrolled);
    let from: Vec<_> = from.map(|(_, event)| event.origin.address.to_string()).collect();
    assert_eq!(from, ["::ffff:192.0.2.1", "::ffff:192.0.2.1"]);
}

/// Whatever is wrong with a code, the answer is the same; and what is wrong with the rest does not use it up.
#[tokio::test]
async fn what_is_wrong_is_refused_and_told_apart_only_where_it_helps() {
    let bed = Bed::new(100).await;
    let (good, used) = (bed.code().await, bed.code().await);
    assert_eq!(bed.enrol(HERE, Some(&used), &[], asked().1).await.status, 200);
    let near = format!("{}{}", &good[..6], "aaaaa-aaaaa-aaaaa-aaaaa");
    let mut answers = Vec::new();
    for code in [None, Some(""), Some("no code"), Some(used.as_str()), Some(near.as_str())] {
        let answer = bed.enrol(HERE, code, &[], asked().1).await;
        assert_eq!(answer.status, 401);
        assert!(answer.headers["www-authenticate"].to_str().expect("text").starts_with("Basic "));
        answers.push(answer.body);
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]));
    let bearer = [("authorization", "Bearer abc")];
    assert_eq!(bed.enrol(HERE, None, &bearer, asked().1).await.status, 401);
    let twice = [("authorization", "Basic YTpi")];
    assert_eq!(bed.enrol(HERE, Some(&good), &twice, asked().1).await.status, 401, "two codes are none");

    assert_eq!(bed.enrol(HERE, Some(&good), &[], "no request").await.status, 400);
    assert_eq!(bed.enrol(HERE, Some(&good), &[], vec![b'A'; REQUEST_BYTES_MAX + 1]).await.status, 413);
    let (_, csr) = asked();
    assert_eq!(bed.enrol(HERE, Some(&bed.code().await), &[], csr.clone()).await.status, 200);
    let key = bed.enrol(HERE, Some(&good), &[], csr).await;
    assert_eq!(key.status, 409, "{}", key.text());
    assert_eq!(bed.enrol(HERE, Some(&good), &[], asked().1).await.status, 200, "the code is still good");
    for (method, path, status) in [("GET", "/enrol", 405), ("GET", "/", 404), ("POST", "/admin/api/v1/devices", 404)] {
        let request = HttpRequest::builder().method(method).uri(path).body(Body::empty()).expect("a request");
        assert_eq!(bed.ask(request).await.status, status, "{method} {path}");
    }
}

#[tokio::test]
async fn an_address_has_so_many_tries_a_minute() {
    let bed = Bed::new(3).await;
    let code = bed.code().await;
    for _ in 0..3 {
        assert_eq!(bed.enrol(HERE, None, &[], asked().1).await.status, 401);
    }
    let refused = bed.enrol(HERE, Some(&code), &[], asked().1).await;
    assert_eq!((refused.status, refused.headers["retry-after"].to_str().ok()), (429, Some("60")));
    assert_eq!(bed.enrol("192.0.2.2", Some(&code), &[], asked().1).await.status, 200, "another has its own");
}

#[tokio::test]
async fn the_authority_and_its_revocation_list_are_there_for_everybody() {
    let bed = Bed::new(1).await;
    let get = async |path: &str| {
        let request = HttpRequest::get(path).header("accept", "text/plain").body(Body::empty());
        bed.ask(request.expect("a request")).await
    };
    let authority = get("/.well-known/est/cacerts").await;
    assert_eq!(X509::stack_from_pem(&authority.body).expect("a certificate").len(), 1);
    assert_eq!(get("/crl/device-ca.crl").await.status, 503, "none yet");
    let rules = crate::issuing::CrlRules { life_us: clock::DAY };
    let crl = bed.desk.mend_crl(clock::now(), rules).await.expect("signs");
    let told = get("/crl/device-ca.crl").await;
    assert_eq!((told.status, &told.headers["content-type"]), (200, &HeaderValue::from_static("application/pkix-crl")));
    assert_eq!(told.body, crl.der);
}
