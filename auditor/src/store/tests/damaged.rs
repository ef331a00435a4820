//! Rows that this program cannot have written: they are told, and hold up no others.

use super::people::{id, person};
use super::{Bed, NOW, On, run};
use crate::accounts::{Review, State};
use crate::clock::DAY;
use crate::config::{Accounts, Session};
use crate::sessions::Limits;
use crate::store::{By, StoreError};
use crate::sweep::{SweepMetrics, Times, sweep};
use std::time::Duration;

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
    let times = Times {
        session: Session {
            limits: Limits { idle_s: 60, absolute_s: 60, emergency_s: 60 },
            report_grace: Duration::ZERO,
            sweep_every: Duration::from_secs(1),
        },
        accounts: Accounts {
            dormant_months: 9,
            lapse_months: 3,
            request_life_days: 30,
            review: Review { months: 12, notice_days: 30, grace_days: 30 },
        },
    };
    let metrics = SweepMetrics::register(&prometheus::Registry::new()).expect("registers");
    let now = NOW + 300 * DAY;
    let swept = sweep(&store, times, &metrics, now).await;
    assert!(matches!(swept, Err(StoreError::Damaged(_))), "{swept:?}");
    for number in [1, 3] {
        let state = store.account(id(number)).await.expect("reads").expect("is there").state;
        assert_eq!(state, State::Dormant { since: now }, "{number}");
    }
}

on_both![a_row_that_cannot_be_read_holds_up_no_other,];
