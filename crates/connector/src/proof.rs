//! A silent proof: a signature over a challenge that was checked first (security.md R14).
//!
//! Owns every check between a challenge and the user key. Sends nothing.

use latchkey_wire::cloud::Accepted;
use latchkey_wire::message::{Challenge, Common, Message, Proof, Version};
use latchkey_wire::verify::{kid_of_compact, sign_proof, verify_statement};
use latchkey_wire::{BindingState, Bytes, Channel, Code, DeviceState, WireError, epoch};

use crate::account::Account;
use crate::problem::{Local, Problem, Result};
use crate::settings::Core;
use crate::state::{Device, Record, UserRecord};

/// Who asks, through which door.
#[derive(Clone, Debug)]
pub struct Context<'a> {
    /// From the kernel, or the owner of a private state directory.
    pub account: &'a Account,
    /// The origin that the challenge came from, on a verified connection.
    pub origin: &'a str,
    /// Hash of the cookie that came with it.
    pub cb: Bytes<32>,
    /// The transaction as sent.
    pub txn: &'a str,
    /// The door.
    pub channel: Channel,
}

/// A signed proof and what the sign-in reports about it.
#[derive(Clone, Debug)]
pub struct Signed {
    /// Compact JWS.
    pub proof: String,
    /// The service's name as the challenge says.
    pub service: String,
    /// Whose binding signed.
    pub login_name: String,
    /// Its level.
    pub level: u8,
}

/// Checks a challenge and signs the proof with the account's own user key, or does not.
///
/// # Errors
/// `LK-PROOF-010 … 013` for a challenge that does not fit, `LK-PROOF-022` for a device or binding that may not act,
/// `LK-CONN-008` for an account that has no binding.
pub fn sign(core: &Core, record: &mut Record, challenge: &str, context: &Context<'_>) -> Result<Signed> {
    let accepted = record.accepted()?;
    let verified =
        verify_statement::<Challenge>(challenge, &accepted.document().challenge_keys).map_err(|e| not_ours(&e))?;
    let (common, said) = (verified.common(), verified.body());
    check(core, record, &accepted, common, said, context)?;

    let device = record.device()?;
    if device.state != DeviceState::Registered {
        return Err(may_not_act(device));
    }
    let user = user_of(record, context.account)?;
    let Some(binding) = &user.binding else {
        return Err(Problem::of(Code::Proof022).because("this account has no binding yet"));
    };
    if binding.state != BindingState::Active {
        let mut problem = Problem::of(Code::Proof022).because(format!("the binding is {}", binding.state));
        if binding.state == BindingState::Pending {
            problem.exit = 11;
            problem.fix = format!("latchkey binding approve {}", binding.id);
        }
        return Err(problem);
    }
    let keys = core.store.keys();
    let dk = keys.open(&record.dk)?.public().thumbprint();
    let uk = keys.open(&user.uk)?;
    let message = Message {
        common: Common {
            v: Version,
            iss: common.iss.clone(),
            org: common.org.clone(),
            rk: common.rk,
            nonce: common.nonce.clone(),
            iat: crate::clock::wall(),
        },
        body: Proof {
            txn_sha256: said.txn_sha256,
            device_id: device.id.clone(),
            binding_id: binding.id.clone(),
            channel: context.channel,
            n: record.epoch.n,
            tag: epoch::tag(&record.epoch.e.commitment(), &common.nonce),
            presence: false,
        },
    };
    let sent = sign_proof(&message, &dk, uk.as_ref())?;
    Ok(Signed {
        proof: String::from_utf8_lossy(&sent.body).into_owned(),
        service: said.service.clone(),
        login_name: binding.login_name.clone(),
        level: binding.level.number(),
    })
}

fn check(
    core: &Core,
    record: &mut Record,
    accepted: &Accepted,
    common: &Common,
    said: &Challenge,
    context: &Context<'_>,
) -> Result<()> {
    let ours =
        common.iss == accepted.iss() && common.org == accepted.org() && common.rk == accepted.root().thumbprint();
    if !ours {
        return Err(not_ours(&WireError::NotOurs { member: "org, iss or rk" }));
    }
    let is_public = accepted
        .document()
        .public_urls
        .iter()
        .filter_map(|u| url::Url::parse(u).ok())
        .any(|u| crate::http::origin(&u) == said.origin);
    if said.origin != context.origin || !is_public {
        return Err(Problem::of(Code::Proof012).because(format!("the challenge is for {:?}", said.origin)));
    }
    if said.cb != context.cb {
        return Err(Problem::of(Code::Proof011));
    }
    if said.txn_sha256 != epoch::txn_sha256(context.txn) {
        return Err(Problem::of(Code::Proof011).because("the challenge is for another transaction"));
    }
    if said.channel != context.channel {
        return Err(Problem::of(Code::Proof013));
    }
    // By the server's clock as last signed, moved on by our monotonic one.
    if record.clock.now(&(core.monotonic)()) > said.exp {
        return Err(Problem::of(Code::Proof010));
    }
    // A challenge can be played again, so it moves our idea of the time forward only.
    let monotonic = (core.monotonic)();
    if common.iat > record.clock.now(&monotonic) {
        record.clock.learn(common.iat, &monotonic);
    }
    Ok(())
}

/// The problem of a device that is not registered: exit 11 where it waits for an administrator, else 12.
pub(crate) fn may_not_act(device: &Device) -> Problem {
    let problem = Problem::of(Code::Proof022).because(format!("the device is {}", device.state));
    match device.state {
        DeviceState::Pending => Problem { exit: 11, fix: format!("latchkey device approve {}", device.id), ..problem },
        _ => problem,
    }
}

/// The one binding of this account. All three parts of it must be as they were when it was bound.
///
/// # Errors
/// None, or one whose account changed: that binding is dead.
pub fn user_of<'r>(record: &'r Record, account: &Account) -> Result<&'r UserRecord> {
    if let Some(user) = record.users.iter().find(|u| u.account == *account) {
        return Ok(user);
    }
    let changed =
        record.users.iter().any(|u| u.is_live() && (u.account.uid == account.uid || u.account.name == account.name));
    let detail = if changed {
        format!("the account {} is not the one that was bound: its uid, name or home changed", account.name)
    } else {
        format!("the account {} has no binding on this device", account.name)
    };
    Err(Problem::local(
        Local::NoAccount,
        detail,
        "sign in as the person this device was enrolled for, or let the service bind this account",
    ))
}

/// Whether the stored document lists the key that a challenge claims to be signed with, and stands under the root that it names. If not,
/// the document may be old.
#[must_use]
pub fn knows_key(record: &Record, challenge: &str) -> bool {
    let (Ok(accepted), Ok(kid)) = (record.accepted(), kid_of_compact(challenge)) else {
        return true;
    };
    let keys = &accepted.document().challenge_keys;
    let listed = keys.iter().any(|k| k.thumbprint().to_string() == kid);
    // A challenge that does not verify is nobody's news.
    let root = verify_statement::<Challenge>(challenge, keys).ok().map(|verified| verified.common().rk);
    listed && root.is_none_or(|rk| rk == accepted.root().thumbprint())
}

fn not_ours(error: &WireError) -> Problem {
    Problem::of(Code::Cloud002).because(format!("the challenge is not signed by this cloud ({error})"))
}
