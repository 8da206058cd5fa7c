//! What only the network can tell: does the cloud's name lead here, and does who asks by it trust what answers.

use std::time::Duration;

use tokio::runtime::Runtime;
use url::Host;

use super::Finding;
use crate::cli::ask_health;
use crate::code::Own;
use crate::serve::datadir::TLS_FOLDER;
use crate::serve::own_ca::CA_FILE;
use crate::serve::settings::{Settings, TlsMode};

/// How long name servers may take.
const RESOLVE: Duration = Duration::from_secs(10);

pub(super) fn name(runtime: &Runtime, settings: &Settings) -> Finding {
    let cloud = settings.cloud_name();
    let Host::Domain(host) = cloud.host() else { return Finding::good("name", format!("{cloud} is an address")) };
    let port = cloud.port_for(settings.scheme());
    let asked = runtime.block_on(async {
        let found = tokio::time::timeout(RESOLVE, tokio::net::lookup_host((host.as_str(), port))).await;
        found.map(|found| found.map(|addresses| addresses.map(|address| address.ip().to_string()).collect::<Vec<_>>()))
    });
    let bad = |detail: String| {
        let fix = "add an address record for it in DNS; in a laboratory, a line in /etc/hosts";
        Finding::bad("name", Own::Check004, detail, fix)
    };
    match asked {
        Ok(Ok(addresses)) if addresses.is_empty() => bad(format!("{host} has no address")),
        Ok(Ok(mut addresses)) => {
            addresses.dedup();
            Finding::good("name", format!("{host} is {}", addresses.join(", ")))
        }
        Ok(Err(error)) => bad(format!("{host} is not found: {error}")),
        Err(_) => bad(format!("no name server answered for {host} in ten seconds")),
    }
}

pub(super) fn reach(settings: &Settings, running: bool) -> Finding {
    if !running {
        let detail = "no server runs on this directory, so nothing can answer";
        return Finding::warning("reach", Own::Check004, detail, "start it, and check again");
    }
    let own = (settings.tls == TlsMode::Own).then(|| settings.data.join(TLS_FOLDER).join(CA_FILE));
    match ask_health(&settings.public_url(), own.as_deref()) {
        Ok(()) => Finding::good("reach", format!("{} answers and is trusted", settings.public_url())),
        Err(failure) => Finding::failed("reach", failure),
    }
}
