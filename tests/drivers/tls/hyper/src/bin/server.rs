// SPDX-License-Identifier: Apache-2.0
// CERTIFICATE KEY COUNT: hyper over tokio-rustls, COUNT servers on ports of the kernel's choice, which it prints; each
// answers a GET with its own name (or, for /N, with N bytes), and a POST with what it was sent.
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{server::conn::http1, service::service_fn, Method, Request, Response};
use hyper_util::rt::TokioIo;
use rustls::pki_types::{pem::PemObject, CertificateDer, PrivateKeyDer};
use rustls::ServerConfig;
use std::{convert::Infallible, sync::Arc};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

async fn answer(number: usize, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let size = request.uri().path()[1..].parse::<usize>().unwrap_or(0);
    let body = if request.method() == Method::POST {
        request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default()
    } else if size > 0 {
        Bytes::from(vec![b'x'; size])
    } else {
        Bytes::from(format!("name-{number}"))
    };
    Ok(Response::new(Full::new(body)))
}

async fn serve(number: usize, listener: TcpListener, acceptor: TlsAcceptor) {
    loop {
        let Ok((socket, _)) = listener.accept().await else { continue };
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            if let Ok(stream) = acceptor.accept(socket).await {
                let service = service_fn(move |request| answer(number, request));
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            }
        });
    }
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let chain = CertificateDer::pem_file_iter(&arguments[1]).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(&arguments[2]).unwrap();
    let config = ServerConfig::builder_with_provider(hyper_rustls::provider())
        .with_protocol_versions(hyper_rustls::versions()).unwrap().with_no_client_auth()
        .with_single_cert(chain, key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let mut ports = Vec::new();
    for number in 0..arguments[3].parse().unwrap() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        ports.push(listener.local_addr().unwrap().port().to_string());
        tokio::spawn(serve(number, listener, acceptor.clone()));
    }
    println!("{}", ports.join(" "));
    std::future::pending::<()>().await;
}
