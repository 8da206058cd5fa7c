//! Roles from the command line.

use crate::stranger::Stranger;

/// Every line about roles. There is an organization with the domain acme.example and a group staff.
pub(crate) fn roles(at: &Stranger) {
    for login in ["rosa@acme.example", "ruth@acme.example"] {
        at.makes(&format!("user create {login}"));
    }
    at.makes("group create counters");
    let names: Vec<_> = at.list("role list").iter().map(|role| role["name"].clone()).collect();
    assert_eq!(names, ["owner", "identity-administrator", "help-desk", "device-administrator", "auditor"]);
    at.makes("role create stock --access devices=view --access users=restricted");
    at.document("role create stock --access devices=full --if-missing");
    assert_eq!(at.document("role show stock")["rights"]["devices"], "view", "the existing one, untouched");
    at.refused("role create other --access devices=all", 2, "LK-API-010");
    at.refused("role create other --access devices", 2, "LK-CLI-001");
    at.refused("role set auditor --access keys=full", 5, "LK-API-008");
    at.refused("role set stock", 2, "LK-CLI-001");
    at.tries("role set stock --access keys=view --description Counts");
    assert_eq!(at.document("role set stock --access keys=view --description Counts")["rights"]["keys"], "view");
    at.tries("role give stock --group counters");
    at.document("role give stock --group counters");
    at.document("group set counters --join ruth@acme.example");
    let of = at.list("role list --user ruth@acme.example");
    assert_eq!((of.len(), &of[0]["name"]), (1, &"counters".into()));
    assert_eq!(at.list("role list --group counters").len(), 1);
    at.refused("role give stock", 2, "LK-CLI-001");
    at.refused("role give stock --user rosa@acme.example --group counters", 2, "LK-CLI-001");
    at.refused("role give stock --user nobody@acme.example", 3, "LK-API-004");

    at.document("role give owner --user rosa@acme.example");
    at.refused("role take owner --user rosa@acme.example --yes", 5, "LK-API-008");
    at.refused("user delete rosa@acme.example --yes", 5, "LK-API-008");
    at.document("role give owner --user ruth@acme.example");
    assert_eq!(at.list("role holders owner").len(), 2);
    at.takes_away("role take owner --user rosa@acme.example");

    at.refused("role delete stock --yes", 5, "LK-API-008");
    let would = at.document("role delete stock --from-everybody --dry-run");
    assert_eq!(would["would"]["taken"], 1);
    at.document("role delete stock --from-everybody --yes");
    assert_eq!(at.list("audit list --action role.delete").len(), 1);
}
