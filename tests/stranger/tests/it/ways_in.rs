//! What people sign in with in a browser, from the command line.

use crate::stranger::Stranger;

/// Every line about it. There is a user ruth@acme.example who has nothing to sign in with.
pub(crate) fn ways_in(at: &Stranger) {
    let shown = at.document("sign-in-method show");
    assert!(shown["methods"].as_array().is_some_and(|methods| !methods.is_empty()), "{shown}");
    at.refused("sign-in-method set", 2, "LK-CLI-001");
    at.refused("sign-in-method set --password-min-length 3 --yes", 2, "LK-API-010");
    let set = at.document("sign-in-method set --password-min-length 16 --yes");
    assert_eq!(set["password_min_length"], 16, "{set}");
    let nothing = at.document("user credentials ruth@acme.example");
    assert_eq!(nothing["passkeys"].as_array().map(Vec::len), Some(0), "{nothing}");
    at.refused("user credentials nobody@acme.example", 3, "LK-API-004");
    at.document("user reset-credentials ruth@acme.example --method passkey --yes");
}
