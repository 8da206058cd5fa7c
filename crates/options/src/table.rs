//! The table itself: every option we have, once.
//!
//! This file is data. `docs/options.md`, the JSON schema, the flags of the command line and the checks come from it.

use crate::spec::{Kind, Platform, Relation, Spec};
use OptionName as O;
use Platform::{Android, Ios, Linux, Macos, Windows};

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// One of our options. The variant is the canonical spelling in camel case.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(missing_docs)] // the table below is the documentation of each
        pub enum OptionName { $($name,)* }

        impl OptionName {
            /// All options, in the order of the table.
            pub const ALL: &'static [OptionName] = &[$(OptionName::$name,)*];
        }
    };
}

names! {
    CloudName, UserDomain, DeviceToken, DeviceTokenFile, UserName, UserClaim, UserClaimFile, CloudKey, CaFile, OsAccount,
    AllowSystemAccounts, ExternalDeviceId, AutoEnroll, PolicyToken, ExternalRedirect, HideAppUiOnLaunch, LaunchTray, KeyStore,
    BrowserIntegration, EnableFips, EnableAntiTampering, UninstallPassword, Vdi, ConfigTimeout, Ownership, ProxyUrl, Mode,
    UnattendedModeUi, InstallerLanguage,
}

impl OptionName {
    /// The row of the table.
    #[must_use]
    pub fn spec(self) -> &'static Spec {
        // `TABLE` is checked to be in the order of the enum by a test, so this is a plain index.
        &TABLE[self as usize]
    }

    /// The canonical spelling.
    #[must_use]
    pub fn spelled(self) -> &'static str {
        self.spec().spelled
    }
}

const EVERYWHERE: &[Platform] = Platform::ALL;
const DESKTOP: &[Platform] = &[Windows, Macos, Linux];
const LATER_UI: &str = "there is no window or tray yet";
const LATER_BROWSER: &str = "browser sign-in is not built yet";

const BASE: Spec = Spec {
    name: O::CloudName,
    spelled: "",
    aliases: &[],
    kind: Kind::Flag,
    default: "",
    meaning: "",
    platforms: EVERYWHERE,
    since: "0.1",
    secret: false,
    relations: &[],
    not_built: None,
};

/// Every option, in the order of [`OptionName`].
pub const TABLE: &[Spec] = &[
    Spec {
        name: O::CloudName,
        spelled: "cloudName",
        kind: Kind::Host,
        meaning: "Which Latchkey deployment: its host name, with a port where needed.",
        relations: &[Relation::RequiredToEnroll],
        ..BASE
    },
    Spec {
        name: O::UserDomain,
        spelled: "userDomain",
        kind: Kind::Domain,
        meaning: "The part of the login name after `@`; selects the organization.",
        relations: &[Relation::RequiredToEnroll],
        ..BASE
    },
    Spec {
        name: O::DeviceToken,
        spelled: "deviceToken",
        kind: Kind::Token,
        meaning: "The bootstrap credential. It signs the enrollment and is never sent.",
        secret: true,
        relations: &[
            Relation::NeedsOneOf(&[O::CloudName]),
            Relation::NeedsOneOf(&[O::UserDomain]),
            Relation::InsteadOf(O::DeviceTokenFile),
        ],
        ..BASE
    },
    Spec {
        name: O::DeviceTokenFile,
        spelled: "deviceTokenFile",
        kind: Kind::Path,
        meaning: "Read the device token from this file, which only root can read.",
        platforms: DESKTOP,
        relations: &[Relation::NeedsOneOf(&[O::CloudName]), Relation::NeedsOneOf(&[O::UserDomain])],
        ..BASE
    },
    Spec {
        name: O::UserName,
        spelled: "userName",
        aliases: &["uname"],
        kind: Kind::LocalPart,
        meaning: "Who the user is, when the operating system does not say: the part before `@`, usually an MDM variable.",
        relations: &[Relation::NeedsOneOf(&[O::UserDomain])],
        ..BASE
    },
    Spec {
        name: O::UserClaim,
        spelled: "userClaim",
        kind: Kind::Token,
        meaning: "A one-time code that proves the user (evidence level 3).",
        secret: true,
        relations: &[
            Relation::NeedsOneOf(&[O::DeviceToken, O::DeviceTokenFile]),
            Relation::InsteadOf(O::UserClaimFile),
        ],
        ..BASE
    },
    Spec {
        name: O::UserClaimFile,
        spelled: "userClaimFile",
        kind: Kind::Path,
        meaning: "Read the one-time code from this file.",
        platforms: DESKTOP,
        relations: &[Relation::NeedsOneOf(&[O::DeviceToken, O::DeviceTokenFile])],
        ..BASE
    },
    Spec {
        name: O::CloudKey,
        spelled: "cloudKey",
        kind: Kind::Pin,
        meaning: "Names the cloud's root key; needed only where there is no token. Must agree with the token's pin.",
        ..BASE
    },
    Spec {
        name: O::CaFile,
        spelled: "caFile",
        kind: Kind::PathOrPem,
        meaning: "An extra trust anchor for TLS: a PEM file, or its text.",
        platforms: DESKTOP,
        ..BASE
    },
    Spec {
        name: O::OsAccount,
        spelled: "osAccount",
        kind: Kind::Account,
        meaning: "The account of the operating system that `userName` speaks for. Needed on Linux without systemd-logind, unless there is exactly one regular account, or none and root is let in by `allowSystemAccounts`.",
        platforms: DESKTOP,
        relations: &[Relation::NeedsOneOf(&[O::UserName])],
        ..BASE
    },
    Spec {
        name: O::AllowSystemAccounts,
        spelled: "allowSystemAccounts",
        default: "0",
        meaning: "Let root or a service account be a user (containers, demonstrations).",
        platforms: DESKTOP,
        ..BASE
    },
    Spec {
        name: O::ExternalDeviceId,
        spelled: "externalDeviceId",
        kind: Kind::Text(255),
        meaning: "The MDM's own id for the device.",
        ..BASE
    },
    Spec {
        name: O::AutoEnroll,
        spelled: "autoEnroll",
        aliases: &["autoenrollwithmdm", "authbytunnel"],
        kind: Kind::Choice(&["0", "1", "2"]),
        default: "1 when a token is given, else 0",
        meaning: "Enroll without a person: 0 never, 1 always, 2 once. A removed device stays removed.",
        relations: &[
            Relation::NeedsWhen(&["1", "2"], &[O::DeviceToken, O::DeviceTokenFile]),
            Relation::NeedsWhen(&["1", "2"], &[O::UserDomain]),
            Relation::NeedsWhen(&["1", "2"], &[O::CloudName]),
        ],
        ..BASE
    },
    Spec {
        name: O::PolicyToken,
        spelled: "policyToken",
        kind: Kind::Text(4096),
        meaning: "The reference product's profile before the first sign-in.",
        not_built: Some("it selects a tunnel profile of the reference product, and Latchkey has no tunnel"),
        ..BASE
    },
    Spec {
        name: O::ExternalRedirect,
        spelled: "externalRedirect",
        default: "1",
        meaning: "Interactive sign-in opens the default browser.",
        platforms: DESKTOP,
        not_built: Some(LATER_BROWSER),
        ..BASE
    },
    Spec {
        name: O::HideAppUiOnLaunch,
        spelled: "hideAppUIOnLaunch",
        default: "0",
        meaning: "No window at the first start.",
        platforms: DESKTOP,
        not_built: Some(LATER_UI),
        ..BASE
    },
    Spec {
        name: O::LaunchTray,
        spelled: "launchTray",
        default: "1",
        meaning: "Start after installation.",
        platforms: &[Windows, Macos],
        not_built: Some(LATER_UI),
        ..BASE
    },
    Spec {
        name: O::KeyStore,
        spelled: "keyStore",
        kind: Kind::Choice(&["auto", "hardware", "software"]),
        default: "auto",
        meaning: "Where keys live. `hardware` refuses to enroll without a TPM, Secure Enclave or CNG platform key.",
        ..BASE
    },
    Spec {
        name: O::BrowserIntegration,
        spelled: "browserIntegration",
        kind: Kind::ChoiceList(&["chrome", "edge", "chromium", "firefox", "none"]),
        default: "all found",
        meaning: "For which browsers to register the native-messaging host and the extension policy.",
        platforms: DESKTOP,
        not_built: Some(LATER_BROWSER),
        ..BASE
    },
    Spec {
        name: O::EnableFips,
        spelled: "enableFips",
        default: "0",
        meaning: "FIPS-validated cryptography only; needs a build with that feature.",
        ..BASE
    },
    Spec {
        name: O::EnableAntiTampering,
        spelled: "enableAntiTampering",
        default: "0",
        meaning: "The service restarts itself and its files are locked down to the administrator.",
        platforms: &[Windows],
        ..BASE
    },
    Spec {
        name: O::UninstallPassword,
        spelled: "uninstallPassword",
        kind: Kind::Text(255),
        meaning: "Asked for at removal.",
        platforms: &[Windows, Macos],
        secret: true,
        ..BASE
    },
    Spec {
        name: O::Vdi,
        spelled: "vdi",
        default: "0",
        meaning: "Keep state in the user's roaming profile.",
        platforms: &[Windows],
        ..BASE
    },
    Spec {
        name: O::ConfigTimeout,
        spelled: "configTimeout",
        kind: Kind::Seconds,
        default: "0",
        meaning: "Wait this many seconds for roamed or managed state before giving up.",
        not_built: Some("the service looks at its options again by itself"),
        ..BASE
    },
    Spec {
        name: O::Ownership,
        spelled: "ownership",
        kind: Kind::Alphanumeric(32),
        meaning: "Corporate, personal, …, for policy.",
        ..BASE
    },
    Spec {
        name: O::ProxyUrl,
        spelled: "proxyUrl",
        kind: Kind::Url,
        meaning: "HTTP proxy to the cloud. A name and password in it are used by the service only; other accounts get the address.",
        platforms: DESKTOP,
        ..BASE
    },
    Spec {
        name: O::Mode,
        spelled: "mode",
        kind: Kind::Choice(&["unattended", "win32", "text"]),
        default: "win32",
        meaning: "Silent installation (EXE installer only).",
        platforms: &[Windows],
        ..BASE
    },
    Spec {
        name: O::UnattendedModeUi,
        spelled: "unattendedmodeui",
        kind: Kind::Choice(&["none", "minimal", "minimalWithDialogs"]),
        default: "none",
        meaning: "What a silent installation shows (EXE installer only).",
        platforms: &[Windows],
        ..BASE
    },
    Spec {
        name: O::InstallerLanguage,
        spelled: "installer-language",
        kind: Kind::Choice(&["en", "fr"]),
        default: "en",
        meaning: "The installer's language (EXE installer only).",
        platforms: &[Windows],
        ..BASE
    },
];

// Named so that a platform list in the table that stops using one of them is noticed by the compiler.
const _: [Platform; 5] = [Android, Ios, Linux, Macos, Windows];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::normalize;
    use std::collections::BTreeSet;

    #[test]
    fn the_table_is_in_the_order_of_the_names() {
        assert_eq!(TABLE.len(), OptionName::ALL.len());
        for (name, spec) in OptionName::ALL.iter().zip(TABLE) {
            assert_eq!(*name, spec.name);
        }
    }

    #[test]
    fn no_spelling_means_two_options() {
        let mut seen = BTreeSet::new();
        for spec in TABLE {
            assert!(seen.insert(normalize(spec.spelled)), "{}", spec.spelled);
            for alias in spec.aliases {
                assert_eq!(*alias, normalize(alias), "aliases stand in normal form");
                assert!(seen.insert((*alias).to_owned()), "{alias}");
            }
        }
        for foreign in crate::FOREIGN {
            let spellings: BTreeSet<String> = foreign.spellings.iter().map(|s| normalize(s)).collect();
            for spelling in spellings {
                assert!(seen.insert(spelling.clone()), "{spelling}");
            }
        }
    }
}
