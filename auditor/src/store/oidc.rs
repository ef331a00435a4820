//! Sessions that began with a login at an identity provider: which of the provider's own each belongs to.
//!
//! What the provider calls people and sessions is not kept, only a keyed hash of each, issuer included.

use super::{Change, StoreError};
use crate::sessions::End;
use contract::Micros;
use contract::id::SessionKey;

/// A keyed hash of a provider's name for a session or a person.
pub type Reference = [u8; 32];

/// What a session is to the provider that its user logged in at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AtProvider {
    /// The provider's session, if it has a name.
    pub session: Option<Reference>,
    /// The person.
    pub subject: Reference,
    /// When the login began.
    pub begun: Micros,
}

/// How long a logout is remembered, in microseconds. No login at a provider takes as long.
pub const TOLD_KEPT: Micros = 3_600 * 1_000_000;

impl Change {
    /// Notes what a new session is to the provider.
    pub async fn note_provider(&mut self, key: SessionKey, at: AtProvider) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO oidc_session (session, sid, sub) VALUES ($1, $2, $3)")
            .bind(key.to_string())
            .bind(at.session.map(hex::encode))
            .bind(hex::encode(at.subject))
            .execute(&mut *self.tx)
            .await?;
        Ok(())
    }

    /// Whether the provider has told that the session has ended on which a login rests that is under way: by its name, or
    /// all of the person since the login began.
    pub async fn ended_there(&mut self, at: &AtProvider) -> Result<bool, StoreError> {
        let told: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM oidc_told WHERE told >= $4 AND (\
             (sid <> '' AND sid = $1 AND (sub = '' OR sub = $2)) \
             OR ((sid = '' OR $1 = '') AND sub = $2 AND told >= $3))",
        )
        .bind(at.session.map(hex::encode).unwrap_or_default())
        .bind(hex::encode(at.subject))
        .bind(at.begun)
        .bind(self.at.saturating_sub(TOLD_KEPT))
        .fetch_one(&mut *self.tx)
        .await?;
        Ok(told > 0)
    }

    /// Remembers a logout for logins that are under way, and forgets those of long ago.
    async fn remember_told(&mut self, session: &str, subject: &str) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM oidc_told WHERE told < $1")
            .bind(self.at.saturating_sub(TOLD_KEPT))
            .execute(&mut *self.tx)
            .await?;
        if session.is_empty() && subject.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "INSERT INTO oidc_told (sid, sub, told) VALUES ($1, $2, $3) \
             ON CONFLICT (sid, sub) DO UPDATE SET told = excluded.told",
        )
        .bind(session)
        .bind(subject)
        .bind(self.at)
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    /// Ends the sessions of which a provider says that its own has ended: those of its session, or, without one, all of its
    /// person. A session whose provider gave its own no name ends with any of the person's. How many there were.
    /// Those that a login under way would make are remembered: see [`Self::ended_there`].
    pub async fn end_sessions_at(
        &mut self,
        session: Option<Reference>,
        subject: Option<Reference>,
    ) -> Result<usize, StoreError> {
        let (session, subject) =
            (session.map(hex::encode).unwrap_or_default(), subject.map(hex::encode).unwrap_or_default());
        self.remember_told(&session, &subject).await?;
        let keys: Vec<String> = sqlx::query_scalar(
            "SELECT session.key FROM oidc_session JOIN session ON session.key = oidc_session.session \
             WHERE session.ended IS NULL AND (\
             (oidc_session.sid = $1 AND ($2 = '' OR oidc_session.sub = $2)) \
             OR (($1 = '' OR oidc_session.sid IS NULL) AND oidc_session.sub = $2)) ORDER BY session.key",
        )
        .bind(session)
        .bind(subject)
        .fetch_all(&mut *self.tx)
        .await?;
        let mut ended = 0;
        for key in keys {
            let key = SessionKey::try_from(key).map_err(|_| StoreError::Damaged("session key"))?;
            ended += usize::from(self.end_session(key, End::Provider).await?);
        }
        Ok(ended)
    }
}
