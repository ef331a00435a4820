//! A bare pingora proxy: the measure for what the gateway's work costs. The same rustls listener (TLS 1.3 only,
//! aws-lc-rs, a client certificate demanded), the same allocator, the same number of threads; it forwards, adds
//! nothing, checks nothing and records nothing.

use anyhow::Context as _;
use async_trait::async_trait;
use pingora::listeners::TcpSocketOptions;
use pingora::listeners::tls::TlsSettings;
use pingora::proxy::{ProxyHttp, Session, http_proxy_service};
use pingora::server::Server;
use pingora::server::configuration::ServerConf;
use pingora::upstreams::peer::HttpPeer;
use rustls::RootCertStore;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the bare proxy needs.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Address to listen on.
    #[arg(long)]
    pub listen: SocketAddr,
    /// The backend.
    #[arg(long)]
    pub peer: SocketAddr,
    /// Server certificate chain, PEM.
    #[arg(long)]
    pub certificate: PathBuf,
    /// Its key, PEM.
    #[arg(long)]
    pub key: PathBuf,
    /// The authority of client certificates, PEM.
    #[arg(long)]
    pub client_ca: PathBuf,
    /// Worker threads.
    #[arg(long, default_value_t = 1)]
    pub threads: usize,
}

struct Bare {
    peer: SocketAddr,
}

#[async_trait]
impl ProxyHttp for Bare {
    type CTX = ();

    fn new_ctx(&self) -> Self::CTX {}

    async fn upstream_peer(&self, _session: &mut Session, _ctx: &mut Self::CTX) -> pingora::Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.peer, false, String::new())))
    }
}

/// Serves until the process is ended. Not within a runtime: pingora makes its own.
pub fn run(options: &Options) -> anyhow::Result<()> {
    // Before anything of pingora exists, which would install a provider of its own: one without TLS 1.2 suites.
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    provider.cipher_suites.retain(|suite| suite.tls13().is_some());
    let provider = Arc::new(provider);
    rustls::crypto::CryptoProvider::install_default((*provider).clone())
        .map_err(|_| anyhow::anyhow!("another cryptography provider is installed already"))?;

    let mut roots = RootCertStore::empty();
    let authorities = CertificateDer::pem_file_iter(&options.client_ca).context("client CA")?;
    for authority in authorities {
        roots.add(authority.context("client CA")?).context("client CA")?;
    }
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().context("client CA")?;
    let mut tls = TlsSettings::intermediate(text(&options.certificate)?, text(&options.key)?)?;
    tls.set_client_cert_verifier(verifier);
    tls.enable_h2();

    let conf = ServerConf { threads: options.threads, ..ServerConf::default() };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    let mut service = http_proxy_service(&server.configuration, Bare { peer: options.peer });
    service.add_tls_with_settings(&options.listen.to_string(), None::<TcpSocketOptions>, tls);
    server.add_service(service);
    server.run_forever()
}

fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))
}
