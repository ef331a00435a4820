//! What is due, all of it: one row that is damaged holds up no other.

use crate::store::{By, Change, Store, StoreError};
use contract::Micros;

/// What is due.
pub(super) trait Due: Copy + Send + Sync {
    /// Does it; does nothing if it is done, or no longer due. Gives how much it did.
    fn done(self, change: &mut Change) -> impl Future<Output = Result<u64, StoreError>> + Send;
}

/// Does all in one change; if that fails, each in a change of its own. Gives how much was done.
///
/// # Errors
/// The first, after all were tried.
pub(super) async fn each<D: Due>(store: &Store, now: Micros, due: Vec<D>) -> Result<u64, StoreError> {
    if due.is_empty() {
        return Ok(0);
    }
    if let Ok(done) = together(store, now, &due).await {
        return Ok(done);
    }
    let (mut done, mut failed) = (0, None);
    for one in &due {
        match together(store, now, std::slice::from_ref(one)).await {
            Ok(more) => done += more,
            Err(error) if error.is_of_one_row() => failed = failed.or(Some(error)),
            // The next round comes soon.
            Err(error) => return Err(error),
        }
    }
    failed.map_or(Ok(done), Err)
}

async fn together<D: Due>(store: &Store, now: Micros, due: &[D]) -> Result<u64, StoreError> {
    let mut change = store.change(now, By::program("sweeper")).await?;
    let mut done = 0;
    for one in due {
        done += one.done(&mut change).await?;
    }
    change.commit().await?;
    Ok(done)
}
