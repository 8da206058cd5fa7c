//! A cloud for tests: the device calls of the protocol on `latchkey-wire`, in memory, with faults to order.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use latchkey_wire::message::{
    Bind, BindingInfo, Common, DeviceResult, Document, Enroll, Heartbeat, Message, NonceMessage, Proof, Refusal, Renew,
    RootCommon, Unenroll, Version,
};
use latchkey_wire::state::Purpose;
use latchkey_wire::verify::{sign_result, sign_statement};
use latchkey_wire::*;
use serde_json::{Value, json};

use crate::wire_http::{Identity, Reply, Request, Tape, serve};

pub const ORG: &str = "org-7f3a";
pub const DOMAIN: &str = "acme.example";

#[derive(Clone, Debug)]
pub struct Device {
    pub id: String,
    pub dk: PublicJwk,
    pub state: DeviceState,
    pub cur: u64,
    pub v_cur: EpochHash,
    pub v_prev: Option<EpochHash>,
    pub bindings: Vec<(BindingInfo, PublicJwk)>,
    pub forked: bool,
    /// The key before the last change; good for a repeated renewal only.
    pub old_dk: Option<PublicJwk>,
    /// Whether a tag of the previous epoch still counts.
    pub prev_alive: bool,
}

/// What goes wrong, on purpose.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Faults {
    /// Answer the next enrollment or renewal, and lose the answer.
    pub lose_answer: bool,
    /// Sign the document with another root.
    pub foreign_root: bool,
    /// Sign the document with the right name and a wrong key.
    pub wrong_signature: bool,
    /// The document is so old, seconds.
    pub document_age: u64,
    /// The document names another domain.
    pub other_domain: bool,
    /// Challenges are signed by a key the document does not list.
    pub challenge_key: bool,
    /// Challenges name this origin.
    pub challenge_origin: Option<String>,
    /// Challenges ended so many seconds ago.
    pub challenge_expired: u64,
    /// Challenges name another issuer.
    pub challenge_issuer: bool,
    /// Challenges are for another cookie.
    pub challenge_cookie: bool,
    /// Refuse device calls with this code; signed or not.
    pub refuse: Option<(Code, bool)>,
    /// Every enrollment gives this state.
    pub enroll_state: Option<DeviceState>,
    /// The minimum connector.
    pub min_connector: Option<String>,
    /// The document lists the TLS key.
    pub list_tls_key: Option<Bytes<32>>,
    /// A public address other than the first.
    pub https: bool,
    /// Finish answers with this problem.
    pub finish_refuses: Option<Code>,
    /// `finish` gives a response that tells the service of a refusal with this code.
    pub delivers_refusal: Option<String>,
    /// The issuer answers an AuthnRequest at once, as it does for a NoPassive.
    pub passive: bool,
    /// Nobody answers: every connection gets an empty reply with a proxy's status.
    pub away: bool,
    /// The server's clock runs ahead, seconds.
    pub ahead: u64,
    /// New bindings wait for an administrator.
    pub bindings_wait: bool,
}

pub struct Inner {
    pub root: Ed25519Key,
    pub impostor: Ed25519Key,
    pub challenge: Ed25519Key,
    pub token: DeviceToken,
    pub code: OneTimeCode,
    pub devices: Vec<Device>,
    /// Devices that a restored store does not know.
    pub forgotten: Vec<Device>,
    pub faults: Faults,
    pub calls: Vec<String>,
    pub consumer: String,
    serial: u64,
    pub counter: u64,
    nonces: HashMap<String, Purpose>,
    pub cookies: Vec<String>,
    pub proofs: Vec<Proof>,
    pub enrolls: Vec<Enroll>,
    pub used: u64,
}

#[derive(Clone)]
pub struct Cloud {
    pub address: SocketAddr,
    pub inner: Arc<Mutex<Inner>>,
    pub tape: Tape,
}

pub fn wall() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

impl Cloud {
    pub fn start() -> Self {
        Self::with(None)
    }

    pub fn with(identity: Option<Identity>) -> Self {
        let root = Ed25519Key::generate();
        let pin = Pin::of(&root.public_bytes());
        let https = identity.is_some();
        let inner = Arc::new(Mutex::new(Inner {
            token: DeviceToken::generate(pin),
            code: OneTimeCode::generate(pin),
            root,
            impostor: Ed25519Key::generate(),
            challenge: Ed25519Key::generate(),
            devices: Vec::new(),
            forgotten: Vec::new(),
            faults: Faults { https, ..Faults::default() },
            calls: Vec::new(),
            consumer: String::new(),
            serial: wall() * 1000,
            counter: 0,
            nonces: HashMap::new(),
            cookies: Vec::new(),
            proofs: Vec::new(),
            enrolls: Vec::new(),
            used: 0,
        }));
        let shared = inner.clone();
        let port = Arc::new(Mutex::new(0u16));
        let own_port = port.clone();
        let (address, tape) = serve(identity, move |request| {
            let port = *own_port.lock().unwrap();
            shared.lock().unwrap().handle(port, &request)
        });
        *port.lock().unwrap() = address.port();
        Cloud { address, inner, tape }
    }

    pub fn name(&self) -> String {
        format!("localhost:{}", self.address.port())
    }

    pub fn origin(&self) -> String {
        let scheme = if self.inner.lock().unwrap().faults.https { "https" } else { "http" };
        format!("{scheme}://{}", self.name())
    }

    pub fn token_text(&self) -> String {
        self.inner.lock().unwrap().token.expose().to_string()
    }

    pub fn faults(&self, change: impl FnOnce(&mut Faults)) {
        change(&mut self.inner.lock().unwrap().faults);
    }

    /// A new challenge key, as in a key roll-over; the document says so from now on.
    pub fn roll_challenge_key(&self) {
        let mut inner = self.inner.lock().unwrap();
        inner.challenge = Ed25519Key::generate();
        inner.serial += 1;
    }

    pub fn calls(&self) -> Vec<String> {
        self.inner.lock().unwrap().calls.clone()
    }

    pub fn device(&self) -> Device {
        self.inner.lock().unwrap().devices[0].clone()
    }

    pub fn change(&self, change: impl FnOnce(&mut Device)) {
        change(&mut self.inner.lock().unwrap().devices[0]);
    }
}

pub type Answer = Result<Reply, Reply>;

impl Inner {
    fn handle(&mut self, port: u16, request: &Request) -> Reply {
        self.calls.push(format!("{} {}", request.method, request.path()));
        if self.faults.away {
            return Reply::html(599, "");
        }
        let base = format!("/o/{ORG}");
        let result = match request.path().strip_prefix(&base).unwrap_or(request.path()) {
            "/.well-known/latchkey" => self.well_known(port, request),
            "/device/v1/nonces" => self.nonce(request),
            "/device/v1/enrollments" => self.enroll(request),
            "/device/v1/renewals" => self.renew(request),
            "/device/v1/heartbeats" => self.heartbeat(request),
            "/device/v1/bindings" => self.bind(request),
            "/device/v1/unenrollments" => self.unenroll(request),
            "/saml/sso" => self.sso(port, request),
            "/signin/finish" => self.finish(request),
            "/healthz" => Ok(Reply::new(200, "text/plain", "ok")),
            _ => Err(Reply::html(404, "")),
        };
        result.unwrap_or_else(|refused| refused)
    }

    pub fn now(&self) -> u64 {
        wall() + self.faults.ahead
    }

    pub fn common(&self, nonce: &str) -> Common {
        Common {
            v: Version,
            iss: "https://issuer.acme.example".into(),
            org: ORG.into(),
            rk: self.root.public().thumbprint(),
            nonce: nonce.into(),
            iat: self.now(),
        }
    }

    fn well_known(&mut self, port: u16, request: &Request) -> Answer {
        let domain = request.query("domain").unwrap_or_default();
        if domain != DOMAIN {
            return Err(problem(404, Code::Cloud001));
        }
        let key = if self.faults.foreign_root { &self.impostor } else { &self.root };
        let scheme = if self.faults.https { "https" } else { "http" };
        let message = Message {
            common: RootCommon {
                v: Version,
                iss: "https://issuer.acme.example".into(),
                org: Some(ORG.into()),
                rk: key.public().thumbprint(),
                iat: self.now(),
            },
            body: Document {
                domain: if self.faults.other_domain { "other.example".into() } else { domain },
                public_urls: vec![format!("{scheme}://localhost:{port}")],
                challenge_keys: vec![self.challenge.public().clone()],
                device_ca: Vec::new(),
                tls_spki_sha256: self.faults.list_tls_key.into_iter().collect(),
                versions: vec![1],
                min_connector: self.faults.min_connector.clone().unwrap_or_else(|| "0.0.1".into()),
                serial: self.serial + self.faults.ahead * 1000 - self.faults.document_age * 1000,
            },
        };
        let mut document = sign_statement(&message, key).unwrap();
        if self.faults.wrong_signature {
            let forged = sign_statement(&message, &self.impostor).unwrap();
            let signature = forged.rsplit_once('.').unwrap().1.to_owned();
            document = format!("{}.{signature}", document.rsplit_once('.').unwrap().0);
        }
        Ok(Reply::json(200, &json!({"document": document, "roots": [key.public()], "succession": []})))
    }

    fn nonce(&mut self, request: &Request) -> Answer {
        let asked: Value = serde_json::from_slice(&request.body).unwrap();
        let purpose: Purpose = serde_json::from_value(asked["purpose"].clone()).unwrap();
        self.counter += 1;
        let nonce = format!("nonce-{}", self.counter);
        self.nonces.insert(nonce.clone(), purpose);
        let message = Message {
            common: self.common(&nonce),
            body: NonceMessage {
                purpose,
                thumbprint: serde_json::from_value(asked["thumbprint"].clone()).unwrap(),
                time: self.now(),
                exp: self.now() + 120,
                serial: self.serial,
            },
        };
        Ok(Reply::json(200, &json!({"nonce": sign_statement(&message, &self.challenge).unwrap()})))
    }

    fn consume(&mut self, nonce: &str, purpose: Purpose) -> Result<(), Reply> {
        match self.nonces.remove(nonce) {
            Some(made_for) if made_for == purpose => Ok(()),
            _ => Err(problem(401, Code::Nonce001)),
        }
    }

    fn refuse(
        &self,
        dk: Thumbprint,
        request_sha256: Bytes<32>,
        nonce: &str,
        state: Option<DeviceState>,
    ) -> Result<(), Reply> {
        let Some((code, signed)) = self.faults.refuse else { return Ok(()) };
        let mut document = json!({"code": code.as_str(), "detail": code.title(), "ref": "R-1"});
        if signed {
            let message = Message {
                common: self.common(nonce),
                body: Refusal {
                    dk,
                    request_sha256,
                    time: self.now(),
                    code: code.into(),
                    state,
                    retry: code.retry(),
                    retry_after: None,
                },
            };
            document["signed"] = sign_statement(&message, &self.challenge).unwrap().into();
        }
        Err(Reply::new(403, "application/problem+json", document.to_string()))
    }

    fn result(
        &self,
        device: &Device,
        dk: Thumbprint,
        request_sha256: Bytes<32>,
        nonce: &str,
        typ: Typ,
        certificate: bool,
    ) -> String {
        let message = Message {
            common: self.common(nonce),
            body: DeviceResult {
                request_sha256,
                dk,
                device_id: Some(device.id.clone()),
                state: device.state,
                reason: None,
                n: device.cur,
                certificate: certificate.then(|| Binary(vec![0x30, 0x00])),
                renew_at: self.now() + 302_400,
                heartbeat_s: 1800,
                settings: Default::default(),
                time: self.now(),
                bindings: device.bindings.iter().map(|(b, _)| b.clone()).collect(),
                would: None,
            },
        };
        sign_result(typ, &message, &self.challenge).unwrap()
    }

    fn enroll(&mut self, request: &Request) -> Answer {
        let refused = |_| problem(401, Code::Enroll010);
        let posted = Posted::<Enroll>::parse(&request.body).map_err(refused)?;
        let nonce = posted.nonce().to_owned();
        self.consume(&nonce, Purpose::Enroll)?;
        let code_key = self.code.public_key();
        let verified = posted
            .verify_token(&self.token.public_key())
            .map_err(refused)?
            .verify(|_| Ok(code_key.clone()))
            .map_err(refused)?;
        let body = verified.body().clone();
        let dk = body.dk_jwk.thumbprint();
        self.enrolls.push(body.clone());
        self.refuse(dk, verified.request_sha256(), &nonce, None)?;
        let known = self.devices.iter().position(|d| d.dk == body.dk_jwk);
        if body.dry_run {
            let id = DeviceState::Registered;
            let device = Device {
                id: "none".into(),
                dk: body.dk_jwk,
                state: id,
                cur: 0,
                v_cur: body.v_0,
                v_prev: None,
                bindings: vec![],
                forked: false,
                prev_alive: true,
                old_dk: None,
            };
            let text = self.result(&device, dk, verified.request_sha256(), &nonce, Typ::Enroll, false);
            return Ok(Reply::json(200, &json!({"result": text})));
        }
        let taken_over = body.replaces.as_ref().and_then(|id| self.devices.iter().position(|d| d.id == *id));
        if let Some(at) = taken_over {
            let device = &mut self.devices[at];
            device.dk = body.dk_jwk.clone();
            device.state = DeviceState::Registered;
            device.cur = 0;
            device.v_cur = body.v_0;
            device.v_prev = None;
            device.forked = false;
        }
        let at = known.or(taken_over).unwrap_or_else(|| {
            self.used += 1;
            let bindings = body.user.iter().map(|u| (self.binding(&u.claim, &u.uk_jwk), u.uk_jwk.clone())).collect();
            self.devices.push(Device {
                id: format!("dev-{}", self.devices.len() + 1),
                dk: body.dk_jwk.clone(),
                state: self.faults.enroll_state.unwrap_or(DeviceState::Registered),
                cur: 0,
                v_cur: body.v_0,
                v_prev: None,
                bindings,
                forked: false,
                prev_alive: true,
                old_dk: None,
            });
            self.devices.len() - 1
        });
        if std::mem::take(&mut self.faults.lose_answer) {
            return Err(Reply::html(502, "gateway"));
        }
        let device = self.devices[at].clone();
        let text = self.result(
            &device,
            dk,
            verified.request_sha256(),
            &nonce,
            Typ::Enroll,
            device.state == DeviceState::Registered,
        );
        Ok(Reply::json(201, &json!({"result": text})))
    }

    fn binding(&self, claim: &str, uk: &PublicJwk) -> BindingInfo {
        BindingInfo {
            id: format!("bind-{}", uk.thumbprint()),
            state: if self.faults.bindings_wait { BindingState::Pending } else { BindingState::Active },
            level: Level::Asserted,
            login_name: claim.to_owned(),
            uk: uk.thumbprint(),
        }
    }

    pub fn at(&self, id: &str) -> Result<usize, Reply> {
        self.devices.iter().position(|d| d.id == id).ok_or_else(|| problem(404, Code::Device404))
    }

    fn renew(&mut self, request: &Request) -> Answer {
        let posted = Posted::<Renew>::parse(&request.body).map_err(|_| problem(401, Code::Enroll010))?;
        let said = &posted.unverified().body;
        if said.certificate.is_some()
            && let Some(at) = self.forgotten.iter().position(|d| d.id == said.device_id)
        {
            // The certificate does not tell whose it was.
            let adopted = Device { state: DeviceState::Pending, bindings: Vec::new(), ..self.forgotten.remove(at) };
            self.devices.push(adopted);
        }
        let at = self.at(&posted.unverified().body.device_id)?;
        let kid = posted.kid_of(&latchkey_wire::verify::Signer::Device).unwrap_or_default().to_owned();
        let old = self.devices[at].old_dk.clone().filter(|k| k.thumbprint().to_string() == kid);
        let is_old = old.is_some();
        let key = old.unwrap_or_else(|| self.devices[at].dk.clone());
        let verified = posted.verify(|_| Ok(key.clone())).map_err(|_| problem(401, Code::Device404))?;
        let (body, nonce) = (verified.body(), verified.common().nonce.clone());
        self.consume(&nonce, Purpose::Renew)?;
        self.refuse(key.thumbprint(), verified.request_sha256(), &nonce, Some(self.devices[at].state))?;
        let v = body.e_n.commitment();
        let device = &mut self.devices[at];
        let mut advanced = false;
        if device.state == DeviceState::Retired {
            device.state = DeviceState::Pending;
        }
        if device.state != DeviceState::Registered {
            // Answered as such, nothing advances.
        } else if !is_old && body.n == device.cur && v == device.v_cur {
            device.v_prev = Some(device.v_cur);
            device.v_cur = body.v_next;
            device.cur += 1;
            if let Some(new) = &body.new_dk_jwk {
                device.old_dk = Some(std::mem::replace(&mut device.dk, new.clone()));
            }
            advanced = true;
        } else if body.n + 1 == device.cur && device.v_prev == Some(v) && body.v_next == device.v_cur {
            advanced = true;
        } else {
            device.forked = true;
            device.state = DeviceState::Quarantined;
            self.faults.refuse = Some((Code::Renew023, true));
            self.refuse(key.thumbprint(), verified.request_sha256(), &nonce, Some(DeviceState::Quarantined))?;
        }
        if std::mem::take(&mut self.faults.lose_answer) {
            return Err(Reply::html(502, "gateway"));
        }
        let device = self.devices[at].clone();
        let text = self.result(&device, key.thumbprint(), verified.request_sha256(), &nonce, Typ::Renew, advanced);
        Ok(Reply::json(200, &json!({"result": text})))
    }

    fn heartbeat(&mut self, request: &Request) -> Answer {
        let posted = Posted::<Heartbeat>::parse(&request.body).map_err(|_| problem(401, Code::Enroll010))?;
        let at = self.at(&posted.unverified().body.device_id)?;
        let key = self.devices[at].dk.clone();
        let verified = posted.verify(|_| Ok(key.clone())).map_err(|_| problem(401, Code::Device404))?;
        let nonce = verified.common().nonce.clone();
        self.consume(&nonce, Purpose::Heartbeat)?;
        self.refuse(key.thumbprint(), verified.request_sha256(), &nonce, Some(self.devices[at].state))?;
        self.tag(at, &nonce, &verified.body().tag)?;
        let device = self.devices[at].clone();
        let text = self.result(&device, key.thumbprint(), verified.request_sha256(), &nonce, Typ::Heartbeat, false);
        Ok(Reply::json(200, &json!({"result": text})))
    }

    pub fn tag(&self, at: usize, nonce: &str, tag: &Bytes<32>) -> Result<(), Reply> {
        let device = &self.devices[at];
        let good = epoch::tag_matches(&device.v_cur, nonce, tag)
            || device.prev_alive && device.v_prev.is_some_and(|v| epoch::tag_matches(&v, nonce, tag));
        if good { Ok(()) } else { Err(problem(403, Code::Proof021)) }
    }

    fn unenroll(&mut self, request: &Request) -> Answer {
        let posted = Posted::<Unenroll>::parse(&request.body).map_err(|_| problem(401, Code::Enroll010))?;
        let at = self.at(&posted.unverified().body.device_id)?;
        let key = self.devices[at].dk.clone();
        let verified = posted.verify(|_| Ok(key.clone())).map_err(|_| problem(401, Code::Device404))?;
        let nonce = verified.common().nonce.clone();
        self.consume(&nonce, Purpose::Unenroll)?;
        self.tag(at, &nonce, &verified.body().tag)?;
        self.devices[at].state = DeviceState::Unregistered;
        let device = self.devices[at].clone();
        let text = self.result(&device, key.thumbprint(), verified.request_sha256(), &nonce, Typ::Unenroll, false);
        Ok(Reply::json(200, &json!({"result": text})))
    }

    fn bind(&mut self, request: &Request) -> Answer {
        let posted = Posted::<Bind>::parse(&request.body).map_err(|_| problem(401, Code::Enroll010))?;
        let at = self.at(&posted.unverified().body.device_id)?;
        let key = self.devices[at].dk.clone();
        let verified = posted.verify(|_| Ok(key.clone())).map_err(|_| problem(401, Code::Device404))?;
        let (body, nonce) = (verified.body().clone(), verified.common().nonce.clone());
        self.consume(&nonce, Purpose::Bind)?;
        self.tag(at, &nonce, &body.tag)?;
        if self.devices[at].bindings.iter().any(|(_, uk)| *uk == body.uk_jwk) {
            return Err(problem(403, Code::Enroll031));
        }
        let binding = self.binding(&body.claim, &body.uk_jwk);
        self.devices[at].bindings.push((binding, body.uk_jwk));
        let device = self.devices[at].clone();
        let text = self.result(&device, key.thumbprint(), verified.request_sha256(), &nonce, Typ::Bind, false);
        Ok(Reply::json(201, &json!({"result": text})))
    }
}

pub fn problem(status: u16, code: Code) -> Reply {
    let document = json!({"type": "/docs/errors", "title": code.title(), "status": status, "code": code.as_str(),
        "detail": code.title(), "fix": code.fix(), "ref": "R-42", "errors": []});
    Reply::new(status, "application/problem+json", document.to_string())
}
