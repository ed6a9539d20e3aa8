// SPDX-License-Identifier: Apache-2.0
// What the programs share: aws-lc-rs is the provider, TLS_VERSION ("1.2", "1.3") and TLS_CIPHER ("CHACHA20") narrow it.
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{aws_lc_rs, CryptoProvider};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme, SupportedProtocolVersion};
use std::sync::Arc;

#[derive(Debug)]
struct Trusting;

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(&self, _: &CertificateDer<'_>, _: &[CertificateDer<'_>], _: &ServerName<'_>, _: &[u8],
                          _: UnixTime) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(&self, _: &[u8], _: &CertificateDer<'_>, _: &DigitallySignedStruct)
                              -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn verify_tls13_signature(&self, _: &[u8], _: &CertificateDer<'_>, _: &DigitallySignedStruct)
                              -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::RSA_PSS_SHA256, SignatureScheme::RSA_PKCS1_SHA256, SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}

pub fn provider() -> Arc<CryptoProvider> {
    let mut provider = aws_lc_rs::default_provider();
    if let Ok(name) = std::env::var("TLS_CIPHER") {
        provider.cipher_suites.retain(|suite| format!("{:?}", suite.suite()).contains(&name));
    }
    Arc::new(provider)
}

static ONLY_1_2: &[&SupportedProtocolVersion] = &[&rustls::version::TLS12];

pub fn versions() -> &'static [&'static SupportedProtocolVersion] {
    if std::env::var("TLS_VERSION").as_deref() == Ok("1.2") { ONLY_1_2 } else { rustls::ALL_VERSIONS }
}

pub fn client_config() -> ClientConfig {
    ClientConfig::builder_with_provider(provider()).with_protocol_versions(versions()).unwrap().dangerous()
        .with_custom_certificate_verifier(Arc::new(Trusting)).with_no_client_auth()
}
