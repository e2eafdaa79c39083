//! Names of the ports that we make on bridges: patch ports and tunnel ports, as Neutron's agent calls
//! them, so that either finds the other's. Device names of network ports are in `model::names`.

use std::net::IpAddr;

use blake2::digest::consts::U20;
use blake2::{Blake2b, Digest};
use model::TunnelKind;
use sha1::Sha1;

/// Longest name of a device that the kernel takes.
const LONGEST: usize = 15;
/// How many hex digits of a hash stand for the end of a name that was cut.
const HASH_DIGITS: usize = 6;

/// `int-<bridge>`: the patch port on the integration bridge that leads to a physical bridge.
pub fn int_patch(bridge: &str) -> String {
    patch("int-", bridge)
}

/// `phy-<bridge>`: the patch port on a physical bridge.
pub fn phy_patch(bridge: &str) -> String {
    patch("phy-", bridge)
}

/// A name that would be too long keeps its beginning and gets six digits of the SHA-1 of the bridge.
fn patch(prefix: &str, bridge: &str) -> String {
    if prefix.len() + bridge.len() <= LONGEST {
        return format!("{prefix}{bridge}");
    }
    let kept: String = bridge.chars().take(LONGEST - prefix.len() - HASH_DIGITS).collect();
    let mut hash = hex(&Sha1::digest(bridge.as_bytes()));
    hash.truncate(HASH_DIGITS);
    format!("{prefix}{kept}{hash}")
}

/// `vxlan-0a000002` for an IPv4 address; for IPv6 as many characters of a hash as fit.
///
/// The hash is over the address as text in the form of RFC 5952, which is how the server sends it.
pub fn tunnel(kind: TunnelKind, remote: IpAddr) -> String {
    match remote {
        IpAddr::V4(address) => format!("{kind}-{}", hex(&address.octets())),
        IpAddr::V6(address) => {
            let hash = Blake2b::<U20>::digest(address.to_string().as_bytes());
            let mut name = format!("{kind}-{}", base32(&hash));
            name.truncate(LONGEST);
            name
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Base 32 of RFC 4648 in lower case. The 20 bytes of a hash need no padding.
fn base32(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let bit = |position: usize| bytes.get(position / 8).map_or(0, |byte| byte >> (7 - position % 8) & 1);
    let digit = |first: usize| (first..first + 5).fold(0, |sum, position| sum << 1 | bit(position));
    let digits = (0..bytes.len() * 8).step_by(5).map(digit);
    digits.filter_map(|digit| ALPHABET.get(usize::from(digit))).map(|letter| char::from(*letter)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patch_ports_are_named_as_by_neutron() {
        assert_eq!(int_patch("br-ex"), "int-br-ex");
        assert_eq!(phy_patch("br-physnet1"), "phy-br-physnet1");
        assert_eq!(int_patch("br-physnet1-long"), "int-br-ph946837");
    }

    #[test]
    fn tunnel_ports_are_named_as_by_neutron() {
        let four = "10.0.0.2".parse().unwrap();
        assert_eq!(tunnel(TunnelKind::Vxlan, four), "vxlan-0a000002");
        assert_eq!(tunnel(TunnelKind::Geneve, four), "geneve-0a000002");
        let six = "2001:db8:0::2".parse().unwrap();
        assert_eq!(tunnel(TunnelKind::Vxlan, six), "vxlan-qtfsbtdew");
        assert_eq!(tunnel(TunnelKind::Geneve, six), "geneve-qtfsbtde");
        assert_eq!(tunnel(TunnelKind::Gre, six), "gre-qtfsbtdewtq");
    }
}
