// SPDX-License-Identifier: Apache-2.0
// NAME CONNECTIONS REQUESTS PORT...: keep-alive connections over boring, a thread for each, to servers that answer with their names.
use boring::ssl::{SslConnector, SslMethod, SslVerifyMode};
use std::io::{Read, Write};
use std::net::TcpStream;

fn talk(number: usize, port: &str, requests: usize) {
    let mut builder = SslConnector::builder(SslMethod::tls()).unwrap();
    builder.set_verify(SslVerifyMode::NONE);
    let connector = builder.build();
    let mut configuration = connector.configure().unwrap();
    configuration.set_verify_hostname(false);
    let socket = TcpStream::connect(("127.0.0.1", port.parse().unwrap())).unwrap();
    let mut stream = configuration.connect("127.0.0.1", socket).unwrap();
    let wanted = format!("name-{number}");
    for _ in 0..requests {
        write!(stream, "GET /x HTTP/1.1\r\nHost: {wanted}\r\n\r\n").unwrap();
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
