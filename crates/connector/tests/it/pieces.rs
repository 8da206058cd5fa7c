//! The parts that need no cloud: jar, forms, back-off, what may be enrolled by itself.

use std::time::Duration;

use latchkey_connector::agent::form::read_page;
use latchkey_connector::agent::jar::Jar;
use latchkey_connector::backoff::{Backoff, Path};
use latchkey_connector::service::may_enroll;
use latchkey_connector::state::{Ended, RefusedToken, State};
use latchkey_options::{Given, Platform, Source, resolve};
use latchkey_wire::{Code, DeviceState, DeviceToken, Pin};
use proptest::prelude::*;
use url::Url;

const NOW: u64 = 1_800_000_000;

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

fn jar_with(at: &str, headers: &[&str]) -> Jar {
    let mut jar = Jar::default();
    for header in headers {
        jar.take(&url(at), header, NOW);
    }
    jar
}

#[test]
fn cookies_go_where_they_belong() {
    let at = "https://wiki.acme.example/app/page";
    let sent = |header: &str, to: &str| jar_with(at, &[header]).header(&url(to), NOW).is_some();
    assert!(sent("a=1", "https://wiki.acme.example/app/other"));
    assert!(!sent("a=1", "https://wiki.acme.example/else"), "the default path is the folder");
    assert!(sent("a=1; Path=/", "https://wiki.acme.example/"));
    assert!(!sent("a=1; Path=/app", "https://wiki.acme.example/application"));
    assert!(!sent("a=1; Path=/", "https://sub.wiki.acme.example/"), "host-only");
    assert!(sent("a=1; Path=/; Domain=acme.example", "https://mail.acme.example/"));
    assert!(!sent("a=1; Path=/; Domain=acme.example", "https://evilacme.example/"));
    assert!(!sent("a=1; Path=/; Domain=example", "https://wiki.acme.example/"), "not for a whole top-level domain");
    assert!(!sent("a=1; Path=/; Domain=other.example", "https://wiki.acme.example/"));
    assert!(!sent("a=1; Path=/; Secure", "http://wiki.acme.example/"));
    assert!(!sent("a=1; Path=/; Max-Age=0", "https://wiki.acme.example/"));
    assert!(!sent("a=1; Path=/; Expires=Thu, 01-Jan-1970 00:00:01 GMT", "https://wiki.acme.example/"));
    assert!(sent("a=1; Path=/; Expires=Tue, 01 Jan 2069 00:00:01 GMT", "https://wiki.acme.example/"));
    assert!(!sent("__Host-a=1; Path=/", "https://wiki.acme.example/"), "without Secure");
    assert!(!sent("__Host-a=1; Path=/; Secure; Domain=acme.example", "https://wiki.acme.example/"));
    assert!(sent("__Host-a=1; Path=/; Secure", "https://wiki.acme.example/"));
}

#[test]
fn a_later_cookie_replaces_and_an_expired_one_removes() {
    let at = "https://wiki.acme.example/";
    let jar = jar_with(at, &["a=1; Path=/", "a=2; Path=/", "b=1; Path=/", "b=gone; Path=/; Max-Age=-1"]);
    assert_eq!(jar.header(&url(at), NOW).unwrap(), "a=2");
}

#[test]
fn a_jar_of_curl_is_read() {
    let text = "# Netscape HTTP Cookie File\n\n#HttpOnly_wiki.acme.example\tFALSE\t/\tTRUE\t0\ts\tv\n.acme.example\tTRUE\t/\tFALSE\t1900000000\tx\ty\nbroken line\n";
    let jar = Jar::parse(text);
    let header = jar.header(&url("https://wiki.acme.example/"), NOW).unwrap();
    assert!(header.contains("s=v") && header.contains("x=y"), "{header}");
    assert_eq!(jar.header(&url("https://mail.acme.example/"), NOW).unwrap(), "x=y");
    assert_eq!(Jar::parse(&jar.render()).render(), jar.render());
}

#[test]
fn only_real_forms_count() {
    let page = read_page(
        "<!-- <form action=/no><input name=SAMLRequest> --><textarea><form action=/no></textarea>
         <form action='/yes?a=1&amp;b=2' method=post><input name='SAMLRequest' value='x&quot;y'><form action=/inner>
         <input name=b value=2><input type=submit name=go><input name=off disabled value=1></form><input name=after>",
    );
    assert_eq!(page.forms.len(), 1);
    let form = &page.forms[0];
    assert!(form.posts);
    assert_eq!(
        form.target(&url("https://wiki.acme.example/x")).unwrap().as_str(),
        "https://wiki.acme.example/yes?a=1&b=2"
    );
    assert_eq!(form.fields, [("SAMLRequest".into(), "x\"y".into()), ("b".into(), "2".into())]);
    assert_eq!(form.encode(), "SAMLRequest=x%22y&b=2");
}

proptest! {
    #[test]
    fn any_page_and_any_cookie_is_survived(text in any::<String>(), header in any::<String>()) {
        let _ = read_page(&text);
        let at = url("https://wiki.acme.example/app");
        let mut jar = Jar::default();
        jar.take(&at, &header, NOW);
        let _ = Jar::parse(&text).header(&at, NOW);
        prop_assert_eq!(Jar::parse(&jar.render()).header(&at, NOW), jar.header(&at, NOW));
    }

    #[test]
    fn back_off_doubles_up_to_its_cap_with_full_jitter(random in 0.0f64..1.0, failures in 0u32..60) {
        for (path, cap) in [(Path::Prompt, 300), (Path::Patient, 1800)] {
            let mut backoff = Backoff::default();
            let mut last = Duration::ZERO;
            for _ in 0..=failures {
                last = backoff.next(path, None, random);
            }
            let window = Duration::from_secs(5u64.saturating_mul(1 << failures.min(20)).min(cap));
            prop_assert!(last <= window);
            prop_assert_eq!(last, window.mul_f64(random));
            let asked = Duration::from_secs(77);
            prop_assert!(backoff.next(path, Some(asked), random) >= asked);
            let day = Duration::from_secs(86_400);
            prop_assert!(backoff.next(path, Some(Duration::MAX), random) <= day + Duration::from_secs(cap));
            backoff.reset();
            prop_assert!(backoff.next(path, None, 1.0) == Duration::from_secs(5));
        }
    }
}

#[test]
fn auto_enroll_means_what_its_number_says() {
    let token = DeviceToken::generate(Pin::from_bytes([7; 16]));
    let other = DeviceToken::generate(Pin::from_bytes([7; 16]));
    let options = |mode: Option<&str>, token: Option<&DeviceToken>| {
        let mut given = Vec::new();
        given.extend(mode.map(|m| Given::new("autoEnroll", m, Source::MachinePolicy, "managed.json")));
        given.extend(
            token.map(|t| Given::new("deviceToken", t.expose().to_string(), Source::MachinePolicy, "managed.json")),
        );
        resolve(given, Platform::Linux).unwrap()
    };
    let fresh = State { version: 1, ..State::default() };
    let removed =
        State { ended: Some(Ended { state: DeviceState::Removed, at: 1, cloud_name: "x".into() }), ..fresh.clone() };
    let left = State {
        ended: Some(Ended { state: DeviceState::Unregistered, at: 1, cloud_name: "x".into() }),
        enrolled_once: true,
        ..fresh.clone()
    };
    let refused = |token: &DeviceToken, at| State {
        refused_token: Some(RefusedToken { id: token.id().to_string(), code: "LK-ENROLL-014".into(), at }),
        ..fresh.clone()
    };
    let now = crate::fake_cloud::wall();
    for (mode, given, state, expected) in [
        (None, None, &fresh, false),
        (None, Some(&token), &fresh, true),
        (Some("0"), Some(&token), &fresh, false),
        (Some("1"), Some(&token), &left, true),
        (Some("2"), Some(&token), &fresh, true),
        (Some("2"), Some(&token), &left, false),
        (Some("1"), Some(&token), &removed, false),
        (Some("1"), Some(&token), &refused(&token, now), false),
        (Some("1"), Some(&token), &refused(&token, now - 25 * 3600), true),
        (Some("1"), Some(&token), &refused(&other, now), true),
    ] {
        assert_eq!(may_enroll(&options(mode, given), state), expected, "{mode:?} {:?}", state.ended);
    }
}

#[test]
fn only_what_an_administrator_lifts_is_waited_for_patiently() {
    for code in [Code::Enroll012, Code::Enroll020, Code::Enroll014, Code::Renew020, Code::Renew022, Code::Proof022] {
        assert_eq!(Path::of(Some(code)), Path::Patient, "{code}");
    }
    for code in
        [Code::Cloud503, Code::Node001, Code::Enroll017, Code::Enroll018, Code::Renew024, Code::Conn010, Code::Nonce001]
    {
        assert_eq!(Path::of(Some(code)), Path::Prompt, "{code}");
    }
    assert_eq!(Path::of(None), Path::Prompt, "an answer without a reason");
}
