//! The roles that every organization has.
//!
//! Owns what each of them opens. They are constants, so that a role means the same everywhere and an update of the product can say what a
//! new module means for it. Must not know who has them.

use super::Rights;
use crate::values::{Access, Module};

/// A role that is there without a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuiltInRole {
    /// Its name, which is also its id.
    pub name: &'static str,
    /// What it is for.
    pub description: &'static str,
    /// What it opens for each module; [`None`] is everything.
    rights: Option<&'static [(Module, Access)]>,
}

impl BuiltInRole {
    /// What it opens.
    #[must_use]
    pub fn rights(&self) -> Rights {
        self.rights.map_or_else(Rights::full, |rights| rights.iter().copied().collect())
    }

    /// The built-in role of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        BUILT_IN.iter().find(|role| role.name == name)
    }
}

/// The name of the role that may do everything. An organization keeps at least one who has it.
pub const OWNER: &str = "owner";

/// The built-in roles, in the order of lists.
pub const BUILT_IN: &[BuiltInRole] = {
    use Access::{Full, View};
    use Module as M;
    &[
        BuiltInRole { name: OWNER, description: "May do everything in this organization.", rights: None },
        BuiltInRole {
            name: "identity-administrator",
            description: "Users, groups, domains, the device token policy, services and how people sign in.",
            rights: Some(&[
                (M::Organization, View),
                (M::Domains, Full),
                (M::Tokens, View),
                (M::Policy, Full),
                (M::Users, Full),
                (M::Groups, Full),
                (M::Devices, View),
                (M::Codes, Full),
                (M::Services, Full),
                (M::Sessions, Full),
                (M::Keys, Full),
                (M::ApiClients, Full),
                (M::Roles, View),
                (M::Audit, View),
            ]),
        },
        BuiltInRole {
            name: "help-desk",
            description: "Helps people to sign in: users, their devices, one-time codes and sessions.",
            rights: Some(&[
                (M::Organization, View),
                (M::Domains, View),
                (M::Policy, View),
                (M::Users, Full),
                (M::Groups, View),
                (M::Devices, Full),
                (M::Codes, Full),
                (M::Services, View),
                (M::Sessions, Full),
                (M::Audit, View),
            ]),
        },
        BuiltInRole {
            name: "device-administrator",
            description: "Device tokens, roll-outs and devices.",
            rights: Some(&[
                (M::Organization, View),
                (M::Domains, View),
                (M::Tokens, Full),
                (M::Policy, View),
                (M::Users, View),
                (M::Groups, View),
                (M::Devices, Full),
                (M::Codes, Full),
                (M::Sessions, View),
                (M::Audit, View),
            ]),
        },
        BuiltInRole {
            name: "auditor",
            description: "Sees everything and changes nothing.",
            rights: Some(&[
                (M::Organization, View),
                (M::Domains, View),
                (M::Tokens, View),
                (M::Policy, View),
                (M::Users, View),
                (M::Groups, View),
                (M::Devices, View),
                (M::Codes, View),
                (M::Services, View),
                (M::Sessions, View),
                (M::Keys, View),
                (M::ApiClients, View),
                (M::Roles, View),
                (M::Audit, View),
            ]),
        },
    ]
};
