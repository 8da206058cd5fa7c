//! The service from outside: started as a program, visited by a browser, answered by an identity provider.
#![allow(clippy::unwrap_used, clippy::panic)] // a failed step is the test's report

mod browser;
mod world;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use browser::Browser;
use world::{Issuer, Service};

/// Signs in as far as the answer that is to be posted.
fn answered(service: &Service, issuer: &Issuer, browser: &mut Browser) -> Vec<(String, String)> {
    let page = browser.get(&service.secret);
    issuer.answer(&page, &service.metadata)
}

#[test]
fn both_bindings_signed_and_unsigned_lead_to_the_page() {
    let issuer = Issuer::new();
    for binding in ["redirect", "post"] {
        for requests in ["signed", "unsigned"] {
            let service = Service::start(&issuer, &["--binding", binding, "--requests", requests]);
            let signed = format!("AuthnRequestsSigned=\"{}\"", requests == "signed");
            assert!(service.metadata.contains(&signed), "{}", service.metadata);
            let mut browser = Browser::new();
            let answer = answered(&service, &issuer, &mut browser);
            let after = browser.post(&service.acs, &answer);
            assert_eq!((after.status, after.location.as_deref()), (303, Some("/secret")), "{}", after.body);
            let page = browser.get(&service.secret);
            assert_eq!(page.status, 200);
            assert!(page.body.contains("anna@acme.example"), "{}", page.body);

            // Signed out, it begins anew.
            browser.post(&service.secret.replace("/secret", "/sign-out"), &[]);
            assert!(!browser.get(&service.secret).body.contains("anna@"));
        }
    }
}

#[test]
fn what_the_library_refuses_is_a_403_that_says_why() {
    let issuer = Issuer::new();
    let service = Service::start(&issuer, &[]);

    let mut browser = Browser::new();
    let mut answer = answered(&service, &issuer, &mut browser);
    let response = answer.iter_mut().find(|(name, _)| name == "SAMLResponse").unwrap();
    let xml = String::from_utf8(BASE64.decode(&response.1).unwrap()).unwrap();
    response.1 = BASE64.encode(xml.replace("anna@", "boss@"));
    let page = browser.post(&service.acs, &answer);
    assert_eq!(page.status, 403);
    assert!(page.body.contains("Sign-in refused") && page.body.contains("signature"), "{}", page.body);

    let stranger = Issuer::new();
    let answer = answered(&service, &stranger, &mut browser);
    let page = browser.post(&service.acs, &answer);
    assert_eq!(page.status, 403, "{}", page.body);
    assert_eq!(browser.get(&service.secret).status, 303, "nobody is signed in");
}

#[test]
fn an_answer_counts_once_and_in_the_browser_that_asked() {
    let issuer = Issuer::new();
    let service = Service::start(&issuer, &[]);
    let mut browser = Browser::new();
    let answer = answered(&service, &issuer, &mut browser);

    let mut other = Browser::new();
    let page = other.post(&service.acs, &answer);
    assert_eq!(page.status, 403);
    assert!(page.body.contains("its cookie is missing"), "{}", page.body);
    other.get(&service.secret);
    let page = other.post(&service.acs, &answer);
    assert!(page.body.contains("RelayState is not known"), "{}", page.body);

    assert_eq!(browser.post(&service.acs, &answer).status, 303);
    let page = browser.post(&service.acs, &answer);
    assert_eq!(page.status, 403);
    assert!(page.body.contains("replayed SAML message"), "{}", page.body);
}
