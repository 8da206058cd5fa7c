//! Enrollment (protocol.md, Enrollment).
//!
//! Owns the order: read and check everything, write DK, e_0 and UKs, then the first request; the document's facts before the
//! second; the result in one rename; then the token goes. An interrupted enrollment goes on with the same keys, which makes it
//! idempotent.

use latchkey_options::OptionName;
use latchkey_wire::message::{DeviceResult, Enroll, Evidence, Message, UserClaim};
use latchkey_wire::state::Purpose;
use latchkey_wire::verify::{By, sign_request};
use latchkey_wire::{Code, DeviceState, OneTimeCode};

use crate::account::Directory;
use crate::account::{Account, Claim};
use crate::apply;
use crate::device::{Link, Refused};
use crate::keys::Use;
use crate::machine::{Marks, facts};
use crate::problem::{Local, Problem, Result};
use crate::settings::{Core, FoundToken};
use crate::state::{Ended, Record, State, UserRecord};

/// What to enroll with.
pub struct Request<'a> {
    /// The token.
    pub token: &'a FoundToken,
    /// A one-time code.
    pub code: Option<&'a OneTimeCode>,
    /// The first user; none when nobody is signed in.
    pub user: Option<(Account, Claim)>,
    /// Only the verdict.
    pub dry_run: bool,
}

/// Finds out whether the state directory allows an enrollment, and throws away what another machine left.
///
/// # Errors
/// `LK-CONN-014` if an enrolled state was copied here; `LK-CONN-004` (exit 5) if it belongs to another cloud or domain.
pub fn prepare(core: &Core, state: &mut State) -> Result<()> {
    let here = Marks::here();
    if state.prepared_on.is_some() && state.prepared_on == here.machine_id {
        return Err(Problem::local(
            Local::Conflict,
            "this machine was prepared as an image and still has the image's machine id",
            "give it a new one (systemd-machine-id-setup after emptying /etc/machine-id), or run latchkey-connector unenroll --local",
        ));
    }
    state.prepared_on = None;
    let Some(record) = &state.record else {
        state.machine = here;
        return Ok(());
    };
    if state.machine.copied_to(&here) {
        if record.device.is_some() {
            return Err(Problem::of(Code::Conn014));
        }
        // A prepared image's key that was never enrolled: worth nothing, and the same on every copy.
        state.record = None;
        core.store.save(state)?;
        core.store.wipe_keys()?;
        state.machine = here;
        return Ok(());
    }
    take_over_after_quarantine(core, state)?;
    let Some(record) = &state.record else {
        return Ok(());
    };
    let wanted = |name| core.options.text(name);
    let differs = |name, have: &str| wanted(name).is_some_and(|w| w != have);
    let elsewhere =
        differs(OptionName::CloudName, &record.cloud_name) || differs(OptionName::UserDomain, &record.domain);
    if elsewhere && record.device.is_some() {
        return Err(Problem::local(
            Local::Conflict,
            format!("this device is enrolled with {} for {}", record.cloud_name, record.domain),
            "latchkey-connector unenroll first, or use another --state-dir",
        ));
    }
    if elsewhere {
        state.record = None;
        core.store.save(state)?;
        core.store.wipe_keys()?;
    }
    Ok(())
}

/// Rule 9: keys of a quarantined device are dead for good. With a token at hand a new key asks to take over the record; whether
/// the administrator released it, the server knows.
fn take_over_after_quarantine(core: &Core, state: &mut State) -> Result<()> {
    // The option alone is not enough: a file that was used up is gone, and the record with its claims would be lost for nothing.
    let has_token = crate::service::given_token_id(&core.options).is_some();
    let Some(record) =
        state.record.take_if(|r| has_token && r.device.as_ref().is_some_and(|d| d.state == DeviceState::Quarantined))
    else {
        return Ok(());
    };
    state.replaces = record.device.map(|d| d.id);
    state.ended = Some(Ended { state: DeviceState::Quarantined, at: record.clock.time, cloud_name: record.cloud_name });
    core.store.save(state)?;
    core.store.wipe_keys()
}

/// Enrolls. On return the state is saved; the token is still where it was.
///
/// # Errors
/// A refusal, with what it changed already saved; or no connection, after which the same call goes on.
pub fn enroll(core: &Core, state: &mut State, request: &Request<'_>) -> std::result::Result<DeviceResult, Refused> {
    let mut record = write_ahead(core, state, request)?;
    let mut link = match Link::open(core, &mut record) {
        Ok(link) => link,
        Err(problem) => {
            keep(core, state, &record)?;
            return Err(problem.into());
        }
    };
    minimum_version(&link.accepted().document().min_connector)?;
    // Root, serial and organization, before anything else is asked.
    keep(core, state, &record)?;

    let mut retried = false;
    loop {
        let outcome = attempt(core, &mut record, &mut link, request, state.replaces.clone());
        match outcome {
            Ok(result) if request.dry_run => return Ok(result),
            Ok(result) => {
                apply::result(&core.store, &mut record, &result)?;
                record.dk_since.get_or_insert(result.time);
                state.ended = None;
                state.replaces = None;
                state.refused_token = None;
                state.enrolled_once |= result.state == DeviceState::Registered;
                keep(core, state, &record)?;
                return Ok(result);
            }
            Err(refused) if refused.problem.known() == Some(Code::Nonce001) && !retried => retried = true,
            Err(refused) => {
                keep(core, state, &record)?;
                if let Some(signed) = &refused.signed {
                    apply::refusal(&core.store, state, signed)?;
                }
                return Err(refused);
            }
        }
    }
}

fn attempt(
    core: &Core,
    record: &mut Record,
    link: &mut Link,
    request: &Request<'_>,
    replaces: Option<String>,
) -> std::result::Result<DeviceResult, Refused> {
    let keys = core.store.keys();
    let token = &request.token.token;
    let dk = keys.open(&record.dk)?;
    let thumbprint = dk.public().thumbprint();
    let nonce = link.nonce(core, record, Purpose::Enroll, thumbprint, token.id().as_str())?;

    let named = record.users.first().cloned();
    let uk = named.as_ref().map(|u| keys.open(&u.uk)).transpose()?;
    let user = match (&named, &uk) {
        (Some(user), Some(key)) => Some(UserClaim {
            uk_jwk: key.public().clone(),
            claim: user.claim.clone(),
            source: user.source,
            os_account: user.account.name.clone(),
        }),
        _ => None,
    };
    let evidence = request.code.map(|code| Evidence::Code { id: code.id().clone() }).into_iter().collect();
    let message = Message {
        common: link.common(nonce),
        body: Enroll {
            cloud: link.cloud_address().to_owned(),
            domain: record.domain.clone(),
            token_id: Some(token.id().clone()),
            dk_jwk: dk.public().clone(),
            v_0: record.epoch.e.commitment(),
            protection: keys.protection(),
            device: facts(&core.options, core.directory == Directory::System),
            user,
            evidence,
            replaces,
            dry_run: request.dry_run,
        },
    };
    let token_key = token.signing_key();
    let code_key = request.code.map(OneTimeCode::signing_key);
    let mut by = vec![By::key(dk.as_ref()), By::credential(token, &token_key)];
    if let Some(uk) = &uk {
        by.push(By::key(uk.as_ref()));
    }
    if let (Some(code), Some(key)) = (request.code, &code_key) {
        by.push(By::credential(code, key));
    }
    let sent = sign_request(&message, &thumbprint, &by).map_err(Problem::from)?;
    link.call(core, record, "enrollments", &sent)
}

/// Keys and epoch 0 on disk before the first request; those of an interrupted enrollment are used again.
fn write_ahead(core: &Core, state: &mut State, request: &Request<'_>) -> Result<Record> {
    let option = |name: OptionName| core.options.text(name).unwrap_or_default().to_owned();
    let keys = core.store.keys();
    let mut record = match state.record.take() {
        Some(record) if record.pin == request.token.pin => record,
        _ => Record::new(
            option(OptionName::CloudName),
            option(OptionName::UserDomain),
            request.token.pin,
            keys.create(Use::Device)?,
        ),
    };
    let same = |u: &UserRecord, account: &Account, claim: &Claim| u.account == *account && u.claim == claim.login_name;
    // A record that is taken over has its users already; they come back with new keys by binding.
    let user = request.user.as_ref().filter(|_| state.replaces.is_none());
    match user {
        Some((account, claim)) if record.users.first().is_some_and(|u| same(u, account, claim)) => {}
        Some((account, claim)) => {
            record.users = vec![UserRecord {
                account: account.clone(),
                claim: claim.login_name.clone(),
                source: claim.source,
                uk: keys.create(Use::User)?,
                binding: None,
            }];
        }
        None => record.users.clear(),
    }
    keep(core, state, &record)?;
    Ok(record)
}

fn keep(core: &Core, state: &mut State, record: &Record) -> Result<()> {
    state.record = Some(record.clone());
    core.store.save(state)
}

/// `LK-CONN-015`: the cloud's minimum counts for enrollment only.
fn minimum_version(minimum: &str) -> Result<()> {
    if version(env!("CARGO_PKG_VERSION")) < version(minimum) {
        return Err(Problem::of(Code::Conn015)
            .because(format!("this is {}, the cloud asks for {minimum}", env!("CARGO_PKG_VERSION"))));
    }
    Ok(())
}

fn version(text: &str) -> [u64; 3] {
    let mut parts = text.split('.').map(|p| p.parse().unwrap_or(0));
    [(); 3].map(|()| parts.next().unwrap_or(0))
}
