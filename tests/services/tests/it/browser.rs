//! A browser reduced to what signing in needs: cookies of one host, and forms. Redirects are the caller's to follow.

use std::collections::BTreeMap;
use std::time::Duration;

/// One answer of a server.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) status: u16,
    /// Where it sends the browser, as an absolute address.
    pub(crate) location: Option<String>,
    pub(crate) body: String,
}

/// A form that is to be posted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Form {
    pub(crate) action: String,
    pub(crate) fields: Vec<(String, String)>,
}

pub(crate) struct Browser {
    agent: ureq::Agent,
    cookies: BTreeMap<String, String>,
}

impl Browser {
    pub(crate) fn new() -> Self {
        let config = ureq::Agent::config_builder()
            .max_redirects(0)
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(20)))
            .build();
        Self { agent: config.into(), cookies: BTreeMap::new() }
    }

    pub(crate) fn get(&mut self, url: &str) -> Page {
        let response = self.agent.get(url).header("cookie", self.cookie_header()).call().unwrap();
        self.page(url, response)
    }

    /// Gets a page, following redirects that stay at its origin.
    pub(crate) fn get_following(&mut self, url: &str) -> Page {
        let origin = |url: &str| url::Url::parse(url).unwrap().origin();
        let mut page = self.get(url);
        for _ in 0..10 {
            match &page.location {
                Some(next) if origin(next) == origin(url) => page = self.get(&next.clone()),
                _ => return page,
            }
        }
        panic!("{url} redirects without end")
    }

    pub(crate) fn post(&mut self, form: &Form) -> Page {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&form.fields).finish();
        let response = self
            .agent
            .post(&form.action)
            .header("cookie", self.cookie_header())
            .header("content-type", "application/x-www-form-urlencoded")
            .send(body)
            .unwrap();
        self.page(&form.action, response)
    }

    fn cookie_header(&self) -> String {
        self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    fn page(&mut self, url: &str, mut response: ureq::http::Response<ureq::Body>) -> Page {
        for cookie in response.headers().get_all("set-cookie") {
            let (name, rest) = cookie.to_str().unwrap().split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), rest.split(';').next().unwrap().to_owned());
        }
        let location = response.headers().get("location").map(|l| {
            let base = url::Url::parse(url).unwrap();
            base.join(l.to_str().unwrap()).unwrap().to_string()
        });
        Page { status: response.status().as_u16(), location, body: response.body_mut().read_to_string().unwrap() }
    }
}

/// The first form of a page.
pub(crate) fn form(html: &str) -> Option<Form> {
    let tags: Vec<&str> = html.split('<').skip(1).filter_map(|t| t.split('>').next()).collect();
    let start = tags.iter().position(|t| t.starts_with("form"))?;
    let action = attribute(tags[start], "action")?;
    let fields = tags[start..]
        .iter()
        .take_while(|t| !t.starts_with("/form"))
        .filter(|t| t.starts_with("input"))
        .filter_map(|t| Some((attribute(t, "name")?, attribute(t, "value").unwrap_or_default())))
        .collect();
    Some(Form { action, fields })
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!("{name}=\""))?;
    let value = rest.split('"').next()?;
    Some(unescaped(value))
}

/// Character references, by name where services use one, else by number.
fn unescaped(text: &str) -> String {
    let mut parts = text.split('&');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once(';').unwrap_or_else(|| panic!("an unfinished reference in {text}"));
        let number = name.strip_prefix('#').map(|n| match n.strip_prefix(['x', 'X']) {
            Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16).unwrap(),
            None => n.parse().unwrap(),
        });
        out.push(match (name, number) {
            (_, Some(number)) => char::from_u32(number).unwrap(),
            ("amp", _) => '&',
            ("apos", _) => '\'',
            ("gt", _) => '>',
            ("lt", _) => '<',
            ("quot", _) => '"',
            _ => panic!("an unknown reference in {text}"),
        });
        out.push_str(rest);
    }
    out
}

#[test]
fn a_form_is_found_with_its_fields_unescaped() {
    let html = r#"<p>x</p><form method="post" action="http&#58;//a/?b=1&amp;c=2"><input type="hidden" name="n" value="&quot;v&#x22;&amp;lt;"/><button>Go</button></form><input name="o" value="p">"#;
    let found = form(html).unwrap();
    assert_eq!(found.action, "http://a/?b=1&c=2");
    assert_eq!(found.fields, [("n".to_owned(), "\"v\"&lt;".to_owned())]);
}
