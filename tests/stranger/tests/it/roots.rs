//! The cloud's root key changes: every device follows by the old one's word, with the real programs.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use crate::programs::{Ended, Running, demo_service, until};
use crate::stranger::{Cloud, Stranger};

/// Makes a root and brings it into use. Answers its id.
fn succeed(at: &Stranger) -> String {
    let id = at.document("key add --use root")["id"].as_str().unwrap().to_owned();
    assert_eq!(at.document(&format!("key show {id}"))["state"], "upcoming");
    assert_eq!(at.document(&format!("key activate {id}"))["state"], "active");
    id
}

#[test]
fn r20_a_new_root_is_followed_by_devices_and_tokens_that_know_the_old_one() {
    let cloud = Cloud::start(&["--tls", "own"]);
    let at = cloud.operator(None);
    let first = cloud.said("cloud_key");
    at.document("org create acme --name Acme");
    at.document("domain add acme.example");
    at.document("domain verify acme.example --operator-word lab");
    at.document("policy set --enabled --domain acme.example --jit");
    at.writes("token create --description lab --domain acme.example --no-sealed-copy --output token", "token");

    let mut service = Running::start(
        demo_service()
            .args(["--listen", "127.0.0.1:0", "--idp-metadata", "idp.xml", "--metadata-out", "sp.xml"])
            .current_dir(cloud.path())
            .stdout(Stdio::piped()),
    );
    until("the service's metadata", || cloud.path().join("sp.xml").exists());
    at.document("service add wiki --metadata sp.xml");
    at.text("org idp-metadata --output idp.xml");
    let ready = BufReader::new(service.0.stdout.take().unwrap()).lines().next().unwrap().unwrap();
    let page = ready.split(' ').nth(1).unwrap().to_owned();

    let name = cloud.said("cloud_name");
    let works = |line: &str| -> Ended {
        let ended = cloud.connector(line);
        assert_eq!(ended.exit, 0, "{ended:#?}");
        ended
    };
    let enroll = |device: &str, user: &str| {
        works(&format!(
            "--state-dir {device} enroll --cloud-name {name} --user-domain acme.example --device-token-file token --user-name {user} --json"
        ));
    };
    let sign_in = |device: &str, user: &str| {
        let reached = works(&format!("--state-dir {device} sign-in {page} --json")).document();
        assert_eq!(
            (&reached["reached"], &reached["login_name"]),
            (&true.into(), &format!("{user}@acme.example").into())
        );
    };
    enroll("awake", "anna");
    enroll("asleep", "ben");
    sign_in("awake", "anna");

    // The one in use cannot go before there is another, and nobody but the operator has to do with it.
    let roots = |state: &str| {
        let all = at.list("key list");
        all.into_iter().filter(|key| key["use"] == "root" && key["state"] == state).collect::<Vec<_>>()
    };
    let old = roots("active")[0]["id"].as_str().unwrap().to_owned();
    at.refused(&format!("key retire {old} --yes"), 5, "LK-API-008");
    let client = at.document("api-client create keys --scope keys:read --scope keys:write --secret-output secret");
    let client = cloud.client("acme", client["client_id"].as_str().unwrap(), "LATCHKEY_CLIENT_SECRET_FILE", "secret");
    client.refused("key add --use root", 4, "LK-AUTH-004");
    client.refused(&format!("key show {old}"), 3, "LK-API-004");

    let second = succeed(&at);
    sign_in("awake", "anna");
    works("--state-dir awake renew");
    let third = succeed(&at);
    // Who slept through both, at a sign-in; and a token that names the first root.
    sign_in("asleep", "ben");
    enroll("new", "carol");
    sign_in("new", "carol");

    assert_eq!(roots("active")[0]["id"], *third);
    assert_eq!(roots("retiring").len(), 2, "former roots are published for ever");
    for former in [&old, &second] {
        at.refused(&format!("key retire {former} --yes"), 5, "LK-API-008");
        at.refused(&format!("key activate {former}"), 5, "LK-API-008");
    }
    // Without the chain nothing leads to the third: a connector that was given the first one's pin came here by it.
    assert_ne!(at.document("check")["cloud_key"], *first);
    let cloud = cloud.again(&["--data", "d", "--listen", "127.0.0.1:0", "--tls", "own"]);
    assert_ne!(cloud.said("cloud_key"), first);
    assert!(cloud.operator(None).document("audit verify")["chains"].is_array());
}
