//! Rights: how much of each module is open to somebody.
//!
//! Owns how rights meet the scopes of calls, how several roles add up, and the comparison behind "nobody gives away more than they have".
//! Must not know where rights come from.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::audit::{Actor, ActorKind};
use crate::values::{Access, Module, Scope};

impl Scope {
    /// What it is about.
    #[must_use]
    pub fn module(self) -> Module {
        let (noun, _) = self.as_str().split_once(':').expect("a scope is a noun and a verb");
        noun.parse().expect("every scope is about a module")
    }

    /// Whether it changes something.
    #[must_use]
    pub fn writes(self) -> bool {
        self.as_str().ends_with(":write")
    }
}

/// What is open to somebody, by module. A module that is not named is closed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Rights(BTreeMap<Module, Access>);

impl Rights {
    /// Nothing.
    #[must_use]
    pub const fn none() -> Self {
        Self(BTreeMap::new())
    }

    /// Everything.
    #[must_use]
    pub fn full() -> Self {
        Module::ALL.iter().map(|module| (*module, Access::Full)).collect()
    }

    /// What an API client with these scopes may do. Writing without reading is less than full access.
    #[must_use]
    pub fn of_scopes(scopes: &[Scope]) -> Self {
        let has = |module: Module, writes: bool| scopes.iter().any(|s| s.module() == module && s.writes() == writes);
        // Nobody writes the audit log: to read it is all there is.
        let access = |module: Module| match (has(module, false), has(module, true) || module == Module::Audit) {
            (true, true) => Access::Full,
            (true, false) => Access::View,
            (false, _) => Access::None,
        };
        Module::ALL.iter().map(|module| (*module, access(*module))).collect()
    }

    /// How much of a module is open.
    #[must_use]
    pub fn access(&self, module: Module) -> Access {
        self.0.get(&module).copied().unwrap_or(Access::None)
    }

    /// Whether a call that needs this scope is allowed. What is seen by it may have to be masked: see [`Rights::is_masked`].
    #[must_use]
    pub fn may(&self, scope: Scope) -> bool {
        self.access(scope.module()) >= if scope.writes() { Access::Full } else { Access::Restricted }
    }

    /// Whether what is seen of a module is masked: names of persons, addresses, serial numbers and host names.
    #[must_use]
    pub fn is_masked(&self, module: Module) -> bool {
        self.access(module) == Access::Restricted
    }

    /// Whether anything at all is open.
    #[must_use]
    pub fn is_administrator(&self) -> bool {
        !self.0.is_empty()
    }

    /// The scopes that these rights are as good as. Masked access is no scope: an API client would see more.
    #[must_use]
    pub fn scopes(&self) -> Vec<Scope> {
        let covers =
            |scope: &Scope| self.access(scope.module()) >= if scope.writes() { Access::Full } else { Access::View };
        Scope::ALL.iter().copied().filter(covers).collect()
    }

    /// Both; of a module that both open, the higher access.
    pub fn join(&mut self, other: &Self) {
        for (module, access) in &other.0 {
            let here = self.0.entry(*module).or_insert(Access::None);
            *here = (*here).max(*access);
        }
    }

    /// The first module of which these rights open more than `own` does, and how much.
    #[must_use]
    pub fn beyond(&self, own: &Self) -> Option<(Module, Access)> {
        self.0.iter().map(|(module, access)| (*module, *access)).find(|(module, access)| *access > own.access(*module))
    }

    /// Each module with its access, in the order of the documentation.
    pub fn iter(&self) -> impl Iterator<Item = (Module, Access)> {
        Module::ALL.iter().map(|module| (*module, self.access(*module)))
    }
}

impl FromIterator<(Module, Access)> for Rights {
    fn from_iter<I: IntoIterator<Item = (Module, Access)>>(rights: I) -> Self {
        Self(rights.into_iter().filter(|(_, access)| *access != Access::None).collect())
    }
}

impl From<Rights> for BTreeMap<Module, Access> {
    fn from(rights: Rights) -> Self {
        rights.0
    }
}

/// The rights that whoever changes something has to give away: nobody gives what they do not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MayGive {
    /// Everything: the operator, and the product itself.
    Everything,
    /// These: what a person's roles say.
    Only(Rights),
    /// What an API client may do with its scopes. They are kept as they are, since writing without reading has no place among [`Rights`].
    Scopes(Vec<Scope>),
}

impl MayGive {
    /// What an actor has by being what it is. Persons and API clients have what their roles and scopes say, which is not known here.
    #[must_use]
    pub fn of(actor: &Actor) -> Self {
        match actor.kind {
            ActorKind::Operator | ActorKind::System => Self::Everything,
            ActorKind::ApiClient | ActorKind::Device | ActorKind::User => Self::Only(Rights::none()),
        }
    }

    /// The first module of which `rights` open more than may be given.
    #[must_use]
    pub fn beyond(&self, rights: &Rights) -> Option<(Module, Access)> {
        match self {
            Self::Everything => None,
            Self::Only(own) => rights.beyond(own),
            Self::Scopes(scopes) => rights.beyond(&Rights::of_scopes(scopes)),
        }
    }

    /// Whether roles may be given at all. A client that cannot read them gives none: it has no rights of its own to compare with.
    #[must_use]
    pub fn gives_roles(&self) -> bool {
        match self {
            Self::Everything => true,
            Self::Only(own) => own.may(Scope::RolesWrite),
            Self::Scopes(scopes) => Rights::of_scopes(scopes).may(Scope::RolesWrite),
        }
    }

    /// Whether the members of groups may be changed at all.
    #[must_use]
    pub fn changes_groups(&self) -> bool {
        match self {
            Self::Everything => true,
            Self::Only(own) => own.may(Scope::GroupsWrite),
            Self::Scopes(scopes) => scopes.contains(&Scope::GroupsWrite),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rights(list: &[(Module, Access)]) -> Rights {
        list.iter().copied().collect()
    }

    #[test]
    fn every_scope_is_about_a_module_and_every_module_has_a_scope() {
        for scope in Scope::ALL {
            assert_eq!(scope.writes(), scope.as_str() == format!("{}:write", scope.module()));
        }
        for module in Module::ALL {
            assert!(Scope::ALL.iter().any(|scope| scope.module() == *module && !scope.writes()), "{module}");
        }
    }

    #[test]
    fn of_several_roles_the_highest_access_counts() {
        let mut both = rights(&[(Module::Users, Access::Restricted), (Module::Keys, Access::Full)]);
        both.join(&rights(&[(Module::Users, Access::View), (Module::Keys, Access::View)]));
        assert_eq!(both, rights(&[(Module::Users, Access::View), (Module::Keys, Access::Full)]));
    }

    #[test]
    fn restricted_access_sees_masked_and_is_worth_no_scope() {
        let seen = rights(&[(Module::Users, Access::Restricted)]);
        assert!(seen.may(Scope::UsersRead) && seen.is_masked(Module::Users) && seen.is_administrator());
        assert!(!seen.may(Scope::UsersWrite) && !seen.may(Scope::DevicesRead));
        assert_eq!(seen.scopes(), []);
        assert!(!rights(&[(Module::Users, Access::None)]).is_administrator());
    }

    #[test]
    fn scopes_and_rights_say_the_same() {
        assert_eq!(Rights::full().scopes(), Scope::ALL);
        assert_eq!(Rights::of_scopes(Scope::ALL), Rights::full());
        let writes_only = Rights::of_scopes(&[Scope::UsersWrite, Scope::DevicesRead]);
        assert_eq!(writes_only, rights(&[(Module::Devices, Access::View)]));
    }

    #[test]
    fn what_goes_beyond_ones_own_is_named() {
        let own = rights(&[(Module::Users, Access::View)]);
        assert_eq!(own.beyond(&own), None);
        assert_eq!(rights(&[(Module::Users, Access::Full)]).beyond(&own), Some((Module::Users, Access::Full)));
        assert_eq!(MayGive::Everything.beyond(&Rights::full()), None);
        assert!(!MayGive::Only(own).gives_roles());
    }

    #[test]
    fn a_client_that_writes_groups_without_reading_them_still_changes_their_members() {
        let writes = MayGive::Scopes(vec![Scope::GroupsWrite, Scope::RolesWrite]);
        assert!(writes.changes_groups() && !writes.gives_roles());
        assert!(writes.beyond(&rights(&[(Module::Groups, Access::View)])).is_some());
        assert!(!MayGive::Scopes(vec![Scope::UsersWrite, Scope::GroupsRead]).changes_groups());
        assert!(!MayGive::Only(rights(&[(Module::Groups, Access::View)])).changes_groups());
        assert!(MayGive::Only(rights(&[(Module::Groups, Access::Full)])).changes_groups());
    }
}
