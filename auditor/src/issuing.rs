//! Devices get certificates: by an administrator, by a one-time code, or by the certificate that they have.
//!
//! Each doing is one change of the store with its events, made or not made, and what somebody may not is on record all the
//! same. A certificate is made between two changes ([`maker`]): the first asks whether it may be and is given up, the second
//! asks again and keeps it. One that is not kept is handed to nobody.
//!
//! The authority's key is read when a certificate is made, and is in memory for no longer; keys that are made here
//! for devices are in the file that is handed out, under its pass phrase, and nowhere else.

mod authority;
mod crl;
pub mod est;
mod file;
mod maker;
mod token;

pub use authority::{AuthorityFiles, AuthorityPlace};
pub use crl::{CrlRules, write_crl};
pub use file::{DeviceFile, FileForm};
pub use token::{Token, TokenError};

use self::maker::Maker;
use crate::devices::{Certificate, Code, CodeKey, Device, DeviceCode, DeviceName, KeyHash, Organisation, Renewal, Why};
use crate::forms::Signature;
use crate::pki::{self, DeviceSubject, PkiError, Request, RequestError};
use crate::random;
use crate::store::{By, Change, Store, StoreError};
use contract::Micros;
use contract::id::{AccountId, CertFingerprint, DeviceCodeId, DeviceId, HsaId};
use contract::record::Reason;
use std::path::PathBuf;
use std::sync::Arc;

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
    /// Too many are made at once, or the authority's key does not answer.
    #[error("no certificate was made in time: is the token with the authority's key there, and does it answer?")]
    Slow,
    /// No thread to make it on.
    #[error("no thread can be started")]
    Thread(#[source] std::io::Error),
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
    maker: Arc<Maker>,
    rules: Rules,
    codes: CodeKey,
}

impl Desk {
    /// `secret`: what the key of codes is made from. `title`: the installation's, for files.
    pub fn new(store: Store, files: impl Into<AuthorityPlace>, rules: Rules, secret: &[u8; 32], title: &str) -> Self {
        Self { store, maker: Maker::new(files.into(), rules.days, title), rules, codes: CodeKey::new(secret) }
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The authority's certificate: PEM, and its bytes.
    pub fn authority(&self) -> Result<(String, Vec<u8>), IssueError> {
        let pem = self.maker.place.certificate()?;
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
        let (subject, what) = (new.subject(DeviceId::new(random::uuid(at))), new.wanted());
        self.may_enrol((at, by.clone()), asker, new, Some(&request.key_hash())).await?;
        let given = self.sign(subject, at, request).await?;
        let device = new.device(&given, at, by.account);
        let mut change = self.store.change(at, by).await?;
        let done = enrolled(&mut change, asker, &device, &given).await;
        self.settle(change, done, &what).await?;
        Ok(given)
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
        let (subject, what) = (new.subject(DeviceId::new(random::uuid(at))), new.wanted());
        self.may_enrol((at, by.clone()), asker, new, None).await?;
        let (given, file) = self.maker.run(move |maker| maker.make_file(&subject, at, form)).await?;
        let device = new.device(&given, at, by.account);
        let mut change = self.store.change(at, by).await?;
        let done = enrolled(&mut change, asker, &device, &given).await;
        self.settle(change, done, &what).await?;
        Ok((given, file))
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
        let (mut change, code) = match self.take(at, by.clone(), shown).await? {
            Ok(taken) => taken,
            Err(reason) => return Ok(Err(reason)),
        };
        change.may_enrol(&code.organisation, Some(&request.key_hash())).await?;
        change.undo().await?;

        let name = DeviceName::parse(&code.name).map_err(|_| StoreError::Damaged("device's name"))?;
        let new = NewDevice { organisation: code.organisation.clone(), name };
        let given = self.sign(new.subject(DeviceId::new(random::uuid(at))), at, request).await?;

        // Another may have used it meanwhile.
        let (mut change, code) = match self.take(at, by, shown).await? {
            Ok(taken) => taken,
            Err(reason) => return Ok(Err(reason)),
        };
        let device = new.device(&given, at, code.issued_by);
        change.enrol_device_with(&device, given.certificate.key).await?;
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
        let renewal = Some((presented, self.rules.renewal));
        let mut change = self.store.change(at, by.clone()).await?;
        let device = change.may_renew(id, renewal, Some(&request.key_hash())).await?;
        change.undo().await?;

        let given = self.sign(subject(&device), at, request).await?;

        let mut change = self.store.change(at, by).await?;
        change.renew_device(id, renewal, &given.certificate).await?;
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
        let what = format!("renew device={id}");
        let mut change = self.store.change(at, by.clone()).await?;
        let may = may_renew(&mut change, asker, id).await;
        let device = self.undone(change, may, &what).await?;

        let subject = subject(&device);
        let (given, file) = self.maker.run(move |maker| maker.make_file(&subject, at, form)).await?;

        let mut change = self.store.change(at, by).await?;
        let done = async {
            may_renew(&mut change, asker, id).await?;
            Ok(change.renew_device(id, None, &given.certificate).await?)
        };
        let done = done.await;
        self.settle(change, done, &what).await?;
        Ok((given, file))
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

    /// Begins a change with a code that is good; that one is not is kept.
    async fn take(&self, at: Micros, by: By, shown: &Code) -> Result<Result<(Change, DeviceCode), Reason>, IssueError> {
        let mut change = self.store.change(at, by).await?;
        match change.take_code(shown, &self.codes).await? {
            Ok(code) => Ok(Ok((change, code))),
            Err(reason) => {
                change.commit().await?;
                Ok(Err(reason))
            }
        }
    }

    async fn may_enrol(
        &self,
        (at, by): (Micros, By),
        asker: Asker<'_>,
        new: &NewDevice,
        key: Option<&KeyHash>,
    ) -> Result<(), IssueError> {
        let mut change = self.store.change(at, by).await?;
        let may = async {
            admit(&mut change, asker, &new.organisation).await?;
            Ok(change.may_enrol(&new.organisation, key).await?)
        };
        let may = may.await;
        self.undone(change, may, &new.wanted()).await
    }

    async fn sign(&self, subject: DeviceSubject, at: Micros, request: &Request) -> Result<Given, IssueError> {
        let request = request.clone();
        self.maker.run(move |maker| maker.sign(&subject, at, &request)).await
    }

    /// Ends a change that was to tell whether something may be done: nothing of it is made, but what somebody wanted who may not
    /// is recorded.
    async fn undone<T>(&self, change: Change, may: Result<T, IssueError>, what: &str) -> Result<T, IssueError> {
        if may.is_err() {
            return self.settle(change, may, what).await;
        }
        change.undo().await?;
        may
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

/// Keeps a device and the certificate that was made for it.
async fn enrolled(change: &mut Change, asker: Asker<'_>, device: &Device, given: &Given) -> Result<(), IssueError> {
    admit(change, asker, &device.organisation).await?;
    Ok(change.enrol_device_with(device, given.certificate.key).await?)
}

async fn may_renew(change: &mut Change, asker: Asker<'_>, id: DeviceId) -> Result<Device, IssueError> {
    let device = change.device(id).await?.ok_or(StoreError::Absent("device"))?;
    admit(change, asker, &device.organisation).await?;
    Ok(change.may_renew(id, None, None).await?)
}

fn subject(device: &Device) -> DeviceSubject {
    DeviceSubject { id: device.id, name: device.name.clone(), organisation: device.organisation.clone() }
}

impl NewDevice {
    /// For the record of what was wanted.
    fn wanted(&self) -> String {
        format!("enrol organisation={}", self.organisation)
    }

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
