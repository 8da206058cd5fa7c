//! The cloud's name, proxies, TLS.

use std::path::Path;
use std::process::Command;

use rustix::process::Signal;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use crate::server::{Place, body, mode, status, until};

/// A client that trusts this authority, or the public ones.
fn client(authority: Option<&Path>) -> ureq::Agent {
    // The first test of the process installs it for all.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut tls = TlsConfig::builder();
    if let Some(file) = authority {
        let certificate = Certificate::from_pem(&std::fs::read(file).unwrap()).unwrap();
        tls = tls.root_certs(RootCerts::new_with_certs(&[certificate]));
    }
    ureq::Agent::config_builder().tls_config(tls.build()).http_status_as_error(false).max_redirects(0).build().into()
}

#[test]
fn another_name_is_421_with_the_way_to_the_right_one() {
    let place = Place::new();
    let server = place.start(&[]);
    let url = server.url("/a/b?c=d");
    let answer = server.get("/a/b?c=d", &["Host: srv1", "Accept: text/html"]);
    assert_eq!(status(&answer), 421);
    assert!(answer.contains(&format!("<a href=\"{url}\">")) && answer.contains("You came as srv1."), "{answer}");
    let answer = server.get("/a/b?c=d", &["Host: srv1<script>", "Accept: text/html"]);
    assert!(!answer.contains("<script>"), "{answer}");
    let problem = body(&server.get("/api/v1/x", &["Host: 10.0.0.7", "Accept: text/html"]));
    assert_eq!((problem["status"].as_u64(), problem["code"].as_str()), (Some(421), Some("LK-HOST-001")));
    // A device has no address bar, but an option.
    let name = server.ready["cloud_name"].as_str().unwrap();
    let told = body(&server.get("/.well-known/latchkey?domain=acme.example", &["Host: 127.0.0.1:1"]));
    assert_eq!((told["status"].as_u64(), told["code"].as_str()), (Some(421), Some("LK-HOST-001")));
    assert!(told["fix"].as_str().unwrap().starts_with(&format!("cloudName: use {name}.")), "{told}");
    for path in ["/healthz", "/readyz"] {
        assert_eq!(status(&server.get(path, &["Host: whatever"])), 200);
    }
    assert_eq!(status(&server.get("/", &[])), 400, "no Host at all");
    assert_eq!(status(&server.get("/", &["Host: a", "Host: b"])), 400);
    assert_eq!(status(&server.operator_get("/no")), 404, "the operator's socket has no name");
}

#[test]
fn a_listed_proxy_is_believed() {
    let place = Place::new();
    let server = place.start(&["--cloud-name", "id.corp.example", "--trusted-proxy", "127.0.0.1/32"]);
    assert_eq!(server.ready["url"], "https://id.corp.example");
    let good = [
        "Host: backend",
        "X-Forwarded-Host: id.corp.example",
        "X-Forwarded-Proto: https",
        "X-Forwarded-For: 192.0.2.7",
    ];
    assert_eq!(status(&server.get("/x", &good)), 404);
    let plain = ["Host: id.corp.example", "X-Forwarded-Proto: http", "X-Forwarded-For: 192.0.2.7"];
    assert_eq!(status(&server.get("/x", &plain)), 421);
    assert_eq!(status(&server.get("/x", &["Host: id.corp.example"])), 404);
    until("the line for nginx", || server.log().contains("proxy_set_header X-Forwarded-For"));
}

#[test]
fn an_unlisted_proxy_is_not_believed_and_said_so_once() {
    let place = Place::new();
    let server = place.start(&[]);
    let name = format!("X-Forwarded-Host: {}", server.ready["cloud_name"].as_str().unwrap());
    for _ in 0..3 {
        assert_eq!(status(&server.get("/x", &["Host: backend", &name, "X-Forwarded-Proto: https"])), 421);
    }
    until("the hint", || server.log().contains("--trusted-proxy 127.0.0.1/32 if it is yours"));
    // Two, if a minute ended in between.
    assert!(server.log().matches("ignored forwarded headers").count() <= 2, "{}", server.log());
}

#[test]
fn its_own_authority_is_good_for_who_was_given_it_and_for_nobody_else() {
    let place = Place::new();
    let server = place.start(&["--tls", "own"]);
    let ca = place.path("d/tls/ca.pem");
    assert_eq!(Path::new(server.ready["ca_file"].as_str().unwrap()), ca.canonicalize().unwrap());
    assert_eq!(client(Some(&ca)).get(server.url("/healthz")).call().unwrap().status(), 200);
    let error = client(None).get(server.url("/healthz")).call().unwrap_err();
    assert!(error.to_string().contains("UnknownIssuer"), "{error}");
    for name in ["ca.key", "server.key"] {
        assert_eq!(mode(&place.path("d/tls").join(name)), 0o600);
    }
    // Another TLS stack, which refuses what rustls lets pass; and both versions, and HTTP/2.
    for version in [&["--tlsv1.2", "--tls-max", "1.2", "--http1.1"][..], &["--tlsv1.3", "--http2"]] {
        let output = Command::new("curl")
            .args(["-sS", "--noproxy", "*", "--cacert", ca.to_str().unwrap(), "-w", "%{http_version}"])
            .args(version)
            .arg(server.url("/healthz"))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.starts_with("{\"ok\":true}"), "{version:?}: {said} {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn plain_http_at_the_tls_port_is_told_where_to_go() {
    let place = Place::new();
    let server = place.start(&["--tls", "own"]);
    let answer = server.get("/", &["Host: localhost"]);
    assert_eq!(status(&answer), 400);
    assert!(answer.contains("This port speaks HTTPS"), "{answer}");
}

#[test]
fn hup_reads_the_certificate_again_and_a_broken_one_changes_nothing() {
    let place = Place::new();
    let (cert, key) = (place.text("cert.pem"), place.text("key.pem"));
    let write = |name: &str| {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(&cert, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        std::fs::copy(&cert, place.path(name)).unwrap();
    };
    write("first.pem");
    let server = place.start(&["--tls-cert", &cert, "--tls-key", &key]);
    let works = |name: &str| client(Some(&place.path(name))).get(server.url("/healthz")).call().is_ok();
    assert!(works("first.pem"));

    write("second.pem");
    assert!(works("first.pem") && !works("second.pem"), "changed without a word");
    server.signal(Signal::HUP);
    until("the new certificate", || works("second.pem"));
    assert!(!works("first.pem"));

    std::fs::write(&key, "no key").unwrap();
    server.signal(Signal::HUP);
    until("the complaint", || server.log().contains("the certificate stays as it was"));
    assert!(works("second.pem"));
    assert!(server.stop().success());
}

#[test]
fn a_key_that_belongs_to_another_certificate_is_exit_2() {
    let place = Place::new();
    for name in ["a", "b"] {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(place.path(&format!("{name}.pem")), made.cert.pem()).unwrap();
        std::fs::write(place.path(&format!("{name}.key")), made.signing_key.serialize_pem()).unwrap();
    }
    let (data, cert, key) = (place.text("d"), place.text("a.pem"), place.text("b.key"));
    let output = crate::program::run(&[
        "serve",
        "--data",
        &data,
        "--listen",
        "127.0.0.1:0",
        "--tls-cert",
        &cert,
        "--tls-key",
        &key,
    ]);
    assert_eq!(output.status.code(), Some(2));
    assert!(crate::program::last_line(&output).starts_with("error LK-SERVE-009"));
}
