//! The grant of a silent sign-in: one commit that reads the present state of everything it depends on and writes session and audit event.
//!
//! Owns which states allow a sign-in and in which order they are asked, and that a transaction's nonce gives one session. Must not know
//! SAML: what a service is told is computed by the caller's [`Decide`], inside the transaction, from the rows read there.

use std::net::IpAddr;
use std::sync::Arc;

use latchkey_wire::message::Proof;
use latchkey_wire::verify::{NoKey, Ours};
use latchkey_wire::{Bytes, Channel, Code, Level, Posted, Thumbprint, Verified, WireError};

use crate::audit::{Actor, ActorKind, NewEvent};
use crate::device::proof::{Claim, check};
use crate::id::{OrgId, new_id};
use crate::query::Filter;
use crate::records::{Binding, Cloud, Device, Entitlement, Group, Membership, Service, Session, User};
use crate::refusal::{Denied, Refused};
use crate::scope::Org;
use crate::store::{StoreError, Tx, WriteTx};
use crate::time::Timestamp;
use crate::user_keys::UserKey;
use crate::values::EntitlementKind;
use crate::{Directory, Granted};

/// How long a session stands, if nothing ends it earlier.
pub const SESSION_LIFETIME: std::time::Duration = std::time::Duration::from_secs(8 * 60 * 60);

/// `last_used_at` and `last_seen_at` are for people: they are not written anew within this time, so that most sign-ins change no such row.
const SEEN_EVERY: std::time::Duration = std::time::Duration::from_secs(15 * 60);

/// A proof whose signature was verified with the user key of the binding it names, and which names that binding's device. Made by [`Directory::verify_proof`] only.
#[derive(Debug)]
pub struct ProvenUser {
    proof: Verified<Proof>,
    uk: Thumbprint,
}

impl ProvenUser {
    /// What it says.
    #[must_use]
    pub fn said(&self) -> &Proof {
        self.proof.body()
    }

    /// The challenge's nonce, as the proof repeats it.
    #[must_use]
    pub fn nonce(&self) -> &str {
        &self.proof.common().nonce
    }

    /// Over the payload, for a signed refusal.
    #[must_use]
    pub fn request_sha256(&self) -> Bytes<32> {
        self.proof.request_sha256()
    }
}

/// What a proof asks for: the facts of its transaction.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The service.
    pub service_id: String,
    /// The transaction's unique part; one session each.
    pub nonce: Bytes<16>,
    /// The evidence level wanted by the request, on top of the service's own minimum.
    pub level: Level,
    /// By which way the proof came.
    pub channel: Channel,
    /// The person must have confirmed just now.
    pub presence: bool,
    /// The assertion's id, drawn by the caller.
    pub assertion_id: String,
    /// From where it came.
    pub address: Option<IpAddr>,
}

/// Who stands where, as read in the transaction that grants.
#[derive(Debug)]
pub struct Standing<'a> {
    /// The user.
    pub user: &'a User,
    /// The names of the user's groups, if they were wanted.
    pub groups: &'a [String],
    /// The service.
    pub service: &'a Service,
    /// The evidence level of the binding.
    pub level: Level,
}

/// Computes what the service is told, or refuses. Runs inside the transaction, so on rows that are true when it is committed, and possibly
/// more than once: it has no effect but its answer.
pub trait Decide: Send + 'static {
    /// What it makes of the service's record.
    type Service;
    /// What the service is told.
    type Answer: Send + 'static;
    /// Why it is told nothing.
    type No: Send + 'static;

    /// Reads the service's record.
    fn service(&self, record: &Service) -> Result<Self::Service, Self::No>;

    /// Whether the answer names the user's groups, which costs a read.
    fn names_groups(&self, service: &Self::Service) -> bool;

    /// Decides.
    fn decide(&self, service: &Self::Service, standing: &Standing<'_>) -> Result<Self::Answer, Self::No>;
}

/// Why a sign-in was not granted.
#[derive(Debug)]
pub enum NotGranted<D> {
    /// The caller's [`Decide`] said no.
    Decided(D),
    /// A state or a rule says no.
    Refused(Refused),
    /// The store failed: nothing is known to have been granted.
    Store(StoreError),
}

impl<D> From<StoreError> for NotGranted<D> {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl<D> From<Refused> for NotGranted<D> {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

/// Why a proof was not verified.
#[derive(Debug)]
pub enum NotVerified {
    /// It does not verify, or names what is not there.
    Refused(Refused),
    /// The store failed.
    Store(StoreError),
}

impl From<StoreError> for NotVerified {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Refused> for NotVerified {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

/// A sign-in that was granted.
#[derive(Debug, Clone)]
pub struct SignedIn<A> {
    /// The session.
    pub session_id: String,
    /// The evidence level to state.
    pub level: Level,
    /// When.
    pub at: Timestamp,
    /// When the session ends by itself.
    pub expires_at: Timestamp,
    /// What was decided.
    pub answer: A,
}

impl Directory {
    /// Checks a proof's addressing and signature. The key is the one that the named binding has, or had when this process met it; the grant
    /// looks again.
    pub async fn verify_proof(
        &self,
        org: &OrgId,
        posted: Posted<Proof>,
        ours: Ours<'_>,
    ) -> Result<ProvenUser, NotVerified> {
        posted.addressed_to(ours).map_err(unsound)?;
        let binding_id = &posted.unverified().body.binding_id;
        let kid = posted.signers().first().and_then(|signer| posted.kid_of(signer));
        let thumbprint = kid.and_then(|kid| kid.parse().ok());
        let met = thumbprint.and_then(|thumbprint| self.user_keys().get(org, thumbprint, binding_id));
        let key = match &met {
            Some(key) => Arc::clone(key),
            None => self.user_key_of(org, binding_id.clone()).await?,
        };
        let proof = posted.verify(|_| Ok::<_, NoKey>(key.key.clone())).map_err(unsound)?;
        // The key speaks for its own device only: what is remembered from here on stands under that one's id, not under one of the
        // sender's making.
        if proof.body().device_id != key.device_id {
            return Err(Refused::new(Code::Device404, "the proof names another device than its binding's").into());
        }
        let uk = key.thumbprint;
        if met.is_none() {
            self.user_keys().keep(org, key);
        }
        Ok(ProvenUser { proof, uk })
    }

    async fn user_key_of(&self, org: &OrgId, binding_id: String) -> Result<Arc<UserKey>, NotVerified> {
        let org = org.clone();
        let read = move |tx: &mut dyn Tx| Org::of(tx, &org).get::<Binding>(&binding_id);
        let binding = self.read(read).await?;
        let binding = binding.ok_or_else(|| Refused::new(Code::Device404, "no binding has the id in the proof"))?;
        Ok(Arc::new(UserKey::of(&binding)?))
    }

    /// Grants a sign-in, or says why not. The answer may be given out only while [`Granted::release`] allows it; afterwards
    /// [`Directory::drop_session`].
    pub async fn sign_in<D: Decide>(
        &self,
        org: &OrgId,
        proven: ProvenUser,
        wanted: Wanted,
        decide: D,
    ) -> Result<Granted<SignedIn<D::Answer>>, NotGranted<D::No>> {
        let org = org.clone();
        match self.decide(move |tx| grant(tx, &org, &proven, &wanted, &decide)).await? {
            Ok(granted) => granted.transpose().map_err(NotGranted::Decided),
            Err(refused) => Err(refused.into()),
        }
    }

    /// Ends a session whose answer was not given out.
    pub async fn drop_session(&self, org: &OrgId, id: &str) -> Result<(), StoreError> {
        let (org, id) = (org.clone(), id.to_owned());
        self.write(move |tx| {
            let now = tx.now();
            let set = [Session::ended_at.set(&Some(now)), Session::ended_reason.set(&Some("not_delivered".to_owned()))];
            let mut ours = Org::of(tx, &org);
            let open = Session::id.eq(&id).and(Session::ended_at.is_null());
            if ours.update::<Session>(open, &set)? == 1 {
                ours.audit(NewEvent::new(&Actor::system(), "session.end", id.clone()).with("reason", "not_delivered"));
            }
            Ok(())
        })
        .await
    }

    /// The thumbprint of a device's key, for a refusal that is signed for it.
    pub async fn device_key_of(&self, org: &OrgId, device_id: &str) -> Result<Option<Thumbprint>, StoreError> {
        let (org, id) = (org.clone(), device_id.to_owned());
        self.read(move |tx| Ok(Org::of(tx, &org).get::<Device>(&id)?.map(|device| device.dk))).await
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it stands where `map_err` wants a function of the error")]
fn unsound(error: WireError) -> Refused {
    Refused::new(Code::Enroll010, format!("the proof: {error}"))
}

fn grant<D: Decide>(
    tx: &mut dyn WriteTx,
    org: &OrgId,
    proven: &ProvenUser,
    wanted: &Wanted,
    decide: &D,
) -> Result<Result<SignedIn<D::Answer>, D::No>, Denied> {
    let now = tx.now();
    let said = proven.said();
    confirmed(tx)?;
    let claim = Claim {
        device_id: &said.device_id,
        binding_id: &said.binding_id,
        uk: &proven.uk,
        n: said.n,
        tag: &said.tag,
        nonce: proven.nonce(),
    };
    let checked = check(tx, org, &claim)?;
    let (device, binding, user) = (checked.device(), checked.binding(), checked.user());
    let service = Org::of(tx, org)
        .get::<Service>(&wanted.service_id)?
        .ok_or_else(|| Refused::new(Code::Proof020, "the service was deleted in the meantime"))?;
    let known = match decide.service(&service) {
        Ok(known) => known,
        Err(other) => return Ok(Err(other)),
    };
    let groups = entitled(tx, user, &service, decide.names_groups(&known))?;
    strong_enough(&service, binding.level, wanted.level)?;
    if wanted.presence && !said.presence {
        let detail = "the service wants the person to confirm (ForceAuthn), and nobody was asked";
        return Err(Refused::new(Code::Proof014, detail).into());
    }
    let standing = Standing { user, groups: &groups, service: &service, level: binding.level };
    let answer = match decide.decide(&known, &standing) {
        Ok(answer) => answer,
        Err(other) => return Ok(Err(other)),
    };

    let session = Session {
        org: org.clone(),
        id: new_id(now),
        user_id: user.id.clone(),
        device_id: Some(device.id.clone()),
        binding_id: Some(binding.id.clone()),
        service_id: service.id.clone(),
        channel: wanted.channel.to_string(),
        nonce: wanted.nonce,
        assertion_id: wanted.assertion_id.clone(),
        level: binding.level,
        created_at: now,
        expires_at: now.plus(SESSION_LIFETIME),
        ended_at: None,
        ended_reason: None,
    };
    let mut ours = Org::of(tx, org);
    // The unique index on the nonce is what consumes it: sessions outlive every transaction.
    if ours.insert(&session)?.is_err() {
        return Err(Refused::new(Code::Proof010, "this sign-in was finished before").into());
    }
    if binding.last_used_at.is_none_or(|last| now.since(last) > SEEN_EVERY) {
        ours.update::<Binding>(Binding::id.eq(&binding.id), &[Binding::last_used_at.set(&Some(now))])?;
    }
    if now.since(device.last_seen_at) > SEEN_EVERY {
        // The day stands in an index, and is written when it changes.
        let day = (device.seen_day != now.day()).then(|| Device::seen_day.set(&now.day()));
        let set: Vec<_> = std::iter::once(Device::last_seen_at.set(&now)).chain(day).collect();
        ours.update::<Device>(Device::id.eq(&device.id), &set)?;
    }
    let actor = Actor {
        kind: ActorKind::User,
        id: user.login_name.clone(),
        address: wanted.address.map(|address| address.to_canonical().to_string()),
    };
    ours.audit(
        NewEvent::new(&actor, "signin.saml", service.id.clone())
            .with("service", &service.name)
            .with("user", &user.id)
            .with("device", &device.id)
            .with("channel", wanted.channel.to_string())
            .with("level", binding.level)
            .with("assertion", &session.assertion_id)
            .with("session", &session.id),
    );
    Ok(Ok(SignedIn { session_id: session.id, level: binding.level, at: now, expires_at: session.expires_at, answer }))
}

/// After a restore nothing is granted silently before the operator has seen what was lost.
pub(crate) fn confirmed(tx: &mut dyn WriteTx) -> Result<(), Denied> {
    match Org::of(tx, &OrgId::cloud()).one::<Cloud>(Filter::all())? {
        Some(cloud) if cloud.restored_at.is_none() => Ok(()),
        Some(_) => {
            let detail = "the server was restored from a backup and waits for `latchkey restore --confirm`";
            Err(Refused::new(Code::Proof020, detail).into())
        }
        None => Err(Refused::new(Code::Proof020, "the cloud was not founded").into()),
    }
}

/// Refuses who is not entitled. Answers the names of the user's groups if they are wanted; they are read only as far as needed.
pub(crate) fn entitled(
    tx: &mut dyn WriteTx,
    user: &User,
    service: &Service,
    names: bool,
) -> Result<Vec<String>, Denied> {
    let mut ours = Org::of(tx, &service.org);
    let lines = ours.find::<Entitlement>(Entitlement::service_id.eq(&service.id))?;
    let direct = lines.iter().any(|line| match line.kind {
        EntitlementKind::Everyone => true,
        EntitlementKind::User => line.subject == user.id,
        EntitlementKind::Group => false,
    });
    let by_group: Vec<&String> =
        lines.iter().filter(|line| line.kind == EntitlementKind::Group).map(|line| &line.subject).collect();
    let mut may = direct;
    let mut groups = Vec::new();
    if names || (!may && !by_group.is_empty()) {
        let member = ours.find::<Membership>(Membership::user_id.eq(&user.id))?;
        may = may || member.iter().any(|row| by_group.contains(&&row.group_id));
        if names && !member.is_empty() {
            let ids: Vec<_> = member.into_iter().map(|row| row.group_id).collect();
            groups = ours.find::<Group>(Group::id.one_of(&ids))?.into_iter().map(|group| group.name).collect();
        }
    }
    if may {
        Ok(groups)
    } else {
        Err(Refused::new(Code::Proof020, format!("{} is not entitled to {}", user.login_name, service.name)).into())
    }
}

/// Refuses a level below what the service or its request asks for.
pub(crate) fn strong_enough(service: &Service, level: Level, wanted: Level) -> Result<(), Denied> {
    let lacks = |detail: String| Err(Refused::new(Code::Proof014, detail).into());
    if level < service.min_evidence {
        return lacks(format!("level {level}, and {} asks for {}", service.name, service.min_evidence));
    }
    if level < wanted {
        return lacks(format!("level {level}, and the request asks for {wanted}"));
    }
    Ok(())
}
