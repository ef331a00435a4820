//! Identity providers: `[[oidc]]` and `[oidc_logout]`.

use super::existing;
use crate::accounts::oidc::{ClaimNames, safe_url};
use contract::settings::Section;
use jsonwebtoken::{Algorithm, EncodingKey};
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use zeroize::Zeroizing;

/// At most so many providers: each is a button on the login page.
const PROVIDERS_MAX: usize = 16;

/// What a provider is called in addresses, records and metrics: a-z, 0-9 and -, at most 32.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProviderName(String);

/// A text is no such name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is 1 to 32 of a-z, 0-9 and -, a letter first")]
pub struct ProviderNameError;

impl ProviderName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ProviderName {
    type Err = ProviderNameError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let good = text.len() <= 32 && text.starts_with(|c: char| c.is_ascii_lowercase()) && text.bytes().all(plain);
        good.then(|| Self(text.to_owned())).ok_or(ProviderNameError)
    }
}

/// What stands on a provider's button.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// In Swedish.
    pub sv: String,
    /// In English.
    pub en: String,
}

/// How this program proves to a provider who it is.
#[derive(Clone)]
pub enum ClientProof {
    /// By a secret that both have.
    Secret(Zeroizing<String>),
    /// By what it signs (`private_key_jwt`).
    Key {
        /// The key.
        key: EncodingKey,
        /// How it signs.
        algorithm: Algorithm,
        /// What the provider calls it, if that is told.
        id: Option<String>,
    },
}

impl fmt::Debug for ClientProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientProof(hidden)")
    }
}

/// An identity provider.
#[derive(Debug, Clone)]
pub struct Oidc {
    /// Its name here.
    pub name: ProviderName,
    /// Its button.
    pub label: Label,
    /// What it calls itself: its address, letter by letter as in its tokens.
    pub issuer: String,
    /// What it calls this program.
    pub client_id: String,
    /// How this program proves that it is the one.
    pub proof: ClientProof,
    /// What is asked for, besides `openid`.
    pub scopes: Vec<String>,
    /// How strong a login has to be: one of these, letter by letter.
    pub levels: Vec<String>,
    /// How long ago a login at the provider may have been, in seconds. None: as long as the provider likes.
    pub max_age_s: Option<u32>,
    /// How it calls what it says.
    pub claims: ClaimNames,
    /// The authorities of its servers' certificates, PEM. None: the public ones.
    pub ca: Option<PathBuf>,
}

/// Where providers tell of logouts.
#[derive(Debug, Clone)]
pub struct OidcLogout {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The certificate; always there beyond loopback.
    pub tls: Option<ServerFiles>,
    /// Connections at a time.
    pub connections_max: usize,
}

/// Files of a server's certificate.
#[derive(Debug, Clone)]
pub struct ServerFiles {
    /// The chain, PEM.
    pub cert: PathBuf,
    /// The key, PEM.
    pub key: PathBuf,
}

/// Reads all about providers. `login` is the section with the address that they send users back to.
pub(super) fn read(root: &Section<'_>, login: &Section<'_>) -> Option<(Vec<Oidc>, Option<OidcLogout>)> {
    let sections = root.sections("oidc");
    let read: Vec<_> = sections.iter().map(read_provider).collect();
    let providers: Option<Vec<Oidc>> = read.into_iter().collect();
    if !sections.is_empty() && !login.has("origin") {
        login.reject("origin", "is missing: identity providers ([[oidc]]) send users back there");
    }
    for (index, section) in sections.iter().enumerate() {
        let earlier = providers.iter().flatten().take(index).map(|provider| &provider.name);
        let own = providers.iter().flatten().nth(index).map(|provider| &provider.name);
        if earlier.into_iter().any(|name| Some(name) == own) {
            section.reject("name", "is another provider's, too");
        }
        if index == PROVIDERS_MAX {
            section.reject("name", format!("is one too many: there may be {PROVIDERS_MAX} providers"));
        }
    }
    if !root.has("oidc_logout") {
        return Some((providers?, None));
    }
    let section = root.section("oidc_logout");
    if sections.is_empty() {
        section.reject("listen", "is of no use without a provider ([[oidc]])");
    }
    let logout = read_logout(&section);
    Some((providers?, Some(logout?)))
}

fn read_provider(section: &Section<'_>) -> Option<Oidc> {
    let name = section.parsed("name");
    let texts = section.section("label");
    let (sv, en) = (short(&texts, "sv", 60), short(&texts, "en", 60));
    texts.finish();
    let issuer: Option<String> = section.required("issuer");
    let issuer = issuer.filter(|issuer| {
        let good = safe_url(issuer).is_some() && !issuer.contains('?');
        if !good {
            section.reject("issuer", format!("{issuer:?} is not https://HOST, with a port or path if it has them"));
        }
        good
    });
    let client_id = short(section, "client_id", 255);
    let proof = read_proof(section);
    let scopes = words(section, "scopes", vec!["openid".to_owned()]);
    let levels = words(section, "acr_values", Vec::new());
    if levels.as_ref().is_some_and(Vec::is_empty) {
        section.reject("acr_values", "is missing: without it any login there would do, with one factor too");
    }
    let max_age_s =
        if section.has("max_age_s") { section.within("max_age_s", 0_u32, 0, 86_400).map(Some) } else { Some(None) };
    let claims = read_claims(&section.section("claims"));
    let ca = if section.has("ca_file") { existing(section, "ca_file").map(Some) } else { Some(None) };
    section.finish();
    Some(Oidc {
        name: name?,
        label: Label { sv: sv?, en: en? },
        issuer: issuer?,
        client_id: client_id?,
        proof: proof?,
        scopes: scopes?,
        levels: levels?,
        max_age_s: max_age_s?,
        claims: claims?,
        ca: ca?,
    })
}

fn read_claims(section: &Section<'_>) -> Option<ClaimNames> {
    let usual = ClaimNames::default();
    let hsa = section.or("hsa_id", usual.hsa);
    let all_hsa = section.or("all_hsa_ids", usual.all_hsa);
    let commission = section.or("commission", usual.commission);
    let commission_name = section.or("commission_name", usual.commission_name);
    let care_unit = section.or("care_unit", usual.care_unit);
    let care_unit_name = section.or("care_unit_name", usual.care_unit_name);
    let care_provider = section.or("care_provider", usual.care_provider);
    section.finish();
    Some(ClaimNames {
        hsa: hsa?,
        all_hsa: all_hsa?,
        commission: commission?,
        commission_name: commission_name?,
        care_unit: care_unit?,
        care_unit_name: care_unit_name?,
        care_provider: care_provider?,
    })
}

fn read_proof(section: &Section<'_>) -> Option<ClientProof> {
    let id = if section.has("client_key_id") { short(section, "client_key_id", 255).map(Some) } else { Some(None) };
    match (section.has("client_secret_file"), section.has("client_key_file")) {
        (true, true) => {
            section.reject("client_key_file", "stands beside client_secret_file: one of them is used");
            None
        }
        (false, true) => {
            let pem = section.file("client_key_file")?;
            let found = signing_key(pem.as_bytes());
            if found.is_none() {
                section.reject(
                    "client_key_file",
                    "is no private key in PKCS#8 PEM form: EC P-256, RSA of 2048 bits or more, or Ed25519",
                );
            }
            let (key, algorithm) = found?;
            Some(ClientProof::Key { key, algorithm, id: id? })
        }
        _ => {
            let secret = section.file("client_secret_file")?;
            let secret = Zeroizing::new(secret.trim().to_owned());
            if secret.len() < 16 {
                section.reject("client_secret_file", "holds no secret: less than 16 letters");
                return None;
            }
            Some(ClientProof::Secret(secret))
        }
    }
}

/// The first kind of key that can sign something.
fn signing_key(pem: &[u8]) -> Option<(EncodingKey, Algorithm)> {
    let kinds = [
        (EncodingKey::from_ec_pem(pem), Algorithm::ES256),
        (EncodingKey::from_rsa_pem(pem), Algorithm::PS256),
        (EncodingKey::from_ed_pem(pem), Algorithm::EdDSA),
    ];
    let signs = |key: &EncodingKey, algorithm: Algorithm| {
        let header = jsonwebtoken::Header::new(algorithm);
        jsonwebtoken::encode(&header, &serde_json::json!({}), key).is_ok()
    };
    kinds.into_iter().find_map(|(key, algorithm)| Some((key.ok()?, algorithm)).filter(|(key, _)| signs(key, algorithm)))
}

fn read_logout(section: &Section<'_>) -> Option<OidcLogout> {
    let listen: Option<SocketAddr> = section.parsed("listen");
    let tls = if section.has("cert_file") || section.has("key_file") {
        let (cert, key) = (existing(section, "cert_file"), existing(section, "key_file"));
        cert.zip(key).map(|(cert, key)| Some(ServerFiles { cert, key }))
    } else {
        Some(None)
    };
    if listen.is_some_and(|listen| !listen.ip().is_loopback()) && tls.as_ref().is_some_and(Option::is_none) {
        section
            .reject("listen", "is not of this machine: name cert_file and key_file, for tokens never go in the clear");
    }
    let connections_max = section.within("connections_max", 32, 4, 1_024);
    section.finish();
    Some(OidcLogout { listen: listen?, tls: tls?, connections_max: connections_max? })
}

/// A list of words that stand in one parameter, with blanks between them.
fn words(section: &Section<'_>, key: &str, usual: Vec<String>) -> Option<Vec<String>> {
    let words: Vec<String> = section.or(key, usual)?;
    let good =
        |word: &String| !word.is_empty() && word.len() <= 255 && word.bytes().all(|byte| byte.is_ascii_graphic());
    if words.len() > 20 || !words.iter().all(good) {
        section.reject(key, "is a list of at most 20 words of visible ASCII");
        return None;
    }
    Some(words)
}

/// A text that is there and not too long, in bytes.
pub(super) fn short(section: &Section<'_>, key: &str, most: usize) -> Option<String> {
    let text: String = section.required(key)?;
    let good = !text.trim().is_empty() && text.len() <= most;
    if !good {
        section.reject(key, format!("must have 1 to {most} letters"));
    }
    good.then_some(text)
}
