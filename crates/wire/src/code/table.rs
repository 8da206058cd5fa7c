//! The table of codes. Add a row in its area; nothing else needs to change. A code is never reused and never changes its meaning.

use super::{Retry, UnknownCode};

macro_rules! codes {
    ($($variant:ident $text:literal $retry:ident $exit:literal
        $title:literal; fix $fix:literal; person $person:literal;)+) => {
        /// A stable code. The variant is the code without `LK-`: `LK-ENROLL-012` is `Code::Enroll012`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Code { $(#[doc = $title] $variant,)+ }

        impl Code {
            /// Every code, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The code as it is written everywhere.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// What a connector does next.
            #[must_use]
            pub const fn retry(self) -> Retry {
                match self { $(Self::$variant => codes!(@retry $retry),)+ }
            }

            /// The exit status of a program that ends with this code (cli.md, "Codes to exits").
            #[must_use]
            pub const fn exit_status(self) -> u8 {
                match self { $(Self::$variant => $exit,)+ }
            }

            /// What is wrong, for an administrator.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)+ }
            }

            /// What the administrator does about it.
            #[must_use]
            pub const fn fix(self) -> &'static str {
                match self { $(Self::$variant => $fix,)+ }
            }

            /// The sentence for the person in front of the device.
            #[must_use]
            pub const fn person(self) -> &'static str {
                match self { $(Self::$variant => $person,)+ }
            }
        }

        impl std::str::FromStr for Code {
            type Err = UnknownCode;

            fn from_str(text: &str) -> Result<Self, UnknownCode> {
                match text { $($text => Ok(Self::$variant),)+ _ => Err(UnknownCode) }
            }
        }
    };
    (@retry N) => { Retry::Never };
    (@retry B) => { Retry::BackOff };
    (@retry R) => { Retry::RenewFirst };
    (@retry C) => { Retry::NewNonce };
}

codes! {
    // The cloud and its document
    Cloud001 "LK-CLOUD-001" N 4 "This domain is not registered at this cloud.";
        fix "Check userDomain and cloudName. On the server: latchkey domain add NAME, then latchkey domain verify NAME.";
        person "This device was set up for a domain that its sign-in server does not know. Ask your IT department.";
    Cloud002 "LK-CLOUD-002" N 6 "The cloud's root key is not the pinned one: another server answers under this name, or the token is from another cloud.";
        fix "Compare the cloud key that `latchkey check` prints (line keys) with the pin that the device has: the token's, or the option cloudKey. If something intercepts TLS, exempt this host; if the cloud was set up anew, use a new token.";
        person "This device does not trust the server it reached. Nothing was sent. Ask your IT department.";
    Cloud003 "LK-CLOUD-003" B 6 "The cloud document is older than the one this device knows, or too old to be the first.";
        fix "A cache or an old node answers. Check proxies in front of /.well-known/latchkey and the clock of every node.";
        person "The server's answer is out of date. The device tries again by itself.";
    Cloud503 "LK-CLOUD-503" B 7 "The server is not ready.";
        fix "See /readyz and `latchkey check` on the server.";
        person "The sign-in server is starting or busy. Try again in a moment.";
    Host001 "LK-HOST-001" N 6 "This cloud has another name.";
        fix "Give the name that the message says: a device as cloudName, a person in the address. If the one used is right: latchkey serve --cloud-name NAME.";
        person "This device was set up with a wrong address of the sign-in server. Ask your IT department.";
    Node001 "LK-NODE-001" B 7 "This node is cut off from its store and grants nothing.";
        fix "Restore the node's connection to its database, or free space on its disk; `latchkey check` names what is wrong.";
        person "The sign-in server cannot work at the moment. Try again in a few minutes.";

    // Tokens and codes as text: found on the device, before anything is sent
    Token001 "LK-TOKEN-001" N 2 "The device token is a placeholder that nobody filled in.";
        fix "Put the token itself where the placeholder stands; a variable of the management system was not replaced.";
        person "This device was set up with an incomplete configuration. Ask your IT department.";
    Token002 "LK-TOKEN-002" N 2 "The device token has a typing error: its check sum is wrong.";
        fix "Copy the token again, whole, from where it was created.";
        person "This device was set up with a mistyped token. Ask your IT department.";
    Token003 "LK-TOKEN-003" N 2 "The device token is cut off.";
        fix "Copy the token again: it has 104 characters. Some tools cut long values.";
        person "This device was set up with an incomplete token. Ask your IT department.";
    Token004 "LK-TOKEN-004" N 2 "This is another kind or version of credential.";
        fix "deviceToken begins with lkdt1_, userClaim with lkuc1_. A newer version needs a newer connector.";
        person "This device was set up with the wrong kind of token. Ask your IT department.";

    // Enrollment
    Enroll010 "LK-ENROLL-010" N 4 "Token or signature not accepted.";
        fix "Check that the token is of this cloud and organization: latchkey token identify FILE. The server's log has the reason under this reference.";
        person "This device could not be registered. Ask your IT department.";
    Enroll011 "LK-ENROLL-011" B 4 "The device token has expired.";
        fix "latchkey token set ID --expires 14d --loosen, or create a new one.";
        person "This device could not be registered yet: its token has expired. Ask your IT department.";
    Enroll012 "LK-ENROLL-012" B 4 "The device token has no uses left.";
        fix "latchkey token set ID --max-uses N --loosen, or create a new one.";
        person "This device could not be registered yet: its token is used up. Ask your IT department.";
    Enroll013 "LK-ENROLL-013" B 4 "The device token is disabled.";
        fix "latchkey token enable ID; `latchkey token show ID` says who disabled it and why.";
        person "This device could not be registered yet. Ask your IT department.";
    Enroll014 "LK-ENROLL-014" N 4 "The device token was revoked.";
        fix "Create a new token and roll it out; a revoked one never comes back.";
        person "This device could not be registered: its token is no longer valid. Ask your IT department.";
    Enroll015 "LK-ENROLL-015" N 4 "The device token does not cover this domain.";
        fix "Use a token for this domain, or latchkey token set ID --domain NAME --loosen.";
        person "This device could not be registered for this domain. Ask your IT department.";
    Enroll016 "LK-ENROLL-016" N 4 "The device token does not cover this platform.";
        fix "Use a token for this platform, or latchkey token set ID --platform P --loosen.";
        person "This kind of device is not allowed here. Ask your IT department.";
    Enroll017 "LK-ENROLL-017" B 4 "The device token may not be used from this network.";
        fix "Enroll from an allowed network, or latchkey token set ID --network CIDR --loosen.";
        person "This device can only be registered from your organization's network.";
    Enroll018 "LK-ENROLL-018" B 7 "Too many enrollments with this token this minute.";
        fix "Nothing to do: the device tries again. Raise it with latchkey token set ID --uses-per-minute N --loosen.";
        person "Many devices are being registered right now. This one tries again by itself.";
    Enroll020 "LK-ENROLL-020" B 4 "The device token policy is off.";
        fix "latchkey policy set --enabled";
        person "Registration of devices is switched off at the moment. Ask your IT department.";
    Enroll021 "LK-ENROLL-021" B 4 "The domain is not on the device token policy's list.";
        fix "latchkey policy set --domain NAME (the whole list), or --all-domains.";
        person "Registration of devices is switched off for your domain. Ask your IT department.";
    Enroll022 "LK-ENROLL-022" B 4 "The user is not known and just-in-time creation is off.";
        fix "latchkey user create LOGIN, or latchkey policy set --jit.";
        person "You have no account here yet. Ask your IT department.";
    Enroll023 "LK-ENROLL-023" N 4 "The user is disabled or deleted.";
        fix "latchkey user enable LOGIN, if that is intended.";
        person "Your account is disabled. Ask your IT department.";
    Enroll024 "LK-ENROLL-024" N 4 "A protected user needs evidence level 3 or more.";
        fix "Give a one-time code: latchkey code create --user LOGIN, as option userClaim.";
        person "Your account needs stronger proof than this device has. Ask your IT department for a one-time code.";
    Enroll025 "LK-ENROLL-025" N 2 "The user name is reserved or malformed.";
        fix "Check userName and the variable it comes from. A reserved name must be created by hand: latchkey user create LOGIN.";
        person "This device was set up with a user name that cannot be used. Ask your IT department.";
    Enroll026 "LK-ENROLL-026" N 4 "The evidence for the user is below the token's minimum.";
        fix "Give a one-time code or MDM certificate, or latchkey token set ID --min-evidence N --loosen.";
        person "This device cannot prove well enough who you are. Ask your IT department.";
    Enroll027 "LK-ENROLL-027" N 4 "The one-time code does not hold: used before, expired, or for another user or machine.";
        fix "Make another: latchkey code create --user LOGIN; with --serial only if it is for that one machine.";
        person "The one-time code on this device cannot be used any more, or is not yours. Ask your IT department for another.";
    Enroll030 "LK-ENROLL-030" B 11 "The device waits for approval: its serial number is known already.";
        fix "latchkey device approve X, if this is the same machine installed anew; remove the old one.";
        person "This device waits for approval by your IT department.";
    Enroll031 "LK-ENROLL-031" N 12 "This device key is enrolled already in another state: the connector's state was copied or restored.";
        fix "Wipe the connector's state on this device (latchkey-connector unenroll --local) and enroll again.";
        person "This device looks like a copy of another one. Ask your IT department.";
    Enroll032 "LK-ENROLL-032" B 11 "The device is registered; the user on it waits for approval because the user has another device.";
        fix "latchkey binding approve ID, or the user confirms on a registered device.";
        person "Your use of this device waits for approval by your IT department, or by you on your other device.";
    Enroll033 "LK-ENROLL-033" B 4 "This user has the most devices allowed: 16 registered or 3 pending.";
        fix "Remove one: latchkey device list --user LOGIN. Or latchkey org set --devices-per-user N.";
        person "You have too many devices. Ask your IT department to remove one you no longer use.";

    // Nonces
    Nonce001 "LK-NONCE-001" C 4 "The nonce is expired, used, or of another purpose, key, id or incarnation.";
        fix "Nothing to do: the connector takes a new one. If it stays, compare the clocks of the nodes.";
        person "The device tries again by itself.";

    // Binding
    Bind018 "LK-BIND-018" B 4 "Too many users were bound to this device this hour.";
        fix "Wait an hour, or put a shared machine into a device group for shared machines.";
        person "Too many people were added to this device. Try again in an hour.";

    // Renewal
    Renew020 "LK-RENEW-020" B 4 "The device's domain is off the device token policy.";
        fix "latchkey policy set --domain NAME (the whole list); devices heal by themselves.";
        person "Silent sign-in is switched off for your domain. Ask your IT department.";
    Renew021 "LK-RENEW-021" B 4 "The user is disabled.";
        fix "latchkey user enable LOGIN, if that is intended.";
        person "Your account is disabled. Ask your IT department.";
    Renew022 "LK-RENEW-022" B 4 "The device is suspended.";
        fix "latchkey device resume X";
        person "This device is suspended. Ask your IT department.";
    Renew023 "LK-RENEW-023" N 4 "Epoch fork: the connector's state was copied, or a snapshot was put back. The device is quarantined.";
        fix "Find out which machine is the copy; both addresses are in the audit log. Then latchkey device release X and enroll it anew.";
        person "This device was locked because a copy of it appeared. Ask your IT department.";
    Renew024 "LK-RENEW-024" B 7 "Renewed less than five minutes ago.";
        fix "Nothing to do: the connector waits.";
        person "The device tries again by itself.";
    Renew025 "LK-RENEW-025" B 4 "The device is at an epoch that this server does not know.";
        fix "The server was restored from a backup: latchkey restore --confirm --replay FILE, or remove and enroll the device.";
        person "The server does not recognize this device's state. Ask your IT department.";

    // Silent sign-in
    Proof010 "LK-PROOF-010" C 4 "The challenge is expired or was used.";
        fix "Nothing to do: a new sign-in works.";
        person "This took too long. Try again.";
    Proof011 "LK-PROOF-011" N 4 "The cookie is not the one the challenge was made for.";
        fix "Check that nothing between browser and server removes cookies.";
        person "This sign-in began in another browser. Start again from the page you wanted.";
    Proof012 "LK-PROOF-012" N 4 "The origin is not this cloud's.";
        fix "Check the cloud's public addresses and proxies; if they are right, somebody tried to relay a sign-in.";
        person "This sign-in did not come from your sign-in server and was stopped.";
    Proof013 "LK-PROOF-013" N 4 "The proof is for another channel.";
        fix "Update the connector and the browser extension.";
        person "This sign-in could not be finished this way. Start again from the page you wanted.";
    Proof014 "LK-PROOF-014" N 13 "The evidence level is below what the service asks for, or a person must confirm.";
        fix "Raise the user's evidence (latchkey code create --user LOGIN) or lower the service's minimum.";
        person "This service needs stronger proof that it is you.";
    Proof020 "LK-PROOF-020" B 4 "The user, the service or the policy does not allow this sign-in.";
        fix "The reason under the reference says which: user: latchkey user enable LOGIN; service: latchkey service set NAME --entitle user:LOGIN; policy: latchkey policy set --enabled, or --domain NAME (the whole list); after a restore: latchkey restore --confirm.";
        person "You may not use this service at the moment. Ask your IT department.";
    Proof021 "LK-PROOF-021" R 4 "The epoch is old: the device has to renew first.";
        fix "Nothing to do: the connector renews and tries once more.";
        person "The device tries again by itself.";
    Proof022 "LK-PROOF-022" B 12 "The device or the binding is not in a state to sign in.";
        fix "latchkey device show X says the state and who set it.";
        person "This device is locked or not approved. Ask your IT department.";

    // Devices
    Device404 "LK-DEVICE-404" B 7 "The server does not know this device.";
        fix "If the server was restored, finish with latchkey restore --confirm; otherwise enroll the device anew.";
        person "The server does not recognize this device. It tries again by itself.";
    Device410 "LK-DEVICE-410" N 12 "The device was removed.";
        fix "To use it again, enroll it anew on the device: latchkey-connector enroll.";
        person "This device was removed from your organization. Ask your IT department.";

    // On the device itself
    Conn010 "LK-CONN-010" B 6 "The cloud's name does not resolve.";
        fix "Check cloudName and the device's DNS.";
        person "The sign-in server cannot be found. Check your network connection.";
    Conn011 "LK-CONN-011" B 6 "No trusted TLS connection to the cloud.";
        fix "latchkey-connector doctor shows the certificate seen. Trust its CA, give caFile, or exempt the host from TLS inspection.";
        person "The connection to the sign-in server is not secure. Ask your IT department.";
    Conn012 "LK-CONN-012" B 6 "This device's clock is wrong.";
        fix "Set the clock; check time synchronization.";
        person "The clock of this device is wrong. Set it and try again.";
    Conn013 "LK-CONN-013" B 6 "The proxy refuses or alters the connection.";
        fix "Check proxyUrl and the proxy's rules for the cloud's host.";
        person "A proxy blocks the way to the sign-in server. Ask your IT department.";
    Conn014 "LK-CONN-014" N 12 "The connector's state was copied from another machine.";
        fix "Prepare images with latchkey-connector prepare-image. Here: latchkey-connector unenroll --local, then enroll.";
        person "This device was cloned from another one. Ask your IT department.";
    Conn015 "LK-CONN-015" N 4 "This connector is older than the cloud's minimum.";
        fix "Install a newer connector. Devices already enrolled go on working.";
        person "The Latchkey connector on this device is too old. Ask your IT department.";

    // The management interface (api.md)
    Api001 "LK-API-001" N 2 "The request was not understood.";
        fix "See the `errors` of the answer.";
        person "The request was not understood.";
    Api003 "LK-API-003" N 2 "Unknown parameter or field.";
        fix "See the `errors` of the answer; the nearest known name stands there.";
        person "The request has a field that does not exist.";
    Api010 "LK-API-010" N 2 "Understood, but a value is not valid.";
        fix "See the `errors` of the answer; each names its field.";
        person "A value is not valid.";
    Api011 "LK-API-011" N 5 "Done before; the secret of that answer is shown only once.";
        fix "Delete or rotate the resource named in the answer and create it again.";
        person "This was done before; its secret is shown only once.";
}
