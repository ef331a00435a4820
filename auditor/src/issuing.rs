//! Devices get certificates: by an administrator, by a one-time code, or by the certificate that they have.
//!
//! Each doing is one change of the store with its events, made or not made, and what somebody may not is on record all the
//! same. The authority's key is read when a certificate is made, and is in memory for no longer; keys that are made here
//! for devices are in the file that is handed out, under its pass phrase, and nowhere else.

mod authority;
mod crl;
pub mod est;
mod file;
mod token;

pub use authority::{AuthorityFiles, AuthorityPlace};
pub use crl::{CrlRules, write_crl};
pub use file::{DeviceFile, FileForm};
pub use token::{Token, TokenError};

use crate::devices::{Certificate, Code, CodeKey, Device, DeviceCode, DeviceName, KeyHash, Organisation, Renewal, Why};
use crate::forms::Signature;
use crate::pki::{self, Authority, DeviceSubject, PkiError, Request, RequestError};
use crate::random;
use crate::store::{By, Change, Store, StoreError};
use contract::Micros;
use contract::id::{AccountId, CertFingerprint, DeviceCodeId, DeviceId, HsaId};
use contract::record::Reason;
use std::path::PathBuf;
use zeroize::Zeroizing;

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The request.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The certificate cannot be made.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// The authority's certificate or key cannot be read.
    #[error("{path} cannot be read", path = .path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What happened.
        #[source]
        source: std::io::Error,
    },
    /// The token with the authority's key.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// Others than its owner can read the authority's key, or the PIN to it.
    #[error("{path} can be read by others than its owner: chmod 600 {path}", path = .path.display())]
    Readable {
        /// Which file.
        path: PathBuf,
    },
}

/// For how long what is good.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// A certificate, in days.
    pub days: u32,
    /// When the next one may be had.
    pub renewal: Renewal,
    /// A code, in microseconds.
    pub code_life_us: Micros,
}

/// Who wants it.
#[derive(Debug, Clone, Copy)]
pub enum Asker<'s> {
    /// Somebody with an account, who has signed.
    Signed(&'s Signature),
    /// Who may run this program's commands.
    Operator,
}

/// A device to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDevice {
    /// The organisation.
    pub organisation: HsaId,
    /// What people call it.
    pub name: DeviceName,
}

/// A certificate that was given.
#[derive(Debug, Clone)]
pub struct Given {
    /// To which device.
    pub device: DeviceId,
    /// What is kept of it.
    pub certificate: Certificate,
    /// It, PEM.
    pub cert_pem: String,
    /// It, its bytes.
    pub cert_der: Vec<u8>,
    /// The authority's, PEM.
    pub authority_pem: String,
}

/// A code that was made: shown once.
#[derive(Debug)]
pub struct NewCode {
    /// What is kept of it.
    pub kept: DeviceCode,
    /// It.
    pub code: Code,
}

/// Where devices get certificates.
#[derive(Debug)]
pub struct Desk {
    store: Store,
    files: AuthorityPlace,
    rules: Rules,
    codes: CodeKey,
    title: String,
}

impl Desk {
    /// `secret`: what the key of codes is made from. `title`: the installation's, for files.
    pub fn new(store: Store, files: impl Into<AuthorityPlace>, rules: Rules, secret: &[u8; 32], title: &str) -> Self {
        Self { store, files: files.into(), rules, codes: CodeKey::new(secret), title: title.to_owned() }
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The authority's certificate: PEM, and its bytes.
    pub fn authority(&self) -> Result<(String, Vec<u8>), IssueError> {
        let pem = self.files.certificate()?;
        let der = pki::der_of(&pem)?;
        Ok((pem, der))
    }

    /// Adds an organisation.
    pub async fn add_organisation(
        &self,
        at: Micros,
        by: By,
        asker: Asker<'_>,
        organisation: &Organisation,
    ) -> Result<(), IssueError> {
        let mut change = self.store.change(at, by).await?;
        let done = async {
            admit(&mut change, asker, &organisation.hsa).await?;
            Ok(change.add_organisation(organisation).await?)
        };
        let done = done.await;
        self.settle(change, done, &format!("add organisation={}", organisation.hsa)).await
    }

    /// Makes a code for a device to be.
    pub async fn issue_code(
        &self,
        at: Micros,
        by: By,
        asker: Asker<'_>,
        new: &NewDevice,
    ) -> Result<NewCode, IssueError> {
        let mut change = self.store.change(at, by.clone()).await?;
        let code = Code::new(&random::secret());
        let kept = DeviceCode {
            id: DeviceCodeId::new(random::uuid(at)),
            prefix: code.prefix().to_owned(),
            organisation: new.organisation.clone(),
            name: new.name.to_string(),
            issued: at,
            issued_by: by.account,
            expires: at.saturating_add(self.rules.code_life_us),
            tries: 0,
            ended: None,
            device: None,
        };
        let done = async {
            admit(&mut change, asker, &new.organisation).await?;
            Ok(change.issue_code(&kept, &self.codes.hash(&code)).await?)
        };
        let done = done.await;
        self.settle(change, done, &format!("issue code organisation={}", new.organisation)).await?;
        Ok(NewCode { kept, code })
    }

    /// Takes a code back that was not used.
    pub async fn withdraw_code(
        &self,
        at: Micros,
        by: By,
        asker: Asker<'_>,
        id: DeviceCodeId,
    ) -> Result<(), IssueError> {
        let code = self.store.device_code(id).await?.ok_or(StoreError::Absent("code"))?;
        let mut change = self.store.change(at, by).await?;
        let done = async {
            admit(&mut change, asker, &code.organisation).await?;
            Ok(change.withdraw_code(&code).await?)
        };
        let done = done.await;
        self.settle(change, done, &format!("withdraw code={id}")).await
    }

    /// Enrols a device with the key of a request.
    pub async fn enrol_request(
        &self,
        at: Micros,
        by: By,
        asker: Asker<'_>,
        new: &NewDevice,
        request: &Request,
    ) -> Result<Given, IssueError> {
        let mut change = self.store.change(at, by).await?;
        let done = async {
            admit(&mut change, asker, &new.organisation).await?;
            self.enrol(&mut change, new, request, None).await
        };
        let done = done.await;
        self.settle(change, done, &format!("enrol organisation={}", new.organisation)).await
    }

    /// Enrols a device with a key that is made here, in a file under a pass phrase.
    pub async fn enrol_file(
        &self,
        at: Micros,
        by: By,
        asker: Asker<'_>,
        new: &NewDevice,
        form: FileForm,
    ) -> Result<(Given, DeviceFile), IssueError> {
        let mut change = self.store.change(at, by.clone()).await?;
        let done = async {
            admit(&mut change, asker, &new.organisation).await?;
            let subject = new.subject(DeviceId::new(random::uuid(at)));
            let (given, file) = self.make_file(&subject, at, form)?;
            let device = new.device(&given, at, by.account);
            change.enrol_device_with(&device, given.certificate.key).await?;
            Ok((given, file))
        };
        let done = done.await;
        self.settle(change, done, &format!("enrol organisation={}", new.organisation)).await
    }

    /// Enrols the device that a code is for, with the key of a request. Or why the code is not taken, which is recorded; whoever
    /// showed it should be told no more than that.
    pub async fn enrol_by_code(
        &self,
        at: Micros,
        by: By,
        shown: &Code,
        request: &Request,
    ) -> Result<Result<Given, Reason>, IssueError> {
        let mut change = self.store.change(at, by).await?;
        let code = match change.take_code(shown, &self.codes).await? {
            Ok(code) => code,
            Err(reason) => {
                change.commit().await?;
                return Ok(Err(reason));
            }
        };
        let name = DeviceName::parse(&code.name).map_err(|_| StoreError::Damaged("device's name"))?;
        let new = NewDevice { organisation: code.organisation.clone(), name };
        let given = self.enrol(&mut change, &new, request, Some(code.issued_by)).await?;
        change.spend_code(&code, given.device).await?;
        change.commit().await?;
        Ok(Ok(given))
    }

    /// Gives a device its next certificate, by the one that it shows, with the key of a request.
    pub async fn renew(
        &self,
        at: Micros,
        by: By,
        (id, presented): (DeviceId, CertFingerprint),
        request: &Request,
    ) -> Result<Given, IssueError> {
        let mut change = self.store.change(at, by).await?;
        let device = change.device(id).await?.ok_or(StoreError::Absent("device"))?;
        let given = self.sign(&subject(&device), at, request)?;
        change.renew_device(id, Some((presented, self.rules.renewal)), &given.certificate).await?;
        change.commit().await?;
        Ok(given)
    }

    /// Gives a device its next certificate with a key that is made here.
    pub async fn renew_file(
        &self,
        at: Micros,
        by: By,
        asker: Asker<'_>,
        id: DeviceId,
        form: FileForm,
    ) -> Result<(Given, DeviceFile), IssueError> {
        let mut change = self.store.change(at, by).await?;
        let device = change.device(id).await?.ok_or(StoreError::Absent("device"))?;
        let done = async {
            admit(&mut change, asker, &device.organisation).await?;
            let (given, file) = self.make_file(&subject(&device), at, form)?;
            change.renew_device(id, None, &given.certificate).await?;
            Ok((given, file))
        };
        let done = done.await;
        self.settle(change, done, &format!("renew device={id}")).await
    }

    /// Revokes a device: it is shut out everywhere at once.
    pub async fn revoke(
        &self,
        at: Micros,
        by: By,
        asker: Asker<'_>,
        id: DeviceId,
        why: Why,
    ) -> Result<Device, IssueError> {
        let mut change = self.store.change(at, by).await?;
        let device = change.device(id).await?.ok_or(StoreError::Absent("device"))?;
        let done = async {
            admit(&mut change, asker, &device.organisation).await?;
            Ok(change.revoke_device(id, why).await?)
        };
        let done = done.await;
        self.settle(change, done, &format!("revoke device={id}")).await
    }

    async fn enrol(
        &self,
        change: &mut Change,
        new: &NewDevice,
        request: &Request,
        enrolled_by: Option<AccountId>,
    ) -> Result<Given, IssueError> {
        let at = change.at();
        let given = self.sign(&new.subject(DeviceId::new(random::uuid(at))), at, request)?;
        let device = new.device(&given, at, enrolled_by.unwrap_or(change.by().account));
        change.enrol_device_with(&device, given.certificate.key).await?;
        Ok(given)
    }

    fn sign(&self, subject: &DeviceSubject, at: Micros, request: &Request) -> Result<Given, IssueError> {
        let authority = self.files.open()?;
        let serial = random::secret();
        let (cert_pem, der) = authority.issue_device_for(subject, request, &serial, at, self.rules.days)?;
        Ok(self.given(&authority, subject.id, (cert_pem, der), &serial, request.key_hash(), at))
    }

    fn make_file(
        &self,
        subject: &DeviceSubject,
        at: Micros,
        form: FileForm,
    ) -> Result<(Given, DeviceFile), IssueError> {
        let authority = self.files.open()?;
        let serial = random::secret();
        let issued = authority.issue_device(subject, &serial, at, self.rules.days)?;
        let file = file::make(&issued, &authority, subject, &self.title, at, form)?;
        let cert = (issued.cert_pem.clone(), issued.cert_der.clone());
        Ok((self.given(&authority, subject.id, cert, &serial, issued.key_hash, at), file))
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
            not_after: pki::not_after(at, self.rules.days),
        };
        Given { device, certificate, cert_pem, cert_der, authority_pem: authority.cert_pem().to_owned() }
    }

    /// Ends a change: it is made, or nothing of it is; what somebody wanted who may not is recorded.
    async fn settle<T>(&self, change: Change, done: Result<T, IssueError>, what: &str) -> Result<T, IssueError> {
        match done {
            Ok(done) => {
                change.commit().await?;
                Ok(done)
            }
            Err(error) => {
                if let IssueError::Store(error) = &error {
                    self.store.give_up(change, error, None, what).await?;
                }
                Err(error)
            }
        }
    }
}

async fn admit(change: &mut Change, asker: Asker<'_>, organisation: &HsaId) -> Result<(), StoreError> {
    match asker {
        Asker::Signed(signature) => change.manages_devices(signature, organisation).await,
        Asker::Operator => Ok(()),
    }
}

fn subject(device: &Device) -> DeviceSubject {
    DeviceSubject { id: device.id, name: device.name.clone(), organisation: device.organisation.clone() }
}

impl NewDevice {
    fn subject(&self, id: DeviceId) -> DeviceSubject {
        DeviceSubject { id, name: self.name.to_string(), organisation: self.organisation.clone() }
    }

    fn device(&self, given: &Given, at: Micros, enrolled_by: AccountId) -> Device {
        let certificate = &given.certificate;
        Device {
            id: given.device,
            organisation: self.organisation.clone(),
            name: self.name.to_string(),
            serial: certificate.serial.clone(),
            fingerprint: certificate.fingerprint,
            not_before: certificate.not_before,
            not_after: certificate.not_after,
            enrolled: at,
            enrolled_by,
            revoked: None,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
