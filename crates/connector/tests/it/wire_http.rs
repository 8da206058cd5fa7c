//! The smallest HTTP server that a test can read: one request a connection, every byte kept.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

pub struct Request {
    pub method: String,
    /// With its query.
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap()
    }

    pub fn query(&self, name: &str) -> Option<String> {
        pairs(self.target.split_once('?')?.1.as_bytes(), name)
    }

    pub fn form(&self, name: &str) -> Option<String> {
        pairs(&self.body, name)
    }
}

fn pairs(text: &[u8], name: &str) -> Option<String> {
    url::form_urlencoded::parse(text).find(|(n, _)| n == name).map(|(_, v)| v.into_owned())
}

pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Reply { status, headers: vec![("Content-Type".into(), content_type.into())], body: body.into() }
    }

    pub fn json(status: u16, value: &serde_json::Value) -> Self {
        Reply::new(status, "application/json", value.to_string())
    }

    pub fn html(status: u16, body: &str) -> Self {
        Reply::new(status, "text/html; charset=utf-8", body)
    }

    pub fn redirect(to: &str) -> Self {
        Reply::html(302, "").with("Location", to)
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

/// A certificate and its key, DER.
pub struct Identity {
    pub certificate: Vec<u8>,
    pub key: Vec<u8>,
}

/// Everything that ever arrived, decrypted.
pub type Tape = Arc<Mutex<Vec<u8>>>;

pub fn serve(
    identity: Option<Identity>,
    handler: impl Fn(Request) -> Reply + Send + Sync + 'static,
) -> (SocketAddr, Tape) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let tape: Tape = Arc::default();
    let config = identity.map(|identity| {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(identity.key));
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![CertificateDer::from(identity.certificate)], key)
            .unwrap();
        Arc::new(config)
    });
    let handler = Arc::new(handler);
    let kept = tape.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { return };
            let (handler, kept, config) = (handler.clone(), kept.clone(), config.clone());
            std::thread::spawn(move || {
                stream.set_read_timeout(Some(std::time::Duration::from_secs(10))).ok();
                match config {
                    None => answer(stream, &*handler, &kept),
                    Some(config) => {
                        let connection = rustls::ServerConnection::new(config).unwrap();
                        answer(rustls::StreamOwned::new(connection, stream), &*handler, &kept);
                    }
                }
            });
        }
    });
    (address, tape)
}

fn answer(mut stream: impl Read + Write, handler: &dyn Fn(Request) -> Reply, tape: &Tape) {
    let Some(request) = read(&mut stream, tape) else { return };
    let reply = handler(request);
    let mut head =
        format!("HTTP/1.1 {} X\r\nConnection: close\r\nContent-Length: {}\r\n", reply.status, reply.body.len());
    for (name, value) in reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all(&reply.body);
    let _ = stream.flush();
}

fn read(stream: &mut impl Read, tape: &Tape) -> Option<Request> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            break at;
        }
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => return None,
            Ok(n) => {
                tape.lock().unwrap().extend_from_slice(&chunk[..n]);
                bytes.extend_from_slice(&chunk[..n]);
            }
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers: Vec<(String, String)> = lines
        .filter_map(|l| l.split_once(':'))
        .map(|(n, v)| (n.trim().to_ascii_lowercase(), v.trim().to_owned()))
        .collect();
    let length: usize =
        headers.iter().find(|(n, _)| n == "content-length").and_then(|(_, v)| v.parse().ok()).unwrap_or(0);
    let mut body = bytes[end + 4..].to_vec();
    while body.len() < length {
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => return None,
            Ok(n) => {
                tape.lock().unwrap().extend_from_slice(&chunk[..n]);
                body.extend_from_slice(&chunk[..n]);
            }
        }
    }
    Some(Request { method, target, headers, body })
}
