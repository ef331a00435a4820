//! Accounts, devices, sessions and the directory's history: in SQLite for one auditor, in PostgreSQL for several.
//!
//! - Every change goes through a [`Change`]: one transaction that holds the new state, the directory's new entry
//!   under a new epoch, and the event for the audit log. All of it is there, or nothing.
//! - Epochs are the time of the change in microseconds, moved on where two would meet. They never repeat, and a
//!   database that was put back from a copy does not give old epochs a new meaning.
//! - SQL here is what SQLite and PostgreSQL both read (`$1`, `RETURNING`, no dialect), through sqlx's `Any`
//!   driver; what differs is in [`place`] and in the migrations' folders.
//! - Writers of one process take turns; several processes wait for each other in the database. So there is one writer
//!   at a time, in either database.
//! - Nothing here is a secret in the clear: tokens are hashes, passwords Argon2id, second factors and passkeys
//!   sealed.

mod account_page;
mod accounts;
mod appointment_page;
mod appointments;
mod blocks;
mod commissions;
mod condition;
mod devices;
mod directory;
mod emergencies;
mod forms;
mod grants;
mod handouts;
mod holds;
mod imports;
mod instructions;
mod leases;
mod oidc;
mod outbox;
mod passkeys;
mod place;
mod reviews;
mod second_factor;
mod sessions;
mod siths;
#[cfg(test)]
mod tests;

pub use account_page::{AccountKey, AccountOrder, AccountPage};
pub use accounts::Credential;
pub use blocks::Block;
pub use devices::{Crl, DeviceOrder, Listed, WantedDevices};
pub use directory::Snapshot;
pub use emergencies::{Emergency, NewOpening, WantedEmergencies};
pub use forms::{APPLICATIONS_A_DAY, Case, Filed, Heading, Office, Order, Page, Queue, Viewer, Wanted};
pub use handouts::{Counter, Half, Handout, Issue, Message, Opened, Own, Printed, Sought, Way};
pub use holds::Which;
pub use imports::Wish;
pub use leases::Held;
pub use oidc::{AtProvider, Reference, TOLD_KEPT};
pub use outbox::{Batch, Chain, Waiting};
pub use passkeys::Passkey;
pub use place::{Place, Server, ServerError};
pub use reviews::Vouched;
pub use second_factor::Factors;
pub use siths::SeenCard;

use crate::accounts::InvalidMove;
use crate::devices::{AlreadyRevoked, TooEarly};
use crate::forms::{Denied, FormFault, MoveError, WrongState};
use crate::handout::{PairError, Unreachable, WrongStage};
use crate::imports::Faults;
use crate::sealing::RestError;
use contract::Micros;
use contract::directory::Epoch;
use contract::id::{AccountId, CertFingerprint, DeviceId};
use contract::record::Origin;
use place::Engine;
use sqlx::any::AnyPoolOptions;
use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyPool, ConnectOptions, Connection as _, Executor, Transaction};
use std::net::Ipv6Addr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, Notify, OwnedMutexGuard};

/// Why the store cannot do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database file cannot be made or is not to be opened.
    #[error("the account database cannot be opened")]
    Open(#[source] std::io::Error),
    /// No connection to the server.
    #[error(
        "no connection to the account database {name}: is the server there, and are user, password and database right?"
    )]
    Unreachable {
        /// Which.
        name: String,
        /// What happened.
        #[source]
        source: sqlx::Error,
    },
    /// The database's own error.
    #[error("the account database failed")]
    Sql(#[from] sqlx::Error),
    /// The schema could not be brought up to date.
    #[error("the account database's schema cannot be brought up to date")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// A row that this program cannot have written.
    #[error("the account database holds a row that cannot be read: {0}")]
    Damaged(&'static str),
    /// Another has it.
    #[error("the {0} is taken already")]
    Taken(&'static str),
    /// A value that lacks a part.
    #[error("{0}")]
    Incomplete(&'static str),
    /// There is none.
    #[error("there is no such {0}")]
    Absent(&'static str),
    /// It has not answered for a while.
    #[error("the account database has not answered for a while")]
    Away,
    /// Another program uses it under another name.
    #[error(
        "the account database is that of auditor {0:?}: all who share it are one node in the audit log, so give this one the \
         same [node] name, tenant and keys"
    )]
    OtherNode(String),
    /// The account's state does not allow it.
    #[error(transparent)]
    Move(#[from] InvalidMove),
    /// Who wants it may not.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// Not where the form stands.
    #[error(transparent)]
    State(#[from] WrongState),
    /// Something is wrong with what was written.
    #[error(transparent)]
    Fault(#[from] FormFault),
    /// It is not as it was when it was seen.
    #[error("somebody else has changed the {0} in the meantime: look at it again")]
    Raced(&'static str),
    /// Another form came later.
    #[error("a later form about the same account and registry has overtaken this one")]
    Overtaken,
    /// A cell that this program's key does not open.
    #[error(transparent)]
    Sealed(#[from] RestError),
    /// Rows that cannot be brought in.
    #[error(transparent)]
    Rows(Box<Faults>),
    /// More accounts would end by an import than was wished.
    #[error("more than {0} account(s) would end by this: is the list whole? If so, allow more")]
    ClosesTooMany(usize),
    /// Two channels that do not go together.
    #[error(transparent)]
    Pair(#[from] PairError),
    /// The person's application gives no way for a channel.
    #[error(transparent)]
    NoWay(#[from] Unreachable),
    /// Not where the half is.
    #[error(transparent)]
    Stage(#[from] WrongStage),
    /// The device is revoked already.
    #[error(transparent)]
    Revoked(#[from] AlreadyRevoked),
    /// A device asks for its next certificate too early.
    #[error(transparent)]
    Early(#[from] TooEarly),
    /// There are as many as there may be.
    #[error("there are too many {0}")]
    TooMany(&'static str),
}

impl StoreError {
    /// Whether it says something of a row, not of the database: work on others can go on.
    pub(crate) fn is_of_one_row(&self) -> bool {
        !matches!(
            self,
            Self::Open(_)
                | Self::Unreachable { .. }
                | Self::Sql(_)
                | Self::Migrate(_)
                | Self::Away
                | Self::OtherNode(_)
        )
    }
}

impl From<MoveError> for StoreError {
    fn from(error: MoveError) -> Self {
        match error {
            MoveError::Denied(denied) => denied.into(),
            MoveError::State(state) => state.into(),
            MoveError::Fault(fault) => fault.into(),
        }
    }
}

/// Who does something, from where: for the record.
#[derive(Debug, Clone)]
pub struct By {
    /// The account; [`AccountId::NONE`] on the command line and for the program itself.
    pub account: AccountId,
    /// The device.
    pub device: DeviceId,
    /// Its certificate.
    pub device_cert: CertFingerprint,
    /// Its organisation.
    pub device_org: contract::Text,
    /// From where.
    pub origin: Origin,
    /// How, in a word: `app`, `cli`, `sweeper`; on the command line followed by who ran the command.
    pub channel: contract::Text,
}

impl By {
    /// The program itself, or its command line.
    pub fn program(channel: &str) -> Self {
        Self {
            account: AccountId::NONE,
            device: DeviceId::NONE,
            device_cert: CertFingerprint([0; 32]),
            device_org: contract::Text::from(""),
            origin: Origin { address: Ipv6Addr::UNSPECIFIED, country: *b"--", asn: 0 },
            channel: channel.into(),
        }
    }
}

/// The store. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    pool: AnyPool,
    engine: Engine,
    turn: Arc<Mutex<()>>,
    changed: Arc<Notify>,
}

/// How often a running program looks whether another process has changed the database.
const LOOK_EVERY: Duration = Duration::from_millis(40);
const CONNECTIONS_MAX: u32 = 8;
const CONNECT_MAX: Duration = Duration::from_secs(10);

impl Store {
    /// Opens the database, makes it if it is a file that is not there, and brings its schema up to date.
    pub async fn open(place: &Place) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        let engine = place.engine();
        let options = place.options()?.disable_statement_logging();
        if let Place::Postgres(server) = place {
            // The pool would try until its time is over, and not say why.
            let unreachable = |source| StoreError::Unreachable { name: server.name().to_owned(), source };
            let first = tokio::time::timeout(CONNECT_MAX, options.connect()).await;
            first.unwrap_or(Err(sqlx::Error::PoolTimedOut)).map_err(unreachable)?.close().await?;
        }
        let pool = AnyPoolOptions::new()
            .max_connections(CONNECTIONS_MAX)
            .acquire_timeout(Duration::from_secs(10))
            .after_connect(move |connection, _| {
                Box::pin(async move { connection.execute(engine.on_connect()).await.map(drop) })
            })
            .connect_with(options)
            .await?;
        engine.migrations().run(&pool).await?;
        Ok(Self { pool, engine, turn: Arc::default(), changed: Arc::new(Notify::new()) })
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT epoch FROM directory_head").fetch_one(&self.pool).await?;
        Ok(())
    }

    /// Begins a change at `at`.
    pub async fn change(&self, at: Micros, by: By) -> Result<Change, StoreError> {
        let turn = Arc::clone(&self.turn).lock_owned().await;
        let tx = self.pool.begin_with(self.engine.begin_write()).await?;
        Ok(Change { tx, _turn: turn, at, by, changed: Arc::clone(&self.changed) })
    }

    /// Watches for changes, of this process and of others.
    pub async fn watch(&self) -> Result<Watch, StoreError> {
        let mut watch = Watch { store: self.clone(), connection: None, version: None };
        watch.version = Some(watch.look().await?);
        Ok(watch)
    }

    /// Closes all connections: the last one folds the write-ahead log into the database.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    async fn read(&self) -> Result<PoolConnection<Any>, StoreError> {
        Ok(self.pool.acquire().await?)
    }
}

/// One change: nothing of it is there before [`Change::commit`] has returned.
#[derive(Debug)]
pub struct Change {
    tx: Transaction<'static, Any>,
    _turn: OwnedMutexGuard<()>,
    at: Micros,
    by: By,
    changed: Arc<Notify>,
}

impl Change {
    /// The change's time.
    pub fn at(&self) -> Micros {
        self.at
    }

    /// Who makes it.
    pub fn by(&self) -> &By {
        &self.by
    }

    /// Gives the change up: nothing of it is there. When it was to be, and by whom.
    pub(crate) async fn undo(self) -> Result<(Micros, By), StoreError> {
        self.tx.rollback().await?;
        Ok((self.at, self.by))
    }

    /// Makes the change last: on stable storage when this returns.
    pub async fn commit(self) -> Result<(), StoreError> {
        self.tx.commit().await?;
        self.changed.notify_waiters();
        self.changed.notify_one();
        Ok(())
    }
}

/// Waits for changes. Holds a connection of its own, since SQLite tells each connection of the others' writes.
#[derive(Debug)]
pub struct Watch {
    store: Store,
    connection: Option<PoolConnection<Any>>,
    version: Option<i64>,
}

impl Watch {
    /// Looks after a moment, or at once when this process has changed something. Tells whether there may be something
    /// new; that it is not, is known for certain. After an error there may be, until a look tells.
    pub async fn next(&mut self) -> Result<bool, StoreError> {
        let told = tokio::time::timeout(LOOK_EVERY, self.store.changed.notified()).await.is_ok();
        let before = self.version.take();
        let version = self.look().await?;
        self.version = Some(version);
        Ok(told || before != Some(version))
    }

    /// What was told has not been taken: the next look tells again.
    pub fn again(&mut self) {
        self.version = None;
    }

    async fn look(&mut self) -> Result<i64, StoreError> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.store.pool.acquire().await?,
        };
        // One that has failed is not used again.
        let version = sqlx::query_scalar(self.store.engine.version()).fetch_one(&mut *connection).await?;
        self.connection = Some(connection);
        Ok(version)
    }
}

fn epoch_from(number: i64) -> Result<Epoch, StoreError> {
    u64::try_from(number).map(Epoch).map_err(|_| StoreError::Damaged("epoch"))
}

/// Turns a violated unique index into an answer that a person understands.
fn taken(what: &'static str) -> impl Fn(sqlx::Error) -> StoreError {
    move |error| match error.as_database_error() {
        Some(database) if database.is_unique_violation() => StoreError::Taken(what),
        _ => StoreError::Sql(error),
    }
}

/// A cell that holds the text of a type of its own.
fn parsed<T: FromStr>(text: &str, what: &'static str) -> Result<T, StoreError> {
    text.parse().map_err(|_| StoreError::Damaged(what))
}

/// A cell that holds JSON.
fn from_json<T: serde::de::DeserializeOwned>(text: &str, what: &'static str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|_| StoreError::Damaged(what))
}

/// A value as JSON for a cell.
fn to_json<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|_| StoreError::Damaged("a value that has no JSON form"))
}
