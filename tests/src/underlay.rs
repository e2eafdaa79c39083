//! The wires between the nodes and the world outside, in a space of their own. No route leads out of it.
//!
//! `br-mgmt` stays up whatever happens to a switch, `br-ul` carries tunnels, `br-ext` is the provider
//! network. The underlay itself is the world outside: it has the provider's router address and, behind
//! it, an address that is reached only through a default route.

use crate::Space;
use std::ops::Deref;

/// The provider's router on the external network, 203.0.113.0/24.
pub const OUTSIDE: &str = "203.0.113.1";
/// The same for IPv6, on 2001:db8:113::/64.
pub const OUTSIDE_V6: &str = "2001:db8:113::1";
/// A host of the internet: no node has a route to it but by its gateway.
pub const WORLD: &str = "198.51.100.1";

#[derive(Debug)]
pub struct Underlay {
    space: Space,
}

impl Underlay {
    #[must_use]
    pub fn new() -> Self {
        let space = Space::new("underlay");
        for bridge in ["br-mgmt", "br-ul", "br-ext"] {
            // 9000 leaves it to a node's own link how large a frame may be.
            space.ip_batch(&format!("link add {bridge} type bridge\nlink set {bridge} mtu 9000 up\n"));
        }
        space.ip_batch(&format!(
            "addr add 198.18.0.254/24 dev br-mgmt\n\
             addr add 198.18.1.254/24 dev br-ul\n\
             addr add {OUTSIDE}/24 dev br-ext\n\
             addr add {OUTSIDE_V6}/64 dev br-ext\n\
             addr add {WORLD}/32 dev lo\n"
        ));
        // What leaves here may be read by a userspace switch, which wants finished checksums.
        space.sh("for bridge in br-ul br-ext; do ethtool -K $bridge tx off > /dev/null; done");
        Self { space }
    }
}

impl Default for Underlay {
    fn default() -> Self {
        Self::new()
    }
}

impl Deref for Underlay {
    type Target = Space;

    fn deref(&self) -> &Space {
        &self.space
    }
}
