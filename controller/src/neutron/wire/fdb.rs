//! Forwarding tables as Neutron's l2population casts them: which MAC addresses are behind which tunnel
//! ends, and which ends a network floods to.

use std::net::IpAddr;

use model::{Mac, NetworkId};
use serde_json::{Map, Value};

use super::read::Reader;
use crate::neutron::fault::Malformed;

/// How many complaints one message is worth.
const MOST_COMPLAINTS: usize = 8;

/// What a message says of one network behind one tunnel end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Behind {
    pub(crate) network: NetworkId,
    pub(crate) endpoint: IpAddr,
    /// Whether the network floods to this end.
    pub(crate) flood: bool,
    /// A MAC address is here once for each of its addresses.
    pub(crate) entries: Vec<(Mac, IpAddr)>,
}

/// What a message says of addresses that changed behind one tunnel end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Readdressed {
    pub(crate) network: NetworkId,
    pub(crate) endpoint: IpAddr,
    pub(crate) before: Vec<(Mac, IpAddr)>,
    pub(crate) after: Vec<(Mac, IpAddr)>,
}

/// What could be read, and complaints of the rest.
pub(crate) type Read<T> = (Vec<T>, Vec<Malformed>);

/// The arguments of `add_fdb_entries` and `remove_fdb_entries`. Of networks that are not `wanted` nothing
/// is read: these messages speak of the whole cloud.
pub(crate) fn entries(args: &Map<String, Value>, wanted: impl Fn(NetworkId) -> bool) -> Read<Behind> {
    let mut list = List::default();
    let fdb = match Reader::of("arguments", args).object("fdb_entries") {
        Ok(fdb) => fdb,
        Err(malformed) => return (list.read, vec![malformed]),
    };
    for (text, value) in fdb.iter().flat_map(Reader::fields) {
        let Some(network) = list.key::<NetworkId>("fdb_entries", text).filter(|id| wanted(*id)) else {
            continue;
        };
        let place = format!("fdb_entries.{network}");
        let ports = Reader::new(&place, value).and_then(|network| network.object("ports"));
        let Some(ports) = list.keep(ports).flatten() else { continue };
        for (text, value) in ports.fields() {
            let Some(endpoint) = list.key::<IpAddr>(&place, text) else { continue };
            let mut entries = list.pairs(&format!("{place}.{endpoint}"), value);
            let several = entries.len();
            entries.retain(|(mac, _)| *mac != Mac::ZERO);
            list.read.push(Behind { network, endpoint, flood: entries.len() < several, entries });
        }
    }
    (list.read, list.complaints)
}

/// The arguments of `update_fdb_entries`.
pub(crate) fn readdressed(
    args: &Map<String, Value>,
    wanted: impl Fn(NetworkId) -> bool,
) -> Read<Readdressed> {
    let mut list = List::default();
    let changes = Reader::of("arguments", args)
        .object("fdb_entries")
        .and_then(|fdb| fdb.map_or(Ok(None), |fdb| fdb.object("chg_ip")));
    let changes = list.keep(changes).flatten();
    for (text, value) in changes.iter().flat_map(Reader::fields) {
        let Some(network) = list.key::<NetworkId>("chg_ip", text).filter(|id| wanted(*id)) else { continue };
        let place = format!("chg_ip.{network}");
        let Some(ends) = list.keep(Reader::new(&place, value)) else { continue };
        for (text, value) in ends.fields() {
            let Some(endpoint) = list.key::<IpAddr>(&place, text) else { continue };
            let place = format!("{place}.{endpoint}");
            let Some(change) = list.keep(Reader::new(&place, value)) else { continue };
            let mut side =
                |field| change.value(field).map_or_else(Vec::new, |value| list.pairs(&place, value));
            let (before, after) = (side("before"), side("after"));
            list.read.push(Readdressed { network, endpoint, before, after });
        }
    }
    (list.read, list.complaints)
}

struct List<T> {
    read: Vec<T>,
    complaints: Vec<Malformed>,
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self { read: Vec::new(), complaints: Vec::new() }
    }
}

impl<T> List<T> {
    fn keep<V>(&mut self, value: Result<V, Malformed>) -> Option<V> {
        value.map_err(|malformed| self.complain(malformed)).ok()
    }

    fn complain(&mut self, malformed: Malformed) {
        if self.complaints.len() < MOST_COMPLAINTS {
            self.complaints.push(malformed);
        }
    }

    fn key<K: std::str::FromStr>(&mut self, place: &str, text: &str) -> Option<K> {
        let key = text.parse().ok();
        if key.is_none() {
            let short: String = text.chars().take(64).collect();
            self.complain(Malformed {
                at: place.to_owned(),
                why: format!("{short:?} is no key of this kind"),
            });
        }
        key
    }

    /// A list of `[mac, address]`.
    fn pairs(&mut self, place: &str, value: &Value) -> Vec<(Mac, IpAddr)> {
        let values = match value {
            Value::Array(values) => values.as_slice(),
            Value::Null => &[],
            _ => {
                self.complain(Malformed { at: place.to_owned(), why: "is no list".to_owned() });
                &[]
            }
        };
        let mut pairs = Vec::with_capacity(values.len());
        for (index, value) in values.iter().enumerate() {
            match pair(value) {
                Some(pair) => pairs.push(pair),
                None => self.complain(Malformed {
                    at: format!("{place}[{index}]"),
                    why: "is not a MAC address and an IP address".to_owned(),
                }),
            }
        }
        pairs
    }
}

fn pair(value: &Value) -> Option<(Mac, IpAddr)> {
    let [mac, address] = value.as_array()?.as_slice() else { return None };
    Some((mac.as_str()?.parse().ok()?, address.as_str()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NETWORK: &str = "902efc6f-d3e8-4219-a9e1-a973bcfa1650";

    fn args(fdb: &Value) -> Map<String, Value> {
        let Value::Object(args) = json!({"fdb_entries": fdb}) else { unreachable!() };
        args
    }

    #[test]
    fn reads_a_table() {
        // As a server of 2026.2 sent it to one host.
        let args = args(&json!({NETWORK: {"segment_id": 54557, "network_type": "vxlan", "ports": {
            "198.51.100.1": [
                ["00:00:00:00:00:00", "0.0.0.0"],
                ["fa:16:3e:a8:f4:13", "10.10.1.115"],
                ["fa:16:3e:a8:f4:13", "2001:db8:1:0:f816:3eff:fea8:f413"],
            ],
            "198.51.100.9": [],
        }}}));
        let mac: Mac = "fa:16:3e:a8:f4:13".parse().unwrap();
        let expected = [
            Behind {
                network: NETWORK.parse().unwrap(),
                endpoint: "198.51.100.1".parse().unwrap(),
                flood: true,
                entries: vec![
                    (mac, "10.10.1.115".parse().unwrap()),
                    (mac, "2001:db8:1:0:f816:3eff:fea8:f413".parse().unwrap()),
                ],
            },
            Behind {
                network: NETWORK.parse().unwrap(),
                endpoint: "198.51.100.9".parse().unwrap(),
                flood: false,
                entries: Vec::new(),
            },
        ];
        assert_eq!(entries(&args, |_| true), (expected.to_vec(), Vec::new()));
        assert_eq!(entries(&args, |_| false), (Vec::new(), Vec::new()));
    }

    #[test]
    fn reads_changed_addresses() {
        let args = args(&json!({"chg_ip": {NETWORK: {"198.51.100.1": {
            "after": [["fa:16:3e:a8:f4:13", "10.10.1.77"]]}}}}));
        let (read, complaints) = readdressed(&args, |_| true);
        assert_eq!(complaints, []);
        assert_eq!(read.len(), 1);
        assert_eq!(read[0].before, []);
        assert_eq!(
            read[0].after,
            [("fa:16:3e:a8:f4:13".parse().unwrap(), "10.10.1.77".parse::<IpAddr>().unwrap())]
        );
    }

    #[test]
    fn what_is_wrong_is_named_and_the_rest_counts() {
        let args = args(&json!({
            "no network": {},
            "00000000-0000-0000-0000-000000000001": 7,
            "00000000-0000-0000-0000-000000000002": {"ports": {"nowhere": [], "192.0.2.1": 5}},
            NETWORK: {"ports": {"192.0.2.7": [["fa:16:3e:00:00:01", "x"], 5, ["fa:16:3e:00:00:02", "10.0.0.2"]]}},
        }));
        let (read, complaints) = entries(&args, |_| true);
        let texts: Vec<_> = complaints.iter().map(ToString::to_string).collect();
        assert_eq!(complaints.len(), 6, "{texts:#?}");
        assert!(texts.iter().any(|text| text.starts_with(&format!("fdb_entries.{NETWORK}.192.0.2.7[0]"))));
        let last = read.iter().find(|behind| !behind.entries.is_empty()).unwrap();
        assert_eq!(last.entries.len(), 1);
        for hostile in
            [json!(null), json!([]), json!("x"), json!({"chg_ip": [1]}), json!({"chg_ip": {"x": 1}})]
        {
            let args = self::args(&hostile);
            entries(&args, |_| true);
            readdressed(&args, |_| true);
        }
    }
}
