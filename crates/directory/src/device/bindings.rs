//! What administrators do about bindings: list, approve, remove.
//!
//! Owns which state allows it. Must not know who the administrator is.

use latchkey_wire::BindingState;

use super::replace;
use super::state::{self, reason};
use super::view::{self, BindingFilter, BindingView};
use crate::audit::NewEvent;
use crate::id::OrgId;
use crate::intent::Intent;
use crate::page::{Page, PageRequest};
use crate::records::{Binding, Device, User};
use crate::scope::Org;
use crate::store::{Tx, WriteTx};
use crate::values::UserStatus;
use crate::{Directory, Error, Result};

fn wanted<T: Tx + ?Sized>(tx: &mut T, org: &OrgId, id: &str) -> Result<Binding> {
    Org::of(tx, org).get::<Binding>(id)?.ok_or_else(|| Error::not_found("binding", id))
}

fn view_of<T: Tx + ?Sized>(tx: &mut T, binding: Binding) -> Result<BindingView> {
    let org = binding.org.clone();
    let views = view::bindings(&mut Org::of(tx, &org), vec![binding])?;
    views.into_iter().next().ok_or_else(|| Error::Internal("one binding has one view".to_owned()))
}

/// Approves: the user is on this device from now on, and *taken*.
fn approve(tx: &mut dyn WriteTx, intent: &Intent, binding: &mut Binding) -> Result<()> {
    let refused = |detail: &str, fix: String| Err(Error::state(detail.to_owned(), fix));
    match (binding.state, binding.state_reason.as_deref()) {
        (BindingState::Pending, Some(reason::REBIND)) => {
            return refused(
                "the binding waits for a new user key from the device",
                "the person signs in to the machine once; the connector brings the new key".to_owned(),
            );
        }
        (BindingState::Pending, _) => {}
        (BindingState::Active, _) => return refused("the binding is active", "nothing to do".to_owned()),
        (BindingState::Ended, _) => {
            return refused("the binding is over; it never comes back", "the user binds anew on the device".to_owned());
        }
    }
    let org = binding.org.clone();
    let now = tx.now();
    let mut ours = Org::of(tx, &org);
    let user = ours.get::<User>(&binding.user_id)?.ok_or_else(|| Error::not_found("user", &binding.user_id))?;
    if user.status != UserStatus::Active {
        let fix = format!("latchkey user enable {}, if that is intended", user.login_name);
        return refused("the user is disabled or deleted", fix);
    }
    binding.state = BindingState::Active;
    let was = binding.state_reason.take();
    ours.replace(binding)?;
    if user.taken_at.is_none() {
        ours.update::<User>(User::id.eq(&user.id), &[User::taken_at.set(&Some(now))])?;
    }
    ours.audit(
        NewEvent::new(&intent.actor, "binding.approve", binding.id.clone())
            .with("device", &binding.device_id)
            .with("user", &binding.user_id)
            .with("login_name", &user.login_name)
            .with("reason", was),
    );
    // The claim was all that kept this device from taking the place of the user's earlier one.
    if let Some(device) = ours.get::<Device>(&binding.device_id)? {
        replace::earlier(tx, &device, &intent.actor)?;
    }
    Ok(())
}

/// Ends a binding, and its sessions.
fn remove(tx: &mut dyn WriteTx, intent: &Intent, binding: &mut Binding) -> Result<u64> {
    if binding.state == BindingState::Ended {
        return Err(Error::state("the binding is over already", "nothing to do"));
    }
    binding.state = BindingState::Ended;
    binding.state_reason = Some(reason::ADMINISTRATOR.to_owned());
    binding.ended_at = Some(tx.now());
    let org = binding.org.clone();
    Org::of(tx, &org).replace(binding)?;
    let sessions = state::end_sessions(tx, &org, state::of_binding(binding), "binding removed")?;
    Org::of(tx, &org).audit(
        NewEvent::new(&intent.actor, "binding.remove", binding.id.clone())
            .with("device", &binding.device_id)
            .with("user", &binding.user_id)
            .with("sessions", sessions),
    );
    Ok(sessions)
}

impl Directory {
    /// A page of bindings, newest first.
    pub async fn bindings(
        &self,
        org: &OrgId,
        filter: BindingFilter,
        request: PageRequest,
    ) -> Result<Page<BindingView>> {
        let org = org.clone();
        self.read(move |tx| {
            let mut ours = Org::of(tx, &org);
            let page = filter.page(&mut ours, &request)?;
            Ok(Page { items: view::bindings(&mut ours, page.items)?, next: page.next, count: page.count })
        })
        .await
    }

    /// One binding.
    pub async fn binding(&self, org: &OrgId, id: &str) -> Result<BindingView> {
        let (org, id) = (org.clone(), id.to_owned());
        self.read(move |tx| {
            let row = wanted(tx, &org, &id)?;
            view_of(tx, row)
        })
        .await
    }

    /// Approves a pending binding.
    pub async fn approve_binding(&self, intent: &Intent, org: &OrgId, id: &str) -> Result<BindingView> {
        let (intent, org, id) = (intent.clone(), org.clone(), id.to_owned());
        self.change(intent.dry_run, move |tx| {
            let mut binding = wanted(tx, &org, &id)?;
            intent.condition.check("binding", &view_of(tx, binding.clone())?)?;
            approve(tx, &intent, &mut binding)?;
            view_of(tx, binding)
        })
        .await
    }

    /// Ends a binding, and answers it with the number of sessions that ended.
    pub async fn remove_binding(&self, intent: &Intent, org: &OrgId, id: &str) -> Result<(BindingView, u64)> {
        let (intent, org, id) = (intent.clone(), org.clone(), id.to_owned());
        self.change(intent.dry_run, move |tx| {
            let mut binding = wanted(tx, &org, &id)?;
            intent.condition.check("binding", &view_of(tx, binding.clone())?)?;
            let sessions = remove(tx, &intent, &mut binding)?;
            Ok((view_of(tx, binding)?, sessions))
        })
        .await
    }
}
