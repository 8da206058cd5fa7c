//! Which right a call needs, as a type.
//!
//! Owns one type for each scope of api.md, so that a handler cannot be written without naming its right. Must not know handlers.

pub use latchkey_directory::values::Scope as Right;

/// A right that a call needs.
pub trait Scope: Send + Sync + 'static {
    /// Which one.
    const RIGHT: Right;
}

macro_rules! scopes {
    ($($name:ident)+) => {$(
        #[doc = concat!("The right [`Right::", stringify!($name), "`].")]
        #[derive(Debug, Clone, Copy)]
        pub struct $name;

        impl Scope for $name {
            const RIGHT: Right = Right::$name;
        }
    )+};
}

scopes! {
    OrganizationRead OrganizationWrite DomainsRead DomainsWrite TokensRead TokensWrite PolicyRead PolicyWrite UsersRead UsersWrite
    GroupsRead GroupsWrite DevicesRead DevicesWrite CodesRead CodesWrite ServicesRead ServicesWrite SessionsRead SessionsWrite
    KeysRead KeysWrite ApiClientsRead ApiClientsWrite RolesRead RolesWrite AuditRead
}
