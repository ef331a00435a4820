//! Registries: the backend applications that stand behind the gateway, and how to reach them.

use super::RegistryId;
use contract::id::{HsaId, RegistryName};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// A registry: one backend application with grants of its own.
#[derive(Debug)]
pub struct Registry {
    /// Its number.
    pub id: RegistryId,
    /// Its name: what grants name, and the audience of assertions.
    pub name: RegistryName,
    /// The host names by which it is reached, lower case, without port.
    pub hosts: Vec<Box<str>>,
    /// Its servers; at least one.
    pub peers: Vec<Peer>,
    /// What they speak.
    pub protocol: Protocol,
    /// TLS towards them, if any.
    pub tls: Option<UpstreamTls>,
    /// Its HSA-id, for records.
    pub system_hsa: Option<HsaId>,
    /// How long a connection may take to open.
    pub connect_timeout: Duration,
    /// How long to wait for the next bytes of a response.
    pub read_timeout: Duration,
    /// How long to wait until the next bytes of a request are taken.
    pub write_timeout: Duration,
    /// How long an unused connection is kept.
    pub idle_timeout: Duration,
    /// The most requests under way at once, over all peers.
    pub connections_max: u32,
    /// How to find out whether a peer is well; none: a peer is well until a connection fails.
    pub health: Option<Health>,
    /// The organisations whose devices may use it; none named: all.
    pub organisations: Vec<HsaId>,
}

/// What a registry's servers speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2; without TLS by prior knowledge.
    Http2,
}

/// A server of a registry.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Peer {
    /// A host name or address, and a port.
    Tcp {
        /// Name or address; an IPv6 address without brackets.
        host: Box<str>,
        /// Port.
        port: u16,
    },
    /// A Unix socket.
    Unix(PathBuf),
}

/// Why a text is no peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a peer is host:port, [IPv6 address]:port, or unix:/absolute/path")]
pub struct PeerError;

impl FromStr for Peer {
    type Err = PeerError;
    fn from_str(text: &str) -> Result<Self, PeerError> {
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.starts_with('/') { Ok(Self::Unix(path.into())) } else { Err(PeerError) };
        }
        let (host, port) = text.rsplit_once(':').ok_or(PeerError)?;
        let port = port.parse().ok().filter(|port| *port > 0).ok_or(PeerError)?;
        let host = match host.strip_prefix('[') {
            Some(bracketed) => {
                let address = bracketed.strip_suffix(']').ok_or(PeerError)?;
                address.parse::<std::net::Ipv6Addr>().map_err(|_| PeerError)?;
                address
            }
            None if is_host_name(host) => host,
            None => return Err(PeerError),
        };
        Ok(Self::Tcp { host: host.into(), port })
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// TLS towards a registry's servers: always verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamTls {
    /// The file with the authorities that may have issued the server's certificate.
    pub ca: PathBuf,
    /// The gateway's own certificate there, if it needs one.
    pub client: Option<ClientCertificate>,
    /// The name that the server's certificate must have.
    pub server_name: Box<str>,
}

/// Certificate and key files of the gateway as a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The certificate chain.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// How to find out whether a peer is well: a GET that must be answered 200.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// What to ask.
    pub path: Box<str>,
    /// How often.
    pub interval: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
    /// After how many failures in a row a peer gets no more requests.
    pub unhealthy_after: u32,
    /// After how many successes in a row it gets them again.
    pub healthy_after: u32,
}

/// Letters, digits, `-`, `_` and `.`: a DNS name or an IPv4 address.
pub(super) fn is_host_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 253
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        && text.split('.').all(|label| !label.is_empty() && label.len() <= 63)
}
