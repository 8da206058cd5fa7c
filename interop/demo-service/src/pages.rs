//! The pages. Own words into HTML and nothing else: what is shown comes in as values and leaves escaped.

use saml_rs::PostForm;

use crate::memory::Person;

/// Served as `/style.css`, so that the pages need no inline style.
pub(crate) const STYLE: &str = "\
body{font:17px/1.55 system-ui,sans-serif;margin:0;background:#f3f5f7;color:#1d2530}\
main{max-width:44rem;margin:9vh auto;padding:2.2rem 2.6rem;background:#fff;border-radius:10px;box-shadow:0 2px 14px #1d253018}\
h1{font-size:1.55rem;margin:0 0 .8rem}\
table{border-collapse:collapse;width:100%;margin:1.2rem 0}\
th,td{text-align:left;vertical-align:top;padding:.45rem .6rem;border-top:1px solid #dde2e8;overflow-wrap:anywhere}\
th{font-weight:600;width:34%}\
code{font-size:.92em}\
a,button{color:#0b5cad}\
button{font:inherit;padding:.45rem 1.1rem;border:1px solid #0b5cad;border-radius:6px;background:#fff;cursor:pointer}\
.refused h1{color:#a3201d}\
.small{color:#5a6472;font-size:.9rem}";

/// Served as `/submit.js`: sends the form of [`posting`] by itself.
pub(crate) const SUBMIT: &str = "document.forms[0].submit();";

/// Attribute names of the X.500/LDAP profile and Latchkey's own, as people call them.
const NAMES: [(&str, &str); 5] = [
    ("urn:oid:0.9.2342.19200300.100.1.3", "Mail"),
    ("urn:oid:2.16.840.1.113730.3.1.241", "Display name"),
    ("urn:oid:2.5.4.42", "Given name"),
    ("urn:oid:2.5.4.4", "Surname"),
    (EVIDENCE, "Evidence level"),
];

/// The attribute that says how well the person on the device is proven.
const EVIDENCE: &str = "urn:latchkey:attribute:evidence-level";

/// What the evidence levels mean.
const LEVELS: [&str; 6] =
    ["asserted by the device", "known user", "in the inventory", "signed by the MDM", "attested", "present"];

pub(crate) fn welcome(idp: &str, signed_in: bool) -> String {
    let text = if signed_in { "You are signed in." } else { "Nobody is signed in in this browser." };
    page(
        "",
        "Demonstration service",
        &format!(
            "<p>{text} The page <a href=\"/secret\">/secret</a> is for people who are. They are sent to the identity \
             provider <code>{}</code>, and nobody types a password here.</p>",
            escape(idp)
        ),
    )
}

pub(crate) fn secret(person: &Person) -> String {
    let value = |name: &str| {
        person
            .attributes
            .iter()
            .find(|(have, _)| have == name)
            .and_then(|(_, values)| values.first())
            .map(String::as_str)
    };
    let greeting = value("urn:oid:2.16.840.1.113730.3.1.241").unwrap_or(&person.name);
    let mut rows = format!(
        "<tr><th>Name<td>{}<br><span class=\"small\">{}</span>",
        escape(&person.name),
        escape(&person.name_format)
    );
    for (name, values) in &person.attributes {
        let known = NAMES.iter().find(|(uri, _)| uri == name);
        let shown: Vec<String> = values
            .iter()
            .map(|v| {
                let meaning = v.parse().ok().filter(|_| name == EVIDENCE).and_then(|n: usize| LEVELS.get(n));
                escape(&meaning.map_or_else(|| v.clone(), |m| format!("{v}: {m}")))
            })
            .collect();
        rows.push_str(&format!(
            "<tr><th>{}<td>{}{}",
            escape(known.map_or(name.as_str(), |(_, word)| *word)),
            shown.join("<br>"),
            known.map_or_else(String::new, |(uri, _)| format!("<br><span class=\"small\">{uri}</span>"))
        ));
    }
    page(
        "",
        &format!("Hello, {}", escape(greeting)),
        &format!(
            "<p>You reached a page that only people who signed in see. This is all that the identity provider said about \
             you:</p><table>{rows}</table><form method=\"post\" action=\"/sign-out\"><button>Sign out here</button></form>"
        ),
    )
}

pub(crate) fn refused(why: &str) -> String {
    page(
        "refused",
        "Sign-in refused",
        &format!(
            "<p>The identity provider's answer was not accepted. The SAML library says:</p><p><code>{}</code></p>\
             <p><a href=\"/secret\">Try once more</a></p>",
            escape(why)
        ),
    )
}

pub(crate) fn failed(what: &str) -> String {
    page("refused", "This did not work", &format!("<p>{}</p><p><a href=\"/\">Back to the start</a></p>", escape(what)))
}

/// A form for the identity provider that sends itself, or by its button where scripts do not run.
pub(crate) fn posting(form: &PostForm) -> String {
    let mut fields = String::new();
    for field in form.fields() {
        fields.push_str(&format!(
            "<input type=\"hidden\" name=\"{}\" value=\"{}\">",
            escape(field.name()),
            escape(field.value())
        ));
    }
    page(
        "",
        "To the identity provider",
        &format!(
            "<form method=\"post\" action=\"{}\">{fields}<button>Continue</button></form><script src=\"/submit.js\"></script>",
            escape(form.action().as_str())
        ),
    )
}

/// `title` and `body` are HTML.
fn page(class: &str, title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title}</title><link rel=\"stylesheet\" href=\"/style.css\"><main class=\"{class}\"><h1>{title}</h1>{body}</main>\n"
    )
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_identity_provider_says_is_shown_escaped() {
        let person = Person {
            name: "<anna>".to_owned(),
            name_format: "f".to_owned(),
            attributes: vec![("<n>".to_owned(), vec!["\"v\"".to_owned()]), (EVIDENCE.to_owned(), vec!["3".to_owned()])],
        };
        let html = secret(&person);
        assert!(html.contains("Hello, &lt;anna&gt;"), "{html}");
        assert!(html.contains("<th>&lt;n&gt;<td>&quot;v&quot;"), "{html}");
        assert!(html.contains("3: signed by the MDM"), "{html}");
        assert!(!html.contains("<anna>"), "{html}");
    }
}
