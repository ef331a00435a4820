//! Settings of logins with SITHS cards.

use super::existing;
use super::oidc::{ServerFiles, short};
use crate::accounts::passkey::Origin;
use crate::accounts::siths::Policy;
use contract::settings::Section;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Cards are told apart by no more policies than this.
const POLICIES_MAX: usize = 20;

/// The listener that browsers show SITHS cards to.
#[derive(Debug, Clone)]
pub struct Siths {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where browsers find it.
    pub origin: Origin,
    /// Whose cards are let in, and how the listener shows who it is itself.
    pub files: CardFiles,
    /// Which cards are let in.
    pub policies: Vec<Policy>,
    /// Connections at a time.
    pub connections_max: usize,
}

/// Files of the listener for cards.
#[derive(Debug, Clone)]
pub struct CardFiles {
    /// The listener's own certificate and key.
    pub server: ServerFiles,
    /// The authorities of cards, PEM: each of them is trusted itself.
    pub authorities: PathBuf,
    /// What is known of revoked cards.
    pub revocation: Revocation,
}

/// What is known of revoked cards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revocation {
    /// The authorities' revocation lists, PEM or DER. There has to be one in force of each authority in a card's chain.
    Lists(Vec<PathBuf>),
    /// Nothing, by the operator's own word.
    None,
}

pub(super) fn read(section: &Section<'_>, login: &Section<'_>) -> Option<Siths> {
    let listen = section.parsed("listen");
    let origin: Option<Origin> = section.parsed("origin");
    match (&origin, login.optional::<String>("origin")) {
        (_, None) => login.reject("origin", "is missing: whoever has shown a SITHS card ([siths]) is sent back there"),
        (Some(own), Some(main)) if own.to_string() == main => {
            section.reject("origin", "is login.origin, which the gateway answers: cards need a listener of their own");
        }
        _ => {}
    }
    let (cert, key) = (existing(section, "cert_file"), existing(section, "key_file"));
    let authorities = existing(section, "ca_file");
    let revocation = read_revocation(section);
    let sections = section.sections("policy");
    let policies: Vec<_> = sections.iter().map(read_policy).collect();
    let policies: Option<Vec<Policy>> = policies.into_iter().collect();
    if sections.is_empty() || sections.len() > POLICIES_MAX {
        let words = "times: a card of no policy that is named is let in nowhere";
        section.reject("policy", format!("is needed 1 to {POLICIES_MAX} {words}"));
    }
    let connections_max = section.within("connections_max", 256, 4, 4096);
    section.finish();
    Some(Siths {
        listen: listen?,
        origin: origin?,
        files: CardFiles {
            server: ServerFiles { cert: cert?, key: key? },
            authorities: authorities?,
            revocation: revocation?,
        },
        policies: policies.filter(|policies| !policies.is_empty())?,
        connections_max: connections_max?,
    })
}

fn read_policy(section: &Section<'_>) -> Option<Policy> {
    let id = section.parsed("oid");
    let level = short(section, "acr", 255);
    section.finish();
    Some(Policy { id: id?, level: level? })
}

/// Lists, or the word that there are none: nobody goes without by having forgotten a line.
fn read_revocation(section: &Section<'_>) -> Option<Revocation> {
    match (section.has("crl_files"), section.has("revocation")) {
        (true, true) => {
            section.reject("revocation", "stands beside crl_files: revoked cards are known by lists, or not at all");
            None
        }
        (false, true) => section.word("revocation", None, &[("none", ())]).map(|()| Revocation::None),
        _ => {
            let files = section.paths("crl_files")?;
            for file in &files {
                if let Err(error) = std::fs::metadata(file) {
                    section.reject("crl_files", format!("{} cannot be read: {error}", file.display()));
                }
            }
            if files.is_empty() {
                section.reject(
                    "crl_files",
                    "names no file: revoked cards would be let in (revocation = \"none\" says so)",
                );
                return None;
            }
            Some(Revocation::Lists(files))
        }
    }
}
