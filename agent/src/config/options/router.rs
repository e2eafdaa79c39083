//! The options of routers: those of `l3_agent.ini`.

use std::net::Ipv6Addr;
use std::str::FromStr;

use model::HostName;

use crate::config::values::Values;

pub(super) fn router(values: &mut Values, host: &HostName) -> router::Config {
    let usual = router::Config::new(host.clone());
    router::Config {
        use_random_fully: values.flag(
            option!("agent", "use_random_fully", "random source ports of translated connections"),
            usual.use_random_fully,
        ),
        external_ingress_mark: values
            .get(option!("DEFAULT", "external_ingress_mark", "mark of packets from outside"), Mark::default())
            .0,
        ipv6_gateway: values.optional::<Ipv6Addr>(option!(
            "DEFAULT",
            "ipv6_gateway",
            "link-local address of the IPv6 router outside"
        )),
        ..usual
    }
}

/// The low 16 bits of a packet mark, as decimal or hexadecimal.
struct Mark(u16);

impl Default for Mark {
    fn default() -> Self {
        Self(0x2)
    }
}

impl FromStr for Mark {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = match text.strip_prefix("0x") {
            Some(digits) => u16::from_str_radix(digits, 16),
            None => text.parse(),
        };
        number.map(Self).map_err(|_| "not a mark of 16 bits")
    }
}

impl std::fmt::Display for Mark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}
