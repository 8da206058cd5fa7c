//! Renewals, bindings, heartbeats and unenrollments: messages of an enrolled device.
//!
//! Owns the order before the transaction: size · typ · device known · signatures · common members · nonce. Must not know what a message
//! changes.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Extension, Path, State};
use axum::response::Response;
use http::HeaderMap;
use latchkey_directory::OrgId;
use latchkey_directory::device::keys::CredentialKeys;
use latchkey_directory::device::renew::OwnFacts;
use latchkey_directory::device::{KnownKey, Received};
use latchkey_wire::message::{Bind, Heartbeat, Renew, Request, Unenroll};
use latchkey_wire::state::Purpose;
use latchkey_wire::verify::{NoKey, Ours, Signer};
use latchkey_wire::{Code, Posted, PublicJwk, Thumbprint, Verified, WireError};

use super::answer::{Asked, Unproven, content_type, unavailable};
use super::certificate::OwnCertificate;
use super::nonces;
use crate::app::App;
use crate::problem::Result;
use crate::serve::host::ClientAddr;

/// What the calls of enrolled devices differ in before they are decided.
trait DeviceRequest: Request {
    const PURPOSE: Purpose;
    const ACTION: &'static str;
    fn device_id(&self) -> &str;
    /// What vouches for a device that the store does not know, where the message has such a thing.
    fn own_certificate(&self, _ca_ders: &[Vec<u8>]) -> Option<OwnFacts> {
        None
    }
    fn verify(
        posted: Posted<Self>,
        key_of: impl FnMut(&Signer) -> std::result::Result<PublicJwk, NoKey>,
    ) -> std::result::Result<Verified<Self>, WireError>;
}

macro_rules! device_requests {
    ($($body:ident $action:literal { $($more:tt)* })+) => {$(
        impl DeviceRequest for $body {
            const PURPOSE: Purpose = Purpose::$body;
            const ACTION: &'static str = $action;

            fn device_id(&self) -> &str {
                &self.device_id
            }

            $($more)*

            fn verify(
                posted: Posted<Self>,
                key_of: impl FnMut(&Signer) -> std::result::Result<PublicJwk, NoKey>,
            ) -> std::result::Result<Verified<Self>, WireError> {
                posted.verify(key_of)
            }
        }
    )+};
}

device_requests! {
    Bind "device.bind" {}
    Heartbeat "device.heartbeat" {}
    Renew "device.renew" {
        fn own_certificate(&self, ca_ders: &[Vec<u8>]) -> Option<OwnFacts> {
            // Somebody else's certificate, or none, proves nothing; whether that matters is the rule's business.
            let own = OwnCertificate::verify(ca_ders, &self.certificate.as_ref()?.0).ok()?;
            Some(OwnFacts { extension: own.extension().clone(), key: own.device_key().clone() })
        }
    }
    Unenroll "device.unenroll" {}
}

/// What every handler is given.
type Call = (State<Arc<App>>, Path<String>, Extension<ClientAddr>, HeaderMap, Bytes);

/// The checks before the transaction.
async fn pass<T: DeviceRequest>(call: Call) -> Result<(Asked, Received<T>)> {
    let (State(app), Path(org), Extension(ClientAddr(client)), headers, body) = call;
    let app = &app;
    // Held until the device has proved itself.
    let _turn = app.limits.admit(client).await?;
    content_type(&headers, latchkey_wire::calls::JOSE_JSON)?;
    let unproven = Unproven { app, client, action: T::ACTION };
    let posted = match Posted::<T>::parse(&body) {
        Ok(posted) => posted,
        Err(error) => return Err(unproven.refuse(None, Code::Enroll010, error).await),
    };
    let Ok(org) = org.parse::<OrgId>() else {
        return Err(unproven.refuse(None, Code::Device404, "no organization has this id").await);
    };
    let device_id = posted.unverified().body.device_id().to_owned();
    let Some(dk) = posted.kid_of(&Signer::Device).and_then(|kid| kid.parse::<Thumbprint>().ok()) else {
        return Err(unproven.refuse(None, Code::Enroll010, "the device key is not named").await);
    };
    let known = app.directory.device_key(&org, &device_id, dk).await.map_err(|error| unavailable(error.into()))?;
    let known = match known {
        Some(known) => Some(known),
        None => vouched_for(app, &org, &posted.unverified().body, dk).await?,
    };
    let Some(known) = known else {
        return Err(unproven.refuse(None, Code::Device404, format!("no device {device_id:?} has this key")).await);
    };
    let credentials = credentials(app, &org, posted.signers()).await?;
    let message = match verify(posted, &known, &credentials) {
        Ok(message) => message,
        Err(error) => return Err(unproven.refuse(Some(&org), Code::Enroll010, error).await),
    };
    let common = message.common();
    let rk = app.rk();
    let ours = Ours { iss: &app.iss, org: org.as_str(), rk: &rk };
    if common.iss != ours.iss || common.org != ours.org || common.rk != *ours.rk {
        return Err(unproven
            .refuse(Some(&org), Code::Enroll010, "the message is for another cloud or organization")
            .await);
    }
    let nonce = match nonces::open(app, &org, &common.nonce, T::PURPOSE, &dk, &device_id) {
        Ok(nonce) => nonce,
        Err(code) => return Err(unproven.refuse(Some(&org), code, "not a nonce for this").await),
    };
    let asked = Asked {
        app: Arc::clone(app),
        keys: app.keys.of(&org).await.map_err(unavailable)?,
        org,
        typ: T::TYP,
        action: T::ACTION,
        dk,
        request_sha256: message.request_sha256(),
        nonce: common.nonce.clone(),
        subject: device_id,
        client,
    };
    Ok((asked, Received { message, dk, nonce, address: Some(client) }))
}

/// A device that enrolled after the backup which this store was restored from signs with the key of a certificate that is our own, and names
/// itself as that does: an id of its own making would fill log and disk under that name.
async fn vouched_for<T: DeviceRequest>(app: &App, org: &OrgId, body: &T, dk: Thumbprint) -> Result<Option<KnownKey>> {
    let keys = app.keys.of(org).await.map_err(unavailable)?;
    let own = body.own_certificate(&keys.device_ca_published);
    let own = own.filter(|own| own.key.thumbprint() == dk && own.extension.device_id == body.device_id());
    Ok(own.map(|own| KnownKey { device_id: body.device_id().to_owned(), dk, key: own.key }))
}

async fn credentials(app: &App, org: &OrgId, signers: &[Signer]) -> Result<CredentialKeys> {
    let codes: Vec<_> =
        signers.iter().filter_map(|s| if let Signer::Code(id) = s { Some(id.clone()) } else { None }).collect();
    if codes.is_empty() {
        return Ok(CredentialKeys::default());
    }
    app.directory.credential_keys(org, None, codes).await.map_err(|error| unavailable(error.into()))
}

fn verify<T: DeviceRequest>(
    posted: Posted<T>,
    known: &KnownKey,
    credentials: &CredentialKeys,
) -> std::result::Result<Verified<T>, WireError> {
    T::verify(posted, |signer| match signer {
        Signer::Device => Ok(known.key.clone()),
        other => credentials.evidence(other),
    })
}

macro_rules! handlers {
    ($($name:ident = $body:ident, $decide:ident;)+) => {$(
        pub(super) async fn $name(
            app: State<Arc<App>>,
            org: Path<String>,
            client: Extension<ClientAddr>,
            headers: HeaderMap,
            body: Bytes,
        ) -> Result<Response> {
            let (asked, received) = pass::<$body>((app, org, client, headers, body)).await?;
            let decided = asked.app.directory.$decide(&asked.org, received).await;
            asked.answer(decided).await
        }
    )+};
}

handlers! {
    bindings = Bind, bind;
    heartbeats = Heartbeat, heartbeat;
    unenrollments = Unenroll, unenroll;
}

pub(super) async fn renewals(
    app: State<Arc<App>>,
    org: Path<String>,
    client: Extension<ClientAddr>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response> {
    let (asked, received) = pass::<Renew>((app, org, client, headers, body)).await?;
    let own = received.message.body().own_certificate(&asked.keys.device_ca_published);
    let decided = asked.app.directory.renew(&asked.org, received, own).await;
    asked.answer(decided).await
}
