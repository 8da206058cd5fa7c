//! Under which name a request came, from whom, and whether that is right.
//!
//! Owns the answer to requests under another name than the cloud's (first-hour.md), the rules for forwarded headers, and
//! [`ClientAddr`], the one true address of a client. Later code builds links from the cloud name only. Must not know routes.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicI64, Ordering};

use http::header::HOST;
use http::{HeaderMap, Request, Uri};
use ipnet::IpNet;

use super::cloud_name::{CloudName, Scheme};
use super::health::unix_now;
use super::settings::{Settings, TlsMode};
use super::way::{NGINX_LINES, Seen, Trouble, Way};
use crate::problem::Problem;

/// The other end of the TCP connection: a client, or a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerAddr(pub SocketAddr);

/// The client's address: the peer's, or what a listed proxy says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddr(pub IpAddr);

const FORWARDED: [&str; 6] =
    ["forwarded", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port", "x-real-ip"];

/// The name and proxies of this cloud.
#[derive(Debug)]
pub struct Front {
    cloud: CloudName,
    scheme: Scheme,
    tls_off: bool,
    trusted: Vec<IpNet>,
    unlisted: OncePerMinute,
    silent: OncePerMinute,
    seen: Seen,
}

/// A request that came under a name the cloud does not have.
#[derive(Debug, Clone)]
pub struct WrongName {
    /// The name it came under, as safe text.
    pub came_as: String,
    /// Where it should go.
    pub target: String,
    /// The cloud's name.
    pub cloud_name: String,
    /// Whether the name is right, and only TLS is missing.
    pub insecure: bool,
    /// Whether it asked for what only devices ask for.
    pub of_device: bool,
    /// What is wrong with whatever stands between.
    pub trouble: Option<Trouble>,
}

impl Front {
    /// For these settings.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        Self {
            cloud: settings.cloud_name(),
            scheme: settings.scheme(),
            tls_off: settings.tls == TlsMode::Off,
            trusted: settings.trusted_proxies.clone(),
            unlisted: OncePerMinute::default(),
            silent: OncePerMinute::default(),
            seen: Seen::default(),
        }
    }

    /// Settles from whom and under which name a request came. Forwarded headers do not get past here, so nothing behind can
    /// believe them by mistake.
    pub(super) fn admit<B>(
        &self,
        request: &mut Request<B>,
        peer: SocketAddr,
    ) -> Result<Result<(), WrongName>, Problem> {
        let address = peer.ip().to_canonical();
        let listed = self.is_trusted(address);
        let forwarded = listed.then(|| Forwarded::read(request.headers(), |hop| self.is_trusted(hop)));
        let trouble = match &forwarded {
            Some(forwarded) => {
                forwarded.missing().map(|missing| Trouble::Silent { peer: address, missing: missing.to_owned() })
            }
            None if FORWARDED.iter().any(|name| request.headers().contains_key(*name)) => {
                Some(Trouble::Unlisted { peer: address })
            }
            None => None,
        };
        if let Some(trouble) = &trouble {
            self.note(trouble);
        }
        let said = if listed { None } else { last(request.headers(), "x-forwarded-host").as_deref().map(safe) };
        for name in FORWARDED {
            request.headers_mut().remove(name);
        }
        let client = forwarded.as_ref().and_then(|forwarded| forwarded.client).unwrap_or(address);
        request.extensions_mut().insert(ClientAddr(client));

        let came_as = match forwarded.as_ref().and_then(|forwarded| forwarded.host.clone()) {
            Some(host) => host,
            None => authority(request.uri(), request.headers())?,
        };
        request.extensions_mut().insert(Way {
            came_as: safe(&came_as),
            client,
            through: listed.then_some(address),
            said,
            trouble: trouble.clone(),
        });
        let insecure = self.tls_off
            && self.scheme == Scheme::Https
            && forwarded
                .and_then(|forwarded| forwarded.scheme)
                .is_some_and(|scheme| !scheme.eq_ignore_ascii_case("https"));
        let right = came_as.parse::<CloudName>().is_ok_and(|name| name.same_place(&self.cloud, self.scheme));
        if right && !insecure {
            return Ok(Ok(()));
        }
        let path = request.uri().path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        Ok(Err(WrongName {
            came_as: safe(&came_as),
            target: format!("{}://{}{}", self.scheme.as_str(), self.cloud, path),
            cloud_name: self.cloud.to_string(),
            insecure: right,
            of_device: path.starts_with("/.well-known/latchkey") || path.contains("/device/"),
            trouble,
        }))
    }

    /// What was wrong with proxies lately.
    pub(super) const fn seen(&self) -> &Seen {
        &self.seen
    }

    fn note(&self, trouble: &Trouble) {
        let once = match trouble {
            Trouble::Unlisted { .. } => &self.unlisted,
            Trouble::Silent { .. } => &self.silent,
        };
        // Whoever sends them in numbers is noted once a minute too: a lock for each request would be theirs to hold.
        if !once.now() {
            return;
        }
        self.seen.keep(trouble.clone());
        match trouble {
            Trouble::Unlisted { peer } => tracing::warn!(
                %peer,
                "ignored forwarded headers: this peer is no listed proxy; {} if it is yours",
                trouble.line()
            ),
            Trouble::Silent { peer, missing } => {
                tracing::warn!(%peer, "the listed proxy sends no {missing}; for nginx: {NGINX_LINES}");
            }
        }
    }

    fn is_trusted(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(&address))
    }
}

impl WrongName {
    /// For programs.
    #[must_use]
    pub fn problem(&self) -> Problem {
        // A program has no address bar: a device is told its option, a person's program the address.
        let go = if self.of_device {
            format!("cloudName: use {}.", self.cloud_name)
        } else {
            format!("Go to {}.", self.target)
        };
        Problem::of(latchkey_wire::Code::Host001).detail(self.what()).fix(format!("{go} {}", self.mend()))
    }

    /// What is wrong.
    #[must_use]
    pub fn what(&self) -> String {
        if self.insecure {
            format!("This cloud answers at https://{} only. You came by plain HTTP.", self.cloud_name)
        } else {
            format!("This cloud is called {}. You came as {}.", self.cloud_name, self.came_as)
        }
    }

    /// What the administrator can do if the caller was right.
    #[must_use]
    pub fn mend(&self) -> String {
        if self.insecure {
            return "If you came by https, the proxy does not say so: it must set X-Forwarded-Proto.".to_owned();
        }
        let proxy = match &self.trouble {
            // Here is the one who should be named.
            Some(trouble @ Trouble::Unlisted { .. }) => {
                format!("{} If it is your reverse proxy: {}.", trouble.what(), trouble.line())
            }
            _ => "Behind a proxy: name the proxy with --trusted-proxy and let it pass the Host header on.".to_owned(),
        };
        format!(
            "If {0} is the right name: start the server with --cloud-name {0}, or put cloud_name = \"{0}\" into latchkey.toml. {proxy}",
            self.came_as
        )
    }
}

/// A name that somebody sent, as text that can be shown.
fn safe(name: &str) -> String {
    name.chars().filter(char::is_ascii_graphic).take(255).collect()
}

/// The name a request came under. Two different ones are a trick, or broken.
fn authority(uri: &Uri, headers: &HeaderMap) -> Result<String, Problem> {
    let malformed = |reason: &str| Problem::of(latchkey_wire::Code::Api001).detail(reason).fix("Send one Host header.");
    let mut hosts = headers.get_all(HOST).iter();
    let header = match (hosts.next(), hosts.next()) {
        (_, Some(_)) => return Err(malformed("The request has two Host headers.")),
        (Some(host), None) => {
            Some(host.to_str().map_err(|_| malformed("The Host header is not readable."))?.to_owned())
        }
        (None, None) => None,
    };
    match (uri.authority().map(|authority| authority.as_str().to_owned()), header) {
        (Some(target), Some(header)) if !target.eq_ignore_ascii_case(&header) => {
            Err(malformed("The request names two different hosts."))
        }
        (Some(name), _) | (None, Some(name)) => Ok(name),
        (None, None) => Err(malformed("The request has no Host header.")),
    }
}

/// What a listed proxy says.
#[derive(Debug, PartialEq, Eq)]
struct Forwarded {
    client: Option<IpAddr>,
    scheme: Option<String>,
    host: Option<String>,
}

impl Forwarded {
    fn read(headers: &HeaderMap, is_trusted: impl Fn(IpAddr) -> bool) -> Self {
        Self {
            client: client(headers, is_trusted),
            scheme: last(headers, "x-forwarded-proto"),
            host: last(headers, "x-forwarded-host"),
        }
    }

    /// What a proxy has to say and this one does not. The host is not needed: `Host` may be passed on as it came.
    fn missing(&self) -> Option<&'static str> {
        match (self.client, &self.scheme) {
            (None, _) => Some("X-Forwarded-For"),
            (_, None) => Some("X-Forwarded-Proto"),
            _ => None,
        }
    }
}

/// The last address that a listed proxy saw and that is none of its own: what stands left of it anybody may have written.
fn client(headers: &HeaderMap, is_trusted: impl Fn(IpAddr) -> bool) -> Option<IpAddr> {
    let mut nearest = None;
    for entry in
        headers.get_all("x-forwarded-for").iter().rev().flat_map(|value| value.as_bytes().rsplit(|b| *b == b','))
    {
        let Some(address) = std::str::from_utf8(entry).ok().and_then(|text| address(text.trim())) else { break };
        nearest = Some(address);
        if !is_trusted(address) {
            break;
        }
    }
    nearest
}

fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address =
        bare.parse::<IpAddr>().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))?;
    Some(address.to_canonical())
}

/// The last value: the one the listed proxy added.
fn last(headers: &HeaderMap, name: &str) -> Option<String> {
    let value = headers.get_all(name).iter().next_back()?.to_str().ok()?;
    value.rsplit(',').next().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// Lets one through each minute, so that a misconfigured proxy does not fill the log.
#[derive(Debug, Default)]
struct OncePerMinute(AtomicI64);

impl OncePerMinute {
    fn now(&self) -> bool {
        let minute = unix_now() / 60;
        self.0.swap(minute, Ordering::Relaxed) != minute
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn front(cloud: &str, scheme: Scheme, tls_off: bool, trusted: &[&str]) -> Front {
        Front {
            cloud: cloud.parse().unwrap(),
            scheme,
            tls_off,
            trusted: trusted.iter().map(|text| text.parse().unwrap()).collect(),
            unlisted: OncePerMinute::default(),
            silent: OncePerMinute::default(),
            seen: Seen::default(),
        }
    }

    fn way(front: &Front, peer: &str, headers: &[(&str, &str)]) -> Way {
        let request =
            headers.iter().fold(Request::builder().uri("/"), |request, (name, value)| request.header(*name, *value));
        let mut request = request.body(()).unwrap();
        drop(front.admit(&mut request, peer.parse().unwrap()).unwrap());
        request.extensions().get::<Way>().unwrap().clone()
    }

    #[test]
    fn what_stands_between_is_told_and_remembered() {
        let front = front("id.corp.example", Scheme::Https, true, &["10.0.0.9/32"]);
        let host = ("host", "id.corp.example");
        let plain = way(&front, "10.0.0.8:1", &[host]);
        assert_eq!((plain.trouble, plain.through, plain.came_as.as_str()), (None, None, "id.corp.example"));
        assert!(front.seen().lately().is_empty());
        let unlisted = way(&front, "10.0.0.8:1", &[host, ("x-forwarded-host", "id.\"evil\"")]);
        assert_eq!(unlisted.said.as_deref(), Some("id.\"evil\""));
        assert_eq!(unlisted.trouble.unwrap().line(), "--trusted-proxy 10.0.0.8/32");
        let silent = way(&front, "10.0.0.9:1", &[host]);
        assert!(matches!(silent.trouble, Some(Trouble::Silent { missing, .. }) if missing == "X-Forwarded-For"));
        let good = [host, ("x-forwarded-for", "1.2.3.4"), ("x-forwarded-proto", "https")];
        let good = way(&front, "10.0.0.9:1", &good);
        assert_eq!((good.trouble, good.client.to_string().as_str()), (None, "1.2.3.4"));
        assert_eq!(front.seen().lately().len(), 2);
    }

    #[test]
    fn the_page_of_a_wrong_name_names_the_proxy_that_is_not_listed() {
        let front = front("id.corp.example", Scheme::Https, false, &[]);
        let headers = [("host", "backend:8470"), ("x-forwarded-host", "id.corp.example")];
        let wrong = came(&front, "10.0.0.8:1", &headers).0.unwrap_err();
        assert!(wrong.mend().contains("--trusted-proxy 10.0.0.8/32"), "{}", wrong.mend());
        assert!(!came(&front, "10.0.0.8:1", &headers[..1]).0.unwrap_err().mend().contains("10.0.0.8/32"));
    }

    fn came(front: &Front, peer: &str, headers: &[(&str, &str)]) -> (Result<(), WrongName>, IpAddr, HeaderMap) {
        let mut request = Request::builder().uri("/a?b=c");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(()).unwrap();
        let verdict = front.admit(&mut request, peer.parse().unwrap()).unwrap();
        let client = request.extensions().get::<ClientAddr>().unwrap().0;
        (verdict, client, request.headers().clone())
    }

    #[test]
    fn only_the_clouds_name_is_right() {
        let front = front("id.corp.example", Scheme::Https, false, &[]);
        for host in ["id.corp.example", "ID.corp.example", "id.corp.example:443", "id.corp.example."] {
            assert!(came(&front, "10.0.0.1:1", &[("host", host)]).0.is_ok(), "{host}");
        }
        for host in ["srv1", "10.0.0.7", "id.corp.example:8443", "id.corp.example.evil.test", "", "a b"] {
            let wrong = came(&front, "10.0.0.1:1", &[("host", host)]).0.unwrap_err();
            assert_eq!(wrong.target, "https://id.corp.example/a?b=c", "{host}");
        }
    }

    #[test]
    fn two_names_in_one_request_are_malformed() {
        let front = front("localhost:1", Scheme::Http, true, &[]);
        let mut request = Request::builder().uri("http://localhost:1/").header("host", "other").body(()).unwrap();
        assert!(front.admit(&mut request, "127.0.0.1:9".parse().unwrap()).is_err());
        let mut request =
            Request::builder().uri("/").header("host", "localhost:1").header("host", "localhost:1").body(()).unwrap();
        assert!(front.admit(&mut request, "127.0.0.1:9".parse().unwrap()).is_err());
    }

    #[test]
    fn an_unlisted_peer_is_not_believed_and_its_headers_go_no_further() {
        let front = front("id.corp.example", Scheme::Https, false, &["10.0.0.9/32"]);
        let headers = [
            ("host", "srv1"),
            ("x-forwarded-host", "id.corp.example"),
            ("x-forwarded-for", "1.2.3.4"),
            ("forwarded", "for=1.2.3.4"),
        ];
        let (verdict, client, left) = came(&front, "10.0.0.8:1", &headers);
        assert!(verdict.is_err());
        assert_eq!(client.to_string(), "10.0.0.8");
        assert!(FORWARDED.iter().all(|name| !left.contains_key(*name)));
    }

    #[test]
    fn a_listed_proxy_is_believed_for_what_it_saw_itself() {
        let front = front("id.corp.example", Scheme::Https, true, &["10.0.0.0/24"]);
        let headers = [
            ("host", "backend:8470"),
            ("x-forwarded-host", "id.corp.example"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-for", "6.6.6.6, 192.0.2.7"),
            ("x-forwarded-for", "10.0.0.4"),
        ];
        let (verdict, client, _) = came(&front, "[::ffff:10.0.0.9]:1", &headers);
        assert!(verdict.is_ok());
        assert_eq!(client.to_string(), "192.0.2.7");
    }

    #[test]
    fn plain_http_at_the_proxy_is_the_wrong_place() {
        let front = front("id.corp.example", Scheme::Https, true, &["10.0.0.9/32"]);
        let headers = [("host", "id.corp.example"), ("x-forwarded-proto", "http"), ("x-forwarded-for", "1.2.3.4")];
        assert!(came(&front, "10.0.0.9:1", &headers).0.unwrap_err().insecure);
        assert_eq!(front.silent.0.load(Ordering::Relaxed), 0, "nobody complained");
        // A proxy that says nothing is complained about in the log, and works: as the client it is.
        let (verdict, client, _) = came(&front, "10.0.0.9:1", &headers[..1]);
        assert!(verdict.is_ok() && client.to_string() == "10.0.0.9");
        assert_ne!(front.silent.0.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_listed_proxy_that_leaves_something_out_is_told_what() {
        for (headers, missing) in [
            (vec![], Some("X-Forwarded-For")),
            (vec![("x-forwarded-proto", "https")], Some("X-Forwarded-For")),
            (vec![("x-forwarded-for", "unknown"), ("x-forwarded-proto", "https")], Some("X-Forwarded-For")),
            (vec![("x-forwarded-for", "1.2.3.4")], Some("X-Forwarded-Proto")),
            (vec![("x-forwarded-for", "1.2.3.4"), ("x-forwarded-proto", "https")], None),
        ] {
            let mut map = HeaderMap::new();
            for (name, value) in &headers {
                map.insert(*name, value.parse().unwrap());
            }
            assert_eq!(Forwarded::read(&map, |_| false).missing(), missing, "{headers:?}");
        }
    }

    #[test]
    fn addresses_of_every_spelling() {
        for (text, address_text) in [
            ("1.2.3.4", "1.2.3.4"),
            ("1.2.3.4:5", "1.2.3.4"),
            ("[::1]", "::1"),
            ("[::1]:5", "::1"),
            ("::ffff:1.2.3.4", "1.2.3.4"),
        ] {
            assert_eq!(address(text).unwrap().to_string(), address_text);
        }
        assert_eq!(address("unknown"), None);
    }
}
