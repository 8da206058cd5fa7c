//! Which addresses the server may be sent to (security.md, A31).
//!
//! Owns one judgement: public, private, or never. Must not know names, ports or what is fetched.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where an address leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// The public internet.
    Public,
    /// This machine, or a network that is not the public internet. Only by the operator's word.
    Private,
    /// Nowhere that answers a question of ours, or the place where a machine's own credentials are handed out. By nobody's word.
    Never,
}

/// Metadata services of clouds that are not on a link-local address: whoever reads them has the machine's credentials.
const METADATA_V4: [[u8; 4]; 3] = [[100, 100, 100, 200], [168, 63, 129, 16], [192, 0, 0, 192]];

/// The same over IPv6.
const METADATA_V6: [Ipv6Addr; 2] =
    [Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)];

/// Judges an address. Addresses that carry an IPv4 address inside are judged by that one as well, so that none is reached by a detour.
#[must_use]
pub fn place(address: IpAddr) -> Place {
    match address {
        IpAddr::V4(v4) => place_v4(v4),
        IpAddr::V6(v6) => place_v6(v6),
    }
}

fn place_v4(v4: Ipv4Addr) -> Place {
    let octets = v4.octets();
    if METADATA_V4.contains(&octets) {
        return Place::Never;
    }
    match octets {
        // This network, link-local, multicast, reserved and broadcast (RFC 6890, RFC 3927, RFC 5771).
        [0, ..] | [169, 254, ..] | [224..=255, ..] => Place::Never,
        // Loopback; private (RFC 1918); behind carriers (RFC 6598).
        [127 | 10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] => Place::Private,
        // Protocol assignments, documentation, the old 6to4 relays, benchmarks.
        [192, 0, 0 | 2, _] | [198, 51, 100, _] | [203, 0, 113, _] | [192, 88, 99, _] | [198, 18 | 19, ..] => {
            Place::Private
        }
        _ => Place::Public,
    }
}

fn place_v6(v6: Ipv6Addr) -> Place {
    if METADATA_V6.contains(&v6) {
        return Place::Never;
    }
    let segments = v6.segments();
    let [.., high, low] = segments;
    let inside = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        place_v4(Ipv4Addr::new(a, b, c, d))
    };
    match segments {
        [0, 0, 0, 0, 0, 0, 0, 1] => Place::Private,
        // IPv4-mapped, and what a NAT64 makes of an IPv4 address (RFC 6052).
        [0, 0, 0, 0, 0, 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => inside(high, low),
        // NAT64 with a prefix of the network's own choice (RFC 8215): which IPv4 address is inside is not ours to know.
        [0x64, 0xff9b, 1, ..] => Place::Private,
        // 6to4 carries one in front; where it leads is decided by relays that nobody runs any more.
        [0x2002, high, low, ..] => inside(high, low).max(Place::Private),
        // Teredo, ORCHID, benchmarks and other protocol assignments (RFC 2928); documentation (RFC 3849, RFC 9637).
        [0x2001, 0..=0x1ff, ..] | [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Place::Private,
        // Unique local, and the site-local of old.
        [0xfc00..=0xfdff | 0xfec0..=0xfeff, ..] => Place::Private,
        // Global unicast: all that is handed out.
        [0x2000..=0x3fff, ..] => Place::Public,
        // Unspecified, IPv4-compatible, discard, segment routing, link-local, multicast, and what is not handed out.
        _ => Place::Never,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all_are(expected: Place, addresses: &str) {
        for text in addresses.split_whitespace() {
            assert_eq!(place(text.parse().unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn a31_what_is_public() {
        all_are(
            Place::Public,
            "1.1.1.1 93.184.215.14 172.32.0.1 100.128.0.1 192.0.1.1 223.255.255.254 2606:4700::1111 2a00:1450::8a
             2001:4860:4860::8888 ::ffff:1.1.1.1 64:ff9b::1.1.1.1",
        );
    }

    #[test]
    fn a31_what_is_private() {
        all_are(
            Place::Private,
            "127.0.0.1 127.255.255.255 10.1.2.3 172.16.0.1 172.31.255.255 192.168.1.1 100.64.0.1 100.127.255.254
             198.18.0.1 192.0.2.1 198.51.100.7 203.0.113.7 192.88.99.1 ::1 fd12:3456::1 fc00::1 fec0::1 2001:db8::1
             3fff::1 2001::1 2002:0101:0101::1 2002:7f00:1::1 64:ff9b:1::7f00:1 ::ffff:127.0.0.1 ::ffff:10.0.0.1
             64:ff9b::127.0.0.1 64:ff9b::10.0.0.1",
        );
    }

    #[test]
    fn a31_what_is_never_reached() {
        all_are(
            Place::Never,
            "0.0.0.0 0.1.2.3 169.254.169.254 169.254.0.1 224.0.0.1 239.255.255.250 240.0.0.1 255.255.255.255
             100.100.100.200 192.0.0.192 168.63.129.16 :: fe80::1 febf::1 ff02::1 ff0e::1 100::1 fd00:ec2::254
             fd20:ce::254 ::ffff:169.254.169.254 64:ff9b::169.254.169.254 2002:a9fe:a9fe::1 ::169.254.169.254
             ::127.0.0.1 ::ffff:0.0.0.0 5f00::1 4000::1",
        );
    }

    proptest! {
        #[test]
        fn a31_no_form_of_a_special_address_is_easier_to_reach(bits in any::<u32>(), range in 0usize..6) {
            let (prefix, length) = [
                ([127, 0, 0, 0], 8), ([10, 0, 0, 0], 8), ([192, 168, 0, 0], 16),
                ([169, 254, 0, 0], 16), ([100, 64, 0, 0], 10), ([224, 0, 0, 0], 3),
            ][range];
            let mask = u32::MAX >> length;
            let v4 = Ipv4Addr::from(u32::from_be_bytes(prefix) & !mask | bits & mask);
            let [a, b, c, d] = v4.octets();
            let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            let forms: [IpAddr; 5] = [
                v4.into(),
                v4.to_ipv6_mapped().into(),
                v4.to_ipv6_compatible().into(),
                Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low).into(),
                Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1).into(),
            ];
            for form in forms {
                prop_assert_ne!(place(form), Place::Public, "{}", form);
                prop_assert!(place(form) >= place(v4.into()), "{} is easier to reach than {}", form, v4);
            }
        }

        #[test]
        fn a31_what_the_standard_library_calls_special_is_not_public(v4 in any::<u32>(), v6 in any::<u128>()) {
            let v4 = Ipv4Addr::from(v4);
            let special = v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_multicast()
                || v4.is_broadcast() || v4.is_documentation() || v4.is_unspecified();
            prop_assert!(!special || place(v4.into()) != Place::Public);
            let v6 = Ipv6Addr::from(v6);
            let special = v6.is_multicast() || v6.is_unicast_link_local() || v6.is_unique_local();
            prop_assert!(!special || place(v6.into()) != Place::Public);
        }
    }
}
