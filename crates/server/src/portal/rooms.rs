//! The rooms of the portals and the pages in each.
//!
//! Owns the navigation: one table, from which a person sees what the rights allow. A page that stands in no table is reached from another. Must not
//! know what pages show; a link that is not shown is no protection, the guard of the door is.

use latchkey_directory::access::Rights;
use latchkey_directory::values::Scope;

/// A link of the navigation, for one person on one page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    /// Below the organization.
    pub path: &'static str,
    /// The key of its text.
    pub key: &'static str,
    /// The name of its picture, a symbol of the frame.
    pub icon: &'static str,
    /// Whether this page is in it.
    pub is_here: bool,
}

/// A page of the navigation.
struct Entry {
    path: &'static str,
    key: &'static str,
    icon: &'static str,
    /// One of these opens it; none is everybody.
    rights: &'static [Scope],
}

const fn entry(path: &'static str, key: &'static str, icon: &'static str, rights: &'static [Scope]) -> Entry {
    Entry { path, key, icon, rights }
}

/// Rooms, each with its pages. The room's own path is its first page that a person may see.
const ROOMS: &[(&str, &str, &str, &[Entry])] = &[
    ("/", "common.landing", "app", &[]),
    ("/connector", "common.connector", "devices", CONNECTOR),
    ("/admin", "common.identity", "group", IDENTITY),
    ("/account", "common.account", "account", ACCOUNT),
];

const CONNECTOR: &[Entry] = &[
    entry("/connector", "overview.title", "dashboard", &[Scope::DevicesRead]),
    entry("/connector/tokens", "tokens.title", "key", &[Scope::TokensRead]),
    entry("/connector/deploy", "deploy.title", "deploy", &[Scope::TokensWrite]),
    entry("/connector/devices", "devices.title", "devices", &[Scope::DevicesRead]),
    entry("/connector/device-groups", "device_groups.title", "group", &[Scope::DevicesRead]),
    entry("/connector/cleanup-rules", "rules.title", "trash", &[Scope::DevicesRead]),
];

const IDENTITY: &[Entry] = &[
    entry("/admin", "dashboard.title", "dashboard", &[Scope::AuditRead]),
    entry("/admin/policy", "policy.title", "shield", &[Scope::PolicyRead]),
    entry("/admin/domains", "domains.title", "globe", &[Scope::DomainsRead]),
    entry("/admin/users", "users.title", "account", &[Scope::UsersRead]),
    entry("/admin/groups", "groups.title", "group", &[Scope::GroupsRead]),
    entry("/admin/roles", "roles.title", "role", &[Scope::RolesRead]),
    entry("/admin/services", "services.title", "app", &[Scope::ServicesRead]),
    entry("/admin/sign-in-methods", "methods.title", "passkey", &[Scope::PolicyRead]),
    entry("/admin/sessions", "sessions.title", "session", &[Scope::SessionsRead]),
    entry("/admin/keys", "keys.title", "key", &[Scope::KeysRead]),
    entry("/admin/api-clients", "clients.title", "terminal", &[Scope::ApiClientsRead]),
    entry("/admin/audit", "audit.title", "audit", &[Scope::AuditRead]),
    entry("/admin/branding", "branding.title", "edit", &[Scope::OrganizationRead]),
    entry("/admin/settings", "settings.title", "gear", &[Scope::OrganizationRead]),
];

const ACCOUNT: &[Entry] = &[
    entry("/account", "account.profile", "account", &[]),
    entry("/account/sign-in", "account.methods", "passkey", &[]),
    entry("/account/devices", "account.devices", "laptop", &[]),
    entry("/account/sessions", "account.sessions", "session", &[]),
];

/// Pages that stand in no table, each with the one that leads to it.
const REACHED: &[(&str, &str)] = &[
    ("/account/authenticators", "/account/sign-in"),
    ("/account/passkeys", "/account/sign-in"),
    ("/account/password", "/account/sign-in"),
    ("/account/recovery-codes", "/account/sign-in"),
];

fn opens(entry: &Entry, rights: &Rights) -> bool {
    entry.rights.is_empty() || entry.rights.iter().any(|right| rights.may(*right))
}

/// Whether `here` is this path or below it.
fn is_below(here: &str, path: &str) -> bool {
    here.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The rooms that somebody with these rights may enter.
#[must_use]
pub fn rooms(rights: &Rights, here: &str) -> Vec<Room> {
    let mut all = Vec::new();
    for (path, key, icon, pages) in ROOMS {
        let first = pages.iter().find(|entry| opens(entry, rights));
        let to = match first {
            Some(entry) => entry.path,
            None if *path == "/" => "/",
            None => continue,
        };
        let is_here = if *path == "/" { here == "/" || here.is_empty() } else { is_below(here, path) };
        all.push(Room { path: to, key, icon, is_here });
    }
    all
}

/// The pages of the room that `here` is in.
#[must_use]
pub fn pages(rights: &Rights, here: &str) -> Vec<Room> {
    let here = REACHED.iter().find(|(path, _)| is_below(here, path)).map_or(here, |(_, from)| *from);
    let room = ROOMS.iter().find(|(path, ..)| *path != "/" && is_below(here, path));
    let Some((_, _, _, entries)) = room else { return Vec::new() };
    let open: Vec<&Entry> = entries.iter().filter(|entry| opens(entry, rights)).collect();
    // The longest path that fits is the page itself.
    let nearest = open.iter().filter(|entry| is_below(here, entry.path)).map(|entry| entry.path.len()).max();
    open.iter()
        .map(|entry| Room {
            path: entry.path,
            key: entry.key,
            icon: entry.icon,
            is_here: is_below(here, entry.path) && Some(entry.path.len()) == nearest,
        })
        .collect()
}
