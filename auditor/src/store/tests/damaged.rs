//! Rows that this program cannot have written: they are told, and hold up no others.

use super::people::{id, person};
use super::{Bed, NOW, On, run};
use crate::accounts::State;
use crate::clock::DAY;
use crate::store::{By, StoreError};
use crate::sweep::tests::times;
use crate::sweep::{SweepMetrics, sweep};

async fn a_row_that_cannot_be_read_holds_up_no_other(bed: Bed) {
    let store = bed.open().await;
    for number in 1..=3 {
        person(&store, number, &[]).await;
    }
    let mut change = store.change(NOW, By::program("test")).await.expect("begins");
    sqlx::query("UPDATE account SET hsa = '?' WHERE id = $1")
        .bind(id(2).to_string())
        .execute(&mut *change.tx)
        .await
        .expect("writes");
    change.commit().await.expect("commits");
    let metrics = SweepMetrics::register(&prometheus::Registry::new()).expect("registers");
    let now = NOW + 300 * DAY;
    let swept = sweep(&store, times(), &metrics, now).await;
    assert!(matches!(swept, Err(StoreError::Damaged(_))), "{swept:?}");
    for number in [1, 3] {
        let state = store.account(id(number)).await.expect("reads").expect("is there").state;
        assert_eq!(state, State::Dormant { since: now }, "{number}");
    }
}

on_both![a_row_that_cannot_be_read_holds_up_no_other,];
