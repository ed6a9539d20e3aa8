// SPDX-License-Identifier: Apache-2.0
// As client.rs, without tokio: rustls's own StreamOwned, a thread for each connection. GO: a file without which none
// asks twice.
use rustls::{pki_types::ServerName, ClientConnection, StreamOwned};
use std::io::{Read, Write};
use std::{net::TcpStream, sync::Arc};

fn talk(number: usize, port: u16, requests: usize, bytes: usize) {
    let socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let session = ClientConnection::new(Arc::new(hyper_rustls::client_config()), name).unwrap();
    let mut stream = StreamOwned::new(session, socket);
    let method = if bytes > 0 { "POST" } else { "GET" };
    let head = format!("{method} /x HTTP/1.1\r\nHost: name-{number}\r\nContent-Length: {bytes}\r\n\r\n");
    let body = vec![b'y'; bytes];
    let wanted = if bytes > 0 { body.clone() } else { format!("name-{number}").into_bytes() };
    for index in 0..requests {
        while index == 1 && std::env::var("GO").is_ok_and(|go| !std::path::Path::new(&go).exists()) {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&body).unwrap();
        stream.flush().unwrap();
        let (mut answer, mut part) = (Vec::new(), [0u8; 20000]);
        while !answer.ends_with(&wanted) {
            let count = stream.read(&mut part).unwrap();
            assert!(count > 0);
            answer.extend_from_slice(&part[..count]);
        }
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let (connections, requests, bytes) =
        (arguments[1].parse::<usize>().unwrap(), arguments[2].parse().unwrap(), arguments[3].parse().unwrap());
    let ports: Vec<u16> = arguments[4..].iter().map(|port| port.parse().unwrap()).collect();
    let threads: Vec<_> = (0..connections)
        .map(|index| (index % ports.len(), ports[index % ports.len()]))
        .map(|(number, port)| std::thread::spawn(move || talk(number, port, requests, bytes)))
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}
