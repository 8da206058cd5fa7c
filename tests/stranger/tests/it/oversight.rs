//! Groups of devices, clean-up rules, how an organization looks, and what happened in numbers, from the command line.

use serde_json::json;

use crate::stranger::Stranger;

/// Every line about them. There are devices, and a user ruth@acme.example who has no password.
pub(crate) fn oversight(at: &Stranger) {
    let group = at.document("device-group create kiosks --users-per-device 10 --description \"Shop floor\"");
    assert_eq!((&group["name"], &group["users_per_device"]), (&json!("kiosks"), &json!(10)));
    at.refused("device-group create kiosks", 5, "LK-API-007");
    at.refused("device-group create crowds --users-per-device 51", 2, "LK-API-010");
    at.refused("device-group set kiosks", 2, "LK-CLI-001");
    let device = at.list("device list")[0]["id"].as_str().unwrap().to_owned();
    at.tries(&format!("device-group set kiosks --join {device}"));
    assert_eq!(at.document(&format!("device-group set kiosks --join {device}"))["devices"], 1);
    assert_eq!(at.list("device list --group kiosks").len(), 1);
    assert_eq!(at.document(&format!("device-group set kiosks --leave {device} --users-per-device 5"))["devices"], 0);
    assert_eq!(at.list("device-group list").len(), 1);
    at.refused("device-group show nothing", 3, "LK-API-004");

    let line =
        "cleanup-rule create --action remove --silent-days 180 --device-group kiosks --platform linux --disabled";
    at.tries(line);
    let rule = at.document(line);
    assert_eq!((&rule["device_group"], &rule["enabled"]), (&json!("kiosks"), &json!(false)));
    let rule = rule["id"].as_str().unwrap().to_owned();
    at.refused("cleanup-rule create --action remove --silent-days 7", 2, "LK-API-010");
    at.refused(&format!("cleanup-rule set {rule}"), 2, "LK-CLI-001");
    assert_eq!(at.document(&format!("cleanup-rule set {rule} --enabled"))["enabled"], true);
    assert_eq!(at.document(&format!("cleanup-rule preview {rule}"))["devices"], 0);
    assert_eq!(at.document(&format!("cleanup-rule show {rule}"))["silent_days"], 180);
    assert_eq!(at.list("cleanup-rule list").len(), 1);
    at.refused("device-group delete kiosks --yes", 5, "LK-API-008");
    at.takes_away(&format!("cleanup-rule delete {rule}"));
    at.takes_away("device-group delete kiosks");

    at.refused("branding set", 2, "LK-CLI-001");
    at.refused("branding set --accent yellowish", 2, "LK-API-010");
    let set = at.document("branding set --accent #0b5f6b --support-contact \"Call 4711\"");
    assert_eq!(set["support_contact"], "Call 4711", "{set}");
    assert_eq!(at.document("branding show")["support_contact"], "Call 4711");
    at.takes_away("branding reset");

    at.refused("statistics --days 91", 2, "LK-API-010");
    assert_eq!(at.document("statistics --days 7")["days"].as_array().map(Vec::len), Some(7));
    at.run("user expire-password ruth@acme.example");
    at.refused("user expire-password nobody@acme.example", 3, "LK-API-004");
}
