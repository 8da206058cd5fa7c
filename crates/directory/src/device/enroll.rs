//! Enrollment: the one transaction of protocol.md, and the limits of lifecycle.md.
//!
//! Owns the order: nonce, is this key known, the token's limits, policy, user, serial number, numbers of devices; only then the first
//! write. Must not know how signatures were verified.

use std::net::IpAddr;

use latchkey_wire::message::{DeviceFacts, Enroll, Would};
use latchkey_wire::{BindingState, Code, DeviceState, Protection, Thumbprint, Verified};

use super::domains::Policy;
use super::limits::{self, Terms};
use super::outcome::{self, Outcome};
use super::state::reason;
use super::text::clean;
use super::user::{self, Claim, Judged};
use super::{Nonce, actor, keys, replace, settings};
use crate::Directory;
use crate::audit::{Actor, NewEvent};
use crate::directory::Granted;
use crate::id::{OrgId, new_id};
use crate::records::{Binding, Device, DeviceKey, DeviceToken, Organization};
use crate::refusal::{Denied, Refused, Remembered, remember};
use crate::scope::Org;
use crate::store::{StoreError, WriteTx};
use crate::value::{Json, StoredKey};
use crate::values::{DeviceKeyState, Leniency};

/// A verified enrollment, and how it came.
#[derive(Debug)]
pub struct Request {
    /// What it says; its token's signature was verified too.
    pub message: Verified<Enroll>,
    /// Its nonce.
    pub nonce: Nonce,
    /// From which address it came.
    pub address: Option<IpAddr>,
}

impl Request {
    fn body(&self) -> &Enroll {
        self.message.body()
    }

    fn dk(&self) -> Thumbprint {
        self.body().dk_jwk.thumbprint()
    }

    /// The user key and claim that make a repeated enrollment the same.
    fn named(&self) -> Option<(Thumbprint, String)> {
        self.body().user.as_ref().map(|user| (user.uk_jwk.thumbprint(), user.claim.clone()))
    }

    /// The token, for whoever remembers a refusal.
    #[must_use]
    pub fn subject(&self) -> String {
        self.body().token_id.as_ref().map(ToString::to_string).unwrap_or_default()
    }
}

/// Decides on an enrollment.
pub fn enroll(tx: &mut dyn WriteTx, org: &OrgId, request: &Request) -> Result<Outcome, Denied> {
    let body = request.body();
    let settings = settings(tx, org)?;
    if !body.dry_run {
        request.nonce.consume(tx, org)?;
    }
    let not_accepted = |detail: &str| Refused::new(Code::Enroll010, detail);
    let token_id = body.token_id.as_ref().ok_or_else(|| not_accepted("no device token is named"))?;
    let mut ours = Org::of(tx, org);
    let token = ours.get::<DeviceToken>(token_id.as_str())?.ok_or_else(|| not_accepted("no such device token"))?;
    if let Some(known) = ours.one::<DeviceKey>(DeviceKey::thumbprint.eq(&request.dk()))? {
        return repeated(tx, org, &settings, request, &known);
    }
    let policy = Policy::read(tx, org)?;
    let terms = limits::check(tx, &token, &policy, body, request.address)?;
    let taken_over = match &body.replaces {
        Some(id) => Some(replace::released(tx, org, id, &terms)?),
        None => None,
    };
    let mut judged = match &body.user {
        Some(named) => {
            let codes = request.message.codes().cloned().collect();
            let claim = Claim { name: &named.claim, codes, serial: terms.serial.as_deref() };
            Some(user::judge(tx, org, &claim, &terms.ceiling, &policy)?)
        }
        None => None,
    };
    if let (Some(_), Some(judged)) = (&taken_over, &mut judged) {
        // The record has its users; another one waits like any further user.
        judged.must_wait();
    }
    let verdict = Verdict::of(tx, &token, &terms, judged.as_ref(), taken_over.is_some())?;
    limits::devices_of_user(tx, &settings, judged.as_ref(), verdict.state)?;
    if body.dry_run {
        return dry(tx, &settings, &token, judged.as_ref(), &verdict);
    }
    write(tx, &settings, request, Plan { token, terms, judged, verdict, taken_over })
}

/// What becomes of the device.
struct Verdict {
    state: DeviceState,
    why: Option<&'static str>,
    /// Earlier devices of the claimed user on the same machine, which the token lets it replace. They go only once it is registered and
    /// the claim is more than a claim: at once, or by an administrator's approval.
    earlier: Vec<Device>,
}

impl Verdict {
    fn of(
        tx: &mut dyn WriteTx,
        token: &DeviceToken,
        terms: &Terms,
        judged: Option<&Judged>,
        taken_over: bool,
    ) -> Result<Self, StoreError> {
        let registered = |earlier| Self { state: DeviceState::Registered, why: None, earlier };
        if taken_over {
            // The administrator's release was the approval.
            return Ok(registered(Vec::new()));
        }
        let pending = |why, earlier| Self { state: DeviceState::Pending, why: Some(why), earlier };
        let initial = token.initial_state == DeviceState::Pending;
        let same = limits::with_serial(tx, &token.org, terms.serial.as_deref())?;
        if same.is_empty() {
            return Ok(if initial { pending(reason::INITIAL, Vec::new()) } else { registered(Vec::new()) });
        }
        let of_user = match judged.and_then(Judged::user) {
            Some(user) if token.on_known_serial == Leniency::Allow => {
                limits::all_of_user(tx, &token.org, &same, &user.id)?
            }
            _ => false,
        };
        // Whoever has a token can name a user and a serial number: a claim that waits must not take a working device away.
        let proven = judged.is_some_and(|judged| judged.state == BindingState::Active);
        let why = Code::Enroll030.as_str();
        Ok(match (of_user, proven && !initial) {
            (true, true) => registered(same),
            (true, false) => pending(why, same),
            (false, _) => pending(why, Vec::new()),
        })
    }

    /// What was wrong, for the brake: an initial state is as the administrator wants it, and so is a re-imaged machine that waits for
    /// nothing else.
    fn enrolled_reason(&self, judged: Option<&Judged>) -> Option<String> {
        if self.why == Some(Code::Enroll030.as_str()) && self.earlier.is_empty() {
            return self.why.map(str::to_owned);
        }
        judged.and_then(|judged| judged.reason).map(|code| code.to_string())
    }
}

/// Everything decided, nothing written yet.
struct Plan {
    token: DeviceToken,
    terms: Terms,
    judged: Option<Judged>,
    verdict: Verdict,
    taken_over: Option<Device>,
}

fn write(tx: &mut dyn WriteTx, settings: &Organization, request: &Request, plan: Plan) -> Result<Outcome, Denied> {
    let Plan { token, terms, judged, verdict, taken_over } = plan;
    let org = &token.org;
    let now = tx.now();
    let id = taken_over.as_ref().map_or_else(|| new_id(now), |device| device.id.clone());
    let by = actor(&id, request.address);
    limits::count_use(tx, &token)?;
    let mut device = new_device(request, &token, &terms, &verdict, judged.as_ref(), id);
    device.state_at = now;
    device.key_since = now;
    device.first_seen_at = taken_over.as_ref().map_or(now, |old| old.first_seen_at);
    device.last_seen_at = now;
    device.seen_day = now.day();
    let order = (device.state == DeviceState::Registered).then(|| outcome::order(&mut device, settings, now));
    match taken_over {
        Some(old) => replace::take_over(tx, &old, &mut device)?,
        None => Org::of(tx, org).add(&device)?,
    }
    Org::of(tx, org).add(&DeviceKey::current(&device, now))?;
    let event = NewEvent::new(&by, "device.enroll", device.id.clone())
        .with("token", token.id.as_str())
        .with("state", device.state.as_str())
        .with("reason", &device.state_reason)
        .with("host", &device.host)
        .with("serial", &device.serial)
        .with("platform", device.platform.as_str())
        .with("domain", &device.domain)
        .with("replaces", &request.body().replaces);
    Org::of(tx, org).audit(event);
    if let (Some(judged), Some(_)) = (&judged, &request.body().user) {
        bind(tx, &device, &terms, judged, request, &by)?;
    }
    replace::earlier(tx, &device, &by)?;
    let mut outcome = outcome::of(tx, &device, settings, order)?;
    outcome.created = true;
    limits::brake(tx, org, token.id.as_str())?;
    Ok(outcome)
}

fn new_device(
    request: &Request,
    token: &DeviceToken,
    terms: &Terms,
    verdict: &Verdict,
    judged: Option<&Judged>,
    id: String,
) -> Device {
    let body = request.body();
    let zero = crate::Timestamp::default();
    let Facts { os, host, smbios_uuid, agent, external_device_id, ownership } = facts(&body.device);
    Device {
        org: token.org.clone(),
        id,
        key: StoredKey::of(&body.dk_jwk),
        dk: request.dk(),
        protection: protection(body.protection),
        platform: body.device.platform,
        os,
        host,
        serial: terms.serial.clone(),
        smbios_uuid,
        agent,
        external_device_id,
        ownership,
        state: verdict.state,
        state_reason: verdict.why.map(str::to_owned),
        state_at: zero,
        domain: terms.domain.clone(),
        cur: 0,
        v_cur: body.v_0,
        v_prev: None,
        prev_alive: false,
        v_0: body.v_0,
        advanced_at: None,
        enrolled_user: Json(request.named()),
        enrolled_reason: verdict.enrolled_reason(judged),
        token_id: Some(token.id.to_string()),
        ceiling: Json(terms.ceiling.clone()),
        certificate_expires_at: None,
        key_since: zero,
        replaces: verdict.earlier.first().map(|device| device.id.clone()),
        released_until: None,
        address: request.address.map(|address| address.to_canonical().to_string()),
        first_seen_at: zero,
        last_seen_at: zero,
        removed_at: None,
        seen_day: 0,
    }
}

/// What a device says about itself, cleaned.
pub(crate) struct Facts {
    pub(crate) os: Option<String>,
    pub(crate) host: Option<String>,
    pub(crate) smbios_uuid: Option<String>,
    pub(crate) agent: String,
    pub(crate) external_device_id: Option<String>,
    pub(crate) ownership: Option<String>,
}

pub(crate) fn facts(device: &DeviceFacts) -> Facts {
    Facts {
        os: clean(device.os.as_deref()),
        host: clean(device.host.as_deref()),
        smbios_uuid: clean(device.smbios_uuid.as_deref()),
        agent: clean(Some(&device.agent)).unwrap_or_default(),
        external_device_id: clean(device.external_device_id.as_deref()),
        ownership: clean(device.ownership.as_deref()),
    }
}

/// Only the server's own check of an attestation makes a key *attested*, and this version checks none.
pub(crate) fn protection(said: Protection) -> Protection {
    match said {
        Protection::Attested | Protection::Claimed => Protection::Claimed,
        Protection::Software => Protection::Software,
    }
}

fn bind(
    tx: &mut dyn WriteTx,
    device: &Device,
    terms: &Terms,
    judged: &Judged,
    request: &Request,
    by: &Actor,
) -> Result<(), Denied> {
    let Some(named) = &request.body().user else { return Ok(()) };
    let user = judged.settle(tx, &device.org, &terms.ceiling, by, &device.id)?;
    let now = tx.now();
    let binding = Binding {
        org: device.org.clone(),
        id: new_id(now),
        device_id: device.id.clone(),
        user_id: user.id,
        os_account: clean(Some(&named.os_account)).unwrap_or_default(),
        user_key: StoredKey::of(&named.uk_jwk),
        uk: named.uk_jwk.thumbprint(),
        level: judged.level,
        claim: judged.name.as_str().to_owned(),
        source: named.source,
        state: judged.state,
        state_reason: judged.reason.map(|code| code.to_string()),
        created_at: now,
        last_used_at: None,
        ended_at: None,
    };
    super::bind::add(tx, &binding, by)
}

/// The key is known: the same enrollment again is answered with the current state and uses nothing up, however old it is. Anything else
/// with this key is refused.
fn repeated(
    tx: &mut dyn WriteTx,
    org: &OrgId,
    settings: &Organization,
    request: &Request,
    known: &DeviceKey,
) -> Result<Outcome, Denied> {
    let body = request.body();
    let unknown = || Refused::new(Code::Enroll031, "the device of this key is not there any more");
    let mut device = Org::of(tx, org).get::<Device>(&known.device_id)?.ok_or_else(unknown)?;
    if device.state == DeviceState::Removed {
        return Err(keys::gone().into());
    }
    let in_state = matches!(device.state, DeviceState::Pending | DeviceState::Registered | DeviceState::Suspended);
    let same = known.state == DeviceKeyState::Current
        && device.cur == 0
        && device.v_0 == body.v_0
        && device.enrolled_user.0 == request.named();
    if !in_state || !same {
        let detail =
            format!("this key is enrolled already: device {}, {}, epoch {}", device.id, device.state, device.cur);
        let mut refused = Refused::new(Code::Enroll031, detail);
        if device.state == DeviceState::Quarantined || known.state == DeviceKeyState::Dead {
            refused = refused.of_state(DeviceState::Quarantined);
        }
        return Err(refused.into());
    }
    let goes_on = Policy::read(tx, org)?.goes_on(tx, org, &device.domain.clone())?.is_ok();
    let mut order = None;
    if device.state == DeviceState::Registered && goes_on && !body.dry_run {
        order = Some(outcome::order(&mut device, settings, tx.now()));
        Org::of(tx, org).replace(&device)?;
    }
    let mut outcome = outcome::of(tx, &device, settings, order)?;
    if body.dry_run {
        outcome.would = Some(Would {
            login_name: None,
            level: None,
            user_created: false,
            binding_state: None,
            uses: None,
            max_uses: None,
        });
    }
    Ok(outcome)
}

/// The verdict, and nothing else.
fn dry(
    tx: &mut dyn WriteTx,
    settings: &Organization,
    token: &DeviceToken,
    judged: Option<&Judged>,
    verdict: &Verdict,
) -> Result<Outcome, Denied> {
    let now = tx.now();
    let waits = judged.is_some_and(|judged| judged.state == BindingState::Pending);
    let why = match (verdict.state, verdict.why) {
        (DeviceState::Pending, Some(reason::INITIAL)) => Some(latchkey_wire::message::Reason::Initial),
        (DeviceState::Pending, _) => Some(latchkey_wire::message::Reason::Code(Code::Enroll030.into())),
        _ if waits => Some(latchkey_wire::message::Reason::Code(Code::Enroll032.into())),
        _ => None,
    };
    Ok(Outcome {
        created: false,
        device_id: None,
        state: verdict.state,
        reason: why,
        n: 0,
        certificate: None,
        renew_at: now.seconds() + settings.certificate_lifetime_s / 2,
        heartbeat_s: outcome::HEARTBEAT,
        time: now.seconds(),
        bindings: Vec::new(),
        would: Some(Would {
            login_name: judged.map(|judged| judged.name.to_string()),
            level: judged.map(|judged| judged.level),
            user_created: judged.is_some_and(Judged::creates),
            binding_state: judged.map(|judged| judged.state),
            uses: Some(token.uses),
            max_uses: Some(token.max_uses),
        }),
    })
}

impl Directory {
    /// Decides on an enrollment.
    pub async fn enroll(&self, org: &OrgId, request: Request) -> Result<Result<Granted<Outcome>, Refused>, StoreError> {
        let org = org.clone();
        self.decide(move |tx| enroll(tx, &org, &request)).await
    }

    /// Remembers a refused enrollment, and applies the brake of its token.
    pub async fn remember_enrollment_refusal(&self, org: &OrgId, refusal: Remembered) -> String {
        let org = org.clone();
        self.keep_refusal(move |tx| {
            let reference = remember(tx, &org, &refusal)?;
            limits::brake(tx, &org, &refusal.subject)?;
            Ok(reference)
        })
        .await
    }
}
