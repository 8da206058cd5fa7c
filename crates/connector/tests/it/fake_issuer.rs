//! The fake cloud's issuer: challenge, finish.

use latchkey_wire::message::{Challenge, Message};
use latchkey_wire::verify::sign_statement;
use latchkey_wire::{BindingState, Channel, Code, DeviceState, Level, Posted, epoch};
use serde_json::{Value, json};

use crate::fake_cloud::{Answer, Inner, problem};
use crate::wire_http::{Reply, Request};

impl Inner {
    pub fn sso(&mut self, port: u16, request: &Request) -> Answer {
        let asked = request.query("SAMLRequest").or_else(|| request.form("SAMLRequest"));
        if request.header("latchkey-agent") != Some("1") || asked.is_none() {
            return Ok(Reply::html(200, "<title>Sign in</title>"));
        }
        if self.faults.passive {
            let state = request.query("RelayState").unwrap_or_default();
            return Ok(Reply::json(
                200,
                &json!({"destination": self.consumer, "saml_response": "no-passive", "relay_state": state}),
            ));
        }
        self.counter += 1;
        let cookie = format!("cookie-{}", self.counter);
        self.cookies.push(cookie.clone());
        let relay_state = request.query("RelayState").or_else(|| request.form("RelayState")).unwrap_or_default();
        let txn = format!("txn-{}-{relay_state}", self.counter);
        let (now, nonce) = (self.now(), format!("challenge-{}", self.counter));
        let mut common = self.common(&nonce);
        if self.faults.challenge_issuer {
            common.iss = "https://other.example".into();
        }
        let scheme = if self.faults.https { "https" } else { "http" };
        let message = Message {
            common,
            body: Challenge {
                txn_sha256: epoch::txn_sha256(&txn),
                origin: self.faults.challenge_origin.clone().unwrap_or(format!("{scheme}://localhost:{port}")),
                service: "wiki".into(),
                cb: epoch::cookie_binding(if self.faults.challenge_cookie { "other" } else { &cookie }),
                channel: Channel::Agent,
                level: Level::Asserted,
                exp: now + 60 - self.faults.challenge_expired,
            },
        };
        let key = if self.faults.challenge_key { &self.impostor } else { &self.challenge };
        let challenge = sign_statement(&message, key).unwrap();
        Ok(Reply::json(200, &json!({"txn": txn, "challenge": challenge}))
            .with("Set-Cookie", &format!("__Host-lk-b={cookie}; Path=/; Secure; HttpOnly; SameSite=None")))
    }

    pub fn finish(&mut self, request: &Request) -> Answer {
        if let Some(code) = self.faults.finish_refuses {
            return Err(problem(403, code));
        }
        let posted: Value = serde_json::from_slice(&request.body).unwrap();
        let cookie =
            request.header("cookie").and_then(|c| c.strip_prefix("__Host-lk-b=")).unwrap_or_default().to_owned();
        assert!(self.cookies.contains(&cookie), "the cookie comes back: {cookie}");
        let proof = Posted::parse_proof(posted["proof"].as_str().unwrap()).unwrap();
        let said = proof.unverified().body.clone();
        let at = self.at(&said.device_id)?;
        self.tag(at, proof.nonce(), &said.tag)?;
        if self.devices[at].state != DeviceState::Registered {
            return Err(problem(403, Code::Proof022));
        }
        let binding = self.devices[at].bindings.iter().find(|(b, _)| b.id == said.binding_id).cloned();
        let active = binding.filter(|(b, _)| b.state == BindingState::Active);
        let (binding, uk) = active.ok_or_else(|| problem(403, Code::Proof022))?;
        proof.verify(|_| Ok(uk.clone())).map_err(|_| problem(401, Code::Enroll010))?;
        self.proofs.push(said);
        let relay_state = posted["txn"].as_str().unwrap().splitn(3, '-').nth(2).unwrap_or_default().to_owned();
        let mut answer =
            json!({"destination": self.consumer, "saml_response": binding.login_name, "relay_state": relay_state});
        if let Some(code) = &self.faults.delivers_refusal {
            answer["refused"] = json!({"code": code, "detail": "not as asked", "fix": "ask otherwise", "ref": "R-43"});
        }
        Ok(Reply::json(200, &answer))
    }
}
