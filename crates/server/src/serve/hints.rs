//! What an administrator at a terminal wants to know next (first-hour.md).
//!
//! Owns the words. Must not know how to do any of it.

use std::net::SocketAddr;
use std::time::Duration;

use url::Host;

use super::cloud_name::CloudName;
use super::config::Typed;
use super::settings::Settings;
use super::unit;
use crate::output::Output;

/// Says how to come here from another machine, and how to keep the server running.
pub(super) fn say(output: Output, settings: &Settings, typed: &Typed) {
    if std::env::var_os("SSH_CONNECTION").is_some() && settings.listen.ip().is_loopback() {
        let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let port = settings.listen.port();
        output.say(&format!(
            "from your own machine: `ssh -L {port}:localhost:{port} {machine}`, then open {}",
            settings.public_url()
        ));
    }
    if output.person_reads() {
        let flags: String =
            typed.repeat().iter().map(|argument| format!(" {}", unit::quoted_for_shell(argument))).collect();
        output
            .say(&format!("to keep it running: `latchkey service-unit{flags} > /etc/systemd/system/latchkey.service`"));
    }
}

/// Says so if nobody finds the cloud by its name.
pub(super) async fn warn_if_unresolved(name: CloudName, listen: SocketAddr) {
    let Host::Domain(host) = name.host() else { return };
    if name.is_loopback() {
        return;
    }
    let found =
        tokio::time::timeout(Duration::from_secs(10), tokio::net::lookup_host((host.as_str(), listen.port()))).await;
    let none = match found {
        Ok(Ok(mut addresses)) => addresses.next().is_none(),
        Ok(Err(_)) => true,
        // A slow name server is no proof of anything.
        Err(_) => false,
    };
    if none {
        let address =
            if listen.ip().is_unspecified() { "ADDRESS-OF-THIS-MACHINE".to_owned() } else { listen.ip().to_string() };
        tracing::warn!(
            "the cloud name {host} does not resolve here; in a laboratory, add to /etc/hosts: {address} {host}"
        );
    }
}
