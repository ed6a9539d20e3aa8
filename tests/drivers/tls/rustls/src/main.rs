// SPDX-License-Identifier: Apache-2.0
// NAME CONNECTIONS REQUESTS PORT...: keep-alive connections over rustls, a thread for each, to servers that answer with their names.
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};
use std::io::{Read, Write};
use std::net::TcpStream;
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

fn talk(number: usize, port: &str, requests: usize) {
    let config = ClientConfig::builder().dangerous().with_custom_certificate_verifier(Arc::new(Trusting))
        .with_no_client_auth();
    let socket = TcpStream::connect(("127.0.0.1", port.parse().unwrap())).unwrap();
    let session = ClientConnection::new(Arc::new(config), ServerName::try_from("127.0.0.1").unwrap()).unwrap();
    let mut stream = StreamOwned::new(session, socket);
    let wanted = format!("name-{number}");
    for _ in 0..requests {
        stream.write_all(format!("GET /x HTTP/1.1\r\nHost: {wanted}\r\n\r\n").as_bytes()).unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(wanted.as_bytes()) {
            let mut part = [0u8; 4096];
            let count = stream.read(&mut part).unwrap();
            assert!(count > 0);
            answer.extend_from_slice(&part[..count]);
        }
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let (connections, requests) = (arguments[1].parse::<usize>().unwrap(), arguments[2].parse().unwrap());
    let ports: Vec<String> = arguments[3..].to_vec();
    let threads: Vec<_> = (0..connections)
        .map(|index| {
            let ports = ports.clone();
            std::thread::spawn(move || talk(index % ports.len(), &ports[index % ports.len()], requests))
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}
