//! The prover of a private state directory: this process holds the keys, and the directory's owner is the account.

use std::cell::RefCell;
use std::rc::Rc;

use latchkey_wire::{Bytes, Channel, Code, DeviceState};
use url::Url;

use crate::account::Account;
use crate::agent::Prover;
use crate::bind;
use crate::cloud;
use crate::http::Client;
use crate::problem::Result;
use crate::proof::{self, Context, Signed};
use crate::renew;
use crate::settings::Core;
use crate::state::State;

/// Signs with the keys of a state directory, for one account.
pub struct LocalProver<'a> {
    core: &'a Core,
    account: Account,
    state: RefCell<State>,
    client: RefCell<Option<Rc<Client>>>,
}

impl<'a> LocalProver<'a> {
    /// A prover for this account.
    ///
    /// # Errors
    /// The state cannot be read.
    pub fn new(core: &'a Core, account: Account) -> Result<Self> {
        Ok(LocalProver { state: RefCell::new(core.store.load()?), core, account, client: RefCell::new(None) })
    }

    /// Renews a certificate that is due, and looks whether a device that could not act may act now. What fails here fails
    /// again, with its reason, when the proof is asked for.
    pub fn freshen(&self) -> Result<()> {
        let _lock = self.core.store.lock()?;
        let mut state = self.core.store.load()?;
        let Some(record) = &state.record else {
            return Ok(());
        };
        let Some(device) = &record.device else {
            return Ok(());
        };
        let now = record.clock.now(&(self.core.monotonic)());
        let waiting = record.users.iter().any(|u| u.account == self.account && !is_active(u));
        if device.state == DeviceState::Registered && (now >= device.renew_at || record.epoch.next.is_some()) {
            let _ = renew::renew(self.core, &mut state);
        } else if device.state != DeviceState::Registered || waiting || record.heartbeat_due {
            let _ = renew::heartbeat(self.core, &mut state);
        }
        *self.state.borrow_mut() = state;
        Ok(())
    }
}

fn is_active(user: &crate::state::UserRecord) -> bool {
    user.binding.as_ref().is_some_and(|b| b.state == latchkey_wire::BindingState::Active)
}

impl Prover for LocalProver<'_> {
    fn is_issuer(&self, url: &Url) -> bool {
        let state = self.state.borrow();
        let accepted = state.record.as_ref().and_then(|r| r.accepted().ok());
        accepted.is_some_and(|a| cloud::is_ours(&a, url))
    }

    fn client(&self) -> Result<Rc<Client>> {
        if let Some(client) = self.client.borrow().as_ref() {
            return Ok(client.clone());
        }
        let state = self.state.borrow();
        let record = state.record.as_ref().ok_or_else(|| state.without_record())?;
        let client = Rc::new(cloud::client(self.core, Some(&record.accepted()?))?);
        *self.client.borrow_mut() = Some(client.clone());
        Ok(client)
    }

    fn prove(&self, challenge: &str, origin: &str, cb: Bytes<32>, txn: &str) -> Result<Signed> {
        let mut state = self.state.borrow_mut();
        let mut record = renew::enrolled(&state)?;
        if record.users.iter().any(|u| u.account == self.account && !u.is_live()) {
            let _lock = self.core.store.lock()?;
            *state = self.core.store.load()?;
            bind::account(self.core, &mut state, &self.account)?;
            record = renew::enrolled(&state)?;
        }
        let context = Context { account: &self.account, origin, cb, txn, channel: Channel::Agent };
        // A challenge of a key we do not know yet: the cloud's keys roll, its document says to which.
        if !proof::knows_key(&record, challenge) {
            let _lock = self.core.store.lock()?;
            cloud::refetch(self.core, &mut record)?;
            state.record = Some(record.clone());
            self.core.store.save(&state)?;
        }
        let signed = proof::sign(self.core, &mut record, challenge, &context);
        state.record = Some(record);
        signed
    }

    fn settle(&self, code: Code) -> Result<()> {
        let _lock = self.core.store.lock()?;
        let mut state = self.core.store.load()?;
        let result = if code == Code::Proof021 {
            renew::renew(self.core, &mut state).map(drop)
        } else if matches!(code, Code::Proof022 | Code::Device410 | Code::Device404 | Code::Conn010 | Code::Conn011) {
            renew::heartbeat(self.core, &mut state).map(drop)
        } else {
            Ok(())
        };
        *self.state.borrow_mut() = state;
        *self.client.borrow_mut() = None;
        result.map_err(|refused| refused.problem)
    }
}
