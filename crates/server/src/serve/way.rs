//! How a request came here, for whoever sets the cloud up or checks it.
//!
//! Owns the comparison of what the browser asked for with what the cloud is called, and the words about a proxy that is not listed or says too
//! little: the same on the set-up pages, on the page of a wrong name, in the log and in `latchkey check`. Must not decide anything: what is
//! believed is settled in [`super::host`].

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};

use super::health::unix_now;

/// What a listed proxy should send, for nginx.
pub const NGINX_LINES: &str = "proxy_set_header Host $host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto $scheme;";

/// So long after it a proxy's fault is still told, seconds. What was mended is forgotten.
const REMEMBERED: i64 = 60 * 60;

/// What is wrong with whatever stands before the cloud.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "trouble", rename_all = "snake_case")]
pub enum Trouble {
    /// A peer that nobody listed sends forwarded headers. They are not believed.
    Unlisted {
        /// The peer.
        peer: IpAddr,
    },
    /// A listed proxy leaves something out.
    Silent {
        /// The proxy.
        peer: IpAddr,
        /// The header.
        missing: String,
    },
}

impl Trouble {
    /// What is wrong.
    #[must_use]
    pub fn what(&self) -> String {
        match self {
            Self::Unlisted { peer } => format!(
                "{peer} sends forwarded headers, and is no listed proxy: they are ignored, and everybody seems to come from {peer}."
            ),
            Self::Silent { peer, missing } => {
                format!("The listed proxy {peer} sends no {missing}, so nobody here knows {}.", unknown(missing))
            }
        }
    }

    /// Whose turn it is.
    #[must_use]
    pub fn turn(&self) -> &'static str {
        match self {
            Self::Unlisted { .. } => "If it is your reverse proxy, start the server with this:",
            Self::Silent { .. } => "The proxy has to send it. For nginx:",
        }
    }

    /// The exact thing to type.
    #[must_use]
    pub fn line(&self) -> String {
        match self {
            Self::Unlisted { peer } => format!("--trusted-proxy {peer}/{}", if peer.is_ipv4() { 32 } else { 128 }),
            Self::Silent { missing, .. } => nginx(missing).to_owned(),
        }
    }
}

/// What is not known without this header.
fn unknown(missing: &str) -> &'static str {
    if missing.eq_ignore_ascii_case("x-forwarded-for") {
        "where people come from"
    } else {
        "whether people come by https"
    }
}

/// The line that makes nginx send this header.
fn nginx(missing: &str) -> &'static str {
    if missing.eq_ignore_ascii_case("x-forwarded-for") {
        "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"
    } else {
        "proxy_set_header X-Forwarded-Proto $scheme;"
    }
}

/// How one request came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// The name that the browser asked for, as safe text.
    pub came_as: String,
    /// Its address, as far as it is believed.
    pub client: IpAddr,
    /// The listed proxy that it came through.
    pub through: Option<IpAddr>,
    /// What an unlisted peer says that the browser asked for. Shown, never believed.
    pub said: Option<String>,
    /// What is wrong with whatever stands between.
    pub trouble: Option<Trouble>,
}

/// The last trouble of each kind, for `check`.
#[derive(Debug, Default)]
pub struct Seen(Mutex<Vec<(i64, Trouble)>>);

impl Seen {
    /// Keeps it, in place of the last of its kind.
    pub(super) fn keep(&self, trouble: Trouble) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kind = std::mem::discriminant(&trouble);
        seen.retain(|(_, known)| std::mem::discriminant(known) != kind);
        seen.push((unix_now(), trouble));
    }

    /// What was seen within the last hour.
    #[must_use]
    pub fn lately(&self) -> Vec<Trouble> {
        let since = unix_now() - REMEMBERED;
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter().filter(|(at, _)| *at >= since).map(|(_, trouble)| trouble.clone()).collect()
    }
}

/// Where the operator's socket answers it.
pub const PLACE: &str = "/proxies";

/// `GET /proxies` of the operator's socket.
pub(super) async fn proxies(State(front): State<std::sync::Arc<super::host::Front>>) -> Json<Vec<Trouble>> {
    Json(front.seen().lately())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_trouble_names_the_exact_line() {
        for (address, line) in [("10.0.0.9", "--trusted-proxy 10.0.0.9/32"), ("fd00::9", "--trusted-proxy fd00::9/128")]
        {
            let trouble = Trouble::Unlisted { peer: address.parse().unwrap() };
            assert_eq!(trouble.line(), line);
            assert!(trouble.what().contains(address));
        }
        for missing in ["X-Forwarded-For", "X-Forwarded-Proto"] {
            let trouble = Trouble::Silent { peer: "10.0.0.9".parse().unwrap(), missing: missing.to_owned() };
            assert!(trouble.line().contains(missing) && trouble.what().contains(missing));
            assert!(NGINX_LINES.contains(&trouble.line()));
        }
    }

    #[test]
    fn only_the_last_of_each_kind_is_kept() {
        let seen = Seen::default();
        for last in 1..=3 {
            seen.keep(Trouble::Unlisted { peer: IpAddr::from([10, 0, 0, last]) });
        }
        seen.keep(Trouble::Silent { peer: IpAddr::from([10, 0, 0, 9]), missing: "X-Forwarded-For".to_owned() });
        assert_eq!(seen.lately().len(), 2);
        assert_eq!(seen.lately()[0], Trouble::Unlisted { peer: IpAddr::from([10, 0, 0, 3]) });
    }
}
