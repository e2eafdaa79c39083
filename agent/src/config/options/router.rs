//! The options of routers: those of `l3_agent.ini`.

use std::net::Ipv6Addr;
use std::str::FromStr;

use model::HostName;

use crate::config::values::Values;

pub(super) fn router(values: &mut Values, host: &HostName) -> router::Config {
    let usual = router::Config::new(host.clone());
    let metadata =
        values.flag(option!("DEFAULT", "enable_metadata_proxy", "metadata for guests behind routers"), true);
    let port = values.get(
        option!("DEFAULT", "metadata_port", "where routers send requests for metadata to"),
        usual.metadata_port.unwrap_or_default(),
    );
    router::Config {
        metadata_port: metadata.then_some(port),
        metadata_access_mark: values
            .get(
                option!("DEFAULT", "metadata_access_mark", "mark of requests for metadata"),
                Mark(usual.metadata_access_mark),
            )
            .0,
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
