//! The closed lists of values, spelled alike on the wire, in flags and in the API.
//!
//! Owns the spellings. Must not know which change of state is allowed: that is the directory's.

/// A value that is not on its list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is not one of: {allowed}")]
pub struct NotOnList {
    /// What was given.
    pub found: String,
    /// What may be given, separated by spaces.
    pub allowed: String,
}

macro_rules! values {
    ($(#[$doc:meta])* pub enum $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant,)+ }

        impl $name {
            /// Every value, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The spelling used everywhere.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::state::NotOnList;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    _ => Err($crate::state::NotOnList {
                        found: text.to_owned(),
                        allowed: Self::ALL.iter().map(|v| v.as_str()).collect::<Vec<_>>().join(" "),
                    }),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                <String as serde::Deserialize>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use values;

values! {
    /// Where a device stands. Only *removed* and *quarantined* are final for its key.
    pub enum DeviceState {
        /// Enrolled, waits for an administrator.
        Pending = "pending",
        /// May act.
        Registered = "registered",
        /// Stopped for now by an administrator.
        Suspended = "suspended",
        /// Stopped because its state was copied or its serial number is in conflict, or by an administrator.
        Quarantined = "quarantined",
        /// Removed at its next contact.
        RemovalPending = "removal_pending",
        /// Removed; its key is dead.
        Removed = "removed",
        /// The user left.
        Unregistered = "unregistered",
        /// Unused for 90 days; may ask to come back.
        Retired = "retired",
    }
}

values! {
    /// Where a binding, "this user on this device", stands.
    pub enum BindingState {
        /// Waits for an administrator, or for the user on a registered device.
        Pending = "pending",
        /// Good for silent sign-in.
        Active = "active",
        /// Over; never comes back.
        Ended = "ended",
    }
}

values! {
    /// The operating system of a device.
    pub enum Platform {
        /// Windows.
        Windows = "windows",
        /// macOS.
        Macos = "macos",
        /// Linux.
        Linux = "linux",
        /// iOS and iPadOS.
        Ios = "ios",
        /// Android.
        Android = "android",
    }
}

values! {
    /// How a device key is kept.
    pub enum Protection {
        /// In a file only the system can read.
        Software = "software",
        /// In hardware, says the connector; nobody checked.
        Claimed = "claimed",
        /// In hardware, and the server verified its attestation.
        Attested = "attested",
    }
}

values! {
    /// By which way a silent proof reaches the server.
    pub enum Channel {
        /// The connector carries SAML itself, no browser.
        Agent = "agent",
        /// A browser extension with native messaging.
        Extension = "extension",
        /// A client certificate on the device host.
        Certificate = "certificate",
        /// The connector's loopback listener.
        Loopback = "loopback",
        /// A native application through the connector's socket.
        Broker = "broker",
    }
}

values! {
    /// Where a connector has a claimed user name from. Shown to the administrator; it raises no evidence level.
    pub enum ClaimSource {
        /// The operating system's own name of the account.
        Account = "account",
        /// Configuration that a management system owns.
        Managed = "managed",
        /// The install option `userName`, or the command line.
        Option = "option",
    }
}

values! {
    /// What a nonce is asked for; it is good for nothing else.
    pub enum Purpose {
        /// An enrollment.
        Enroll = "enroll",
        /// A renewal.
        Renew = "renew",
        /// A further user of an enrolled device.
        Bind = "bind",
        /// A heartbeat.
        Heartbeat = "heartbeat",
        /// The end of an enrollment, told by the device.
        Unenroll = "unenroll",
    }
}
