//! What makes certificates, apart from the store: the authority's key may be in a module that takes its time, or hangs, and a
//! pass phrase is stretched on purpose. Nobody else's change waits for that.

use super::{AuthorityPlace, DeviceFile, FileForm, Given, IssueError, file};
use crate::devices::{Certificate, KeyHash};
use crate::pki::{self, Authority, DeviceSubject, Request, Revoked, Updates};
use crate::random;
use contract::Micros;
use contract::id::{CertFingerprint, DeviceId};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot};
use zeroize::Zeroizing;

/// At most so many are made at a time.
const AT_ONCE: usize = 2;
/// Who waits longer for a turn is told so.
const TURN_MAX: Duration = Duration::from_secs(5);
/// A key that signs nothing within this hangs. What it does in the end is thrown away.
const MAKE_MAX: Duration = Duration::from_secs(10);

/// Makes certificates.
#[derive(Debug)]
pub(super) struct Maker {
    pub(super) place: AuthorityPlace,
    pub(super) days: u32,
    pub(super) title: String,
    turns: Arc<Semaphore>,
}

impl Maker {
    pub(super) fn new(place: AuthorityPlace, days: u32, title: &str) -> Arc<Self> {
        Arc::new(Self { place, days, title: title.to_owned(), turns: Arc::new(Semaphore::new(AT_ONCE)) })
    }

    /// Does work on a thread of its own, which may hang without holding up anything, the program's end included.
    pub(super) async fn run<T, F>(self: &Arc<Self>, work: F) -> Result<T, IssueError>
    where
        T: Send + 'static,
        F: FnOnce(&Self) -> Result<T, IssueError> + Send + 'static,
    {
        let turn = tokio::time::timeout(TURN_MAX, Arc::clone(&self.turns).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else { return Err(IssueError::Slow) };
        let (done, made) = oneshot::channel();
        let maker = Arc::clone(self);
        std::thread::Builder::new()
            .name("certificates".to_owned())
            .spawn(move || {
                let _turn = turn;
                // Whoever waited may have gone.
                drop(done.send(work(&maker)));
            })
            .map_err(IssueError::Thread)?;
        match tokio::time::timeout(MAKE_MAX, made).await {
            Ok(Ok(made)) => made,
            Ok(Err(_)) | Err(_) => Err(IssueError::Slow),
        }
    }

    /// A certificate for the key of a request.
    pub(super) fn sign(&self, subject: &DeviceSubject, at: Micros, request: &Request) -> Result<Given, IssueError> {
        let authority = self.place.open()?;
        let serial = random::secret();
        let cert = authority.issue_device_for(subject, request, &serial, at, self.days)?;
        Ok(self.given(&authority, subject.id, cert, &serial, request.key_hash(), at))
    }

    /// A key and its certificate, in a file under a pass phrase.
    pub(super) fn make_file(
        &self,
        subject: &DeviceSubject,
        at: Micros,
        form: FileForm,
    ) -> Result<(Given, DeviceFile), IssueError> {
        let authority = self.place.open()?;
        let serial = random::secret();
        let issued = authority.issue_device(subject, &serial, at, self.days)?;
        let file = file::make(&issued, &authority, subject, &self.title, at, form)?;
        let cert = (issued.cert_pem.clone(), issued.cert_der.clone());
        Ok((self.given(&authority, subject.id, cert, &serial, issued.key_hash, at), file))
    }

    /// A revocation list.
    pub(super) fn crl(&self, number: u64, revoked: &[Revoked], updates: Updates) -> Result<Vec<u8>, IssueError> {
        Ok(self.place.open()?.crl(number, revoked, updates)?)
    }

    fn given(
        &self,
        authority: &Authority,
        device: DeviceId,
        (cert_pem, cert_der): (String, Vec<u8>),
        serial: &Zeroizing<[u8; 16]>,
        key: KeyHash,
        at: Micros,
    ) -> Given {
        let certificate = Certificate {
            serial: hex::encode(pki::positive(serial)),
            fingerprint: CertFingerprint::of_der(&cert_der),
            key: Some(key),
            not_before: pki::not_before(at),
            not_after: pki::not_after(at, self.days),
        };
        Given { device, certificate, cert_pem, cert_der, authority_pem: authority.cert_pem().to_owned() }
    }
}

#[cfg(test)]
mod tests;
