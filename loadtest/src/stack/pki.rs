//! Certificates between the gateway and a registry: an authority, a server, a client. Made here, and good for nothing
//! else.

use anyhow::Context as _;
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use std::path::{Path, PathBuf};

/// Where they are, PEM.
#[derive(Debug, Clone)]
pub struct Files {
    /// The authority of both others.
    pub authority: PathBuf,
    /// Certificate and key of the server.
    pub server: (PathBuf, PathBuf),
    /// Certificate and key of the client.
    pub client: (PathBuf, PathBuf),
}

impl Files {
    /// The files of a folder, whether they are there or not.
    pub fn of(dir: &Path) -> Self {
        let pair = |name: &str| (dir.join(format!("{name}.pem")), dir.join(format!("{name}.key")));
        Self { authority: dir.join("ca.pem"), server: pair("server"), client: pair("client") }
    }

    /// Makes them anew, for a server of this name.
    pub fn make(dir: &Path, server_name: &str) -> anyhow::Result<Self> {
        let files = Self::of(dir);
        std::fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.distinguished_name.push(DnType::CommonName, "test authority");
        let key = KeyPair::generate()?;
        write(&files.authority, &params.self_signed(&key)?.pem())?;
        let issuer = Issuer::new(params, key);
        for (pair, purpose) in
            [(&files.server, ExtendedKeyUsagePurpose::ServerAuth), (&files.client, ExtendedKeyUsagePurpose::ClientAuth)]
        {
            let mut params = CertificateParams::new(vec![server_name.to_owned()])?;
            params.extended_key_usages.push(purpose);
            let key = KeyPair::generate()?;
            write(&pair.0, &params.signed_by(&key, &issuer)?.pem())?;
            write(&pair.1, &key.serialize_pem())?;
        }
        Ok(files)
    }
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(path, text).with_context(|| path.display().to_string())
}
