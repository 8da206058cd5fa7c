//! Binding an account to this device, for the first time or after its binding ended (protocol.md, `lk-bind+jwt`).
//!
//! Owns the choice of user key and claim: a key is on disk before it is named in a request, and never serves a second binding. Must not
//! know who asks; the caller made sure of the account.

use latchkey_options::OptionName;
use latchkey_wire::message::{Bind, DeviceResult, Evidence, Message};
use latchkey_wire::state::Purpose;
use latchkey_wire::verify::{By, sign_request};
use latchkey_wire::{ClaimSource, DeviceState, OneTimeCode, Sign, epoch};

use crate::account::{Account, Accounts, Claim, claim};
use crate::apply;
use crate::device::Link;
use crate::keys::Use;
use crate::problem::{Problem, Result};
use crate::proof;
use crate::renew::{self, Outcome, enrolled, save, settle, twice};
use crate::settings::Core;
use crate::state::{Record, State, UserRecord};

/// Binds an account that has no binding here, or whose binding is over: a person whom this device does not know yet, or whom an
/// administrator sent away and who comes back, which is for the server to judge. An account whose uid, name or home changed is refused,
/// not bound anew under the old one's place.
///
/// # Errors
/// The device may not act, the account may not be a user, or the server refuses.
pub fn account(core: &Core, state: &mut State, account: &Account) -> Result<()> {
    let record = enrolled(state)?;
    let device = record.device()?;
    if device.state != DeviceState::Registered {
        return Err(proof::may_not_act(device));
    }
    let changed = record.users.iter().any(|u| {
        u.is_live() && u.account != *account && (u.account.uid == account.uid || u.account.name == account.name)
    });
    if changed {
        proof::user_of(&record, account)?;
    }
    let claim = claimed(core, &record, account)?;
    // The code proves the user whom `userName` names, nobody else.
    let code = match claim.source {
        ClaimSource::Account => None,
        _ => crate::settings::one_time_code(&core.options, core.owner())?,
    };
    bind(core, state, account, &claim, code.as_ref()).map(drop).map_err(|r| r.problem)
}

/// As the options of now say; where they say nothing, because they were flags of an earlier command, as the account was bound before.
fn claimed(core: &Core, record: &Record, account: &Account) -> Result<Claim> {
    let spoken_for = record.users.iter().find(|u| u.source != ClaimSource::Account).map(|u| u.account.clone());
    let fresh = claim(account, &core.options, &Accounts::here(), core.directory, spoken_for.as_ref())?;
    let silent =
        [OptionName::UserName, OptionName::UserDomain].into_iter().any(|name| core.options.text(name).is_none());
    Ok(match record.users.iter().find(|u| u.account == *account) {
        Some(before) if silent => Claim { login_name: before.claim.clone(), source: before.source },
        _ => fresh,
    })
}

/// Binds an account under a claim.
///
/// # Errors
/// A refusal, with what it changed already saved.
pub fn bind(
    core: &Core,
    state: &mut State,
    account: &Account,
    claim: &Claim,
    code: Option<&OneTimeCode>,
) -> Outcome<DeviceResult> {
    let at = user(core, state, account, claim)?;
    let mut record = enrolled(state)?;
    let keys = core.store.keys();
    let mut renewed = false;
    loop {
        let mut link = Link::open(core, &mut record)?;
        let result = twice(|| {
            let dk = keys.open(&record.dk)?;
            let uk = keys.open(&record.users[at].uk)?;
            let thumbprint = dk.public().thumbprint();
            let device_id = record.device()?.id.clone();
            let nonce = link.nonce(core, &mut record, Purpose::Bind, thumbprint, &device_id)?;
            let message = Message {
                common: link.common(nonce.clone()),
                body: Bind {
                    device_id,
                    n: record.epoch.n,
                    tag: epoch::tag(&record.epoch.e.commitment(), &nonce),
                    uk_jwk: uk.public().clone(),
                    claim: claim.login_name.clone(),
                    source: claim.source,
                    os_account: account.name.clone(),
                    evidence: code.map(|c| Evidence::Code { id: c.id().clone() }).into_iter().collect(),
                },
            };
            let code_key = code.map(OneTimeCode::signing_key);
            let mut by = vec![By::key(dk.as_ref()), By::key(uk.as_ref())];
            if let (Some(code), Some(key)) = (code, &code_key) {
                by.push(By::credential(code, key as &dyn Sign));
            }
            let sent = sign_request(&message, &thumbprint, &by).map_err(Problem::from)?;
            link.call(core, &mut record, "bindings", &sent)
        });
        match result {
            Err(refused) if renew::helps(&refused, &record) && !renewed => {
                renewed = true;
                save(core, state, &record)?;
                renew::renew(core, state)?;
                record = enrolled(state)?;
            }
            other => {
                let result = settle(core, state, &record, other)?;
                apply::result(&core.store, &mut record, &result)?;
                save(core, state, &record)?;
                return Ok(result);
            }
        }
    }
}

/// The place of account and claim in the record, with the key to bind: that of an interrupted attempt, else a new one. One whose binding
/// ended is given up, because the server takes no key twice.
fn user(core: &Core, state: &mut State, account: &Account, claim: &Claim) -> Result<usize> {
    let mut record = enrolled(state)?;
    let keys = core.store.keys();
    let same = |u: &UserRecord| u.account == *account && u.claim == claim.login_name && !u.has_ended();
    if let Some(at) = record.users.iter().position(same) {
        return Ok(at);
    }
    let new = UserRecord {
        account: account.clone(),
        claim: claim.login_name.clone(),
        source: claim.source,
        uk: keys.create(Use::User)?,
        binding: None,
    };
    let mut given_up = None;
    let at = match record.users.iter().position(|u| u.account == *account && !u.is_live()) {
        Some(at) => {
            given_up = Some(std::mem::replace(&mut record.users[at], new));
            at
        }
        None => {
            record.users.push(new);
            record.users.len() - 1
        }
    };
    save(core, state, &record)?;
    if let Some(old) = given_up {
        keys.destroy(&old.uk)?;
    }
    Ok(at)
}
