//! Sessions that began with a login at an identity provider: which of the provider's own each belongs to.
//!
//! What the provider calls people and sessions is not kept, only a keyed hash of each, issuer included.

use super::{Change, StoreError};
use crate::sessions::End;
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
}

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

    /// Ends the sessions of which a provider says that its own has ended: those of its session, or, without one, all of its
    /// person. A session whose provider gave its own no name ends with any of the person's. How many there were.
    pub async fn end_sessions_at(
        &mut self,
        session: Option<Reference>,
        subject: Option<Reference>,
    ) -> Result<usize, StoreError> {
        let keys: Vec<String> = sqlx::query_scalar(
            "SELECT session.key FROM oidc_session JOIN session ON session.key = oidc_session.session \
             WHERE session.ended IS NULL AND (\
             (oidc_session.sid = $1 AND ($2 = '' OR oidc_session.sub = $2)) \
             OR (($1 = '' OR oidc_session.sid IS NULL) AND oidc_session.sub = $2)) ORDER BY session.key",
        )
        .bind(session.map(hex::encode).unwrap_or_default())
        .bind(subject.map(hex::encode).unwrap_or_default())
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
