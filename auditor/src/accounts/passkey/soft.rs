//! An authenticator and its browser in software, for tests: P-256, no attestation, and every fault on request.

use super::RelyingParty;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

pub(crate) const ORIGIN: &str = "https://registry.example:8443";

/// The installation at [`ORIGIN`].
pub(crate) fn relying_party() -> RelyingParty {
    RelyingParty::new(&ORIGIN.parse().expect("an origin"), "Grindvakt")
}

/// One passkey.
pub(crate) struct Soft {
    pair: EcdsaKeyPair,
    pub(crate) id: Vec<u8>,
    /// The account that it was made for.
    pub(crate) user: String,
    pub(crate) count: u32,
    pub(crate) verifies: bool,
    pub(crate) origin: String,
    pub(crate) rp: String,
}

impl Soft {
    pub(crate) fn new(number: u8) -> Self {
        Self {
            pair: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).expect("makes a key"),
            id: vec![number; 32],
            user: String::new(),
            count: 1,
            verifies: true,
            origin: ORIGIN.to_owned(),
            rp: "registry.example".to_owned(),
        }
    }

    /// The answer of `navigator.credentials.create`.
    pub(crate) fn create(&mut self, options: &Value) -> String {
        let options = &options["publicKey"];
        self.user = options["user"]["id"].as_str().expect("a user").to_owned();
        let (x, y) = self.pair.public_key().as_ref()[1..].split_at(32);
        let mut made = self.data(0x40);
        made.extend([0; 16]);
        made.extend(u16::try_from(self.id.len()).expect("short").to_be_bytes());
        made.extend(&self.id);
        // COSE: {1: 2 (EC2), 3: -7 (ES256), -1: 1 (P-256), -2: x, -3: y}
        made.extend([&[0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 32], x, &[0x22, 0x58, 32], y].concat());
        // CBOR: {"fmt": "none", "attStmt": {}, "authData": made}
        let mut object = [b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x59".as_slice()].concat();
        object.extend(u16::try_from(made.len()).expect("short").to_be_bytes());
        object.extend(made);
        let client = self.client("webauthn.create", options);
        self.answer(&json!({ "attestationObject": text(&object), "clientDataJSON": text(&client) }))
    }

    /// The answer of `navigator.credentials.get`.
    pub(crate) fn get(&mut self, options: &Value) -> String {
        self.count = self.count.wrapping_add(1);
        let (data, client) = (self.data(0), self.client("webauthn.get", &options["publicKey"]));
        let signed = [data.as_slice(), digest(&SHA256, &client).as_ref()].concat();
        let signature = self.pair.sign(&SystemRandom::new(), &signed).expect("signs");
        let response = json!({
            "authenticatorData": text(&data),
            "clientDataJSON": text(&client),
            "signature": text(signature.as_ref()),
            "userHandle": self.user,
        });
        self.answer(&response)
    }

    fn data(&self, more: u8) -> Vec<u8> {
        let flags = 1 | if self.verifies { 4 } else { 0 } | more;
        [digest(&SHA256, self.rp.as_bytes()).as_ref(), &[flags], &self.count.to_be_bytes()].concat()
    }

    fn client(&self, kind: &str, options: &Value) -> Vec<u8> {
        let client =
            json!({ "type": kind, "challenge": options["challenge"], "origin": self.origin, "crossOrigin": false });
        client.to_string().into_bytes()
    }

    fn answer(&self, response: &Value) -> String {
        let id = text(&self.id);
        json!({ "id": id, "rawId": id, "type": "public-key", "response": response, "clientExtensionResults": {} })
            .to_string()
    }
}

fn text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
