//! Hand-over sheets: what the other side needs, as text to send to whoever runs the service.
//! Must not know how they are delivered. Every value is quoted for the language it stands in.

use std::fmt::Write as _;

use crate::attributes::Mapping;
use crate::keys::Certificate;
use crate::metadata::ServiceMetadata;
use crate::name_id::NameIdFormat;
use crate::names as n;

/// Which service the snippet is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Addresses and values only.
    Generic,
    /// Apache mod_auth_mellon.
    Mellon,
    /// `@node-saml/node-saml`.
    NodeSaml,
    /// `python3-saml`.
    Python3Saml,
    /// The Shibboleth service provider.
    Shibboleth,
    /// SimpleSAMLphp.
    SimpleSamlPhp,
}

impl Target {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Generic, Self::Mellon, Self::NodeSaml, Self::Python3Saml, Self::Shibboleth, Self::SimpleSamlPhp];

    /// The word of command line and API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Generic => "generic",
            Self::Mellon => "mellon",
            Self::NodeSaml => "node-saml",
            Self::Python3Saml => "python3-saml",
            Self::Shibboleth => "shibboleth",
            Self::SimpleSamlPhp => "simplesamlphp",
        }
    }

    /// From the word of command line and API.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.name() == name)
    }
}

/// What a sheet is made from.
#[derive(Clone, Copy, Debug)]
pub struct Sheet<'a> {
    /// Our entity id.
    pub entity_id: &'a str,
    /// Where our metadata is.
    pub metadata_url: &'a str,
    /// Where requests go, by either binding.
    pub sso_url: &'a str,
    /// The active assertion certificate.
    pub certificate: &'a Certificate,
    /// The service as we know it.
    pub service: &'a ServiceMetadata,
    /// The NameID format it gets.
    pub name_id: NameIdFormat,
    /// The attributes it gets.
    pub attributes: &'a Mapping,
}

impl Sheet<'_> {
    /// The sheet as plain text: the facts, then the snippet for `target`.
    pub fn text(&self, target: Target) -> String {
        let mut out = self.facts();
        let snippet = match target {
            Target::Generic => return out,
            Target::Mellon => self.mellon(),
            Target::NodeSaml => self.node_saml(),
            Target::Python3Saml => self.python3_saml(),
            Target::Shibboleth => self.shibboleth(),
            Target::SimpleSamlPhp => self.simplesamlphp(),
        };
        out.push('\n');
        out.push_str(&snippet);
        out
    }

    fn acs(&self) -> &str {
        self.service.default_consumer().map_or("", |c| c.location.as_str())
    }

    fn facts(&self) -> String {
        let mut out = String::new();
        let mut line = |name: &str, value: &str| {
            // Writing to a String cannot fail; a control character would forge a line of the sheet.
            let value: String = value.chars().filter(|c| !c.is_control()).collect();
            let _ = writeln!(out, "{name:<22} {value}");
        };
        line("Identity provider", self.entity_id);
        line("Metadata", self.metadata_url);
        line("Sign-in, HTTP-Redirect", self.sso_url);
        line("Sign-in, HTTP-POST", self.sso_url);
        line("Your entity id", &self.service.entity_id);
        line("Your consumer address", self.acs());
        line("NameID format", self.name_id.uri());
        line("Signed", "the assertion, RSA or ECDSA with SHA-256, exclusive canonicalization");
        line("Lifetime", "at most 300 seconds");
        line("Fingerprint (SHA-256)", &self.certificate.fingerprint_sha256());
        for rule in self.attributes.rules() {
            line("Attribute", &format!("{} ({})", rule.name, rule.friendly_name.as_deref().unwrap_or(&rule.source)));
        }
        line("Attribute", &format!("{} (evidenceLevel)", crate::response::EVIDENCE_ATTRIBUTE));
        out.push('\n');
        out.push_str(&self.certificate.pem());
        out
    }

    fn mellon(&self) -> String {
        let user = if self.name_id == NameIdFormat::Transient { "mail" } else { "NAME_ID" };
        let mut out = format!(
            "# Apache mod_auth_mellon. Save our metadata first:\n#   curl -o /etc/apache2/mellon/idp.xml {}\n",
            shell(self.metadata_url)
        );
        out.push_str(
            "<Location />\n  MellonEndpointPath /mellon\n  MellonIdPMetadataFile /etc/apache2/mellon/idp.xml\n",
        );
        let _ = writeln!(out, "  MellonUser {user}");
        for rule in self.attributes.rules() {
            if let Some(friendly) = &rule.friendly_name {
                let _ = writeln!(out, "  MellonSetEnvNoPrefix {} {}", apache(friendly), apache(&rule.name));
            }
        }
        out.push_str("</Location>\n<Location /protected>\n  AuthType Mellon\n  MellonEnable auth\n  Require valid-user\n</Location>\n");
        out
    }

    fn shibboleth(&self) -> String {
        format!(
            "<!-- Shibboleth SP: shibboleth2.xml, inside ApplicationDefaults -->\n<Sessions lifetime=\"28800\" timeout=\"3600\" handlerSSL=\"true\" cookieProps=\"https\">\n  <SSO entityID={id}>SAML2</SSO>\n</Sessions>\n<MetadataProvider type=\"XML\" validate=\"true\" url={url} backingFilePath=\"idp.xml\" maxRefreshDelay=\"7200\"/>\n\n<!-- attribute-map.xml -->\n{map}",
            id = xml(self.entity_id),
            url = xml(self.metadata_url),
            map = self.attributes.rules().iter().fold(String::new(), |mut map, rule| {
                let id = rule.friendly_name.as_deref().unwrap_or(&rule.source);
                let _ = writeln!(
                    map,
                    "<Attribute name={} nameFormat={} id={}/>",
                    xml(&rule.name),
                    xml(rule.format.uri()),
                    xml(id)
                );
                map
            }),
        )
    }

    fn simplesamlphp(&self) -> String {
        format!(
            "// SimpleSAMLphp: metadata/saml20-idp-remote.php\n$metadata[{id}] = [\n    'SingleSignOnService' => {sso},\n    'certData' => {certificate},\n    'NameIDFormat' => {format},\n];\n\n// config/authsources.php, inside the entry 'default-sp'\n'entityID' => {service},\n'idp' => {id},\n",
            id = php(self.entity_id),
            sso = php(self.sso_url),
            certificate = php(&self.certificate.base64()),
            format = php(self.name_id.uri()),
            service = php(&self.service.entity_id),
        )
    }

    fn python3_saml(&self) -> String {
        let settings = serde_json::json!({
            "strict": true,
            "sp": {
                "entityId": self.service.entity_id,
                "assertionConsumerService": {"url": self.acs(), "binding": n::BINDING_POST},
                "NameIDFormat": self.name_id.uri(),
            },
            "idp": {
                "entityId": self.entity_id,
                "singleSignOnService": {"url": self.sso_url, "binding": n::BINDING_REDIRECT},
                "x509cert": self.certificate.base64(),
            },
            "security": {"wantAssertionsSigned": true, "wantNameId": true, "requestedAuthnContext": false},
        });
        format!("# python3-saml: settings.json\n{settings:#}\n")
    }

    fn node_saml(&self) -> String {
        let settings = serde_json::json!({
            "issuer": self.service.entity_id,
            "callbackUrl": self.acs(),
            "entryPoint": self.sso_url,
            "idpIssuer": self.entity_id,
            "idpCert": self.certificate.pem(),
            "audience": self.service.entity_id,
            "identifierFormat": self.name_id.uri(),
            "wantAssertionsSigned": true,
            // Only the assertion is signed unless the service is set up for more.
            "wantAuthnResponseSigned": false,
            "disableRequestedAuthnContext": true,
            "validateInResponseTo": "always",
        });
        format!("// @node-saml/node-saml\nconst saml = new SAML({settings:#});\n")
    }
}

fn xml(value: &str) -> String {
    let mut out = String::from("\"");
    for c in value.chars().filter(|c| !c.is_control()) {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '"' => out.push_str("&quot;"),
            // Two of them would end the comment in which somebody may put this.
            '-' if out.ends_with('-') => out.push_str("&#45;"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn php(value: &str) -> String {
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))
}

fn shell(value: &str) -> String {
    format!("'{}'", value.replace('\'', "'\\''"))
}

fn apache(value: &str) -> String {
    let plain: String = value.chars().filter(|c| !c.is_control()).collect();
    format!("\"{}\"", plain.replace('\\', "\\\\").replace('"', "\\\""))
}
