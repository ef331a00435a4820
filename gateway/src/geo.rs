//! Where an address is: country and autonomous system, by a country database (MaxMind DB format).
//!
//! Without a database every address is unknown (`--`, 0), and the record says so.

use contract::record::Origin;
use maxminddb::Reader;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// The database could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{path} is no country database that can be read")]
pub struct GeoError {
    path: PathBuf,
    #[source]
    source: maxminddb::MaxMindDbError,
}

/// The country data.
pub struct Geo(Option<Reader<Vec<u8>>>);

#[derive(serde::Deserialize)]
struct Found<'a> {
    #[serde(borrow)]
    country_code: Option<&'a str>,
    autonomous_system_number: Option<u32>,
}

impl Geo {
    /// Opens a database; `None`: everything is unknown.
    pub fn open(path: Option<&Path>) -> Result<Self, GeoError> {
        let open = |path: &Path| Reader::open_readfile(path).map_err(|source| GeoError { path: path.into(), source });
        path.map(open).transpose().map(Self)
    }

    /// The origin of an address.
    pub fn origin(&self, address: IpAddr) -> Origin {
        let mapped = match address {
            IpAddr::V4(v4) => v4.to_ipv6_mapped(),
            IpAddr::V6(v6) => v6,
        };
        let found = self.0.as_ref().and_then(|reader| {
            let found: Found<'_> = reader.lookup(address).ok()?.decode().ok()??;
            let country = found.country_code?.as_bytes().try_into().ok()?;
            Some((country, found.autonomous_system_number.unwrap_or(0)))
        });
        let (country, asn) = found.unwrap_or((*b"--", 0));
        Origin { address: mapped, country, asn }
    }
}
