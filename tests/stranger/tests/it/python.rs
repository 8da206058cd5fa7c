//! The second client, written from the protocol's page alone, against the real server and a service that others wrote.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use serde_json::Value;

use crate::programs::{Ended, Running, demo_service, quiet, repository, until};
use crate::stranger::Cloud;

fn client(cloud: &Cloud, arguments: &[&str]) -> Ended {
    let python = std::env::var("LATCHKEY_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let mut command = quiet(python, cloud.path());
    command.arg(repository().join("tests/python-client/client.py")).args(["--state", "python.json"]).args(arguments);
    // Overload is told as such; this client leaves coming back to whoever runs it.
    for _ in 0..5 {
        let ended = Ended::of(&format!("client.py {arguments:?}"), command.output().unwrap());
        if ended.exit != 4 || !ended.err.contains("LK-CLOUD-503") {
            return ended;
        }
        std::thread::sleep(std::time::Duration::from_secs(1));
    }
    Ended::of(&format!("client.py {arguments:?}"), command.output().unwrap())
}

fn good(cloud: &Cloud, arguments: &[&str]) -> Value {
    let ended = client(cloud, arguments);
    assert_eq!(ended.exit, 0, "{ended:#?}");
    ended.document()
}

#[test]
fn the_second_client_enrolls_renews_and_signs_in() {
    let cloud = Cloud::start(&[]);
    let at = cloud.operator(None);
    at.document("org create acme --name Acme");
    at.document("domain add acme.example");
    at.document("domain verify acme.example --operator-word lab");
    at.text("token create --description lab --domain acme.example --no-sealed-copy --output token");
    at.document("policy set --enabled --domain acme.example --jit");

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
    let secret = ready.split(' ').nth(1).unwrap().to_owned();

    let url = cloud.said("url");
    let enroll =
        ["enroll", "--cloud", &url, "--domain", "acme.example", "--token-file", "token", "--user", "anna@acme.example"];
    let enrolled = good(&cloud, &enroll);
    assert_eq!(enrolled["state"], "registered", "{enrolled}");
    let device = enrolled["device_id"].as_str().unwrap();
    assert_eq!(at.document(&format!("device show {device}"))["host"], at.document("device list")["items"][0]["host"]);

    let reached = good(&cloud, &["sign-in", &secret]);
    assert_eq!(reached["http_status"], 200, "{reached}");
    assert!(reached["page"].as_str().unwrap().contains("anna@acme.example"), "{reached}");

    let renewed = good(&cloud, &["renew"]);
    assert_eq!(renewed["n"], 1, "{renewed}");
    assert_eq!(at.document(&format!("device show {device}"))["epoch"], 1);
    good(&cloud, &["heartbeat"]);
    let again = good(&cloud, &["sign-in", &secret]);
    assert!(again["page"].as_str().unwrap().contains("anna@acme.example"), "with the new epoch: {again}");
    assert_eq!(at.list("session list --service wiki").len(), 2);

    at.document(&format!("device remove {device} --force --yes"));
    let refused = client(&cloud, &["sign-in", &secret]);
    assert_eq!(refused.exit, 4, "{refused:#?}");
    assert!(refused.err.contains("LK-DEVICE-410"), "{refused:#?}");
}
