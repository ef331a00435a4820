//! The gateway's settings: read once, checked whole, typed from then on.
//!
//! [`Config::load`] reads `gateway.toml` and the routes file it names and gives either a [`Config`] or every mistake
//! in both, each with its file, line and key. Nothing is bound, opened or written before that. Secrets are paths to
//! files; the files themselves are read by who uses them.

mod read;

use crate::journal;
use crate::route::Routes;
use contract::Text;
use contract::id::{HsaId, NodeName, RegistryName};
use contract::settings::Problems;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Everything the gateway needs to know before it starts.
#[derive(Debug)]
pub struct Config {
    /// Who this gateway is.
    pub node: Node,
    /// Where it listens.
    pub listen: Listen,
    /// Its certificate and the authorities of client certificates.
    pub tls: Tls,
    /// What one client may take.
    pub limits: Limits,
    /// Where the directory and the login pages are.
    pub auditor: Auditor,
    /// Pseudonyms, sealing, assertions.
    pub identity: Identity,
    /// The journal.
    pub journal: journal::Config,
    /// Where records go.
    pub clickhouse: ClickHouse,
    /// Who gets copies of seals.
    pub witness: Witness,
    /// Country data.
    pub geo_database: Option<PathBuf>,
    /// Answers on routes that are not marked are looked at for patients ([`crate::discover`]).
    pub discover: bool,
    /// What is served.
    pub routes: Routes,
}

/// Who this gateway is.
#[derive(Debug, Clone)]
pub struct Node {
    /// The name under which its records are numbered and sealed.
    pub name: NodeName,
    /// The care provider that the installation belongs to.
    pub tenant: HsaId,
    /// Keys and the last directory.
    pub state_dir: PathBuf,
    /// Worker threads; `None`: one per processor.
    pub threads: Option<usize>,
}

/// Where the gateway listens.
#[derive(Debug, Clone)]
pub struct Listen {
    /// For clients.
    pub https: Vec<SocketAddr>,
    /// For operators: health and metrics.
    pub ops: SocketAddr,
    /// The names served, lower case.
    pub hosts: Vec<Text>,
}

/// Certificates.
#[derive(Debug, Clone)]
pub struct Tls {
    /// The gateway's certificate chain, PEM.
    pub certificate: PathBuf,
    /// Its key, PEM.
    pub key: PathBuf,
    /// The device authorities, PEM.
    pub client_ca: Vec<PathBuf>,
    /// How long a handshake may take.
    pub handshake_timeout: Duration,
}

/// What one client may take.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections in all.
    pub connections_max: usize,
    /// Connections from one address.
    pub connections_per_address: usize,
    /// Handshakes a second from one address.
    pub handshakes_per_address_per_s: u32,
    /// Requests a second from one device.
    pub requests_per_device_per_s: u32,
    /// Bytes of a request's head.
    pub head_bytes_max: usize,
    /// From a head's first byte to its last.
    pub head_timeout: Duration,
    /// How long a client may be silent in the midst of a body, and for the whole of one in which patients are looked for.
    /// A body that lasts longer must bring 1 KiB a second on average.
    pub body_timeout: Duration,
    /// Patients that one answer may disclose, beside those that its request names.
    pub response_patients_max: usize,
    /// An unused connection is closed.
    pub idle_timeout: Duration,
    /// How long exchanges may take to end after SIGTERM.
    pub drain_timeout: Duration,
}

/// How the gateway reaches the auditor.
#[derive(Debug, Clone)]
pub struct Auditor {
    /// The internal interfaces of auditors that share one database, the first to be tried first. At least one.
    pub directory: Vec<InternalAddress>,
    /// The registry that serves login and administration.
    pub registry: RegistryName,
    /// Without news for so long nobody is let in.
    pub stale_after: Duration,
    /// Whom a user calls: shown on error pages.
    pub help_contact: Text,
}

/// Where the auditor's internal interface is.
#[derive(Debug, Clone)]
pub enum InternalAddress {
    /// A Unix socket: on one machine, guarded by its file's rights.
    Unix(PathBuf),
    /// Over mutual TLS.
    Tls {
        /// Host name and port.
        authority: String,
        /// The host name in the auditor's certificate.
        host: String,
        /// The authority of the auditor's certificate, PEM.
        ca: PathBuf,
        /// This gateway's certificate, PEM.
        certificate: PathBuf,
        /// Its key, PEM.
        key: PathBuf,
    },
}

/// Pseudonyms, sealing, assertions.
#[derive(Debug, Clone)]
pub struct Identity {
    /// File of the pseudonym key.
    pub pseudonym_key: PathBuf,
    /// File of the auditor's public key.
    pub auditor_public_key: PathBuf,
    /// `iss` of assertions.
    pub assertion_issuer: Text,
}

/// Where records go.
#[derive(Debug, Clone)]
pub struct ClickHouse {
    /// ClickHouse's HTTP interface.
    pub url: String,
    /// The database.
    pub database: String,
    /// The user.
    pub user: String,
    /// File of the user's key.
    pub key_file: PathBuf,
    /// Rows in one batch at the most.
    pub batch_rows_max: usize,
    /// How long a row may wait for company.
    pub batch_wait: Duration,
}

/// Who gets copies of this node's seals, and how.
#[derive(Debug, Clone)]
pub struct Witness {
    /// A file to append to.
    pub file: Option<PathBuf>,
    /// An HTTP endpoint.
    pub url: Option<WitnessUrl>,
    /// How long the endpoint may take for one seal.
    pub timeout: Duration,
    /// Bytes that may wait for a witness.
    pub spool_bytes_max: u64,
}

/// An HTTP endpoint that takes copies of seals.
#[derive(Debug, Clone)]
pub struct WitnessUrl {
    /// `https://`, or `http://` on this machine.
    pub uri: http::Uri,
    /// The authority of its certificate, PEM; `None`: the public ones.
    pub ca: Option<PathBuf>,
    /// File of a bearer token.
    pub token_file: Option<PathBuf>,
}

impl Config {
    /// Reads and checks the settings, the environment's overrides laid over the file.
    pub fn load(path: &Path, environment: impl IntoIterator<Item = (String, String)>) -> Result<Self, Problems> {
        read::load(path, environment, false)
    }

    /// The same, for those who are about to serve: keys and certificates that cannot be read are mistakes, too.
    pub fn load_to_serve(
        path: &Path,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Problems> {
        read::load(path, environment, true)
    }
}

#[cfg(test)]
mod tests;
