//! The unsigned bodies around the messages.

use latchkey_wire::calls::{MAX_TXN, NonceRequest, ProofRequest, RefusalAnswer};
use latchkey_wire::state::Purpose;
use latchkey_wire::{Bytes, Code, WireError};

#[test]
fn a_request_for_a_nonce_is_read_strictly() {
    let request = NonceRequest { purpose: Purpose::Enroll, thumbprint: Bytes([1; 32]), id: "abcdefghij".into() };
    let text = serde_json::to_string(&request).unwrap();
    assert_eq!(NonceRequest::parse(text.as_bytes()), Ok(request));
    let refused = |text: String| NonceRequest::parse(text.as_bytes()).unwrap_err();
    assert_eq!(refused(text.replacen('{', r#"{"extra":1,"#, 1)), WireError::Unknown("/extra".into()));
    assert_eq!(refused(text.replacen('{', r#"{"id":"a","#, 1)), WireError::Duplicate("id".into()));
    assert_eq!(refused(text.replace("abcdefghij", "")), WireError::Empty);
    assert!(matches!(refused(text.replace("abcdefghij", "../x")), WireError::Member(_)));
    assert!(matches!(refused(text.replace("abcdefghij", &"a".repeat(65))), WireError::Member(_)));
    assert!(matches!(refused(text.replace("abcdefghij", &"a".repeat(600))), WireError::TooLarge { .. }));
    assert!(matches!(refused(text.replace("enroll", "anything")), WireError::Member(_)));
}

#[test]
fn a_transaction_has_a_longest_form() {
    let request = |length| serde_json::to_vec(&ProofRequest { txn: "a".repeat(length), proof: "p".into() }).unwrap();
    assert!(ProofRequest::parse(&request(MAX_TXN)).is_ok());
    assert_eq!(ProofRequest::parse(&request(MAX_TXN + 1)), Err(WireError::TooLarge { limit: MAX_TXN }));
}

#[test]
fn a_problem_document_is_read_with_whatever_else_it_has() {
    let text =
        r#"{"type":"/docs/errors#LK-ENROLL-012","title":"t","status":403,"code":"LK-ENROLL-012","ref":"r1","fix":"f"}"#;
    let refusal: RefusalAnswer = serde_json::from_str(text).unwrap();
    assert_eq!(refusal.code.known(), Some(Code::Enroll012));
    assert_eq!(refusal.reference.as_deref(), Some("r1"));
    let newer: RefusalAnswer = serde_json::from_str(r#"{"code":"LK-NEWER-001"}"#).unwrap();
    assert_eq!(newer.code.known(), None);
    assert_eq!(newer.code.as_str(), "LK-NEWER-001");
}
