//! Answers kept for a repeated request: the same `Idempotency-Key` within 24 hours.
//!
//! Owns the three answers to a key: new, the same as before, used for something else. An answer with a once-only secret is not kept, only
//! what it made. Must not know HTTP beyond the number of a status.

use std::time::Duration;

use latchkey_wire::Bytes;

use crate::id::OrgId;
use crate::records::IdempotentAnswer;
use crate::scope::{Org, Taken};
use crate::{Directory, Result};

/// How long an answer is kept.
const KEPT: Duration = Duration::from_secs(24 * 3_600);

/// How long a request may be under way before its key is free again: a server that crashed never answers.
const UNDER_WAY: Duration = Duration::from_secs(120);

/// What a key was used for before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Before {
    /// Nothing: it is reserved for this request now.
    New,
    /// The same request, with this answer.
    Same {
        /// The status.
        status: u64,
        /// The body.
        answer: String,
    },
    /// The same request, whose answer had a once-only secret and made this.
    Secret {
        /// The id of what was made.
        resource: String,
    },
    /// The same request, still under way.
    UnderWay,
    /// Another request.
    Other,
}

impl Directory {
    /// Reserves a key for a request, or says what it was used for.
    pub async fn begin_idempotent(&self, org: &OrgId, id: String, body: Bytes<32>) -> Result<Before> {
        let org = org.clone();
        self.write(move |tx| {
            let now = tx.now();
            let mut ours = Org::of(tx, &org);
            let this = IdempotentAnswer::id.eq(&id);
            ours.delete::<IdempotentAnswer>(this.clone().and(IdempotentAnswer::expires_at.below(&now)))?;
            let row = IdempotentAnswer {
                org: org.clone(),
                id: id.clone(),
                body,
                status: 0,
                answer: None,
                resource: None,
                expires_at: now.plus(UNDER_WAY),
            };
            if ours.insert(&row)? != Err(Taken) {
                return Ok(Before::New);
            }
            let Some(there) = ours.one::<IdempotentAnswer>(this)? else { return Ok(Before::UnderWay) };
            Ok(match there {
                row if row.body != body => Before::Other,
                IdempotentAnswer { status: 0, .. } => Before::UnderWay,
                IdempotentAnswer { status, answer: Some(answer), .. } => Before::Same { status, answer },
                IdempotentAnswer { resource, .. } => Before::Secret { resource: resource.unwrap_or_default() },
            })
        })
        .await
    }

    /// Keeps the answer to a reserved key. `answer` is absent when it has a secret.
    pub async fn end_idempotent(
        &self,
        org: &OrgId,
        id: String,
        status: u64,
        answer: Option<String>,
        resource: Option<String>,
    ) -> Result<()> {
        let org = org.clone();
        self.write(move |tx| {
            let until = tx.now().plus(KEPT);
            let set = [
                IdempotentAnswer::status.set(&status),
                IdempotentAnswer::answer.set(&answer),
                IdempotentAnswer::resource.set(&resource),
                IdempotentAnswer::expires_at.set(&until),
            ];
            Org::of(tx, &org).update::<IdempotentAnswer>(IdempotentAnswer::id.eq(&id), &set)?;
            Ok(())
        })
        .await
    }

    /// Gives a key back whose request was refused and changed nothing.
    pub async fn forget_idempotent(&self, org: &OrgId, id: String) -> Result<()> {
        let org = org.clone();
        self.write(move |tx| {
            Org::of(tx, &org).delete::<IdempotentAnswer>(IdempotentAnswer::id.eq(&id))?;
            Ok(())
        })
        .await
    }
}
