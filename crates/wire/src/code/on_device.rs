//! The codes that only a connector can meet, on its own device: files, accounts, services. None travels over the wire.
//!
//! They stand here beside the protocol's so that no code is given twice, and so that the server can explain what a person read on a
//! device.

crate::code_list! {
    /// A code of the connector's own, by what it is about. The exit status is 0 for one that only `status` names.
    pub enum OnDevice;

    Failed "LK-CONN-001" 1 "The operating system refused something, or the connector failed.";
        fix "See the message; latchkey-connector doctor looks for what is wrong.";
    Usage "LK-CONN-002" 2 "A flag, value or file is wrong.";
        fix "latchkey-connector --help shows commands and options.";
    NotPermitted "LK-CONN-003" 4 "This user may not do that.";
        fix "Run it as root, or use a state directory of your own with --state-dir.";
    Conflict "LK-CONN-004" 5 "The device is enrolled elsewhere, its state is in use, or it is a prepared image.";
        fix "latchkey-connector status says which; unenroll first, or wait for the other command.";
    NotEnrolled "LK-CONN-005" 10 "This device is not enrolled.";
        fix "latchkey-connector enroll --cloud-name HOST --user-domain DOMAIN --device-token-file FILE.";
    UnsafeFile "LK-CONN-006" 2 "Somebody else can change a file or folder that steers the connector.";
        fix "Give it to root (a private state directory: to its user) and take writing from the others: chmod go-w.";
    BadState "LK-CONN-007" 1 "The state is damaged; it is never replaced by an empty one.";
        fix "Put it back, or start anew: latchkey-connector unenroll --local, then enroll.";
    NoAccount "LK-CONN-008" 4 "This account of the operating system cannot be a user here.";
        fix "Sign in with a regular account; in a container the option allowSystemAccounts is 1. After an account was changed: latchkey binding remove ID.";
    BadAnswer "LK-CONN-009" 6 "The server's answer cannot be used.";
        fix "Check cloudName: a captive portal or proxy may answer in its place. latchkey-connector doctor tests the way.";
    NoAnswer "LK-CONN-016" 6 "The server does not answer.";
        fix "Check that it runs, and address and network.";
    Expired "LK-CONN-017" 0 "The device's certificate has expired; it is renewed with the device key.";
        fix "latchkey-connector renew.";
    ServiceRefused "LK-CONN-018" 14 "The service refused our answer, or its page was not reached.";
        fix "Look at the service's log; on the server, latchkey audit list --action signin.saml shows what it was sent.";
    Stopped "LK-CONN-019" 14 "The way to the page led somewhere the connector does not go.";
        fix "The message names the address; correct the service's metadata or its settings.";
    Busy "LK-CONN-020" 7 "The connector's service has no place for another caller.";
        fix "Try again in a moment: four commands of one account are answered at a time.";
}

impl std::fmt::Display for OnDevice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_code_of_the_connectors_own_is_one_of_the_protocols() {
        for code in OnDevice::ALL {
            assert!(code.as_str().parse::<super::super::Code>().is_err(), "{code} is the protocol's");
            assert_eq!(code.as_str().parse::<OnDevice>(), Ok(*code), "{code} stands twice");
        }
    }
}
