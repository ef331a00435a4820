//! Certificates for one test: an authority, a server named localhost, a client.

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use std::path::{Path, PathBuf};

pub(crate) struct Files {
    pub(crate) authority: PathBuf,
    pub(crate) server: (PathBuf, PathBuf),
    pub(crate) client: (PathBuf, PathBuf),
}

/// Makes them in a folder.
pub(crate) fn make(dir: &Path) -> Files {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.distinguished_name.push(DnType::CommonName, "test authority");
    let key = KeyPair::generate().unwrap();
    let authority = dir.join("ca.pem");
    std::fs::write(&authority, params.self_signed(&key).unwrap().pem()).unwrap();
    let issuer = Issuer::new(params, key);
    let issue = |name: &str, purpose| {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.extended_key_usages.push(purpose);
        let key = KeyPair::generate().unwrap();
        let files = (dir.join(format!("{name}.pem")), dir.join(format!("{name}.key")));
        std::fs::write(&files.0, params.signed_by(&key, &issuer).unwrap().pem()).unwrap();
        std::fs::write(&files.1, key.serialize_pem()).unwrap();
        files
    };
    Files {
        server: issue("server", ExtendedKeyUsagePurpose::ServerAuth),
        client: issue("client", ExtendedKeyUsagePurpose::ClientAuth),
        authority,
    }
}
