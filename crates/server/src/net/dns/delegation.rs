//! Which servers are in charge of a name.
//!
//! Owns finding the zone's name servers and their addresses through the system's resolver, and keeping to public ones. Must not know
//! what they are asked.

use std::net::{IpAddr, SocketAddr};

use async_trait::async_trait;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::LookupIpStrategy;
use hickory_resolver::proto::rr::{Name, RData, RecordType};

use crate::net::address::{Place, place};

/// More name servers than this of one zone are not asked; nor more addresses.
const MAX_SERVERS: usize = 8;
const MAX_ADDRESSES: usize = 12;

/// Why it is not known whom to ask.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoServers {
    /// The servers have addresses that are not on the public internet.
    #[error("the name servers of {zone} have no public address; name a server with --dns-server")]
    NotPublic {
        /// The zone.
        zone: String,
    },
    /// No zone above the name says which servers it has.
    #[error("no zone of this name is known to the system's resolver")]
    NoZone,
    /// The system's resolver failed.
    #[error("the system's resolver does not answer: {0}")]
    Resolver(String),
}

/// Finds the servers of the zone a name is in.
#[async_trait]
pub trait Delegation: Send + Sync {
    /// Their addresses; never an empty list.
    async fn servers_of(&self, name: &Name) -> Result<Vec<SocketAddr>, NoServers>;
}

/// By the system's resolver. Its cache is not used: who just corrected a delegation wants to see it.
pub struct SystemDelegation;

#[async_trait]
impl Delegation for SystemDelegation {
    async fn servers_of(&self, name: &Name) -> Result<Vec<SocketAddr>, NoServers> {
        // Read anew each time, as the system's own programs do: /etc/resolv.conf changes under a running server.
        let mut builder = TokioResolver::builder_tokio().map_err(|e| NoServers::Resolver(e.to_string()))?;
        let options = builder.options_mut();
        options.cache_size = 0;
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        by(&builder.build().map_err(|e| NoServers::Resolver(e.to_string()))?, name).await
    }
}

/// Finds them by this resolver.
async fn by(resolver: &TokioResolver, name: &Name) -> Result<Vec<SocketAddr>, NoServers> {
    let (zone, servers) = zone_of(resolver, name).await?;
    let mut addresses: Vec<IpAddr> = Vec::new();
    let mut failure = None;
    for server in servers.into_iter().take(MAX_SERVERS) {
        match resolver.lookup_ip(server).await {
            Ok(found) => addresses.extend(found.iter()),
            Err(error) => failure = Some(error.to_string()),
        }
    }
    if addresses.is_empty() {
        return Err(NoServers::Resolver(failure.unwrap_or_else(|| "the name servers have no address".into())));
    }
    addresses.retain(|address| place(*address) == Place::Public);
    addresses.dedup();
    if addresses.is_empty() {
        return Err(NoServers::NotPublic { zone: zone.to_string() });
    }
    Ok(addresses.into_iter().take(MAX_ADDRESSES).map(|address| SocketAddr::new(address, 53)).collect())
}

/// Goes up from the name to the first that has name servers of its own.
async fn zone_of(resolver: &TokioResolver, name: &Name) -> Result<(Name, Vec<Name>), NoServers> {
    let mut zone = name.clone();
    while !zone.is_root() {
        match resolver.lookup(zone.clone(), RecordType::NS).await {
            Ok(answer) => {
                // Behind an alias the servers would be those of another zone.
                let own = answer.answers().iter().filter(|record| record.name == zone);
                let servers: Vec<Name> = own
                    .filter_map(|record| match &record.data {
                        RData::NS(server) => Some(server.0.clone()),
                        _ => None,
                    })
                    .collect();
                if !servers.is_empty() {
                    return Ok((zone, servers));
                }
            }
            Err(error) if error.is_no_records_found() => {}
            Err(error) => return Err(NoServers::Resolver(error.to_string())),
        }
        zone = zone.base_name();
    }
    Err(NoServers::NoZone)
}

#[cfg(test)]
mod tests {
    use hickory_resolver::config::{NameServerConfig, ResolverConfig, ResolverOpts};
    use hickory_resolver::net::runtime::TokioRuntimeProvider;
    use hickory_resolver::proto::op::{Message, ResponseCode};
    use hickory_resolver::proto::rr::Record as Resource;
    use hickory_resolver::proto::rr::rdata::{A, AAAA, CNAME, NS};

    use super::*;
    use crate::net::dns::tests::{code, name_of, reply, server};

    /// A resolver that asks this server only.
    fn asking(address: SocketAddr) -> TokioResolver {
        let mut one = NameServerConfig::udp(address.ip());
        for connection in &mut one.connections {
            connection.port = address.port();
        }
        let config = ResolverConfig::from_parts(None, vec![], vec![one]);
        let mut options = ResolverOpts::default();
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        options.attempts = 0;
        TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
            .with_options(options)
            .build()
            .unwrap()
    }

    fn with(mut answer: Message, owner: &Name, data: RData) -> Message {
        answer.metadata.recursion_available = true;
        answer.add_answer(Resource::from_rdata(owner.clone(), 60, data));
        answer
    }

    /// A world in which `acme.se` has the servers `ns1` and `ns2`, with these addresses.
    fn world(v4: &'static [[u8; 4]]) -> impl Fn(&Message, super::super::tests::Way) -> Vec<Message> {
        move |q, _| {
            let (name, asked) = (name_of(q), q.queries[0].query_type());
            let text = name.to_ascii();
            let mut answer = reply(q);
            match (text.as_str(), asked) {
                ("acme.se.", RecordType::NS) => {
                    for server in ["ns1.host.se.", "ns2.host.se."] {
                        answer = with(answer, &name, RData::NS(NS(Name::from_ascii(server).unwrap())));
                    }
                }
                ("alias.acme.se.", RecordType::NS) => {
                    let other = Name::from_ascii("other.se.").unwrap();
                    answer = with(answer, &name, RData::CNAME(CNAME(other.clone())));
                    answer = with(answer, &other, RData::NS(NS(Name::from_ascii("ns.other.se.").unwrap())));
                }
                ("ns1.host.se.", RecordType::A) => {
                    for [a, b, c, d] in v4 {
                        answer = with(answer, &name, RData::A(A::new(*a, *b, *c, *d)));
                    }
                }
                ("ns2.host.se.", RecordType::AAAA) if v4.len() > 1 => {
                    answer = with(answer, &name, RData::AAAA(AAAA::new(0x2606, 0x4700, 0, 0, 0, 0, 0, 1)));
                }
                ("broken.se.", _) => answer = code(q, ResponseCode::ServFail),
                _ => answer = code(q, ResponseCode::NXDomain),
            }
            vec![answer]
        }
    }

    async fn servers(v4: &'static [[u8; 4]], name: &str) -> Result<Vec<SocketAddr>, NoServers> {
        let resolver = asking(server(world(v4)).await);
        by(&resolver, &Name::from_ascii(name).unwrap()).await
    }

    #[tokio::test]
    async fn a31_the_zones_own_servers_are_asked_and_only_at_public_addresses() {
        let mixed = &[[127, 0, 0, 1], [9, 9, 9, 9], [169, 254, 169, 254]];
        let mut found = servers(mixed, "_latchkey-challenge.acme.se.").await.unwrap();
        found.sort();
        assert_eq!(found, ["9.9.9.9:53".parse().unwrap(), "[2606:4700::1]:53".parse().unwrap()]);
        let inner = servers(&[[10, 0, 0, 1]], "_latchkey-challenge.acme.se.").await;
        assert_eq!(inner, Err(NoServers::NotPublic { zone: "acme.se.".into() }));
    }

    #[tokio::test]
    async fn behind_an_alias_the_zone_is_still_the_names_own() {
        let found = servers(&[[9, 9, 9, 9]], "alias.acme.se.").await.unwrap();
        assert_eq!(found, ["9.9.9.9:53".parse().unwrap()]);
    }

    #[tokio::test]
    async fn no_zone_and_a_resolver_that_fails_are_told_apart() {
        assert_eq!(servers(&[], "nowhere.no.").await, Err(NoServers::NoZone));
        assert!(matches!(servers(&[], "broken.se.").await, Err(NoServers::Resolver(_))));
    }
}
