//! The grant of a silent sign-in: one commit that reads the present state of everything it depends on and writes session and audit event.
//!
//! Owns which states allow a sign-in and in which order they are asked, and that a transaction's nonce gives one session. Must not know
//! SAML: what a service is told is computed by the caller's [`Decide`], inside the transaction, from the rows read there.

use std::net::IpAddr;

use latchkey_wire::epoch::tag_matches;
use latchkey_wire::message::Proof;
use latchkey_wire::verify::{NoKey, Ours};
use latchkey_wire::{BindingState, Bytes, Channel, Code, DeviceState, Level, Posted, Thumbprint, Verified, WireError};

use crate::audit::{Actor, ActorKind, NewEvent};
use crate::id::{OrgId, new_id};
use crate::query::Filter;
use crate::records::{
    Binding, Cloud, Device, DeviceTokenPolicy, Domain, Entitlement, Group, Membership, Service, Session, User,
};
use crate::refusal::Refused;
use crate::scope::Org;
use crate::store::{StoreError, WriteTx};
use crate::time::Timestamp;
use crate::values::{DomainState, EntitlementKind, UserStatus};
use crate::{Directory, Granted};

/// How long a session stands, if nothing ends it earlier.
pub const SESSION_LIFETIME: std::time::Duration = std::time::Duration::from_secs(8 * 60 * 60);

/// The evidence level that protected users need at each issuance.
const PROTECTED: Level = Level::MdmSigned;

/// `last_used_at` and `last_seen_at` are for people: they are not written anew within this time, so that most sign-ins change no such row.
const SEEN_EVERY: std::time::Duration = std::time::Duration::from_secs(15 * 60);

/// A proof whose signature was verified with the user key of the binding it names. Made by [`Directory::verify_proof`] only.
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
    /// Whether the answer names the user's groups, which costs a read.
    pub groups: bool,
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

/// Computes what the service is told, or refuses. Runs inside the transaction and possibly more than once.
pub trait Decide<A, D>: Fn(&Standing<'_>) -> Result<A, D> + Send + 'static {}
impl<A, D, F: Fn(&Standing<'_>) -> Result<A, D> + Send + 'static> Decide<A, D> for F {}

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

/// Why one step of a grant said no.
#[derive(Debug)]
enum Stop {
    Refused(Refused),
    Store(StoreError),
}

impl From<Refused> for Stop {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl<D> From<Stop> for NotGranted<D> {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Refused(refused) => Self::Refused(refused),
            Stop::Store(error) => Self::Store(error),
        }
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
    /// Checks a proof's addressing and signature. The binding's key is read here and may have changed by the time of the grant, which
    /// looks again.
    pub async fn verify_proof<D>(
        &self,
        org: &OrgId,
        posted: Posted<Proof>,
        ours: Ours<'_>,
    ) -> Result<ProvenUser, NotGranted<D>> {
        posted.addressed_to(ours).map_err(unsound)?;
        let (org, id) = (org.clone(), posted.unverified().body.binding_id.clone());
        let binding = self.read::<_, StoreError>(move |tx| Org::of(tx, &org).get::<Binding>(&id)).await?;
        let binding = binding.ok_or_else(|| Refused::new(Code::Device404, "no binding has the id in the proof"))?;
        let proof = posted.verify(|_| Ok::<_, NoKey>(binding.user_key.0.clone())).map_err(unsound)?;
        Ok(ProvenUser { proof, uk: binding.uk })
    }

    /// Grants a sign-in, or says why not. The answer may be given out only while [`Granted::release`] allows it; afterwards
    /// [`Directory::drop_session`].
    pub async fn sign_in<A, D>(
        &self,
        org: &OrgId,
        proven: ProvenUser,
        wanted: Wanted,
        decide: impl Decide<A, D>,
    ) -> Result<Granted<SignedIn<A>>, NotGranted<D>>
    where
        A: Send + 'static,
        D: Send + 'static,
    {
        let org = org.clone();
        self.grant(move |tx| grant(tx, &org, &proven, &wanted, &decide)).await
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

fn grant<A, D>(
    tx: &mut dyn WriteTx,
    org: &OrgId,
    proven: &ProvenUser,
    wanted: &Wanted,
    decide: &impl Decide<A, D>,
) -> Result<SignedIn<A>, NotGranted<D>> {
    let now = tx.now();
    let said = proven.said();
    confirmed(tx)?;
    let binding = binding_of(tx, org, proven)?;
    let device = device_of(tx, org, proven)?;
    if binding.state != BindingState::Active {
        let detail = format!("the binding {} is {}", binding.id, binding.state);
        return Err(Refused::new(Code::Proof022, detail).of_state(device.state).into());
    }
    let user = user_of(tx, org, &binding)?;
    policy_allows(tx, org, &device, &user)?;
    let service = Org::of(tx, org)
        .get::<Service>(&wanted.service_id)?
        .ok_or_else(|| Refused::new(Code::Proof020, "the service was deleted in the meantime"))?;
    let member = Memberships::read(tx, org, &user, &service, binding.level, wanted.groups)?;
    if !member.entitled {
        let detail = format!("{} is not entitled to {}", user.login_name, service.name);
        return Err(Refused::new(Code::Proof020, detail).into());
    }
    strong_enough(&user, &service, binding.level, &member, wanted)?;
    if wanted.presence && !said.presence {
        let detail = "the service wants the person to confirm (ForceAuthn), and nobody was asked";
        return Err(Refused::new(Code::Proof014, detail).into());
    }
    let standing = Standing { user: &user, groups: &member.names, service: &service, level: binding.level };
    let answer = decide(&standing).map_err(NotGranted::Decided)?;

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
        ours.update::<Device>(Device::id.eq(&device.id), &[Device::last_seen_at.set(&now)])?;
    }
    let actor = Actor {
        kind: ActorKind::User,
        id: user.login_name.clone(),
        address: wanted.address.map(|address| address.to_string()),
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
    Ok(SignedIn { session_id: session.id, level: binding.level, at: now, expires_at: session.expires_at, answer })
}

/// After a restore nothing is granted silently before the operator has seen what was lost.
fn confirmed(tx: &mut dyn WriteTx) -> Result<(), Stop> {
    let cloud = Org::of(tx, &OrgId::cloud()).one::<Cloud>(Filter::all())?;
    match cloud {
        Some(cloud) if cloud.restored_at.is_none() => Ok(()),
        Some(_) => {
            let detail = "the server was restored from a backup and waits for `latchkey restore --confirm`";
            Err(Refused::new(Code::Proof020, detail).into())
        }
        None => Err(Refused::new(Code::Proof020, "the cloud was not founded").into()),
    }
}

fn binding_of(tx: &mut dyn WriteTx, org: &OrgId, proven: &ProvenUser) -> Result<Binding, Stop> {
    let said = proven.said();
    let binding = Org::of(tx, org).get::<Binding>(&said.binding_id)?;
    let binding = binding.ok_or_else(|| Refused::new(Code::Device404, "the binding is gone"))?;
    if binding.uk != proven.uk {
        return Err(Refused::new(Code::Enroll010, "the binding has another user key by now").into());
    }
    if binding.device_id != said.device_id {
        return Err(Refused::new(Code::Enroll010, "the proof names another device than its binding's").into());
    }
    Ok(binding)
}

fn device_of(tx: &mut dyn WriteTx, org: &OrgId, proven: &ProvenUser) -> Result<Device, Stop> {
    let said = proven.said();
    let device = Org::of(tx, org).get::<Device>(&said.device_id)?;
    let device = device.ok_or_else(|| Refused::new(Code::Device404, "no device has the id in the proof"))?;
    match device.state {
        DeviceState::Registered => {}
        DeviceState::Removed => {
            return Err(Refused::new(Code::Device410, "the device was removed").of_state(device.state).into());
        }
        state => {
            let why = device.state_reason.as_deref().map(|why| format!(" ({why})")).unwrap_or_default();
            return Err(Refused::new(Code::Proof022, format!("the device is {state}{why}")).of_state(state).into());
        }
    }
    epoch(tx, &device, said.n, proven.nonce(), &said.tag)?;
    Ok(device)
}

/// Renewal rule 6: the current epoch, or the one before while it is alive; the first use of the current one ends that.
fn epoch(tx: &mut dyn WriteTx, device: &Device, n: u64, nonce: &str, tag: &Bytes<32>) -> Result<(), Stop> {
    if n == device.cur && tag_matches(&device.v_cur, nonce, tag) {
        if device.prev_alive {
            let set = [Device::prev_alive.set(&false)];
            Org::of(tx, &device.org).update::<Device>(Device::id.eq(&device.id), &set)?;
        }
        return Ok(());
    }
    let previous = device.v_prev.filter(|_| device.prev_alive && device.cur.checked_sub(1) == Some(n));
    if previous.is_some_and(|v| tag_matches(&v, nonce, tag)) {
        return Ok(());
    }
    let detail = format!("the proof is of epoch {n}, the device's is {}", device.cur);
    Err(Refused::new(Code::Proof021, detail).of_state(device.state).into())
}

fn user_of(tx: &mut dyn WriteTx, org: &OrgId, binding: &Binding) -> Result<User, Stop> {
    let user = Org::of(tx, org).get::<User>(&binding.user_id)?;
    let user = user.ok_or_else(|| Refused::new(Code::Proof020, "the user is gone"))?;
    if user.status == UserStatus::Active {
        Ok(user)
    } else {
        Err(Refused::new(Code::Proof020, format!("the user {} is {}", user.login_name, user.status)).into())
    }
}

/// The switch, and the domains of user and device on its list. A domain that DNS lost goes on working; one that was taken away does not.
fn policy_allows(tx: &mut dyn WriteTx, org: &OrgId, device: &Device, user: &User) -> Result<(), Stop> {
    let refused = |detail: String| Stop::from(Refused::new(Code::Proof020, detail));
    let mut ours = Org::of(tx, org);
    let policy = ours.one::<DeviceTokenPolicy>(Filter::all())?;
    let policy = policy.filter(|policy| policy.enabled);
    let policy = policy.ok_or_else(|| refused("the device token policy is off".to_owned()))?;
    let home = user.login_name.rsplit_once('@').map_or("", |(_, domain)| domain);
    let mut names = vec![home.to_owned()];
    if device.domain != home {
        names.push(device.domain.clone());
    }
    let domains = ours.find::<Domain>(Domain::name.one_of(&names))?;
    for name in names {
        let domain = domains.iter().find(|domain| domain.name == name);
        if domain.is_none_or(|domain| domain.verification == DomainState::Pending) {
            return Err(refused(format!("the domain {name} is not a verified domain of this organization")));
        }
        if !policy.all_domains && !policy.domains.contains(&name) {
            return Err(refused(format!("the domain {name} is not on the device token policy's list")));
        }
    }
    Ok(())
}

/// What the user's groups say. Read only as far as the answer hangs on them.
struct Memberships {
    entitled: bool,
    protected: bool,
    names: Vec<String>,
}

impl Memberships {
    fn read(
        tx: &mut dyn WriteTx,
        org: &OrgId,
        user: &User,
        service: &Service,
        level: Level,
        names: bool,
    ) -> Result<Self, Stop> {
        let mut ours = Org::of(tx, org);
        let lines = ours.find::<Entitlement>(Entitlement::service_id.eq(&service.id))?;
        let direct = lines.iter().any(|line| match line.kind {
            EntitlementKind::Everyone => true,
            EntitlementKind::User => line.subject == user.id,
            EntitlementKind::Group => false,
        });
        let by_group = !direct && lines.iter().any(|line| line.kind == EntitlementKind::Group);
        let protection_matters = level < PROTECTED && !user.protected;
        if !(by_group || protection_matters || names) {
            return Ok(Self { entitled: direct, protected: user.protected, names: Vec::new() });
        }
        let ids: Vec<String> =
            ours.find::<Membership>(Membership::user_id.eq(&user.id))?.into_iter().map(|row| row.group_id).collect();
        let groups = if ids.is_empty() { Vec::new() } else { ours.find::<Group>(Group::id.one_of(&ids))? };
        let entitles =
            |group: &Group| lines.iter().any(|line| line.kind == EntitlementKind::Group && line.subject == group.id);
        Ok(Self {
            entitled: direct || groups.iter().any(entitles),
            protected: user.protected || groups.iter().any(|group| group.protected),
            names: if names { groups.into_iter().map(|group| group.name).collect() } else { Vec::new() },
        })
    }
}

fn strong_enough(
    user: &User,
    service: &Service,
    level: Level,
    member: &Memberships,
    wanted: &Wanted,
) -> Result<(), Stop> {
    let lacks = |detail: String| Err(Refused::new(Code::Proof014, detail).into());
    if member.protected && level < PROTECTED {
        let name = &user.login_name;
        return lacks(format!("{name} is a protected user: level {level} where {PROTECTED} is needed"));
    }
    if level < service.min_evidence {
        return lacks(format!("level {level}, and {} asks for {}", service.name, service.min_evidence));
    }
    if level < wanted.level {
        return lacks(format!("level {level}, and the request asks for {}", wanted.level));
    }
    Ok(())
}
