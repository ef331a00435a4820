//! Where the accounts lie, and what differs between the databases.

use super::StoreError;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use sqlx::any::AnyConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use zeroize::Zeroizing;

/// Where the accounts lie.
#[derive(Debug, Clone)]
pub enum Place {
    /// A file of this machine, for one auditor.
    Sqlite(PathBuf),
    /// A server, for several.
    Postgres(Server),
}

/// A PostgreSQL server.
#[derive(Clone)]
pub struct Server {
    url: String,
    password: Option<Zeroizing<String>>,
    /// How it is called in messages.
    name: String,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server({})", self.name)
    }
}

/// Why an address is none of a PostgreSQL server that may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ServerError {
    /// It has another form.
    #[error("must be postgres://USER@HOST:PORT/DATABASE; for a socket add ?host=/FOLDER")]
    Form,
    /// The password would be in the settings.
    #[error("holds a password: name its file in postgres_password_file instead")]
    Password,
    /// It would go over the network unprotected, or to whoever answers.
    #[error("leads to another machine: add ?sslmode=verify-full, and &sslrootcert=FILE if its authority is your own")]
    Unprotected,
}

impl Server {
    /// How it is called in messages: host, port and database.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Reads a server's address (libpq's form of a URI).
    pub fn parse(url: &str, password: Option<Zeroizing<String>>) -> Result<Self, ServerError> {
        let known = ["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme));
        let options = AnyConnectOptions::from_str(url).map_err(|_| ServerError::Form)?;
        if !known || options.database_url.username().is_empty() || options.database_url.path().len() < 2 {
            return Err(ServerError::Form);
        }
        if options.database_url.password().is_some() {
            return Err(ServerError::Password);
        }
        let server = PgConnectOptions::from_str(url).map_err(|_| ServerError::Form)?;
        let host = server.get_host();
        let near = server.get_socket().is_some()
            || host == "localhost"
            || host.trim_matches(['[', ']']).parse().is_ok_and(|address: IpAddr| address.is_loopback());
        if !near && !matches!(server.get_ssl_mode(), PgSslMode::VerifyFull) {
            return Err(ServerError::Unprotected);
        }
        let host = server.get_socket().map_or(host.to_owned(), |folder| folder.display().to_string());
        let name = format!("{host}:{}/{}", server.get_port(), server.get_database().unwrap_or_default());
        Ok(Self { url: url.to_owned(), password, name })
    }
}

impl Place {
    pub(super) fn engine(&self) -> Engine {
        match self {
            Self::Sqlite(_) => Engine::Sqlite,
            Self::Postgres(_) => Engine::Postgres,
        }
    }

    /// How it is connected to. Makes a file that is not there.
    pub(super) fn options(&self) -> Result<AnyConnectOptions, StoreError> {
        match self {
            Self::Sqlite(path) => {
                private_file(path).map_err(StoreError::Open)?;
                let text = path.to_string_lossy();
                let path = utf8_percent_encode(&text, PATH_ESCAPES);
                Ok(AnyConnectOptions::from_str(&format!("sqlite://{path}?mode=rwc"))?)
            }
            Self::Postgres(server) => {
                let mut options = AnyConnectOptions::from_str(&server.url)?;
                if let Some(password) = &server.password {
                    let set = options.database_url.set_password(Some(password.as_str()));
                    set.map_err(|()| StoreError::Incomplete("the address of the account database takes no password"))?;
                }
                Ok(options)
            }
        }
    }
}

/// What a path may not hold in the clear when it stands in a URL.
const PATH_ESCAPES: &AsciiSet = &CONTROLS.add(b' ').add(b'?').add(b'#').add(b'%').add(b'"').add(b'<').add(b'>');

/// Makes the file with mode 0600 if it is not there: SQLite gives its helper files the same mode.
fn private_file(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path).map(drop)
}

static SQLITE: sqlx::migrate::Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES: sqlx::migrate::Migrator = sqlx::migrate!("migrations/postgres");

/// Which database it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Engine {
    Sqlite,
    Postgres,
}

impl Engine {
    /// Begins a transaction that will write. Who writes has the whole database for it, so that none has to give up
    /// half-way because another writes too, and epochs and numbers are in the order of commits.
    pub(super) fn begin_write(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN IMMEDIATE",
            Self::Postgres => "BEGIN; SELECT pg_advisory_xact_lock(4711203508512310376)",
        }
    }

    /// Begins a transaction that reads, and sees one state.
    pub(super) fn begin_read(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN",
            Self::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        }
    }

    /// What each connection sets first. A program that hangs in a transaction loses it, so that others can write.
    pub(super) fn on_connect(self) -> &'static str {
        match self {
            Self::Sqlite => {
                "PRAGMA busy_timeout = 10000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                 PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF"
            }
            Self::Postgres => {
                "SET lock_timeout = '10s'; SET statement_timeout = '30s'; \
                 SET idle_in_transaction_session_timeout = '5s'; SET synchronous_commit = on; \
                 SET application_name = 'grindvakt-auditor'"
            }
        }
    }

    /// A number that moves when another connection has changed the directory.
    pub(super) fn version(self) -> &'static str {
        match self {
            Self::Sqlite => "PRAGMA data_version",
            Self::Postgres => "SELECT epoch FROM directory_head",
        }
    }

    pub(super) fn migrations(self) -> &'static sqlx::migrate::Migrator {
        match self {
            Self::Sqlite => &SQLITE,
            Self::Postgres => &POSTGRES,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_reached_safely_or_not_at_all() {
        for (url, expected) in [
            ("postgres://auditor@localhost/grindvakt", Ok("localhost:5432/grindvakt")),
            ("postgresql://auditor@127.0.0.1:5433/grindvakt", Ok("127.0.0.1:5433/grindvakt")),
            ("postgres://auditor@[::1]/grindvakt", Ok("[::1]:5432/grindvakt")),
            ("postgres://auditor@localhost/grindvakt?host=/run/postgresql", Ok("/run/postgresql:5432/grindvakt")),
            ("postgres://auditor@db.example/grindvakt?sslmode=verify-full", Ok("db.example:5432/grindvakt")),
            ("postgres://auditor@db.example/grindvakt", Err(ServerError::Unprotected)),
            ("postgres://auditor@db.example/grindvakt?sslmode=require", Err(ServerError::Unprotected)),
            ("postgres://auditor@10.0.0.9/grindvakt?sslmode=verify-ca", Err(ServerError::Unprotected)),
            ("postgres://auditor:secret@localhost/grindvakt", Err(ServerError::Password)),
            ("postgres://localhost/grindvakt", Err(ServerError::Form)),
            ("postgres://auditor@localhost", Err(ServerError::Form)),
            ("mysql://auditor@localhost/grindvakt", Err(ServerError::Form)),
            ("sqlite:///tmp/a.db", Err(ServerError::Form)),
            ("", Err(ServerError::Form)),
        ] {
            let server = Server::parse(url, None);
            assert_eq!(server.as_ref().map(|server| server.name.as_str()).map_err(|error| *error), expected, "{url}");
        }
    }

    #[test]
    fn a_password_is_not_shown_and_may_have_any_letter() {
        let secret = "a/b@c:d?é%";
        let server = Server::parse("postgres://auditor@localhost/grindvakt", Some(Zeroizing::new(secret.to_owned())));
        let place = Place::Postgres(server.expect("an address"));
        assert!(!format!("{place:?}").contains("a/b"));
        let options = place.options().expect("options");
        let password = options.database_url.password().expect("a password");
        let plain = percent_encoding::percent_decode_str(password).decode_utf8().expect("text");
        assert_eq!(plain, secret);
    }
}
