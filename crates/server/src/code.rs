//! Codes that only the server program and its command line use; those a connector can meet are `latchkey-wire`'s.
//!
//! Owns the second part of the product's list of codes, and [`Code`], which joins all parts: the protocol's, the connector's own, the
//! options', the SAML library's. Must not know HTTP: the status of each is chosen in [`crate::problem::status`].

use latchkey_options::OptionCode;
use latchkey_saml::request::{CODES, CodeEntry};
use latchkey_wire::code::{OnDevice, UnknownCode};

latchkey_wire::code_list! {
    /// A code of the server's own. The variant is the code without `LK-`.
    pub enum Own;

    // REST: the request and what it names
    Api002 "LK-API-002" 2 "The body is not of a content type this call takes.";
        fix "Send application/json, or what the reference names for this call.";
    Api004 "LK-API-004" 3 "No such thing here.";
        fix "Check the name or id; the list command of the same noun shows what there is.";
    Api005 "LK-API-005" 2 "This path does not take that method.";
        fix "See /api/v1/openapi.json for the calls of this path.";
    Api006 "LK-API-006" 2 "The request is too large.";
        fix "Send less at once; JSON bodies are at most 1 MiB.";
    Api007 "LK-API-007" 5 "It exists already.";
        fix "Use the existing one, or another name; --if-missing makes this no error.";
    Api008 "LK-API-008" 5 "Its state forbids this.";
        fix "See its state with `show`.";
    Api009 "LK-API-009" 5 "It was changed in the meantime.";
        fix "Read it again and repeat the change with the new ETag in If-Match.";
    Api012 "LK-API-012" 2 "This change needs an If-Match header.";
        fix "Read the resource and send its ETag in If-Match.";
    Api013 "LK-API-013" 5 "This Idempotency-Key was used with another body.";
        fix "Use a new key for a new request.";
    Api014 "LK-API-014" 7 "Too many requests.";
        fix "Wait as long as Retry-After says.";
    Api500 "LK-API-500" 1 "The server failed.";
        fix "The server's log has the reason under this reference.";

    // Who asks
    Auth001 "LK-AUTH-001" 4 "Not signed in.";
        fix "Give the credentials of an API client (LATCHKEY_CLIENT_ID, LATCHKEY_CLIENT_SECRET_FILE), or ask over the operator's socket.";
    Auth002 "LK-AUTH-002" 4 "Known, but not allowed.";
        fix "Give the API client the scope or the person the role that this needs.";
    Auth003 "LK-AUTH-003" 4 "The client's credentials are not accepted.";
        fix "Check client id and secret; `latchkey api-client rotate NAME` makes a new secret.";
    Auth004 "LK-AUTH-004" 4 "Only the operator may do this, over the server's own socket.";
        fix "Run the command on the server as root or as the server's own user.";
    Auth005 "LK-AUTH-005" 4 "The form was not sent from one of this server's own pages, or from a page of an earlier session.";
        fix "Open the page again and send the form from there. Nothing was changed.";
    Auth006 "LK-AUTH-006" 4 "This needs a confirmation that it is really you, and the last one is too long ago.";
        fix "Open the page again: it asks you to confirm, and then lets you go on. Nothing was changed.";

    // Sign-in
    Signin001 "LK-SIGNIN-001" 2 "The service's request says more than a sign-in can carry: a very long RelayState, mostly.";
        fix "Shorten RelayState in the service's settings; with its other members the request must fit 3 KiB.";

    // Domains
    Domain001 "LK-DOMAIN-001" 5 "The domain's servers say that the record is not there.";
        fix "Set the TXT record that `latchkey domain show NAME` names, then: latchkey domain verify NAME --wait 10m.";
    Domain002 "LK-DOMAIN-002" 7 "No server in charge of the domain gave an answer; that says nothing about the record.";
        fix "Check the domain's delegation and that this server may send DNS questions, or name a server with --dns-server.";
    Domain003 "LK-DOMAIN-003" 4 "Nobody can verify this name by DNS: it is never public.";
        fix "On the server itself: latchkey domain verify NAME --operator-word REASON; or serve with --dns-server.";

    // Fetching what somebody named by its address
    Fetch001 "LK-FETCH-001" 2 "The address is not one that is fetched.";
        fix "Give an https address without user name and password.";
    Fetch002 "LK-FETCH-002" 4 "The address leads to a network that is not fetched from.";
        fix "Serve it from a public address, give the file itself, or fetch it by the command line on the server.";
    Fetch003 "LK-FETCH-003" 7 "The address cannot be reached.";
        fix "Check the name and that the server may connect there.";
    Fetch004 "LK-FETCH-004" 6 "The certificate at this address is not trusted, or TLS failed.";
        fix "Mend the certificate there, or give the file itself.";
    Fetch005 "LK-FETCH-005" 7 "The address did not answer in ten seconds.";
        fix "Try again later, or give the file itself.";
    Fetch006 "LK-FETCH-006" 5 "The answer is not the document: another status, a redirect to another host, an encoding, or no HTTP.";
        fix "Open the address in a browser and give the one at which the document itself is answered.";
    Fetch007 "LK-FETCH-007" 2 "The answer is larger than 1 MiB.";
        fix "Give a smaller document; of a federation's list, the one entry that is meant.";

    Signin002 "LK-SIGNIN-002" 13 "Nobody is signed in well enough here, and the service asked that nobody be asked (IsPassive).";
        fix "Open the service anew: it asks without IsPassive then. Or sign in from an enrolled device: latchkey-connector sign-in URL.";
    Signin003 "LK-SIGNIN-003" 4 "This service is not set up for sign-ins that begin here.";
        fix "Begin at the service, or allow it: latchkey service set NAME --idp-initiated.";
    Signin004 "LK-SIGNIN-004" 4 "That is not right.";
        fix "Check the name, and type the password or code once more. Whoever lost both asks an administrator for a set-up link.";
    Signin005 "LK-SIGNIN-005" 4 "This page of the sign-in is too old, or it belongs to another browser.";
        fix "Begin again at the page or service that you wanted to open. Cookies must be allowed for this site.";
    Signin006 "LK-SIGNIN-006" 13 "Your ways to sign in are not strong enough for this.";
        fix "Use a passkey, or a password with a one-time code. If you have neither, ask an administrator for a set-up link.";
    Signin007 "LK-SIGNIN-007" 4 "This link to set a new password was used or has ended.";
        fix "Ask for a new one: begin to sign in, and choose \"Forgot your password?\".";
    Signin008 "LK-SIGNIN-008" 13 "The mailed link alone does not set a new password here: your account needs a second factor, and you have none.";
        fix "Ask an administrator, or the operator of the server: latchkey setup-link --user LOGIN.";

    // Mail
    Mail001 "LK-MAIL-001" 5 "No mail is set up.";
        fix "Give `latchkey serve` a mail server and an address: --mail-server HOST --mail-from ADDRESS.";
    Mail002 "LK-MAIL-002" 6 "The mail server cannot be reached, is not trusted, or does not take the mail.";
        fix "See what it said; look at the mail settings of `latchkey serve`, and try again: latchkey mail test ADDRESS.";

    // latchkey serve
    Serve001 "LK-SERVE-001" 1 "The server failed.";
        fix "See the message of the operating system.";
    Serve002 "LK-SERVE-002" 2 "A flag, key or file of the configuration is wrong.";
        fix "See `latchkey serve --help`.";
    Serve003 "LK-SERVE-003" 2 "The data directory has files of somebody else.";
        fix "Name an empty or new directory with --data.";
    Serve004 "LK-SERVE-004" 5 "The data directory is in use.";
        fix "Stop that server, or use another --data.";
    Serve005 "LK-SERVE-005" 5 "The address cannot be listened on.";
        fix "Use another --listen.";
    Serve006 "LK-SERVE-006" 5 "The master key is not the one of this data.";
        fix "Put back the key that was used when the data was made, or name it with --master-key-file.";
    Serve007 "LK-SERVE-007" 5 "The store is of a newer version of this program.";
        fix "Run the newer version; a store is never taken back to an older one.";
    Serve008 "LK-SERVE-008" 6 "The store is not reachable.";
        fix "Check --database and that the database answers.";
    Serve009 "LK-SERVE-009" 2 "The certificate or its key cannot be used.";
        fix "Give PEM files that belong together with --tls-cert and --tls-key.";
    Serve010 "LK-SERVE-010" 7 "The clock is wrong: it shows a time before this program was built or before what the data has seen.";
        fix "Set the clock; --accept-clock goes on regardless, and is recorded.";

    // latchkey check, backup and restore
    Check001 "LK-CHECK-001" 8 "The check found something that is not in order, or worth a look.";
        fix "Do what each finding says.";
    Check002 "LK-CHECK-002" 8 "The disk is full, or nearly.";
        fix "Make room, or move the data directory to a larger file system.";
    Check003 "LK-CHECK-003" 8 "The audit log does not end where its head says.";
        fix "Keep the store as it is; latchkey audit verify --against an earlier export says what was changed.";
    Check004 "LK-CHECK-004" 8 "The cloud's name does not lead here.";
        fix "Add an address record for it in DNS, or serve under another --cloud-name.";
    Backup001 "LK-BACKUP-001" 5 "A PostgreSQL database is not backed up by Latchkey.";
        fix "Use its own tools: pg_dump, or continuous archiving. Keep the master key's file as well.";
    Backup002 "LK-BACKUP-002" 2 "The file is not a backup that can be restored.";
        fix "Give a file that `latchkey backup` wrote, whole.";
    Backup003 "LK-BACKUP-003" 4 "The password does not open the master key in this backup.";
        fix "Give the password that the backup was made with; or restore without it, with the master key's own file at DIR.key.";
    Restore001 "LK-RESTORE-001" 5 "The store was restored from a backup, and nobody has confirmed it: silent sign-in waits.";
        fix "Stop the server, and: latchkey restore --confirm [--replay AUDIT.jsonl].";
    Restore002 "LK-RESTORE-002" 5 "There is no restore to confirm.";
        fix "Nothing needs to be done; to restore a backup: latchkey restore FILE --data EMPTY-DIR.";
    Restore003 "LK-RESTORE-003" 2 "The exported audit log cannot be replayed.";
        fix "Give a whole export of this cloud from before the backup on: latchkey audit export --format jsonl.";

    Restore004 "LK-RESTORE-004" 5 "The directory holds a store already.";
        fix "Name an empty or new directory with --data.";

    // The command line
    Cli001 "LK-CLI-001" 2 "The command line is wrong.";
        fix "See --help.";
    Cli002 "LK-CLI-002" 6 "The server is not reachable.";
        fix "Start it with `latchkey serve`, or name it with --data or --server.";
    Cli003 "LK-CLI-003" 1 "The command failed.";
        fix "See the message.";
    Cli004 "LK-CLI-004" 2 "A file cannot be read or written.";
        fix "Check its name and permissions.";
    Cli005 "LK-CLI-005" 6 "The server's answer cannot be used.";
        fix "Check that program and server are of the same version, and that it is a Latchkey server.";
}

impl std::fmt::Display for Own {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// A code of any part of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// One that connectors know too.
    Shared(latchkey_wire::Code),
    /// One of the server's own.
    Own(Own),
    /// One of the SAML library's.
    Saml(&'static CodeEntry),
    /// One of the connector's own. It never travels; here it is only explained.
    OnDevice(OnDevice),
    /// One of the install options'. As before.
    Option(&'static OptionCode),
}

impl Code {
    /// The code as it is written everywhere.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Shared(code) => code.as_str(),
            Self::Own(code) => code.as_str(),
            Self::Saml(entry) => entry.code,
            Self::OnDevice(code) => code.as_str(),
            Self::Option(row) => row.code,
        }
    }

    /// The exit status of a program that ends with it.
    #[must_use]
    pub const fn exit_status(self) -> u8 {
        match self {
            Self::Shared(code) => code.exit_status(),
            Self::Own(code) => code.exit_status(),
            Self::Saml(_) => 4,
            Self::OnDevice(code) => code.exit_status(),
            Self::Option(_) => 2,
        }
    }

    /// What is wrong.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Shared(code) => code.title(),
            Self::Own(code) => code.title(),
            Self::Saml(entry) => entry.person,
            Self::OnDevice(code) => code.title(),
            Self::Option(row) => row.title,
        }
    }

    /// What to do about it.
    #[must_use]
    pub const fn fix(self) -> &'static str {
        match self {
            Self::Shared(code) => code.fix(),
            Self::Own(code) => code.fix(),
            Self::Saml(entry) => entry.administrator,
            Self::OnDevice(code) => code.fix(),
            Self::Option(row) => row.fix,
        }
    }
}

impl From<latchkey_wire::Code> for Code {
    fn from(code: latchkey_wire::Code) -> Self {
        Self::Shared(code)
    }
}

impl Code {
    /// Every code of the product, part by part.
    pub fn all() -> impl Iterator<Item = Self> {
        let shared = latchkey_wire::Code::ALL.iter().copied().map(Self::Shared);
        let device = OnDevice::ALL.iter().copied().map(Self::OnDevice);
        let options = latchkey_options::CODES.iter().map(Self::Option);
        let saml = CODES.iter().map(Self::Saml);
        shared.chain(device).chain(options).chain(saml).chain(Own::ALL.iter().copied().map(Self::Own))
    }

    /// The SAML library's code with this text.
    #[must_use]
    pub fn saml(text: &str) -> Self {
        CODES.iter().find(|entry| entry.code == text).map_or(Self::Own(Own::Api500), Self::Saml)
    }
}

impl From<Own> for Code {
    fn from(code: Own) -> Self {
        Self::Own(code)
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::str::FromStr for Code {
    type Err = UnknownCode;

    fn from_str(text: &str) -> Result<Self, UnknownCode> {
        // Explaining is rare; a table of all would be one more place to keep right.
        Self::all().find(|code| code.as_str() == text).ok_or(UnknownCode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_code_stands_in_two_parts_of_the_list() {
        let mut seen = std::collections::HashSet::new();
        for code in Code::all() {
            assert!(seen.insert(code.as_str()), "{code} means two things");
            assert_eq!(code.as_str().parse::<Code>(), Ok(code));
            assert!(!code.title().is_empty() && !code.fix().is_empty(), "{code}");
        }
        for code in Own::ALL {
            assert!(matches!(code.exit_status(), 1..=8 | 13), "{code}");
        }
    }
}
