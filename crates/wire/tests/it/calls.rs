//! The unsigned bodies around the messages.

use latchkey_wire::calls::{FinishAnswer, MAX_TXN, NonceRequest, ProofRequest};
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
fn an_answer_to_deliver_says_whether_it_is_a_refusal() {
    let granted: FinishAnswer = serde_json::from_str(r#"{"destination":"d","saml_response":"s","newer":1}"#).unwrap();
    assert_eq!(granted.refused, None);
    assert_eq!(serde_json::to_string(&granted).unwrap(), r#"{"destination":"d","saml_response":"s"}"#);
    let refused = |code: &str| -> FinishAnswer {
        let why = format!(r#"{{"code":"{code}","detail":"d","fix":"f","ref":"r1","title":"t"}}"#);
        serde_json::from_str(&format!(r#"{{"destination":"d","saml_response":"s","refused":{why}}}"#)).unwrap()
    };
    assert_eq!(refused("LK-PROOF-020").refused.unwrap().code.known(), Some(Code::Proof020));
    let newer = refused("LK-NEWER-001").refused.unwrap();
    assert_eq!((newer.code.known(), newer.code.as_str(), newer.reference.as_str()), (None, "LK-NEWER-001", "r1"));
}
