//! A port's `extra_dhcp_opts`: names or numbers with values as text, to options on the wire. Pure.
//!
//! Names and kinds of values are those that dnsmasq has for Neutron's users. What cannot be read is left
//! out: a guest without one option is better off than a guest without an address.

use std::net::Ipv4Addr;

use dhcproto::Name;
use dhcproto::v4::DhcpOption;
use ipnet::Ipv4Net;
use model::DhcpOption as Wish;

use crate::server::option::{WireOption, route_bytes};
use crate::server::table::{Extra, PortOption};

/// What the text of a value stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    /// Text with a NUL behind it: what boot loaders expect.
    TerminatedText,
    Addresses,
    Number(usize),
    Routes,
    Domains,
    /// Whatever it looks like.
    Guess,
}

/// Name, number, kind.
const NAMES: &[(&str, u8, Kind)] = &[
    ("netmask", 1, Kind::Addresses),
    ("time-offset", 2, Kind::Number(4)),
    ("router", 3, Kind::Addresses),
    ("dns-server", 6, Kind::Addresses),
    ("domain-name-servers", 6, Kind::Addresses),
    ("log-server", 7, Kind::Addresses),
    ("lpr-server", 9, Kind::Addresses),
    ("hostname", 12, Kind::Text),
    ("boot-file-size", 13, Kind::Number(2)),
    ("domain-name", 15, Kind::Text),
    ("swap-server", 16, Kind::Addresses),
    ("root-path", 17, Kind::Text),
    ("extension-path", 18, Kind::Text),
    ("ip-forward-enable", 19, Kind::Number(1)),
    ("non-local-source-routing", 20, Kind::Number(1)),
    ("policy-filter", 21, Kind::Addresses),
    ("max-datagram-reassembly", 22, Kind::Number(2)),
    ("default-ttl", 23, Kind::Number(1)),
    ("mtu", 26, Kind::Number(2)),
    ("all-subnets-local", 27, Kind::Number(1)),
    ("broadcast", 28, Kind::Addresses),
    ("router-discovery", 31, Kind::Number(1)),
    ("router-solicitation", 32, Kind::Addresses),
    ("static-route", 33, Kind::Addresses),
    ("trailer-encapsulation", 34, Kind::Number(1)),
    ("arp-timeout", 35, Kind::Number(4)),
    ("ethernet-encap", 36, Kind::Number(1)),
    ("tcp-ttl", 37, Kind::Number(1)),
    ("tcp-keepalive", 38, Kind::Number(4)),
    ("nis-domain", 40, Kind::Text),
    ("nis-server", 41, Kind::Addresses),
    ("ntp-server", 42, Kind::Addresses),
    ("ntp-servers", 42, Kind::Addresses),
    ("netbios-ns", 44, Kind::Addresses),
    ("netbios-dd", 45, Kind::Addresses),
    ("netbios-nodetype", 46, Kind::Number(1)),
    ("netbios-scope", 47, Kind::Guess),
    ("x-windows-fs", 48, Kind::Addresses),
    ("x-windows-dm", 49, Kind::Addresses),
    ("vendor-class", 60, Kind::Text),
    ("nis+-domain", 64, Kind::Text),
    ("nis+-server", 65, Kind::Addresses),
    ("tftp-server", 66, Kind::TerminatedText),
    ("tftp-server-name", 66, Kind::TerminatedText),
    ("bootfile-name", 67, Kind::TerminatedText),
    ("mobile-ip-home", 68, Kind::Addresses),
    ("smtp-server", 69, Kind::Addresses),
    ("pop3-server", 70, Kind::Addresses),
    ("nntp-server", 71, Kind::Addresses),
    ("irc-server", 74, Kind::Addresses),
    ("user-class", 77, Kind::Text),
    ("client-arch", 93, Kind::Number(2)),
    ("client-interface-id", 94, Kind::Guess),
    ("client-machine-id", 97, Kind::Guess),
    ("posix-timezone", 100, Kind::Text),
    ("tzdb-timezone", 101, Kind::Text),
    ("domain-search", 119, Kind::Domains),
    ("sip-server", 120, Kind::Guess),
    ("classless-static-route", 121, Kind::Routes),
    ("microsoft-classless-static-route", 249, Kind::Routes),
    ("tftp-server-address", 150, Kind::Addresses),
    ("server-ip-address", 255, Kind::Addresses),
];

/// The options that belong to the server: a port cannot set them.
const RESERVED: [u8; 9] = [0, 50, 51, 52, 53, 54, 55, 82, 255];
const CLIENT_ID: u8 = 61;

/// What a port's options come to; nothing when it has none for IPv4.
pub(crate) fn extra(wishes: &[Wish]) -> Option<Extra> {
    let mut extra = Extra::default();
    for wish in wishes.iter().filter(|wish| wish.ip_version == 4) {
        // Only the first lines: Neutron guards its files this way, and no option has lines.
        let (name, value) = (first_line(&wish.name), first_line(&wish.value));
        let (ipxe_only, name) = match name.split_once(',') {
            Some(("tag:ipxe", name)) => (true, name.trim()),
            // A tag that no client can have.
            Some(_) => continue,
            None => (false, name),
        };
        match name {
            "server-ip-address" => extra.next_server = value.parse().ok(),
            "client-id" | "61" => extra.client_id = Some(client_id(value)),
            _ => extra.options.extend(option(name, value, ipxe_only)),
        }
    }
    (extra != Extra::default()).then_some(extra)
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or("").trim()
}

fn option(name: &str, value: &str, ipxe_only: bool) -> Option<PortOption> {
    let (code, kind) = match name.parse::<u8>() {
        Ok(code) => (code, NAMES.iter().find(|entry| entry.1 == code).map_or(Kind::Guess, |entry| entry.2)),
        Err(_) => NAMES.iter().find(|entry| entry.0 == name).map(|entry| (entry.1, entry.2))?,
    };
    if RESERVED.contains(&code) || code == CLIENT_ID {
        return None;
    }
    let wire = if value.is_empty() { None } else { Some(WireOption::raw(code, bytes(kind, value)?)?) };
    Some(PortOption { wire, code, ipxe_only })
}

/// A client identifier as text, or as bytes in hexadecimal with colons.
fn client_id(value: &str) -> Vec<u8> {
    hexadecimal(value).unwrap_or_else(|| value.as_bytes().to_vec())
}

fn bytes(kind: Kind, value: &str) -> Option<Vec<u8>> {
    match kind {
        Kind::Text => Some(unquoted(value).as_bytes().to_vec()),
        Kind::TerminatedText => Some([unquoted(value).as_bytes(), &[0]].concat()),
        Kind::Addresses => addresses(value),
        Kind::Number(length) => number(value, length),
        Kind::Routes => routes(value).map(|routes| route_bytes(&routes)),
        Kind::Domains => domains(value),
        Kind::Guess => addresses(value)
            .or_else(|| hexadecimal(value))
            .or_else(|| [1, 2, 4].into_iter().find_map(|length| number(value, length)))
            .or_else(|| Some(unquoted(value).as_bytes().to_vec())),
    }
}

fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value)
}

fn addresses(value: &str) -> Option<Vec<u8>> {
    let addresses = value.split(',').map(|text| text.trim().parse::<Ipv4Addr>().ok());
    Some(addresses.collect::<Option<Vec<_>>>()?.iter().flat_map(Ipv4Addr::octets).collect())
}

/// In as many bytes as the option has; more is refused.
fn number(value: &str, length: usize) -> Option<Vec<u8>> {
    let number = match value.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok()?,
        None => value.parse::<u32>().or_else(|_| value.parse::<i32>().map(i32::cast_unsigned)).ok()?,
    };
    let bytes = number.to_be_bytes();
    let (unused, used) = bytes.split_at_checked(4 - length.min(4))?;
    unused.iter().all(|byte| *byte == 0).then(|| used.to_vec())
}

/// Bytes with colons between them; a single byte is a number, not this.
fn hexadecimal(value: &str) -> Option<Vec<u8>> {
    let byte = |text: &str| (1..=2).contains(&text.len()).then(|| u8::from_str_radix(text, 16).ok())?;
    value.contains(':').then(|| value.split(':').map(byte).collect::<Option<Vec<_>>>())?
}

/// Destinations and next hops in turn: `10.1.0.0/16,10.0.0.1,0.0.0.0/0,10.0.0.1`.
fn routes(value: &str) -> Option<Vec<(Ipv4Net, Ipv4Addr)>> {
    let parts: Vec<&str> = value.split(',').map(str::trim).collect();
    if !parts.len().is_multiple_of(2) {
        return None;
    }
    let pairs = parts.chunks_exact(2);
    pairs.map(|pair| Some((pair.first()?.parse().ok()?, pair.get(1)?.parse().ok()?))).collect()
}

fn domains(value: &str) -> Option<Vec<u8>> {
    let names: Option<Vec<Name>> = value.split(',').map(|name| Name::from_ascii(name.trim()).ok()).collect();
    let wire = WireOption::new(&DhcpOption::DomainSearch(names?))?;
    wire.bytes.get(2..).filter(|bytes| bytes.len() <= 255).map(<[u8]>::to_vec)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(name: &str, value: &str) -> Wish {
        Wish { name: name.to_owned(), value: value.to_owned(), ip_version: 4 }
    }

    fn wire(name: &str, value: &str) -> Option<Vec<u8>> {
        let extra = extra(&[wish(name, value)])?;
        extra.options.first()?.wire.as_ref().map(|wire| wire.bytes.to_vec())
    }

    #[test]
    fn names_and_numbers_are_the_same_option() {
        for name in ["ntp-server", "42"] {
            assert_eq!(
                wire(name, "10.0.0.1, 10.0.0.2"),
                Some(vec![42, 8, 10, 0, 0, 1, 10, 0, 0, 2]),
                "{name}"
            );
        }
        assert_eq!(wire("bootfile-name", "a.0"), Some(vec![67, 4, b'a', b'.', b'0', 0]));
        assert_eq!(wire("mtu", "1400"), Some(vec![26, 2, 5, 120]));
        assert_eq!(
            wire("classless-static-route", "10.1.0.0/16,10.0.0.1"),
            Some(vec![121, 7, 16, 10, 1, 10, 0, 0, 1])
        );
        assert_eq!(wire("domain-search", "a.b"), Some(vec![119, 5, 1, b'a', 1, b'b', 0]));
    }

    #[test]
    fn an_unknown_number_takes_what_the_value_looks_like() {
        assert_eq!(wire("224", "1.2.3.4"), Some(vec![224, 4, 1, 2, 3, 4]));
        assert_eq!(wire("224", "01:ff"), Some(vec![224, 2, 1, 255]));
        assert_eq!(wire("224", "300"), Some(vec![224, 2, 1, 44]));
        assert_eq!(wire("224", "text"), Some(b"\xe0\x04text".to_vec()));
        assert_eq!(wire("224", "\"300\""), Some(b"\xe0\x03300".to_vec()));
    }

    #[test]
    fn what_cannot_be_read_is_left_out() {
        for (name, value) in [
            ("no-such", "1"),
            ("mtu", "70000"),
            ("router", "x"),
            ("53", "1"),
            ("tag:x,67", "f"),
            ("300", "1"),
        ] {
            assert_eq!(extra(&[wish(name, value)]), None, "{name}");
        }
        assert_eq!(wire("tftp-server", "a\n66"), Some(vec![66, 2, b'a', 0]));
    }

    #[test]
    fn some_wishes_are_no_options() {
        let wishes =
            [wish("server-ip-address", "10.0.0.9"), wish("client-id", "01:02"), wish("tag:ipxe,67", "x")];
        let extra = extra(&wishes).unwrap();
        assert_eq!(extra.next_server, Some(Ipv4Addr::new(10, 0, 0, 9)));
        assert_eq!(extra.client_id, Some(vec![1, 2]));
        assert!(extra.options[0].ipxe_only);
        assert_eq!(super::extra(&[Wish { ip_version: 6, ..wish("42", "10.0.0.1") }]), None);
    }
}
