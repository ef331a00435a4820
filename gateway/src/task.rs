//! Tasks: the one place that spawns them, so that none fails unseen.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use tokio::task::JoinHandle;

use futures_util::FutureExt;

/// Runs a task of which there are many. A panic ends the task only, and is logged.
#[expect(clippy::disallowed_methods, reason = "this is the place that spawns")]
pub fn spawn<F>(name: &'static str, work: F) -> JoinHandle<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    tokio::spawn(async move {
        if AssertUnwindSafe(work).catch_unwind().await.is_err() {
            tracing::error!(task = name, "a task panicked");
        }
    })
}

/// Runs a task without which the gateway must not go on: should it panic, the process ends, and what is durable
/// stays so.
#[expect(clippy::disallowed_methods, reason = "this is the place that spawns")]
pub fn vital<F>(name: &'static str, work: F) -> JoinHandle<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    tokio::spawn(async move {
        if AssertUnwindSafe(work).catch_unwind().await.is_err() {
            tracing::error!(task = name, "a vital task panicked; the process ends");
            std::process::abort();
        }
    })
}
