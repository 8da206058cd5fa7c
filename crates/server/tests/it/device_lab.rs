//! A server with an organization and a token, and a device that speaks the protocol from `latchkey-wire` alone.

use latchkey_wire::bytes::to_base64url;
use latchkey_wire::cloud::{Accepted, Anchor, follow_roots};
use latchkey_wire::message::{
    Bind, Common, DeviceFacts, DeviceResult, Enroll, Evidence, Heartbeat, Message, NonceMessage, Renew, Request,
    Unenroll, UserClaim, Version, WellKnown,
};
use latchkey_wire::state::Purpose;
use latchkey_wire::verify::{By, sign_request, verify_refusal, verify_result, verify_statement};
use latchkey_wire::{
    Bytes, ClaimSource, DeviceToken, EpochSecret, OneTimeCode, P256Key, Platform, Protection, PublicJwk, Sent, Sign,
    Thumbprint, Typ, epoch,
};
use serde_json::{Value, json};

use crate::program::latchkey;
use crate::server::{Place, Server};

pub(crate) const DOMAIN: &str = "acme.example";
pub(crate) const JOSE: &str = "application/jose+json";

pub(crate) struct Lab {
    pub(crate) place: Place,
    pub(crate) server: Server,
    pub(crate) org: String,
    pub(crate) token: DeviceToken,
    pub(crate) cloud: Accepted,
}

/// An answer.
pub(crate) struct Told {
    pub(crate) status: u16,
    pub(crate) body: Value,
    pub(crate) retry_after: Option<String>,
}

impl Told {
    pub(crate) fn code(&self) -> (u16, &str) {
        (self.status, self.body["code"].as_str().unwrap_or_default())
    }
}

pub(crate) struct Machine {
    pub(crate) dk: P256Key,
    pub(crate) uk: P256Key,
    pub(crate) claim: String,
    pub(crate) n: u64,
    pub(crate) e: EpochSecret,
    pub(crate) id: String,
    pub(crate) certificate: Option<Vec<u8>>,
}

impl Machine {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            dk: P256Key::generate(),
            uk: P256Key::generate(),
            claim: format!("{name}@{DOMAIN}"),
            n: 0,
            e: EpochSecret::generate(),
            id: String::new(),
            certificate: None,
        }
    }

    pub(crate) fn thumbprint(&self) -> Thumbprint {
        self.dk.public().thumbprint()
    }

    pub(crate) fn kid(&self) -> String {
        self.thumbprint().to_string()
    }
}

impl Lab {
    pub(crate) fn new() -> Self {
        let place = Place::new();
        let server = place.start(&[]);
        let run = |arguments: &[&str]| command(&place, arguments);
        let org = run(&["org", "create", "acme", "--name", "Acme"])["id"].as_str().unwrap().to_owned();
        run(&["domain", "add", DOMAIN]);
        run(&["domain", "verify", DOMAIN, "--operator-word", "lab"]);
        let file = place.text("token");
        run(&["token", "create", "--description", "lab", "--domain", DOMAIN, "--no-sealed-copy", "--output", &file]);
        run(&["policy", "set", "--enabled", "--domain", DOMAIN, "--jit"]);
        let token = DeviceToken::parse(&std::fs::read_to_string(&file).unwrap()).unwrap();
        let (status, text) = get(&server.url(&format!("/.well-known/latchkey?domain={DOMAIN}")));
        assert_eq!(status, 200, "{text}");
        let answer: WellKnown = serde_json::from_str(&text).unwrap();
        let cloud = follow_roots(&Anchor::Pin(token.pin()), &answer).unwrap().accept(DOMAIN, None).unwrap();
        assert_eq!(cloud.org(), org);
        Self { place, server, org, token, cloud }
    }

    /// Runs the command line against this server; the JSON it answers.
    pub(crate) fn command(&self, arguments: &[&str]) -> Value {
        command(&self.place, arguments)
    }

    pub(crate) fn challenge_keys(&self) -> &[PublicJwk] {
        &self.cloud.document().challenge_keys
    }

    pub(crate) fn post(&self, path: &str, content_type: &str, body: &[u8]) -> Told {
        self.post_at(&self.org, path, content_type, body)
    }

    pub(crate) fn post_at(&self, org: &str, path: &str, content_type: &str, body: &[u8]) -> Told {
        let url = self.server.url(&format!("/o/{org}/device/v1/{path}"));
        let mut answer = agent().post(url).content_type(content_type).send(body).unwrap();
        let retry_after = answer.headers().get("retry-after").map(|v| v.to_str().unwrap().to_owned());
        let status = answer.status().as_u16();
        let text = answer.body_mut().read_to_string().unwrap();
        Told { status, body: serde_json::from_str(&text).unwrap_or(Value::Null), retry_after }
    }

    pub(crate) fn nonce_for(&self, purpose: Purpose, thumbprint: Thumbprint, id: &str) -> String {
        let body = json!({"purpose": purpose, "thumbprint": thumbprint, "id": id}).to_string();
        let told = self.post("nonces", "application/json", body.as_bytes());
        assert_eq!(told.status, 200, "{}", told.body);
        let text = told.body["nonce"].as_str().unwrap();
        let nonce = verify_statement::<NonceMessage>(text, self.challenge_keys()).unwrap();
        assert_eq!((nonce.body().purpose, nonce.body().thumbprint), (purpose, thumbprint));
        nonce.common().nonce.clone()
    }

    pub(crate) fn common(&self, nonce: String) -> Common {
        Common {
            v: Version,
            iss: self.cloud.iss().to_owned(),
            org: self.org.clone(),
            rk: self.cloud.root().thumbprint(),
            nonce,
            iat: 0,
        }
    }

    pub(crate) fn enrollment(&self, machine: &Machine) -> Message<Enroll> {
        let nonce = self.nonce_for(Purpose::Enroll, machine.thumbprint(), self.token.id().as_str());
        Message {
            common: self.common(nonce),
            body: Enroll {
                cloud: self.cloud.document().public_urls[0].clone(),
                domain: DOMAIN.into(),
                token_id: Some(self.token.id().clone()),
                dk_jwk: machine.dk.public().clone(),
                v_0: machine.e.commitment(),
                protection: Protection::Software,
                device: facts(),
                user: Some(UserClaim {
                    uk_jwk: machine.uk.public().clone(),
                    claim: machine.claim.clone(),
                    source: ClaimSource::Option,
                    os_account: "anna".into(),
                }),
                evidence: vec![],
                replaces: None,
                dry_run: false,
            },
        }
    }

    /// The signers of an enrollment, for [`envelope`].
    pub(crate) fn enrollers<'a>(&self, machine: &'a Machine, token_key: &'a dyn Sign) -> Vec<(String, &'a dyn Sign)> {
        vec![
            (machine.kid(), &machine.dk),
            (self.token.kid(), token_key),
            (machine.uk.public().thumbprint().to_string(), &machine.uk),
        ]
    }

    pub(crate) fn sign_enrollment(&self, machine: &Machine, message: &Message<Enroll>) -> Sent {
        let token_key = self.token.signing_key();
        let by = [By::key(&machine.dk), By::credential(&self.token, &token_key), By::key(&machine.uk)];
        sign_request(message, &machine.thumbprint(), &by).unwrap()
    }

    pub(crate) fn enroll(&self, machine: &mut Machine) -> Told {
        let sent = self.sign_enrollment(machine, &self.enrollment(machine));
        let told = self.post("enrollments", JOSE, &sent.body);
        if let Some(result) = self.result(&told, &sent) {
            machine.id = result.device_id.unwrap_or_default();
            machine.certificate = result.certificate.map(|c| c.0);
        }
        told
    }

    pub(crate) fn enrolled(&self, name: &str) -> Machine {
        let mut machine = Machine::new(name);
        assert_eq!(self.enroll(&mut machine).status, 201);
        machine
    }

    /// The verified result, if the answer is good.
    pub(crate) fn result(&self, told: &Told, sent: &Sent) -> Option<DeviceResult> {
        let text = told.body.get("result")?.as_str().unwrap();
        Some(verify_result(text, sent, self.challenge_keys()).unwrap().into_message().body)
    }

    /// What a signed refusal says, if the refusal is signed.
    pub(crate) fn refusal(&self, told: &Told, sent: &Sent) -> Option<latchkey_wire::message::Refusal> {
        let text = told.body.get("signed")?.as_str().unwrap();
        Some(verify_refusal(text, sent, self.challenge_keys()).unwrap().into_message().body)
    }

    pub(crate) fn heartbeat(&self, machine: &Machine) -> (Told, Sent) {
        let nonce = self.nonce_for(Purpose::Heartbeat, machine.thumbprint(), &machine.id);
        let tag = epoch::tag(&machine.e.commitment(), &nonce);
        let body = Heartbeat { device_id: machine.id.clone(), n: machine.n, tag };
        self.call("heartbeats", machine, nonce, body, &[])
    }

    pub(crate) fn unenroll(&self, machine: &Machine) -> (Told, Sent) {
        let nonce = self.nonce_for(Purpose::Unenroll, machine.thumbprint(), &machine.id);
        let tag = epoch::tag(&machine.e.commitment(), &nonce);
        let body = Unenroll { device_id: machine.id.clone(), n: machine.n, tag };
        self.call("unenrollments", machine, nonce, body, &[])
    }

    pub(crate) fn renew_to(&self, machine: &Machine, next: &EpochSecret) -> (Told, Sent) {
        let nonce = self.nonce_for(Purpose::Renew, machine.thumbprint(), &machine.id);
        let body = Renew {
            device_id: machine.id.clone(),
            n: machine.n,
            e_n: machine.e.clone(),
            v_next: next.commitment(),
            certificate: machine.certificate.clone().map(latchkey_wire::Binary),
            facts: facts(),
            new_dk_jwk: None,
        };
        self.call("renewals", machine, nonce, body, &[])
    }

    pub(crate) fn bind(
        &self,
        machine: &Machine,
        uk: &P256Key,
        claim: &str,
        code: Option<&OneTimeCode>,
    ) -> (Told, Sent) {
        let nonce = self.nonce_for(Purpose::Bind, machine.thumbprint(), &machine.id);
        let body = Bind {
            device_id: machine.id.clone(),
            n: machine.n,
            tag: epoch::tag(&machine.e.commitment(), &nonce),
            uk_jwk: uk.public().clone(),
            claim: format!("{claim}@{DOMAIN}"),
            source: ClaimSource::Account,
            os_account: claim.into(),
            evidence: code.map(|code| Evidence::Code { id: code.id().clone() }).into_iter().collect(),
        };
        let code_key = code.map(OneTimeCode::signing_key);
        let mut by = vec![By::key(uk)];
        by.extend(code.zip(code_key.as_ref()).map(|(code, key)| By::credential(code, key)));
        self.call("bindings", machine, nonce, body, &by)
    }

    fn call<T: Request>(
        &self,
        path: &str,
        machine: &Machine,
        nonce: String,
        body: T,
        further: &[By<'_>],
    ) -> (Told, Sent) {
        let message = Message { common: self.common(nonce), body };
        let mut by = vec![By::key(&machine.dk)];
        by.extend_from_slice(further);
        let sent = sign_request(&message, &machine.thumbprint(), &by).unwrap();
        (self.post(path, JOSE, &sent.body), sent)
    }
}

pub(crate) fn facts() -> DeviceFacts {
    DeviceFacts {
        platform: Platform::Linux,
        os: Some("Debian GNU/Linux 13".into()),
        host: Some("pc-1".into()),
        serial: Some("SN-0001".into()),
        smbios_uuid: Some("564d1d8e-0000-0000-0000-000000000001".into()),
        agent: "0.1.0".into(),
        external_device_id: Some("mdm-1".into()),
        ownership: Some("corporate".into()),
    }
}

/// A JWS JSON over any payload, signed by anyone: what `sign_request` refuses to make.
pub(crate) fn envelope(typ: Typ, payload: &[u8], signers: &[(String, &dyn Sign)]) -> Vec<u8> {
    let payload = to_base64url(payload);
    let signatures: Vec<_> = signers
        .iter()
        .map(|(kid, key)| {
            let header = json!({"typ": typ.to_string(), "alg": key.alg().to_string(), "kid": kid}).to_string();
            let protected = to_base64url(header.as_bytes());
            let signature = key.sign(format!("{protected}.{payload}").as_bytes()).unwrap();
            json!({"protected": protected, "signature": to_base64url(&signature)})
        })
        .collect();
    json!({"payload": payload, "signatures": signatures}).to_string().into_bytes()
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().http_status_as_error(false).build().into()
}

pub(crate) fn get(url: &str) -> (u16, String) {
    let mut answer = agent().get(url).call().unwrap();
    (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
}

fn command(place: &Place, arguments: &[&str]) -> Value {
    let data = place.text("d");
    let all = [arguments, &["--data", &data, "--json"]].concat();
    let output = latchkey(&all).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
}

/// What a tag is over cannot be guessed: for messages that are refused before it matters.
pub(crate) const NO_TAG: Bytes<32> = Bytes([0; 32]);
