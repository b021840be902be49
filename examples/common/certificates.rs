//! TLS 1.3 configurations of rustls, from certificates in PEM.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::ServerSessionMemoryCache;
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};

use super::Fault;

/// A certificate and its key, as PEM.
pub(crate) struct Identity {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Identity {
    /// Puts the certificate where a client can be told to trust it.
    pub(crate) fn publish(&self, whose: &str) -> Result<PathBuf, Fault> {
        let file = std::env::temp_dir().join(format!("fast-reauth-{whose}-{}.pem", std::process::id()));
        std::fs::write(&file, &self.certificate).map_err(|error| format!("{}: {error}", file.display()))?;
        Ok(file)
    }
}

/// A certificate for this name that nobody signed but itself.
pub(crate) fn self_signed(name: &str) -> Result<Identity, Fault> {
    let CertifiedKey { cert, key_pair } = generate_simple_self_signed([name.to_owned()])?;
    Ok(Identity { certificate: cert.pem(), key: key_pair.serialize_pem() })
}

/// A file, or which one could not be read.
pub(crate) fn read(path: &Path, what: &str) -> Result<String, Fault> {
    std::fs::read_to_string(path).map_err(|error| format!("{what} {}: {error}", path.display()).into())
}

/// The configuration of a server.
pub(crate) fn server(identity: &Identity) -> Result<Arc<ServerConfig>, Fault> {
    let chain = CertificateDer::pem_slice_iter(identity.certificate.as_bytes()).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|error| format!("the certificate: {error}"))?;
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).map_err(|error| format!("the key: {error}"))?;
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider())).with_protocol_versions(&[&TLS13])?;
    let mut config = config.with_no_client_auth().with_single_cert(chain, key)?;
    // Sessions stay in the server, so that a stolen ticket key logs nobody in: EXTERNAL is offered without further ado.
    config.session_storage = ServerSessionMemoryCache::new(1024);
    Ok(Arc::new(config))
}

/// The configuration of a server with the certificate and key in these files.
pub(crate) fn server_of(certificate: &str, key: &str) -> Result<Arc<ServerConfig>, Fault> {
    let certificate = read(Path::new(certificate), "the certificate (--cert)")?;
    server(&Identity { certificate, key: read(Path::new(key), "its key (--key)")? })
}

/// The configuration of a client that trusts the certificate in this file.
pub(crate) fn client_of(trusted: &str) -> Result<Arc<ClientConfig>, Fault> {
    client(&read(Path::new(trusted), "the certificate to trust (--ca)")?)
}

/// The configuration of a client that trusts this certificate, or who signed with it.
pub(crate) fn client(trusted: &str) -> Result<Arc<ClientConfig>, Fault> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(trusted.as_bytes()) {
        roots.add(certificate.map_err(|error| format!("the trusted certificate: {error}"))?)?;
    }
    if roots.is_empty() {
        return Err("there is no certificate in what is to be trusted: is it PEM?".into());
    }
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider())).with_protocol_versions(&[&TLS13])?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}
