//! Fixed keys and messages.

use latchkey_wire::message::{Common, DeviceFacts, Enroll, Evidence, Message, UserClaim};
use latchkey_wire::verify::By;
use latchkey_wire::*;

pub(crate) fn root() -> Ed25519Key {
    Ed25519Key::from_seed(&[1; 32])
}

pub(crate) fn challenge_key() -> Ed25519Key {
    Ed25519Key::from_seed(&[2; 32])
}

pub(crate) fn pin() -> Pin {
    Pin::of(&root().public_bytes())
}

pub(crate) fn token() -> DeviceToken {
    DeviceToken::from_parts("abcdefghij".parse().expect("an id"), pin(), &[3; 32])
}

pub(crate) fn code() -> OneTimeCode {
    OneTimeCode::from_parts("zyxwvutsrq".parse().expect("an id"), pin(), &[4; 32])
}

pub(crate) fn common() -> Common {
    Common {
        v: Default::default(),
        iss: "https://id.example".into(),
        org: "org-1".into(),
        rk: root().public().thumbprint(),
        nonce: "bm9uY2U".into(),
        iat: 1_800_000_000,
    }
}

pub(crate) struct Device {
    pub(crate) dk: P256Key,
    pub(crate) uk: P256Key,
    pub(crate) e_0: EpochSecret,
}

impl Device {
    pub(crate) fn new() -> Self {
        Self { dk: P256Key::generate(), uk: P256Key::generate(), e_0: EpochSecret::from_bytes(&[5; 32]) }
    }

    pub(crate) fn enroll(&self) -> Message<Enroll> {
        let device = DeviceFacts {
            platform: Platform::Linux,
            os: Some("Debian 13".into()),
            host: Some("host-1".into()),
            serial: Some("SN12345".into()),
            smbios_uuid: Some("4c4c4544-0032-3510-8052-b4c04f4e3732".into()),
            agent: "0.1.0".into(),
            external_device_id: Some("mdm-17".into()),
            ownership: Some("corporate".into()),
        };
        let user = UserClaim {
            uk_jwk: self.uk.public().clone(),
            claim: "anna@acme.example".into(),
            source: ClaimSource::Option,
            os_account: "anna".into(),
        };
        let body = Enroll {
            cloud: "https://id.example".into(),
            domain: "acme.example".into(),
            token_id: Some(token().id().clone()),
            dk_jwk: self.dk.public().clone(),
            v_0: self.e_0.commitment(),
            protection: Protection::Software,
            device,
            user: Some(user),
            evidence: vec![Evidence::Code { id: code().id().clone() }],
            replaces: None,
            dry_run: false,
        };
        Message { common: common(), body }
    }

    pub(crate) fn sign(&self, message: &Message<Enroll>) -> Result<Sent, WireError> {
        let (token_key, code_key) = (token().signing_key(), code().signing_key());
        let by = [
            By::key(&self.dk),
            By::credential(&token(), &token_key),
            By::key(&self.uk),
            By::credential(&code(), &code_key),
        ];
        verify::sign_request(message, &self.dk.public().thumbprint(), &by)
    }
}

/// What a server does with an enrollment, without its store.
pub(crate) fn verify_enroll(body: &[u8]) -> Result<Verified<Enroll>, WireError> {
    let posted = Posted::<Enroll>::parse(body)?;
    let root = root().public().thumbprint();
    posted.addressed_to(verify::Ours { iss: "https://id.example", org: "org-1", rk: &root })?;
    posted.cloud_is(&["https://id.example".into()])?;
    posted.verify_token(&token().public_key())?.verify(|signer| match signer {
        verify::Signer::Code(id) if id == code().id() => Ok(code().public_key()),
        _ => Err(verify::NoKey),
    })
}
