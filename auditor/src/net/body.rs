//! Bodies, where anybody may come: whole within a time, so that who sends half of one holds no connection.

use std::future::Future;
use std::time::Duration;

/// A body must be whole within this.
pub const BODY: Duration = Duration::from_secs(10);

/// A body was not whole in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the request took too long")]
pub struct TooSlow;

/// Takes a body, by whatever reads it, within a time. What is not read then is dropped, and its connection with it.
pub async fn in_time<T>(within: Duration, taking: impl Future<Output = T>) -> Result<T, TooSlow> {
    tokio::time::timeout(within, taking).await.map_err(|_| TooSlow)
}
