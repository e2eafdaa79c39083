//! Other people's DHCP clients, in a guest: what they got, in one shape.

use crate::{Guest, wait};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DhcpClient {
    /// Busybox, as in small guest images.
    Udhcpc,
    /// ISC, as in older Debian and Red Hat images.
    Dhclient,
    Dhcpcd,
}

/// What a client understood. Every value it passed to its hook is in `values`, by the client's own
/// name for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    pub address: Ipv4Addr,
    pub prefix: u8,
    pub mtu: Option<u32>,
    pub router: Option<Ipv4Addr>,
    pub dns: Vec<Ipv4Addr>,
    pub values: BTreeMap<String, String>,
}

const HOOK: &str = "/run/dhcp-hook";

impl DhcpClient {
    pub const ALL: [Self; 3] = [Self::Udhcpc, Self::Dhclient, Self::Dhcpcd];

    /// Takes a lease and puts it into effect on the guest's interface; the client ends or is ended.
    #[track_caller]
    #[must_use]
    pub fn lease(self, guest: &Guest<'_>) -> Lease {
        self.try_lease(guest).unwrap_or_else(|said| panic!("{self:?} in {}: {said}", guest.netns()))
    }

    /// # Errors
    /// What the client said when it got no lease in about ten seconds.
    pub fn try_lease(self, guest: &Guest<'_>) -> Result<Lease, String> {
        let node = guest.node();
        let file = format!("/run/lease-{}", guest.netns());
        node.write(HOOK, include_str!("dhcp_hook.sh"));
        node.sh(&format!("chmod 755 {HOOK}; rm -f {file}"));
        let said = guest.try_sh(&self.script(&guest.interface, &file))?;
        let text = std::fs::read_to_string(node.path(&file)).map_err(|error| format!("{error}; {said}"))?;
        parse(&text).ok_or_else(|| format!("no lease in {text:?}; {said}"))
    }

    /// The mounts happen in the namespace that `ip netns exec` makes: what clients keep below /var/lib
    /// stays apart from guest to guest, and off the machine.
    fn script(self, interface: &str, file: &str) -> String {
        let tries = 10 * wait::patience();
        match self {
            Self::Udhcpc => format!(
                "LEASE={file} busybox udhcpc -i {interface} -f -q -n -t {tries} -T 1 -A 1 -O mtu -O staticroutes \
                 -s {HOOK} 2>&1"
            ),
            Self::Dhclient => format!(
                "mkdir -p /run/dhclient; mount -t tmpfs dhclient /run/dhclient
                 printf '%s\\n' 'option rfc3442-classless-static-routes code 121 = array of unsigned integer 8;' \
                    'request subnet-mask, routers, domain-name-servers, interface-mtu, rfc3442-classless-static-routes, domain-name;' \
                    'timeout {tries}; initial-interval 1; backoff-cutoff 1;' > /run/dhclient/conf
                 dhclient -1 -v -cf /run/dhclient/conf -lf /run/dhclient/leases -pf /run/dhclient/pid \
                    -e LEASE={file} -sf {HOOK} {interface} 2>&1
                 # The daemon writes its pid after the foreground process has gone.
                 for try in $(seq 500); do [ ! -s /run/dhclient/pid ] || break; busybox usleep 10000; done
                 kill $(cat /run/dhclient/pid)"
            ),
            Self::Dhcpcd => format!(
                "for folder in /var/lib/dhcpcd /var/lib/dhcpcd5; do [ ! -d $folder ] || mount -t tmpfs dhcpcd $folder; done
                 mkdir -p /run/dhcpcd; mount -t tmpfs dhcpcd /run/dhcpcd
                 dhcpcd -4 -1 -w -A -t {tries} -e LEASE={file} -c {HOOK} {interface} 2>&1
                 ! [ -e /run/dhcpcd/pid ] || dhcpcd -x {interface} 2>&1"
            ),
        }
    }
}

fn parse(text: &str) -> Option<Lease> {
    let values: BTreeMap<String, String> = text
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.trim_matches('\'').to_owned()))
        .collect();
    // udhcpc's names, then those of the other two.
    let value =
        |names: [&str; 2]| names.iter().find_map(|name| values.get(*name)).filter(|text| !text.is_empty());
    let mask = || value(["subnet", "new_subnet_mask"])?.parse().ok().map(prefix_of);
    Some(Lease {
        address: value(["ip", "new_ip_address"])?.parse().ok()?,
        prefix: mask()?,
        mtu: value(["mtu", "new_interface_mtu"]).and_then(|text| text.parse().ok()),
        router: value(["router", "new_routers"]).and_then(|text| text.split(' ').next()?.parse().ok()),
        dns: value(["dns", "new_domain_name_servers"])
            .map(|text| text.split(' ').filter_map(|word| word.parse().ok()).collect())
            .unwrap_or_default(),
        values,
    })
}

fn prefix_of(mask: Ipv4Addr) -> u8 {
    u8::try_from(mask.to_bits().leading_ones()).unwrap_or(32)
}
