// SPDX-License-Identifier: Apache-2.0
// NAME CONNECTIONS REQUESTS PORT...: keep-alive connections over AWS-LC, a thread for each, to servers that answer with their names.
use aws_lc_sys::{
    SSL_CTX_free, SSL_CTX_new, SSL_connect, SSL_free, SSL_new, SSL_read, SSL_set_fd, SSL_write, TLS_method,
};
use std::net::TcpStream;
use std::os::fd::AsRawFd;

unsafe fn talk(number: usize, port: &str, requests: usize) {
    let context = SSL_CTX_new(TLS_method());
    let session = SSL_new(context);
    let socket = TcpStream::connect(("127.0.0.1", port.parse().unwrap())).unwrap();
    assert_eq!(SSL_set_fd(session, socket.as_raw_fd()), 1);
    assert_eq!(SSL_connect(session), 1);
    let wanted = format!("name-{number}");
    for _ in 0..requests {
        let request = format!("GET /x HTTP/1.1\r\nHost: {wanted}\r\n\r\n");
        assert_eq!(SSL_write(session, request.as_ptr().cast(), request.len() as i32), request.len() as i32);
        let mut answer = Vec::new();
        while !answer.ends_with(wanted.as_bytes()) {
            let mut part = [0u8; 4096];
            let count = SSL_read(session, part.as_mut_ptr().cast(), 4096);
            assert!(count > 0);
            answer.extend_from_slice(&part[..count as usize]);
        }
    }
    SSL_free(session);
    SSL_CTX_free(context);
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let (connections, requests) = (arguments[1].parse::<usize>().unwrap(), arguments[2].parse().unwrap());
    let ports: Vec<String> = arguments[3..].to_vec();
    let threads: Vec<_> = (0..connections)
        .map(|index| {
            let ports = ports.clone();
            std::thread::spawn(move || unsafe { talk(index % ports.len(), &ports[index % ports.len()], requests) })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}
