// SPDX-License-Identifier: Apache-2.0
// CONNECTIONS REQUESTS BYTES PORT...: reqwest, each connection a client of its own with keep-alive. BYTES 0: GETs,
// which must be answered with the server's name; else POSTs of so many, which must come back.
async fn talk(number: usize, port: String, requests: usize, bytes: usize) {
    let client = reqwest::Client::builder().tls_backend_preconfigured(hyper_rustls::client_config()).build().unwrap();
    let url = format!("https://127.0.0.1:{port}/x");
    for _ in 0..requests {
        let request = if bytes > 0 { client.post(&url).body(vec![b'y'; bytes]) } else { client.get(&url) };
        let answer = request.header("Host", format!("name-{number}")).send().await.unwrap();
        let body = answer.bytes().await.unwrap();
        if bytes > 0 {
            assert_eq!(body.len(), bytes);
        } else {
            assert_eq!(body, format!("name-{number}"));
        }
    }
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let (connections, requests, bytes) =
        (arguments[1].parse::<usize>().unwrap(), arguments[2].parse().unwrap(), arguments[3].parse().unwrap());
    let ports = &arguments[4..];
    let tasks: Vec<_> = (0..connections)
        .map(|index| tokio::spawn(talk(index % ports.len(), ports[index % ports.len()].clone(), requests, bytes)))
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}
