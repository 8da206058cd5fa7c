//! Somebody between the browser and the service: a relay that sees every answer, can change it, and can send it again.
//! Must not know what a good answer is.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

const PATIENCE: Duration = Duration::from_secs(20);

/// The user that every test signs in as, and who an altered answer speaks of.
pub(crate) const USER: &str = "anna@services.example";
const OTHER: &str = "boss@services.example";

#[derive(Default)]
struct Shared {
    service: Option<SocketAddr>,
    alter: bool,
    /// The last request that carried an answer, as it was sent on.
    answer: Option<Vec<u8>>,
}

/// The relay. Its address is the service's public one.
pub(crate) struct Attacker {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

impl Attacker {
    pub(crate) fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Mutex::new(Shared::default()));
        let for_thread = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let shared = Arc::clone(&for_thread);
                std::thread::spawn(move || relay(client, &shared));
            }
        });
        Self { address, shared }
    }

    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where the service really listens.
    pub(crate) fn stand_before(&self, service: SocketAddr) {
        self.shared.lock().unwrap().service = Some(service);
    }

    /// From now on, whether answers are changed to speak of another user.
    pub(crate) fn alter(&self, alter: bool) {
        self.shared.lock().unwrap().alter = alter;
    }

    /// Sends the last answer again, byte for byte and with its cookies. Gives back the status.
    pub(crate) fn replay(&self) -> u16 {
        let (service, request) = {
            let shared = self.shared.lock().unwrap();
            (shared.service.unwrap(), shared.answer.clone().expect("an answer passed by before"))
        };
        let reply = ask(service, &request).unwrap();
        let head = String::from_utf8_lossy(&reply);
        head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("not HTTP: {head}"))
    }
}

/// One request and its reply; every connection carries one.
fn relay(mut client: TcpStream, shared: &Mutex<Shared>) {
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    // A browser may open a connection and not use it.
    let Some((head, body)) = read_request(&mut client) else { return };
    let (service, alter) = {
        let shared = shared.lock().unwrap();
        (shared.service.expect("the service was started"), shared.alter)
    };
    let is_answer = body.starts_with(b"SAMLResponse=") || body.windows(14).any(|w| w == b"&SAMLResponse=");
    let body = if is_answer && alter { altered(&body) } else { body };
    let request = with_body(&head, &body);
    if is_answer {
        shared.lock().unwrap().answer = Some(request.clone());
    }
    let reply = ask(service, &request).unwrap();
    // The connection ends here, and the client is told.
    let end = reply.windows(2).position(|w| w == b"\r\n").expect("a reply begins with a line") + 2;
    client.write_all(&reply[..end]).unwrap();
    client.write_all(b"Connection: close\r\n").unwrap();
    client.write_all(&reply[end..]).unwrap();
}

fn read_request(client: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut buffer = [0_u8; 8192];
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            break at + 2;
        }
        let n = client.read(&mut buffer).ok().filter(|n| *n > 0)?;
        bytes.extend_from_slice(&buffer[..n]);
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut body = bytes[end + 2..].to_vec();
    let length = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .map_or(0, |(_, value)| value.trim().parse().unwrap());
    while body.len() < length {
        let n = client.read(&mut buffer).unwrap();
        assert!(n > 0, "the request ended early");
        body.extend_from_slice(&buffer[..n]);
    }
    Some((head, body))
}

/// The request with another body, asking for one reply only.
fn with_body(head: &str, body: &[u8]) -> Vec<u8> {
    let mut request = Vec::new();
    for line in head.lines() {
        let name = line.split(':').next().unwrap_or_default();
        if !["connection", "content-length", "keep-alive"].iter().any(|n| name.eq_ignore_ascii_case(n)) {
            request.extend_from_slice(line.as_bytes());
            request.extend_from_slice(b"\r\n");
        }
    }
    request.extend_from_slice(format!("Connection: close\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes());
    request.extend_from_slice(body);
    request
}

fn ask(service: SocketAddr, request: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(service)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(request)?;
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply)?;
    Ok(reply)
}

/// The answer, speaking of another user.
fn altered(body: &[u8]) -> Vec<u8> {
    let fields = url::form_urlencoded::parse(body).map(|(name, value)| {
        if name != "SAMLResponse" {
            return (name, value.into_owned());
        }
        let xml = String::from_utf8(BASE64.decode(value.as_bytes()).unwrap()).unwrap();
        assert!(xml.contains(USER), "nothing to alter in {xml}");
        (name, BASE64.encode(xml.replace(USER, OTHER)))
    });
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish().into_bytes()
}
