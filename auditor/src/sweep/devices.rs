//! What time does to devices: their certificates end, the revocation list is signed anew, codes are forgotten.

use crate::clock::{self, DAY};
use crate::issuing::{CrlRules, Desk, IssueError, write_crl};
use crate::lease::Lease;
use contract::Micros;
use prometheus::{IntGauge, Registry};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A certificate that ends within this, and has no successor, is counted.
const EXPIRES_SOON: Micros = 7 * DAY;
/// How long codes that are of no use any more are kept.
const CODES_KEPT: Micros = 90 * DAY;

/// What is counted of devices.
#[derive(Debug, Clone)]
pub struct DeviceMetrics {
    expiring: IntGauge,
    crl_number: IntGauge,
    crl_until: IntGauge,
}

impl DeviceMetrics {
    /// Registers the metrics.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            expiring: IntGauge::new(
                "auditor_devices_expiring",
                "Devices that are not revoked, whose certificate ends within 7 days, and that have not been given another",
            )?,
            crl_number: IntGauge::new("auditor_crl_number", "The number of the certificate revocation list")?,
            crl_until: IntGauge::new(
                "auditor_crl_next_update_timestamp_seconds",
                "Until when the certificate revocation list is good",
            )?,
        };
        for gauge in [&metrics.expiring, &metrics.crl_number, &metrics.crl_until] {
            registry.register(Box::new(gauge.clone()))?;
        }
        Ok(metrics)
    }
}

/// What is cared for, and how.
#[derive(Debug)]
pub struct DeviceCare {
    /// Signs the list.
    pub desk: Arc<Desk>,
    /// For how long.
    pub crl: CrlRules,
    /// Where the list is written.
    pub file: Option<PathBuf>,
    /// Counts.
    pub metrics: DeviceMetrics,
}

impl DeviceCare {
    /// Cares until `stop`. Who holds the lease signs the list; every auditor writes its own file of it.
    pub async fn run(self, every: Duration, lease: Lease, stop: CancellationToken) {
        let mut care = Caring { care: self, written: None, complained: false };
        loop {
            match care.round(lease.held(), clock::now()).await {
                Ok(()) => care.complained = false,
                // An auditor without the authority's key says so once, and not every few seconds.
                Err(error) if !care.complained => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "the certificate revocation list could not be signed or written, or devices not be counted"
                    );
                    care.complained = true;
                }
                Err(_) => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(every) => {}
            }
        }
    }
}

/// Care that goes on.
struct Caring {
    care: DeviceCare,
    /// The number of the list that is in the file.
    written: Option<u64>,
    complained: bool,
}

impl Caring {
    async fn round(&mut self, held: bool, now: Micros) -> Result<(), IssueError> {
        let DeviceCare { desk, crl, file, metrics } = &self.care;
        let expiring = desk.store().devices_expiring(now, now.saturating_add(EXPIRES_SOON)).await?;
        metrics.expiring.set(expiring);
        let list = if held {
            desk.store().forget_codes(now.saturating_sub(CODES_KEPT)).await?;
            Some(desk.mend_crl(now, *crl).await?)
        } else {
            desk.store().crl().await?
        };
        let Some(list) = list else { return Ok(()) };
        metrics.crl_number.set(i64::try_from(list.number).unwrap_or(i64::MAX));
        metrics.crl_until.set(list.next_update / clock::SECOND);
        if let Some(file) = file.as_ref().filter(|_| self.written != Some(list.number)) {
            write_crl(file, &list)?;
            self.written = Some(list.number);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::devices::{Device, Organisation, Renewal, Why};
    use crate::issuing::{AuthorityFiles, Rules};
    use crate::store::{By, Place, Store};
    use contract::id::{AccountId, CertFingerprint, DeviceId, HsaId};
    use uuid::Uuid;

    #[tokio::test]
    async fn the_list_is_signed_by_one_and_written_by_each_and_what_ends_soon_is_counted() {
        let dir = tempfile::tempdir().expect("a directory");
        let store = Store::open(&Place::Sqlite(dir.path().join("auditor.db"))).await.expect("opens");
        let now = clock::now();
        let made = crate::pki::authority("Test device CA", &[1; 16], now, 3650).expect("makes");
        let files = AuthorityFiles { cert: dir.path().join("ca.pem"), key: dir.path().join("ca.key") };
        crate::init::write_new(&files.cert, 0o644, made.cert_pem.as_bytes()).expect("writes");
        crate::init::write_new(&files.key, 0o600, made.key_pem.as_bytes()).expect("writes");
        let rules = Rules { days: 30, renewal: Renewal { from_day: 20 }, code_life_us: DAY };
        let desk = Arc::new(Desk::new(store.clone(), files, rules, &[3; 32], "Test"));
        let caring = |name: &str| Caring {
            care: DeviceCare {
                desk: Arc::clone(&desk),
                crl: CrlRules { life_us: DAY },
                file: Some(dir.path().join(name)),
                metrics: DeviceMetrics::register(&Registry::new()).expect("registers"),
            },
            written: None,
            complained: false,
        };
        let (mut one, mut other) = (caring("one.crl"), caring("other.crl"));
        other.round(false, now).await.expect("looks");
        assert!(!dir.path().join("other.crl").exists(), "there is none yet, and it may not sign one");

        let mut change = store.change(now, By::program("test")).await.expect("begins");
        let hsa = HsaId::parse("SE2321000016-39KJ").expect("valid");
        let organisation = Organisation { hsa: hsa.clone(), name: "Region".to_owned(), created: now };
        change.add_organisation(&organisation).await.expect("adds");
        for (number, days) in [(1_u8, 6), (2, 6), (3, 8), (4, -1)] {
            let device = Device {
                id: DeviceId::new(Uuid::from_u128(number.into())),
                organisation: hsa.clone(),
                name: "ward 3".to_owned(),
                serial: format!("{number:02x}"),
                fingerprint: CertFingerprint([number; 32]),
                not_before: 0,
                not_after: now + days * DAY,
                enrolled: now,
                enrolled_by: AccountId::NONE,
                revoked: None,
            };
            change.enrol_device(&device).await.expect("enrols");
        }
        change.revoke_device(DeviceId::new(Uuid::from_u128(2)), Why::Stolen).await.expect("revokes");
        change.commit().await.expect("commits");
        one.round(true, now).await.expect("signs");
        assert_eq!(
            one.care.metrics.expiring.get(),
            1,
            "one that is revoked, one that has time and one that ended are not"
        );
        other.round(false, now).await.expect("writes");
        let read = |name: &str| std::fs::read(dir.path().join(name)).expect("reads");
        assert_eq!(read("one.crl"), read("other.crl"));
        assert_eq!((one.care.metrics.crl_number.get(), other.care.metrics.crl_number.get()), (1, 1));

        one.round(true, now + DAY / 2 - 1).await.expect("looks");
        assert_eq!(one.care.metrics.crl_number.get(), 1, "nothing has changed");
        one.round(true, now + DAY / 2).await.expect("signs");
        assert_eq!(one.care.metrics.crl_number.get(), 2, "half of its time is over");
        let mut change = store.change(now + DAY / 2, By::program("test")).await.expect("begins");
        change.revoke_device(DeviceId::new(Uuid::from_u128(3)), Why::Lost).await.expect("revokes");
        change.commit().await.expect("commits");
        one.round(true, now + DAY / 2 + 1).await.expect("signs");
        assert_eq!(one.care.metrics.crl_number.get(), 3, "something was revoked");
        let before = read("other.crl");
        other.round(false, now + DAY / 2 + 1).await.expect("writes");
        assert_ne!(read("other.crl"), before);
        assert_eq!(store.crl().await.expect("reads").expect("is there").der, read("other.crl"));
    }
}
