//! A small identity provider that says what a test wants: tokens that no real one would give. What a real one does is
//! tested with one (`tests/it/oidc.rs`).

use crate::accounts::oidc::ClaimNames;
use crate::accounts::oidc::soft::{CLIENT, LEVEL, Signer, good};
use crate::clock;
use crate::config::{ClientProof, Label, Oidc};
use axum::extract::{Form, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use zeroize::Zeroizing;

pub(super) const SECRET: &str = "a secret of:more than+16 letters";

/// What it does, and what it was asked.
pub(super) struct Inner {
    pub(super) metadata: Value,
    pub(super) keys: Value,
    pub(super) userinfo: Option<Value>,
    /// Every answer has this status instead.
    pub(super) fault: Option<StatusCode>,
    /// By code: the challenge, and the token that it stands for.
    codes: HashMap<String, (String, String)>,
    asked: Vec<String>,
}

pub(super) struct Idp {
    pub(super) issuer: String,
    pub(super) signer: Signer,
    pub(super) inner: Arc<Mutex<Inner>>,
    _server: JoinSet<()>,
}

impl Idp {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let issuer = format!("http://{}", listener.local_addr().expect("an address"));
        let signer = Signer::new("k1");
        let at = |path: &str| format!("{issuer}{path}");
        let inner = Arc::new(Mutex::new(Inner {
            metadata: json!({
                "issuer": issuer, "authorization_endpoint": at("/authorize?tenant=1"), "token_endpoint": at("/token"),
                "jwks_uri": at("/keys"), "userinfo_endpoint": at("/userinfo"),
                "authorization_response_iss_parameter_supported": true,
            }),
            keys: signer.set(),
            userinfo: None,
            fault: None,
            codes: HashMap::new(),
            asked: Vec::new(),
        }));
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(document))
            .route("/keys", get(document))
            .route("/userinfo", get(document))
            .route("/token", post(token))
            .with_state(Arc::clone(&inner));
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await.expect("serves") });
        Self { issuer, signer, inner, _server: server }
    }

    pub(super) fn settings(&self, name: &str) -> Oidc {
        Oidc {
            name: name.parse().expect("a name"),
            label: Label { sv: "SITHS-kort".to_owned(), en: "SITHS card".to_owned() },
            issuer: self.issuer.clone(),
            client_id: CLIENT.to_owned(),
            proof: ClientProof::Secret(Zeroizing::new(SECRET.to_owned())),
            scopes: vec!["commission".to_owned()],
            levels: vec![LEVEL.to_owned()],
            max_age_s: None,
            claims: ClaimNames::default(),
            ca: None,
        }
    }

    /// The claims of a good token for who was sent with these parameters.
    pub(super) fn claims(&self, sent: &HashMap<String, String>) -> Map<String, Value> {
        let mut claims = good(clock::now() / clock::SECOND);
        claims["iss"] = self.issuer.clone().into();
        claims["nonce"] = sent["nonce"].clone().into();
        claims.as_object().expect("claims").clone()
    }

    /// A code that stands for a token.
    pub(super) fn code(&self, sent: &HashMap<String, String>, token: String) -> String {
        let mut inner = self.inner.lock();
        let code = format!("code-{}", inner.codes.len());
        inner.codes.insert(code.clone(), (sent["code_challenge"].clone(), token));
        code
    }

    /// How often a path was asked for.
    pub(super) fn asked(&self, path: &str) -> usize {
        self.inner.lock().asked.iter().filter(|asked| *asked == path).count()
    }
}

async fn document(State(inner): State<Arc<Mutex<Inner>>>, uri: Uri) -> Response {
    let mut inner = inner.lock();
    inner.asked.push(uri.path().to_owned());
    if let Some(fault) = inner.fault {
        return (fault, [(header::LOCATION, "https://evil.example/")]).into_response();
    }
    match uri.path() {
        "/keys" => Json(inner.keys.clone()).into_response(),
        "/userinfo" => Json(inner.userinfo.clone()).into_response(),
        _ => Json(inner.metadata.clone()).into_response(),
    }
}

async fn token(
    State(inner): State<Arc<Mutex<Inner>>>,
    headers: HeaderMap,
    Form(form): Form<HashMap<String, String>>,
) -> Response {
    let mut inner = inner.lock();
    inner.asked.push("/token".to_owned());
    let escaped = "a%20secret%20of%3Amore%20than%2B16%20letters";
    let basic = format!("Basic {}", STANDARD.encode(format!("{CLIENT}:{escaped}")));
    let known = headers.get(header::AUTHORIZATION).is_some_and(|value| value.as_bytes() == basic.as_bytes());
    let found = form.get("code").and_then(|code| inner.codes.remove(code));
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, form["code_verifier"].as_bytes());
    let proven = |challenge: &str| URL_SAFE_NO_PAD.encode(digest) == challenge;
    let good =
        |(challenge, _): &(String, String)| known && proven(challenge) && form["grant_type"] == "authorization_code";
    let Some((_, token)) = found.filter(good) else {
        return (StatusCode::BAD_REQUEST, Json(json!({ "error": "invalid_grant" }))).into_response();
    };
    assert!(form["redirect_uri"].ends_with("/auth/oidc/test/callback"), "{}", form["redirect_uri"]);
    Json(json!({ "id_token": token, "access_token": "an-access-token", "token_type": "Bearer" })).into_response()
}
