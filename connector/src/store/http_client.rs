//! The HTTP client that talks to S3: whom it trusts, and by which proxies it goes.
//!
//! It trusts the authorities of the system (or those of `SSL_CERT_FILE`) and in addition those of
//! `AWS_CA_BUNDLE`, and goes by the proxies of `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and
//! `NO_PROXY`, in capitals or not. Otherwise it is the SDK's own.

use std::fs;
use std::path::Path;

use aws_sdk_s3::config::{RuntimeComponents, SharedHttpClient};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder, ConnectorBuilder};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::error::{Error, Result};

/// Makes a client that trusts the certificates of `ca_bundle`, a PEM file, too. A file that cannot
/// be read or that holds no certificate is a Config error that names `AWS_CA_BUNDLE`.
pub fn http_client(ca_bundle: Option<&Path>) -> Result<SharedHttpClient> {
    let mut trusted = TrustStore::default();
    for certificate in ca_bundle.map(certificates).transpose()?.unwrap_or_default() {
        trusted.add_pem_certificate(pem(&certificate));
    }
    client(trusted, ProxyConfig::from_env())
}

fn client(trusted: TrustStore, proxies: ProxyConfig) -> Result<SharedHttpClient> {
    let context = TlsContext::builder()
        .with_trust_store(trusted)
        .build()
        .map_err(|error| Error::internal("TLS cannot be set up").with_source(error))?;
    Ok(
        Builder::new().build_with_connector_fn(move |settings, components| {
            let mut builder = ConnectorBuilder::default()
                .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
                .tls_context(context.clone())
                .proxy_config(proxies.clone());
            builder.set_connector_settings(settings.cloned());
            builder.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
            builder.build()
        }),
    )
}

/// The certificates of a PEM file. The SDK panics at one that it cannot read, so those are left out
/// here, with a warning.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let about = |problem: &str| {
        Error::config(format!(
            "AWS_CA_BUNDLE names the file `{}`, which {problem}: name a PEM file with the \
             certificates of the authorities to trust",
            path.display()
        ))
    };
    let text = fs::read(path).map_err(|error| about("cannot be read").with_source(error))?;
    let (usable, others): (Vec<_>, Vec<_>) = CertificateDer::pem_slice_iter(&text)
        .map(|read| read.ok().filter(is_usable))
        .partition(Option::is_some);
    if usable.is_empty() {
        return Err(about("holds no certificate that can be read"));
    }
    if !others.is_empty() {
        tracing::warn!(
            "{} of the certificates in the file of AWS_CA_BUNDLE cannot be read, and are not \
             trusted",
            others.len()
        );
    }
    Ok(usable.into_iter().flatten().collect())
}

fn is_usable(certificate: &CertificateDer<'static>) -> bool {
    RootCertStore::empty().add(certificate.clone()).is_ok()
}

fn pem(certificate: &[u8]) -> String {
    let text = STANDARD.encode(certificate);
    format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
}

#[cfg(test)]
pub(super) mod tests;
