//! How a change is to be made: by whom, whether only to try, and on which version of a thing.
//!
//! Owns dry runs and conditions (`If-Match`), so that every service handles them alike: a dry run is the same work in a transaction that is
//! taken back, so what it says is what would happen. Must not know HTTP.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use crate::access::MayGive;
use crate::audit::Actor;
use crate::store::{StoreError, WriteTx};
use crate::{Directory, Error, Result};

/// By whom a change is made, and how.
#[derive(Debug, Clone)]
pub struct Intent {
    /// Who changes something.
    pub actor: Actor,
    /// Only say what would happen.
    pub dry_run: bool,
    /// On which versions of the thing only.
    pub condition: Condition,
    /// The rights that whoever changes something has to give away.
    pub may_give: MayGive,
}

impl Intent {
    /// Do it, whatever the version. Whoever is neither the operator nor the product itself has no rights to give away until they are named.
    #[must_use]
    pub fn of(actor: &Actor) -> Self {
        Self { actor: actor.clone(), dry_run: false, condition: Condition::None, may_give: MayGive::of(actor) }
    }
}

/// Which versions of a thing may be changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Condition {
    /// Any: nothing was said.
    #[default]
    None,
    /// Any that exists.
    Exists,
    /// One of these.
    OneOf(Vec<String>),
}

impl Condition {
    /// Whether this version of the thing may be changed.
    pub fn check(&self, noun: &'static str, view: &impl Serialize) -> Result<()> {
        match self {
            Self::OneOf(versions) if !versions.contains(&version(view)) => Err(Error::Changed { noun }),
            _ => Ok(()),
        }
    }
}

/// The version of a thing: a hash of what a caller sees of it.
#[must_use]
pub fn version(view: &impl Serialize) -> String {
    let bytes = serde_json::to_vec(view).expect("a view is plain JSON");
    URL_SAFE_NO_PAD.encode(&latchkey_wire::bytes::sha256(&bytes).0[..12])
}

/// How a tried change ended: its transaction is taken back in both cases.
enum Tried<T> {
    Would(T),
    Failed(Error),
}

impl<T> From<StoreError> for Tried<T> {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

impl Directory {
    /// Makes a change, or tries it and takes it back.
    pub async fn change<T: Send + 'static>(
        &self,
        dry_run: bool,
        mut work: impl FnMut(&mut dyn WriteTx) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        if !dry_run {
            return self.write(work).await;
        }
        let tried = self.write::<(), Tried<T>>(move |tx| Err(work(tx).map_or_else(Tried::Failed, Tried::Would))).await;
        match tried {
            Err(Tried::Would(value)) => Ok(value),
            Err(Tried::Failed(error)) => Err(error),
            Ok(()) => Err(Error::Internal("a dry run was kept".to_owned())),
        }
    }
}
