//! Importing users: all lines, or none.
//!
//! Owns what a line may do: make a user, or change one who is there. It never enables a disabled user and never brings a deleted name back.
//! Every bad line is named. Must not know CSV.

use std::collections::{HashMap, HashSet};

use serde::Serialize;
use utoipa::ToSchema;

use super::profile::{join, login_name};
use super::{UserPatch, bare, deleted_lately};
use crate::access::holding::keeping_an_owner;
use crate::access::may_change_user;
use crate::audit::NewEvent;
use crate::id::OrgId;
use crate::records::User;
use crate::scope::Org;
use crate::store::WriteTx;
use crate::values::UserSource;
use crate::{Directory, Error, FieldProblem, Intent, Result};

/// So many wrong values are told; a file of another kind has one in each line.
const MOST_TOLD: usize = 100;

/// One line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportLine {
    /// Its number in the file.
    pub line: u64,
    /// The login name.
    pub login_name: String,
    /// What the other columns say. A column that is not in the file stays; an empty cell takes away.
    pub profile: UserPatch,
}

/// What an import did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Imported {
    /// Users made.
    pub created: u64,
    /// Users changed.
    pub changed: u64,
    /// Users who were as the file says.
    pub unchanged: u64,
}

enum Outcome {
    Created,
    Changed,
    Unchanged,
}

impl Directory {
    /// Imports users.
    pub async fn import_users(&self, intent: &Intent, org: &OrgId, lines: Vec<ImportLine>) -> Result<Imported> {
        let (intent, org) = (intent.clone(), org.clone());
        self.change(intent.dry_run, move |tx| {
            keeping_an_owner(tx, &org, |tx| {
                let mut done = Imported::default();
                let mut wrong = Vec::new();
                let mut seen: HashMap<String, u64> = HashMap::new();
                let reserved = reserved_names(tx, &org)?;
                for line in &lines {
                    let mut here = Vec::new();
                    let outcome = one(tx, &intent, &org, line, &reserved, &mut seen, &mut here)?;
                    wrong.extend(here.into_iter().map(|problem| FieldProblem {
                        pointer: format!("/{}{}", line.line, problem.pointer),
                        detail: format!("line {}: {}", line.line, problem.detail),
                        ..problem
                    }));
                    if wrong.len() >= MOST_TOLD {
                        break;
                    }
                    match outcome {
                        Some(Outcome::Created) => done.created += 1,
                        Some(Outcome::Changed) => done.changed += 1,
                        Some(Outcome::Unchanged) => done.unchanged += 1,
                        None => {}
                    }
                }
                if !wrong.is_empty() {
                    return Err(Error::Invalid(wrong));
                }
                let event = NewEvent::new(&intent.actor, "user.import", org.to_string());
                Org::of(tx, &org).audit(event.with("created", done.created).with("changed", done.changed));
                Ok(done)
            })
        })
        .await
    }
}

fn reserved_names(tx: &mut dyn WriteTx, org: &OrgId) -> Result<HashSet<String>> {
    let recent = deleted_lately(tx.now());
    let rows: Vec<User> = Org::of(tx, org).find(recent)?;
    Ok(rows.into_iter().map(|row| row.login_name).collect())
}

fn one(
    tx: &mut dyn WriteTx,
    intent: &Intent,
    org: &OrgId,
    line: &ImportLine,
    reserved: &HashSet<String>,
    seen: &mut HashMap<String, u64>,
    wrong: &mut Vec<FieldProblem>,
) -> Result<Option<Outcome>> {
    let now = tx.now();
    let name = login_name(tx, org, Some(&line.login_name), wrong)?;
    let groups = line.profile.group_ids(tx, org, wrong)?;
    let Some(name) = name else { return Ok(None) };
    if let Some(before) = seen.insert(name.as_str().to_owned(), line.line) {
        wrong.push(FieldProblem::invalid("/login_name", format!("{name} stands in line {before} already")));
        return Ok(None);
    }
    let there: Option<User> = Org::of(tx, org).one(User::login_key.eq(&name.as_str().to_owned()))?;
    if there.is_none() && reserved.contains(name.as_str()) {
        let detail = format!("{name} was deleted within a year; if this is somebody new: latchkey user create {name}");
        wrong.push(FieldProblem::invalid("/login_name", detail));
        return Ok(None);
    }
    let is_new = there.is_none();
    let before = there.unwrap_or_else(|| bare(org, &name, UserSource::Import, now));
    let mut row = before.clone();
    line.profile.apply(&mut row, wrong);
    if !wrong.is_empty() {
        return Ok(None);
    }
    let mut changed = row != before;
    if changed && !is_new {
        may_change_user(tx, intent, org, &row.id)?;
    }
    if is_new {
        let mut ours = Org::of(tx, org);
        ours.add(&row)?;
        ours.audit(NewEvent::new(&intent.actor, "user.create", row.id.clone()).with("login_name", &row.login_name));
    } else if changed {
        row.updated_at = now;
        let mut ours = Org::of(tx, org);
        ours.replace(&row)?;
        let event = NewEvent::new(&intent.actor, "user.set", row.id.clone()).with("protected", row.protected);
        ours.audit(event.with("login_name", &row.login_name));
    }
    if let Some(groups) = groups {
        let nobody = is_new && groups.is_empty();
        changed |= !nobody && join(tx, intent, &row, &groups)?;
    }
    Ok(Some(match (is_new, changed) {
        (true, _) => Outcome::Created,
        (false, true) => Outcome::Changed,
        (false, false) => Outcome::Unchanged,
    }))
}
