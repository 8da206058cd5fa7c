//! Any message is read back as it was written, and no two writers mean different things by one text.

use std::collections::BTreeMap;

use latchkey_wire::code::{AnyCode, Retry};
use latchkey_wire::message::{
    Bind, BindingInfo, DeviceFacts, DeviceResult, Enroll, Evidence, Message, Payload, Proof, Reason, Refusal, Renew,
    UserClaim, Would,
};
use latchkey_wire::*;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

use crate::support::common;

/// Any text that is not empty: quotes, controls, other scripts.
fn text() -> impl Strategy<Value = String> {
    "\\PC{1,20}|[\u{0}-\u{7f}]{1,10}"
}

fn hash() -> impl Strategy<Value = Bytes<32>> {
    any::<[u8; 32]>().prop_map(Bytes)
}

fn integer() -> impl Strategy<Value = u64> {
    prop_oneof![0..1000u64, 0..(1u64 << 53)]
}

fn p256() -> impl Strategy<Value = PublicJwk> {
    Just(()).prop_map(|()| P256Key::generate().public().clone())
}

fn token_id() -> impl Strategy<Value = TokenId> {
    "[a-z2-7]{10}".prop_map(|id| id.parse().unwrap())
}

fn evidence() -> impl Strategy<Value = Vec<Evidence>> {
    let mdm = prop::collection::vec(prop::collection::vec(any::<u8>(), 1..20).prop_map(Binary), 1..3);
    let item =
        prop_oneof![token_id().prop_map(|id| Evidence::Code { id }), mdm.prop_map(|chain| Evidence::Mdm { chain }),];
    prop::collection::vec(item, 0..3)
}

prop_compose! {
    fn facts()(
        platform in select(Platform::ALL), os in of(text()), host in of(text()), serial in of(text()),
        smbios_uuid in of(text()), agent in text(), external_device_id in of(text()), ownership in of(text()),
    ) -> DeviceFacts {
        DeviceFacts { platform, os, host, serial, smbios_uuid, agent, external_device_id, ownership }
    }
}

prop_compose! {
    fn user()(uk_jwk in p256(), claim in text(), source in select(ClaimSource::ALL), os_account in text()) -> UserClaim {
        UserClaim { uk_jwk, claim, source, os_account }
    }
}

prop_compose! {
    fn enroll()(
        cloud in text(), domain in text(), token_id in of(token_id()), dk_jwk in p256(), v_0 in hash(),
        protection in select(Protection::ALL), device in facts(), user in of(user()), evidence in evidence(),
        replaces in of(text()), dry_run: bool,
    ) -> Enroll {
        Enroll { cloud, domain, token_id, dk_jwk, v_0, protection, device, user, evidence, replaces, dry_run }
    }
}

prop_compose! {
    fn renew()(
        device_id in text(), n in integer(), e: [u8; 32], v_next in hash(),
        certificate in of(prop::collection::vec(any::<u8>(), 1..40).prop_map(Binary)), facts in facts(),
        new_dk_jwk in of(p256()),
    ) -> Renew {
        Renew { device_id, n, e_n: EpochSecret::from_bytes(&e), v_next, certificate, facts, new_dk_jwk }
    }
}

prop_compose! {
    fn bind()(
        device_id in text(), n in integer(), tag in hash(), user in user(), evidence in evidence(),
    ) -> Bind {
        let UserClaim { uk_jwk, claim, source, os_account } = user;
        Bind { device_id, n, tag, uk_jwk, claim, source, os_account, evidence }
    }
}

prop_compose! {
    fn proof()(
        txn_sha256 in hash(), device_id in text(), binding_id in text(), channel in select(Channel::ALL), n in integer(),
        tag in hash(), presence: bool,
    ) -> Proof {
        Proof { txn_sha256, device_id, binding_id, channel, n, tag, presence }
    }
}

/// Codes of this version and of later ones.
fn any_code() -> impl Strategy<Value = AnyCode> {
    prop_oneof![select(Code::ALL).prop_map(AnyCode::Known), "LK-NEWER-[0-9]{3}".prop_map(AnyCode::Other),]
}

prop_compose! {
    fn refusal()(
        dk in hash(), request_sha256 in hash(), time in integer(), code in any_code(), state in of(select(DeviceState::ALL)),
        retry in select(&[Retry::Never, Retry::BackOff, Retry::RenewFirst, Retry::NewNonce][..]), retry_after in of(integer()),
    ) -> Refusal {
        Refusal { dk, request_sha256, time, code, state, retry, retry_after }
    }
}

prop_compose! {
    fn result()(
        (request_sha256, dk, device_id, state) in (hash(), hash(), of(text()), select(DeviceState::ALL)),
        reason in of(prop_oneof![Just(Reason::Asleep), Just(Reason::Initial), any_code().prop_map(Reason::Code)]),
        (n, renew_at, heartbeat_s, time) in (integer(), integer(), integer(), integer()),
        certificate in of(prop::collection::vec(any::<u8>(), 1..40).prop_map(Binary)),
        (id, login_name, level, binding_state) in (text(), text(), select(&Level::ALL[..]), select(BindingState::ALL)),
        would in of(Just(())), created: bool,
    ) -> DeviceResult {
        let would = would.map(|()| Would {
            login_name: Some(login_name.clone()), level: Some(level), user_created: created, binding_state: None,
            uses: Some(n), max_uses: None,
        });
        let bindings = vec![BindingInfo { id, state: binding_state, level, login_name, uk: dk }];
        let settings = BTreeMap::from([("name".to_owned(), serde_json::json!({"nested": [1, true, "x"]}))]);
        DeviceResult {
            request_sha256, dk, device_id, state, reason, n, certificate, renew_at, heartbeat_s, settings, time, bindings, would,
        }
    }
}

fn there_and_back<T: Payload<Common = message::Common> + PartialEq>(body: T) -> Result<(), TestCaseError> {
    let message = Message { common: common(), body };
    let payload = message.to_payload().map_err(|e| TestCaseError::fail(e.to_string()))?;
    let read = Message::<T>::from_payload(&payload).map_err(|e| TestCaseError::fail(e.to_string()))?;
    prop_assert_eq!(read.to_payload(), Ok(payload));
    prop_assert_eq!(read, message);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn an_enrollment(body in enroll()) { there_and_back(body)?; }

    #[test]
    fn a_renewal(body in renew()) { there_and_back(body)?; }

    #[test]
    fn a_binding(body in bind()) { there_and_back(body)?; }

    #[test]
    fn a_proof(body in proof()) { there_and_back(body)?; }

    #[test]
    fn a_refusal(body in refusal()) { there_and_back(body)?; }

    #[test]
    fn a_result(body in result()) { there_and_back(body)?; }

    #[test]
    fn bytes_in_base64url(bytes: Vec<u8>) {
        prop_assert_eq!(bytes::from_base64url(&bytes::to_base64url(&bytes)), Ok(bytes));
    }

    /// No two texts decode to the same bytes: whatever decodes is the encoding of what it decodes to.
    #[test]
    fn base64url_has_one_spelling(text in "[A-Za-z0-9_=+/ -]{0,12}") {
        if let Ok(decoded) = bytes::from_base64url(&text) {
            prop_assert_eq!(bytes::to_base64url(&decoded), text);
        }
    }

    #[test]
    fn a_pin(pin: [u8; 16]) {
        prop_assert_eq!(Pin::from_bytes(pin).to_string().parse(), Ok(Pin::from_bytes(pin)));
    }
}

#[test]
fn closed_lists_are_spelled_as_documented() {
    fn spelled<T: Copy + std::fmt::Display>(all: &[T]) -> String {
        all.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }
    let states = "pending registered suspended quarantined removal_pending removed unregistered retired";
    assert_eq!(spelled(DeviceState::ALL), states);
    assert_eq!(spelled(BindingState::ALL), "pending active ended");
    assert_eq!(spelled(Platform::ALL), "windows macos linux ios android");
    assert_eq!(spelled(Protection::ALL), "software claimed attested");
    assert_eq!(spelled(Channel::ALL), "agent extension certificate loopback broker");
    assert_eq!(spelled(state::Purpose::ALL), "enroll renew bind heartbeat unenroll");
    let error = "asleep".parse::<DeviceState>().unwrap_err().to_string();
    assert_eq!(error, format!(r#""asleep" is not one of: {states}"#));
    assert_eq!(serde_json::to_string(&Level::MdmSigned).unwrap(), "3");
    assert!(serde_json::from_str::<Level>("6").is_err());
    assert!(Level::KnownUser.is_low() && !Level::Inventory.is_low());
}
