//! A service for tests: sends to the issuer by redirect or form, takes the answer, keeps a session by cookie.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use crate::wire_http::{Reply, Request, serve};

#[derive(Clone, Debug, PartialEq)]
pub enum How {
    Redirect,
    Post,
    /// The form's action is this instead.
    PostTo(String),
    /// The page redirects here first.
    Via(String),
    /// Refuses every answer.
    Refuses,
    /// Takes the answer and asks again.
    Loops,
    /// The consumer sends the form on.
    SendsOn(String),
}

pub struct Service {
    pub address: SocketAddr,
    pub seen: Arc<Mutex<Vec<(String, String)>>>,
}

impl Service {
    pub fn start(sso: String, how: How) -> Self {
        let seen: Arc<Mutex<Vec<(String, String)>>> = Arc::default();
        let kept = seen.clone();
        let (address, _) = serve(None, move |request| {
            let cookie = request.header("cookie").unwrap_or_default().to_owned();
            kept.lock().unwrap().push((format!("{} {}", request.method, request.path()), cookie));
            handle(&request, &sso, &how)
        });
        Service { address, seen }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.address.port())
    }

    pub fn requests(&self) -> Vec<(String, String)> {
        self.seen.lock().unwrap().clone()
    }
}

fn handle(request: &Request, sso: &str, how: &How) -> Reply {
    match (request.path(), how) {
        ("/secret", How::Loops) => ask(sso, &How::Redirect),
        ("/secret", _) if request.header("cookie").is_some_and(|c| c.contains("session=")) => {
            let cookies = request.header("cookie").unwrap_or_default();
            let user = cookies.split("session=").nth(1).unwrap_or_default().split('@').next().unwrap_or_default();
            Reply::html(200, &format!("<title>Secret</title><p>Hello {user}</p>"))
        }
        ("/secret", How::Via(to)) => Reply::redirect(to),
        ("/secret", how) => ask(sso, how),
        ("/circle", _) => Reply::redirect("/circle"),
        ("/plain", _) => Reply::html(200, "public"),
        ("/missing", _) => Reply::html(404, "<title>No such page</title>"),
        ("/acs", How::Refuses) => Reply::html(403, "<title>Audience is wrong</title>"),
        ("/acs", How::SendsOn(to)) => Reply::html(307, "").with("Location", to),
        ("/acs", _) => {
            assert_eq!(request.method, "POST");
            let user = request.form("SAMLResponse").unwrap();
            let state = request.form("RelayState").unwrap();
            assert_eq!(state, "/secret&x=<1>", "the relay state comes back as it was");
            Reply::redirect("/secret").with("Set-Cookie", &format!("session={user}; Path=/; HttpOnly"))
        }
        _ => Reply::html(404, ""),
    }
}

fn ask(sso: &str, how: &How) -> Reply {
    let to = match how {
        How::PostTo(to) => to,
        _ => sso,
    };
    if matches!(how, How::Post | How::PostTo(_)) {
        let page = format!(
            "<!DOCTYPE html><title>Wait</title><script>var x = '<form action=\"http://evil.test\"><input name=SAMLRequest>';</script>
            <noscript>press</noscript><FORM Method='POST' action='{to}'><input type=hidden name='SAMLRequest' value='PHg+'>
            <input type=hidden name=RelayState value='/secret&amp;x=&lt;1&gt;'><input type=submit name=go value=Go></form>"
        );
        return Reply::html(200, &page).with("Set-Cookie", "pre=1; Path=/");
    }
    Reply::redirect(&format!("{to}?SAMLRequest=PHg%2B&RelayState=%2Fsecret%26x%3D%3C1%3E"))
        .with("Set-Cookie", "pre=1; Path=/")
}
