//! An answer, or the end of the connection that it should come on.
//!
//! Over HTTP/1.1 hyper can lose a request that is sent in the moment in which its connection ends: it is kept with the sender, and its
//! future waits for as long as that one lives (<https://github.com/hyperium/hyper/issues/4122>). To whoever measures when a
//! connection was cut that looks like one that was not.

use super::ClientError;
use futures_util::FutureExt as _;
use std::future::Future;
use std::pin::pin;
use tokio::task::JoinSet;

/// Waits for an answer, and no longer than the connection's driver runs.
pub(super) async fn unless_ended<T>(
    driver: &mut JoinSet<()>,
    answer: impl Future<Output = Result<T, ClientError>>,
) -> Result<T, ClientError> {
    let mut answer = pin!(answer);
    tokio::select! {
        biased;
        answer = &mut answer => answer,
        // The answer may have been the last that came.
        _ = driver.join_next() => answer.now_or_never().unwrap_or(Err(ClientError::Ended)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::pending;
    use tokio::sync::oneshot;

    #[tokio::test]
    async fn a_request_that_was_lost_ends_with_its_connection() {
        let mut driver = JoinSet::new();
        driver.spawn(async {});
        let lost = unless_ended(&mut driver, pending::<Result<(), _>>()).await;
        assert!(matches!(lost, Err(ClientError::Ended)), "{lost:?}");
        let next = unless_ended(&mut driver, pending::<Result<(), _>>()).await;
        assert!(matches!(next, Err(ClientError::Ended)), "{next:?}");
    }

    #[tokio::test]
    async fn an_answer_that_came_last_is_one() {
        let (say, said) = oneshot::channel();
        let mut driver = JoinSet::new();
        driver.spawn(async move { say.send(7).unwrap_or_default() });
        let answer = async { said.await.map_err(|_| ClientError::Ended) };
        assert_eq!(unless_ended(&mut driver, answer).await.ok(), Some(7));
    }
}
