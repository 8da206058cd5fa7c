//! Devices and their agents, as light as they can be: only the server is measured.

use std::io::Write as _;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use latchkey_wire::calls::{
    AGENT_HEADER, BINDING_COOKIE, ChallengeAnswer, FinishAnswer, NonceAnswer, NonceRequest, ProofRequest, ResultAnswer,
    path,
};
use latchkey_wire::cloud::{Accepted, Anchor, follow_roots};
use latchkey_wire::message::{
    Challenge, Common, DeviceFacts, Enroll, Message, NonceMessage, Proof, UserClaim, Version, WellKnown,
};
use latchkey_wire::state::Purpose;
use latchkey_wire::verify::{By, sign_proof, sign_request, verify_result, verify_statement};
use latchkey_wire::{
    Channel, ClaimSource, DeviceToken, EpochSecret, P256Key, Platform, Protection, Sign as _, Thumbprint, epoch,
};

use crate::Result;
use crate::server::{DOMAIN, Server};

pub(crate) const SERVICE: &str = "http://127.0.0.1:9/sp";
pub(crate) const ACS: &str = "http://127.0.0.1:9/acs";

/// The cloud as a device knows it.
pub(crate) struct Cloud {
    url: String,
    token: DeviceToken,
    accepted: Accepted,
}

impl Cloud {
    pub(crate) fn meet(server: &Server) -> Result<Self> {
        let token = DeviceToken::parse(&server.token)?;
        let url = format!("{}/.well-known/latchkey?domain={DOMAIN}", server.url);
        let well_known: WellKnown = serde_json::from_str(&ureq::get(&url).call()?.body_mut().read_to_string()?)?;
        let followed = follow_roots(&Anchor::Pin(token.pin()), &well_known)?;
        let accepted = followed.accept(DOMAIN, None)?;
        Ok(Self { url: server.url.clone(), token, accepted })
    }

    fn at(&self, path: &str) -> String {
        format!("{}/o/{}/{path}", self.url, self.accepted.org())
    }

    fn common(&self, nonce: String) -> Common {
        Common {
            v: Version,
            iss: self.accepted.iss().to_owned(),
            org: self.accepted.org().to_owned(),
            rk: self.accepted.root().thumbprint(),
            nonce,
            iat: u64::try_from(Timestamp::now().as_second()).unwrap_or(0),
        }
    }

    pub(crate) fn agent(&self) -> Agent {
        Agent { http: ureq::Agent::new_with_defaults(), cookie: None, count: 0 }
    }

    /// Asks for the cheapest page there is, one request after the other; how many.
    pub(crate) fn ask_health(&self, time: Duration) -> Result<u64> {
        let agent = ureq::Agent::new_with_defaults();
        let url = format!("{}/healthz", self.url);
        let begin = Instant::now();
        let mut count = 0;
        while begin.elapsed() < time {
            agent.get(&url).call()?.body_mut().read_to_string()?;
            count += 1;
        }
        Ok(count)
    }
}

/// An enrolled device with its user.
pub(crate) struct Device {
    id: String,
    binding: String,
    dk: Thumbprint,
    user_key: P256Key,
    e_0: EpochSecret,
}

impl Device {
    pub(crate) fn enroll(cloud: &Cloud, number: usize) -> Result<Self> {
        let (device_key, user_key, e_0) = (P256Key::generate(), P256Key::generate(), EpochSecret::generate());
        let dk = device_key.public().thumbprint();
        let ask = NonceRequest { purpose: Purpose::Enroll, thumbprint: dk, id: cloud.token.id().to_string() };
        let answer: NonceAnswer = post(&cloud.at(path::NONCES), "application/json", &serde_json::to_vec(&ask)?)?;
        let keys = &cloud.accepted.document().challenge_keys;
        let nonce = verify_statement::<NonceMessage>(&answer.nonce, keys)?;
        let message = Message {
            common: cloud.common(nonce.common().nonce.clone()),
            body: Enroll {
                cloud: cloud.accepted.document().public_urls[0].clone(),
                domain: DOMAIN.to_owned(),
                token_id: Some(cloud.token.id().clone()),
                dk_jwk: device_key.public().clone(),
                v_0: e_0.commitment(),
                protection: Protection::Software,
                device: DeviceFacts {
                    platform: Platform::Linux,
                    os: Some("bench".to_owned()),
                    host: Some(format!("bench{number}")),
                    serial: None,
                    smbios_uuid: None,
                    agent: "0.1.0".to_owned(),
                    external_device_id: None,
                    ownership: None,
                },
                user: Some(UserClaim {
                    uk_jwk: user_key.public().clone(),
                    claim: format!("user{number}@{DOMAIN}"),
                    source: ClaimSource::Option,
                    os_account: format!("user{number}"),
                }),
                evidence: Vec::new(),
                replaces: None,
                dry_run: false,
            },
        };
        let token_key = cloud.token.signing_key();
        let by = [By::key(&device_key), By::credential(&cloud.token, &token_key), By::key(&user_key)];
        let sent = sign_request(&message, &dk, &by)?;
        let answer: ResultAnswer = post(&cloud.at(path::ENROLLMENTS), latchkey_wire::calls::JOSE_JSON, &sent.body)?;
        let result = verify_result(&answer.result, &sent, keys)?;
        let body = result.body();
        Ok(Self {
            id: body.device_id.clone().ok_or("no device id")?,
            binding: body.bindings.first().ok_or("no binding")?.id.clone(),
            dk,
            user_key,
            e_0,
        })
    }
}

fn post<T: serde::de::DeserializeOwned>(url: &str, kind: &str, body: &[u8]) -> Result<T> {
    let mut answer = ureq::post(url).header("content-type", kind).send(body)?;
    Ok(serde_json::from_str(&answer.body_mut().read_to_string()?)?)
}

/// One kept-alive connection that signs in again and again.
pub(crate) struct Agent {
    http: ureq::Agent,
    cookie: Option<String>,
    count: u64,
}

impl Agent {
    /// AuthnRequest in, challenge, proof, response out: two requests.
    pub(crate) fn sign_in(&mut self, cloud: &Cloud, device: &Device) -> Result<()> {
        self.count += 1;
        let query = request(&format!("_{:016x}{:016x}", std::ptr::from_ref(self).addr(), self.count))?;
        let mut ask = self.http.get(format!("{}?{query}", cloud.at(path::SSO))).header(AGENT_HEADER.0, AGENT_HEADER.1);
        if let Some(cookie) = &self.cookie {
            ask = ask.header("cookie", format!("{BINDING_COOKIE}={cookie}"));
        }
        let mut answer = ask.call()?;
        if let Some(set) = answer.headers().get("set-cookie").and_then(|value| value.to_str().ok()) {
            let value = set.split([';', '=']).nth(1).ok_or("a cookie has a value")?;
            self.cookie = Some(value.to_owned());
        }
        let answer: ChallengeAnswer = serde_json::from_str(&answer.body_mut().read_to_string()?)?;
        let proof = prove(cloud, device, &answer)?;
        let body = serde_json::to_vec(&ProofRequest { txn: answer.txn, proof })?;
        let cookie = self.cookie.as_ref().ok_or("the server set no cookie")?;
        let mut answer = self
            .http
            .post(cloud.at(path::FINISH))
            .header("content-type", "application/json")
            .header(AGENT_HEADER.0, AGENT_HEADER.1)
            .header("cookie", format!("{BINDING_COOKIE}={cookie}"))
            .send(&body)?;
        let answer: FinishAnswer = serde_json::from_str(&answer.body_mut().read_to_string()?)?;
        // A response, not an error status: those are unsigned and short.
        if answer.destination != ACS || answer.saml_response.len() < 2_000 {
            return Err("the sign-in was not granted".into());
        }
        Ok(())
    }
}

/// Whether the server said 503: come back.
pub(crate) fn is_asked_to_wait(error: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    matches!(error.downcast_ref::<ureq::Error>(), Some(ureq::Error::StatusCode(503)))
}

fn prove(cloud: &Cloud, device: &Device, answer: &ChallengeAnswer) -> Result<String> {
    let challenge = verify_statement::<Challenge>(&answer.challenge, &cloud.accepted.document().challenge_keys)?;
    let nonce = challenge.common().nonce.clone();
    let message = Message {
        common: cloud.common(nonce.clone()),
        body: Proof {
            txn_sha256: challenge.body().txn_sha256,
            device_id: device.id.clone(),
            binding_id: device.binding.clone(),
            channel: Channel::Agent,
            n: 0,
            tag: epoch::tag(&device.e_0.commitment(), &nonce),
            presence: false,
        },
    };
    let sent = sign_proof(&message, &device.dk, &device.user_key)?;
    Ok(String::from_utf8(sent.body)?)
}

fn request(id: &str) -> Result<String> {
    let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ");
    let xml = format!(
        r#"<samlp:AuthnRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="{id}" Version="2.0" IssueInstant="{now}"><saml:Issuer>{SERVICE}</saml:Issuer></samlp:AuthnRequest>"#
    );
    let mut deflated = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
    deflated.write_all(xml.as_bytes())?;
    let encoded = STANDARD.encode(deflated.finish()?);
    Ok(url::form_urlencoded::Serializer::new(String::new()).append_pair("SAMLRequest", &encoded).finish())
}
