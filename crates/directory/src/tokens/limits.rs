//! The limits of a token: what may be asked for, and what makes a token accept more than before.
//!
//! Owns their validation, all wrong ones at once, and the comparison. Must not know the store beyond looking up names.

use std::fmt;
use std::time::Duration;

use ipnet::IpNet;
use latchkey_wire::{DeviceState, Level, Platform};
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::GroupNames;
use crate::FieldProblem;
use crate::access::holding::held_by_group;
use crate::id::OrgId;
use crate::orgs::display_name;
use crate::patch::Patch;
use crate::policy::registered;
use crate::records::DeviceToken;
use crate::store::Tx;
use crate::time::Timestamp;
use crate::value::Json;
use crate::values::{KnownUsers, Leniency};
use crate::{Error, Result};

/// How far ahead a token may end: whoever finds one that was forgotten must find it dead.
pub(super) const LONGEST: Duration = Duration::from_secs(365 * 86_400);
const MOST_USES: u64 = 1_000_000;
const MOST_A_MINUTE: u64 = 100_000;
const MOST_EXPECTED: u64 = 10_000_000;
const MOST_NETWORKS: usize = 1_000;
const SHORTEST_PASSWORD: usize = 12;
const LONGEST_PASSWORD: usize = 1_024;

/// A password. Cannot be printed; wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// From its text.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What is wrong with it as a new password.
    #[must_use]
    pub fn complaint(&self) -> Option<&'static str> {
        let text = self.expose();
        let length = text.chars().count();
        let letter = text.chars().any(char::is_alphabetic);
        let digit = text.chars().any(char::is_numeric);
        let good = (SHORTEST_PASSWORD..=LONGEST_PASSWORD).contains(&length) && letter && digit;
        (!good).then_some("the password has at least 12 characters, among them a letter and a digit")
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("****")
    }
}

impl<'de> Deserialize<'de> for Password {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

/// A new token. Required are `description`, `domains`, `expires_at`, `max_uses`, and `password` or `sealed_copy: false`.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
pub struct NewToken {
    /// What it is for.
    pub description: Option<String>,
    /// The domains it covers; each must be registered.
    pub domains: Option<Vec<String>>,
    /// When it ends: at most 365 days ahead.
    #[schema(value_type = Option<String>)]
    pub expires_at: Option<Timestamp>,
    /// How many enrollments: 1 to 1,000,000.
    pub max_uses: Option<u64>,
    /// How many a minute; 600 if it is not given.
    pub uses_per_minute: Option<u64>,
    /// The platforms it is for; empty is all.
    #[schema(value_type = Option<Vec<String>>)]
    pub platforms: Option<Vec<Platform>>,
    /// The networks it may be used from; empty is all.
    pub networks: Option<Vec<String>>,
    /// The lowest evidence level it accepts; 0 if it is not given.
    pub min_evidence: Option<u64>,
    /// *registered* or *pending*; registered if it is not given.
    #[schema(value_type = Option<String>)]
    pub initial_state: Option<DeviceState>,
    /// The rule for known users; first_device if it is not given.
    pub known_users: Option<KnownUsers>,
    /// The rule for a serial number that is known; pending if it is not given.
    pub on_known_serial: Option<Leniency>,
    /// The rule for a further device of a user; pending if it is not given.
    pub on_second_device: Option<Leniency>,
    /// The groups, by name or id, that users created just in time get.
    pub jit_groups: Option<Vec<String>>,
    /// The brake in percent: this share refused or pending within ten minutes (at least 20) disables the token.
    pub brake: Option<u64>,
    /// How many devices the roll-out expects.
    pub expect: Option<u64>,
    /// Keep a copy sealed with this password.
    #[schema(value_type = Option<String>, format = Password)]
    pub password: Option<Password>,
    /// `false`: keep no copy.
    pub sealed_copy: Option<bool>,
}

/// A change of a token's limits. What is not named stays.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
pub struct TokenPatch {
    /// What it is for.
    pub description: Option<String>,
    /// The domains it covers.
    pub domains: Option<Vec<String>>,
    /// When it ends: at most 365 days ahead.
    #[schema(value_type = Option<String>)]
    pub expires_at: Option<Timestamp>,
    /// How many enrollments.
    pub max_uses: Option<u64>,
    /// How many a minute.
    pub uses_per_minute: Option<u64>,
    /// The platforms it is for; empty is all.
    #[schema(value_type = Option<Vec<String>>)]
    pub platforms: Option<Vec<Platform>>,
    /// The networks it may be used from; empty is all.
    pub networks: Option<Vec<String>>,
    /// The lowest evidence level it accepts.
    pub min_evidence: Option<u64>,
    /// *registered* or *pending*.
    #[schema(value_type = Option<String>)]
    pub initial_state: Option<DeviceState>,
    /// The rule for known users.
    pub known_users: Option<KnownUsers>,
    /// The rule for a serial number that is known.
    pub on_known_serial: Option<Leniency>,
    /// The rule for a further device of a user.
    pub on_second_device: Option<Leniency>,
    /// The groups that users created just in time get.
    pub jit_groups: Option<Vec<String>>,
    /// The brake in percent; null takes it off.
    #[serde(default)]
    #[schema(value_type = Option<u64>)]
    pub brake: Patch<u64>,
    /// How many devices the roll-out expects.
    #[serde(default)]
    #[schema(value_type = Option<u64>)]
    pub expect: Patch<u64>,
}

impl NewToken {
    /// Every problem of the copy that is to be kept.
    pub(crate) fn copy_problems(password: Option<&Password>, sealed_copy: Option<bool>, wrong: &mut Vec<FieldProblem>) {
        match (password, sealed_copy) {
            (Some(_), Some(false)) => {
                wrong.push(FieldProblem::invalid(
                    "/sealed_copy",
                    "a password and sealed_copy: false exclude each other",
                ));
            }
            (Some(password), _) => {
                wrong.extend(password.complaint().map(|detail| FieldProblem::invalid("/password", detail)));
            }
            (None, Some(false)) => {}
            (None, _) => wrong.push(FieldProblem::invalid(
                "/password",
                "give a password for a sealed copy that can be revealed later, or sealed_copy: false for none",
            )),
        }
    }

    /// The limits as a patch of a token that has the defaults; what is required and missing is told.
    pub(crate) fn as_patch(&self, wrong: &mut Vec<FieldProblem>) -> TokenPatch {
        let mut missing = |is: bool, field: &str, what: &str| {
            if is {
                wrong.push(FieldProblem::invalid(format!("/{field}"), format!("{field} is missing: {what}")));
            }
        };
        missing(self.description.is_none(), "description", "say what the token is for");
        missing(self.domains.is_none(), "domains", "name at least one domain");
        missing(self.expires_at.is_none(), "expires_at", "a token always ends");
        missing(self.max_uses.is_none(), "max_uses", "a token always has a number of uses");
        TokenPatch {
            description: self.description.clone(),
            domains: self.domains.clone(),
            expires_at: self.expires_at,
            max_uses: self.max_uses,
            uses_per_minute: self.uses_per_minute,
            platforms: self.platforms.clone(),
            networks: self.networks.clone(),
            min_evidence: self.min_evidence,
            initial_state: self.initial_state,
            known_users: self.known_users,
            on_known_serial: self.on_known_serial,
            on_second_device: self.on_second_device,
            jit_groups: self.jit_groups.clone(),
            brake: self.brake.map_or(Patch::Keep, Patch::Set),
            expect: self.expect.map_or(Patch::Keep, Patch::Set),
        }
    }
}

impl TokenPatch {
    /// Changes the token; every wrong value is told.
    pub(crate) fn apply<T: Tx + ?Sized>(
        &self,
        tx: &mut T,
        org: &OrgId,
        row: &mut DeviceToken,
        wrong: &mut Vec<FieldProblem>,
    ) -> Result<()> {
        let now = tx.now();
        if let Some(description) = &self.description {
            match display_name(description) {
                Ok(description) => row.description = description,
                Err(_) => wrong.push(FieldProblem::invalid(
                    "/description",
                    "a description has 1 to 200 characters and no control characters",
                )),
            }
        }
        if let Some(domains) = &self.domains {
            if domains.is_empty() {
                wrong.push(FieldProblem::invalid("/domains", "name at least one domain"));
            }
            row.domains = Json(registered(tx, org, "/domains", domains, wrong)?);
        }
        if let Some(expires_at) = self.expires_at {
            if expires_at <= now {
                wrong.push(FieldProblem::invalid("/expires_at", "expires_at lies in the past"));
            } else if expires_at > now.plus(LONGEST) {
                wrong.push(FieldProblem::invalid("/expires_at", "expires_at is at most 365 days ahead"));
            }
            row.expires_at = expires_at;
        }
        let mut number = |field: &str, value: Option<u64>, to: u64| {
            let value = value?;
            if (1..=to).contains(&value) {
                return Some(value);
            }
            wrong.push(FieldProblem::invalid(format!("/{field}"), format!("{field} is from 1 to {to}")));
            None
        };
        row.max_uses = number("max_uses", self.max_uses, MOST_USES).unwrap_or(row.max_uses);
        row.uses_per_minute =
            number("uses_per_minute", self.uses_per_minute, MOST_A_MINUTE).unwrap_or(row.uses_per_minute);
        match self.brake {
            Patch::Keep => {}
            Patch::Clear => row.brake = None,
            Patch::Set(percent) => row.brake = number("brake", Some(percent), 100),
        }
        match self.expect {
            Patch::Keep => {}
            Patch::Clear => row.expect = None,
            Patch::Set(devices) => row.expect = number("expect", Some(devices), MOST_EXPECTED),
        }
        if let Some(platforms) = &self.platforms {
            row.platforms = Json(platforms.clone());
        }
        if let Some(networks) = &self.networks {
            row.networks = Json(networks_of(networks, wrong));
        }
        if let Some(level) = self.min_evidence {
            match Level::try_from(level) {
                Ok(level) => row.min_evidence = level,
                Err(_) => wrong.push(FieldProblem::invalid("/min_evidence", "an evidence level is from 0 to 5")),
            }
        }
        match self.initial_state {
            None => {}
            Some(state @ (DeviceState::Registered | DeviceState::Pending)) => row.initial_state = state,
            Some(_) => {
                wrong.push(FieldProblem::invalid("/initial_state", "initial_state is registered or pending"));
            }
        }
        row.known_users = self.known_users.unwrap_or(row.known_users);
        row.on_known_serial = self.on_known_serial.unwrap_or(row.on_known_serial);
        row.on_second_device = self.on_second_device.unwrap_or(row.on_second_device);
        if let Some(groups) = &self.jit_groups {
            row.jit_groups = Json(group_ids(tx, org, groups, wrong)?);
        }
        Ok(())
    }
}

fn networks_of(networks: &[String], wrong: &mut Vec<FieldProblem>) -> Vec<String> {
    if networks.len() > MOST_NETWORKS {
        wrong.push(FieldProblem::invalid("/networks", format!("at most {MOST_NETWORKS} networks")));
        return Vec::new();
    }
    let mut good = Vec::new();
    for (at, text) in networks.iter().enumerate() {
        match network(text) {
            Some(network) => good.push(network.to_string()),
            None => wrong.push(FieldProblem::invalid(
                format!("/networks/{at}"),
                format!("{text:?} is not a network, for instance 10.1.0.0/16 or 2001:db8::/32"),
            )),
        }
    }
    good
}

fn network(text: &str) -> Option<IpNet> {
    let text = text.trim();
    text.parse::<IpNet>().ok().or_else(|| text.parse::<std::net::IpAddr>().ok().map(IpNet::from)).map(|net| net.trunc())
}

fn group_ids<T: Tx + ?Sized>(
    tx: &mut T,
    org: &OrgId,
    groups: &[String],
    wrong: &mut Vec<FieldProblem>,
) -> Result<Vec<String>> {
    let names = GroupNames::read(tx, org)?;
    let mut ids = Vec::new();
    for (at, which) in groups.iter().enumerate() {
        match names.id(which) {
            Some(id) => match held_by_group(tx, org, id)?.roles.first() {
                None => ids.push(id.to_owned()),
                Some(role) => wrong.push(FieldProblem::invalid(
                    format!("/jit_groups/{at}"),
                    format!("the group {which} has the role {role}: whoever holds the token would have it"),
                )),
            },
            None => wrong.push(FieldProblem::invalid(
                format!("/jit_groups/{at}"),
                format!("there is no group {which}: latchkey group create {which}"),
            )),
        }
    }
    ids.sort();
    ids.dedup();
    Ok(ids)
}

/// In which fields `after` accepts more than `before`.
pub(crate) fn loosened(before: &DeviceToken, after: &DeviceToken) -> Vec<FieldProblem> {
    let mut looser = Vec::new();
    let mut field = |is: bool, name: &str| {
        if is {
            let detail =
                format!("{name} would let the token accept more than before; loosen=true (--loosen) allows it");
            looser.push(FieldProblem::invalid(format!("/{name}"), detail));
        }
    };
    field(after.domains.iter().any(|domain| !before.domains.contains(domain)), "domains");
    field(after.expires_at > before.expires_at, "expires_at");
    field(after.max_uses > before.max_uses, "max_uses");
    field(after.uses_per_minute > before.uses_per_minute, "uses_per_minute");
    let wider = !before.platforms.is_empty()
        && (after.platforms.is_empty() || after.platforms.iter().any(|platform| !before.platforms.contains(platform)));
    field(wider, "platforms");
    field(wider_networks(&before.networks, &after.networks), "networks");
    field(after.min_evidence < before.min_evidence, "min_evidence");
    field(
        before.initial_state == DeviceState::Pending && after.initial_state == DeviceState::Registered,
        "initial_state",
    );
    field(before.known_users == KnownUsers::Pending && after.known_users == KnownUsers::FirstDevice, "known_users");
    let lenient = |before: Leniency, after: Leniency| before == Leniency::Pending && after == Leniency::Allow;
    field(lenient(before.on_known_serial, after.on_known_serial), "on_known_serial");
    field(lenient(before.on_second_device, after.on_second_device), "on_second_device");
    field(after.jit_groups.iter().any(|group| !before.jit_groups.contains(group)), "jit_groups");
    field(before.brake.is_some_and(|was| after.brake.is_none_or(|is| is > was)), "brake");
    looser
}

fn wider_networks(before: &[String], after: &[String]) -> bool {
    if before.is_empty() {
        return false;
    }
    let read = |list: &[String]| list.iter().filter_map(|text| network(text)).collect::<Vec<_>>();
    let before = read(before);
    after.is_empty() || read(after).iter().any(|net| !before.iter().any(|wide| wide.contains(net)))
}

/// Refuses a change that accepts more, unless that is what was wanted.
pub(crate) fn must_not_loosen(before: &DeviceToken, after: &DeviceToken) -> Result<()> {
    let looser = loosened(before, after);
    if looser.is_empty() { Ok(()) } else { Err(Error::Invalid(looser)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_have_a_letter_a_digit_and_twelve_characters() {
        for bad in ["", "short1", "onlyletterslong", "123456789012"] {
            assert!(Password::new(bad.to_owned()).complaint().is_some(), "{bad:?}");
        }
        assert!(Password::new("correct horse 1".to_owned()).complaint().is_none());
        assert_eq!(format!("{:?}", Password::new("secret".to_owned())), "****");
    }

    #[test]
    fn a_network_within_one_of_before_is_not_wider() {
        let list = |nets: &[&str]| nets.iter().map(|net| (*net).to_owned()).collect::<Vec<_>>();
        let before = list(&["10.0.0.0/8"]);
        assert!(!wider_networks(&before, &list(&["10.1.0.0/16"])));
        assert!(wider_networks(&before, &list(&["11.0.0.0/8"])));
        assert!(wider_networks(&before, &[]));
        assert!(!wider_networks(&[], &before));
    }
}
