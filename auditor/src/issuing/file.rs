//! A device's certificate with a key that was made for it, in a file under a pass phrase.

use super::IssueError;
use crate::pki::{self, Authority, DeviceSubject, Issued, Lock, PROFILE_TYPE, ProfileNames};
use crate::random;
use contract::Micros;
use contract::wire_enum;
use zeroize::Zeroizing;

wire_enum! {
    /// A file's form.
    pub enum FileForm {
        /// PKCS#12, for Windows, Android, macOS and browsers of now.
        Pkcs12 = 1 => "pkcs12",
        /// PKCS#12 as older Windows, Android and macOS read it.
        Pkcs12Legacy = 2 => "pkcs12_legacy",
        /// A configuration profile for iOS and macOS.
        MobileConfig = 3 => "mobileconfig",
    }
}

/// A file: shown once, and kept nowhere.
pub struct DeviceFile {
    /// What to call it.
    pub name: String,
    /// Its media type.
    pub media_type: &'static str,
    /// It.
    pub bytes: Zeroizing<Vec<u8>>,
    /// What opens it.
    pub pass_phrase: Zeroizing<String>,
}

impl std::fmt::Debug for DeviceFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DeviceFile({}, content hidden)", self.name)
    }
}

pub(super) fn make(
    issued: &Issued,
    authority: &Authority,
    subject: &DeviceSubject,
    title: &str,
    at: Micros,
    form: FileForm,
) -> Result<DeviceFile, IssueError> {
    let pass_phrase = random::pass_phrase();
    let archive = |lock| pki::pkcs12(issued, authority.cert_pem(), &subject.name, &pass_phrase, lock);
    let (bytes, suffix, media_type) = match form {
        FileForm::Pkcs12 => (archive(Lock::Modern)?, "p12", "application/x-pkcs12"),
        FileForm::Pkcs12Legacy => (archive(Lock::Legacy)?, "p12", "application/x-pkcs12"),
        FileForm::MobileConfig => {
            let names = ProfileNames { title, device: &subject.name, organisation: subject.organisation.as_str() };
            let ids = [random::uuid(at), random::uuid(at)];
            // iOS reads no other lock.
            (pki::profile(&archive(Lock::Legacy)?, subject.id, names, ids)?, "mobileconfig", PROFILE_TYPE)
        }
    };
    let name = format!("{}.{suffix}", subject.id);
    Ok(DeviceFile { name, media_type, bytes: Zeroizing::new(bytes), pass_phrase })
}
