//! `auditor init`: makes what an installation needs and does not have yet. Run again, it makes only what is missing.
//!
//! Keys are written with mode 0600 and never shown. A file that is there is left as it is: renewing one is
//! removing it first. A pair (certificate and key) is made together or not at all.

use crate::accounts::passkey::Origin;
use crate::pki::{self, Authority, PkiError, Usage};
use crate::random;
use contract::Micros;
use contract::pseudonym::AuditorPrivateKey;
use contract::seal::SealKey;
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;
use serde::Serialize;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Arguments of `auditor init`.
#[derive(Debug, Clone, clap::Args)]
pub struct InitArgs {
    /// The installation's folder; made if it is not there.
    #[arg(long)]
    pub dir: PathBuf,
    /// A host name or address under which users reach the gateway; several are allowed.
    #[arg(long, required = true)]
    pub host: Vec<String>,
}

/// Why an installation cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// A file cannot be written or read.
    #[error("{} cannot be written or read", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A certificate cannot be made.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// One of a pair is there, and the other is not.
    #[error("{} is there, but {} is not: put it back, or remove both", .have.display(), .lack.display())]
    Half {
        /// What is there.
        have: PathBuf,
        /// What is missing.
        lack: PathBuf,
    },
}

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Made {
    /// It is new.
    Made,
    /// It was there.
    Kept,
}

/// A file of the installation.
#[derive(Debug, Serialize)]
pub struct InitFile {
    /// Where it is.
    pub file: PathBuf,
    /// What it is for.
    pub what: &'static str,
    /// What became of it.
    pub done: Made,
}

/// Days that authorities' certificates hold; devices' are short-lived, these and those of programs are not.
pub const CA_DAYS: u32 = 3650;
const SERVER_DAYS: u32 = 397;
const INTERNAL_DAYS: u32 = 825;

/// ClickHouse's users: name and role.
const CLICKHOUSE_USERS: [(&str, &str); 3] = [("gateway", "insert"), ("auditor", "admin"), ("reader", "read")];

/// Makes what is missing.
pub fn init(args: &InitArgs, now: Micros) -> Result<Vec<InitFile>, InitError> {
    let mut place = Place { dir: args.dir.clone(), now, files: Vec::new() };
    for folder in ["", "secrets", "pki", "state"] {
        place.folder(folder)?;
    }
    place.secret("secrets/pseudonym.key", "pseudonyms of patients: auditor and gateways")?;
    place.secret("secrets/master.key", "second factors at rest, forms: auditor")?;
    place.hpke()?;
    place.seal()?;
    place.clickhouse()?;
    place.authority("pki/device-ca", "Grindvakt device CA", "issues devices' certificates")?;
    place.authority("pki/server-ca", "Grindvakt server CA", "issued the gateway's server certificate")?;
    place.authority("pki/internal-ca", "Grindvakt internal CA", "issued the certificates between programs")?;
    let hosts = &args.host;
    let first = hosts.first().map_or("gateway", String::as_str);
    place.host(
        "pki/gateway",
        "pki/server-ca",
        (first, hosts, Usage::Server, SERVER_DAYS),
        "the gateway's towards users",
    )?;
    let auditor = ["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned(), "auditor".to_owned()];
    let server = ("auditor", auditor.as_slice(), Usage::Server, INTERNAL_DAYS);
    place.host("pki/internal-server", "pki/internal-ca", server, "the auditor's towards gateways")?;
    let client = ("gateway", [].as_slice(), Usage::Client, INTERNAL_DAYS);
    place.host("pki/internal-gateway", "pki/internal-ca", client, "a gateway's towards the auditor")?;
    for (name, text, what) in SETTINGS {
        place.write(name, 0o644, what, || Ok(text.replace(ORIGIN, &origin(hosts)).into_bytes().into()))?;
    }
    Ok(place.files)
}

/// Settings whose paths are those of the files made here.
const SETTINGS: [(&str, &str, &str); 3] = [
    ("auditor.toml", include_str!("../../config/auditor.toml"), "the auditor's settings"),
    ("gateway.toml", include_str!("../../config/gateway.toml"), "a gateway's settings"),
    (
        "routes.toml",
        include_str!("../../config/routes.toml"),
        "the sample registry's routes: to be replaced by your own",
    ),
];

/// What the sample settings say of where users meet the login page.
const ORIGIN: &str = "\norigin = \"https://localhost:8443\"\n";

/// The same for the first of `hosts` that passkeys can be made for: addresses cannot.
fn origin(hosts: &[String]) -> String {
    let origins = hosts.iter().map(|host| format!("https://{}:8443", host.to_ascii_lowercase()));
    match origins.into_iter().find(|origin| origin.parse::<Origin>().is_ok()) {
        Some(origin) => format!("\norigin = \"{origin}\"\n"),
        None => "\n# origin = \"https://NAME:8443\"\n".to_owned(),
    }
}

struct Place {
    dir: PathBuf,
    now: Micros,
    files: Vec<InitFile>,
}

type Bytes = Zeroizing<Vec<u8>>;

impl Place {
    fn folder(&self, name: &str) -> Result<(), InitError> {
        let path = self.dir.join(name);
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&path)
            .map_err(|source| InitError::File { path, source })
    }

    /// Writes a file that is not there, whole or not at all.
    fn write(
        &mut self,
        name: &str,
        mode: u32,
        what: &'static str,
        make: impl FnOnce() -> Result<Bytes, InitError>,
    ) -> Result<(), InitError> {
        let path = self.dir.join(name);
        let done = if path.exists() {
            Made::Kept
        } else {
            write_new(&path, mode, &make()?).map_err(|source| InitError::File { path: path.clone(), source })?;
            Made::Made
        };
        self.files.push(InitFile { file: path, what, done });
        Ok(())
    }

    fn read(&self, name: &str) -> Result<Zeroizing<String>, InitError> {
        let path = self.dir.join(name);
        fs::read_to_string(&path).map(Zeroizing::new).map_err(|source| InitError::File { path, source })
    }

    fn secret(&mut self, name: &str, what: &'static str) -> Result<(), InitError> {
        self.write(name, 0o600, what, || Ok(hex_line(&random::secret())))
    }

    fn hpke(&mut self) -> Result<(), InitError> {
        let (private, public) = ("secrets/identity.key", "pki/identity.pub");
        self.secret(private, "opens patients' identities: auditor only")?;
        let secret = self.read(private)?;
        let secret = contract::pseudonym::secret_from_hex(&secret).map_err(|error| InitError::File {
            path: self.dir.join(private),
            source: io::Error::new(io::ErrorKind::InvalidData, error),
        })?;
        let (_, key) = AuditorPrivateKey::derive(&secret);
        self.write(public, 0o644, "seals patients' identities: gateways", || {
            Ok(format!("{}\n", key.to_hex()).into_bytes().into())
        })
    }

    fn seal(&mut self) -> Result<(), InitError> {
        let (private, public) = ("secrets/seal.key", "pki/seal-auditor.pub");
        self.write(private, 0o600, "seals the auditor's rows of the audit log", || {
            Ok(pki::seal_key()?.as_bytes().to_vec().into())
        })?;
        let text = self.read(private)?;
        let key = PrivatePkcs8KeyDer::from_pem_slice(text.as_bytes())
            .ok()
            .and_then(|der| SealKey::from_pkcs8(der.secret_pkcs8_der()).ok())
            .ok_or_else(|| InitError::File {
                path: self.dir.join(private),
                source: io::ErrorKind::InvalidData.into(),
            })?;
        let what = "checks the auditor's seals: whoever verifies the log";
        self.write(public, 0o644, what, || Ok(format!("{}\n", hex::encode(key.public())).into_bytes().into()))
    }

    fn clickhouse(&mut self) -> Result<(), InitError> {
        let file = "secrets/clickhouse.keys";
        self.write(file, 0o600, "the embedded ClickHouse's users: user:key:role", || {
            let lines = CLICKHOUSE_USERS.map(|(user, role)| format!("{user}:{}:{role}\n", *random::token()));
            Ok(lines.concat().into_bytes().into())
        })?;
        let text = self.read(file)?;
        for line in text.lines() {
            let mut parts = line.split(':');
            let (Some(user), Some(key)) = (parts.next(), parts.next()) else { continue };
            if CLICKHOUSE_USERS.iter().any(|(known, _)| *known == user) {
                let name = format!("secrets/clickhouse-{user}.password");
                self.write(&name, 0o600, "a ClickHouse user's password", || {
                    Ok(format!("{key}\n").into_bytes().into())
                })?;
            }
        }
        Ok(())
    }

    /// A certificate `stem.pem` and its key `stem.key`.
    fn pair(
        &mut self,
        stem: &str,
        what: &'static str,
        make: impl FnOnce(&Self) -> Result<pki::Issued, InitError>,
    ) -> Result<(), InitError> {
        let (cert, key) = (format!("{stem}.pem"), format!("{stem}.key"));
        let (cert_path, key_path) = (self.dir.join(&cert), self.dir.join(&key));
        match (cert_path.exists(), key_path.exists()) {
            (true, true) => {}
            (true, false) => return Err(InitError::Half { have: cert_path, lack: key_path }),
            (false, true) => return Err(InitError::Half { have: key_path, lack: cert_path }),
            (false, false) => {
                let issued = make(self)?;
                self.write(&key, 0o600, "key", || Ok(issued.key_pem.as_bytes().to_vec().into()))?;
                self.files.pop();
                self.write(&cert, 0o644, what, || Ok(issued.cert_pem.as_bytes().to_vec().into()))?;
                return Ok(());
            }
        }
        self.files.push(InitFile { file: cert_path, what, done: Made::Kept });
        Ok(())
    }

    fn authority(&mut self, stem: &str, name: &str, what: &'static str) -> Result<(), InitError> {
        self.pair(stem, what, |place| Ok(pki::authority(name, &random::secret(), place.now, CA_DAYS)?))
    }

    fn host(
        &mut self,
        stem: &str,
        authority: &str,
        (name, hosts, usage, days): (&str, &[String], Usage, u32),
        what: &'static str,
    ) -> Result<(), InitError> {
        self.pair(stem, what, |place| {
            let cert = place.read(&format!("{authority}.pem"))?;
            let key = place.read(&format!("{authority}.key"))?;
            let authority = Authority::from_pem(&cert, &key)?;
            Ok(authority.issue_host(name, hosts, usage, &random::secret(), place.now, days)?)
        })
    }
}

fn hex_line(secret: &[u8; 32]) -> Bytes {
    let mut text = Zeroizing::new(hex::encode(secret).into_bytes());
    text.push(b'\n');
    text
}

/// Writes a file whole or not at all, and never over another.
pub fn write_new(path: &Path, mode: u32, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let draft = path.with_file_name(name);
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    // A link fails where a rename would replace a file that another process has made in the meantime.
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    linked
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn args(dir: &Path) -> InitArgs {
        InitArgs { dir: dir.to_owned(), host: vec!["registry.example".to_owned(), "127.0.0.1".to_owned()] }
    }

    #[test]
    fn a_second_run_makes_nothing_and_a_third_what_is_missing() {
        let dir = tempfile::tempdir().expect("a directory");
        let now = crate::clock::now();
        let first = init(&args(dir.path()), now).expect("makes all");
        assert!(first.iter().all(|file| file.done == Made::Made));
        let key = fs::read(dir.path().join("secrets/master.key")).expect("is there");
        let second = init(&args(dir.path()), now).expect("keeps all");
        assert!(second.iter().all(|file| file.done == Made::Kept), "{second:?}");
        assert_eq!(first.len(), second.len());
        assert_eq!(fs::read(dir.path().join("secrets/master.key")).expect("is there"), key);
        fs::remove_file(dir.path().join("pki/gateway.pem")).expect("removes");
        assert!(matches!(init(&args(dir.path()), now), Err(InitError::Half { .. })));
        fs::remove_file(dir.path().join("pki/gateway.key")).expect("removes");
        let third = init(&args(dir.path()), now).expect("makes the one");
        assert_eq!(third.iter().filter(|file| file.done == Made::Made).count(), 1);
    }

    #[test]
    fn passkeys_are_for_the_first_host_that_has_a_name() {
        for (hosts, line) in [
            (&["127.0.0.1", "Registry.example", "localhost"][..], "origin = \"https://registry.example:8443\""),
            (&["localhost"], "origin = \"https://localhost:8443\""),
            (&["127.0.0.1", "::1"], "# origin = \"https://NAME:8443\""),
        ] {
            let dir = tempfile::tempdir().expect("a directory");
            let host = hosts.iter().map(|host| (*host).to_owned()).collect();
            init(&InitArgs { dir: dir.path().to_owned(), host }, crate::clock::now()).expect("makes all");
            let settings = fs::read_to_string(dir.path().join("auditor.toml")).expect("reads");
            let found: Vec<_> =
                settings.lines().filter(|line| line.trim_start_matches("# ").starts_with("origin = ")).collect();
            assert_eq!(found, [line]);
        }
    }

    #[test]
    fn secrets_are_private() {
        let dir = tempfile::tempdir().expect("a directory");
        init(&args(dir.path()), crate::clock::now()).expect("makes all");
        let mut keys = 0;
        for folder in ["secrets", "pki"] {
            for file in fs::read_dir(dir.path().join(folder)).expect("a folder") {
                let file = file.expect("an entry");
                let mode = file.metadata().expect("is there").permissions().mode() & 0o777;
                let name = file.file_name().to_string_lossy().into_owned();
                let public = Path::new(&name).extension().is_some_and(|kind| kind == "pem" || kind == "pub");
                assert_eq!(mode, if public { 0o644 } else { 0o600 }, "{name}");
                keys += usize::from(!public);
            }
        }
        assert_eq!(keys, 4 + 4 + 6);
    }
}
