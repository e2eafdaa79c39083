//! Options of the form `key=value,key=value`, as the `openstack` client has them.

use serde_json::{Map, Value, json};

use crate::client::{Client, ClientError};

/// The values of one such option, in the order of `keys`; absent ones are `None`.
fn read<const N: usize>(
    given: &str,
    keys: [&str; N],
    form: &'static str,
) -> Result<[Option<String>; N], ClientError> {
    let refuse = || ClientError::Form { given: given.to_owned(), form };
    let mut values = [const { None }; N];
    for pair in given.split(',') {
        let (key, value) = pair.split_once('=').ok_or_else(refuse)?;
        let at = keys.iter().position(|known| *known == key).ok_or_else(refuse)?;
        values[at] = Some(value.to_owned());
    }
    Ok(values)
}

/// `subnet=NAME,ip-address=ADDRESS`, either part.
pub(super) async fn fixed_ips(client: &Client, given: &[String]) -> Result<Value, ClientError> {
    let mut list = Vec::new();
    for given in given {
        let [subnet, address] = read(given, ["subnet", "ip-address"], "subnet=NAME,ip-address=ADDRESS")?;
        let mut entry = Map::new();
        if let Some(subnet) = subnet {
            entry.insert("subnet_id".into(), client.find_id("subnet", "subnets", &subnet).await?.into());
        }
        super::insert(&mut entry, "ip_address", address);
        list.push(Value::Object(entry));
    }
    Ok(list.into())
}

/// `destination=CIDR,gateway=ADDRESS`
pub(super) fn routes(given: &[String]) -> Result<Value, ClientError> {
    let route = |given: &String| {
        let keys = ["destination", "gateway"];
        let [destination, nexthop] = read(given, keys, "destination=CIDR,gateway=ADDRESS")?;
        Ok(json!({"destination": destination, "nexthop": nexthop}))
    };
    given.iter().map(route).collect::<Result<Vec<_>, _>>().map(Value::from)
}

/// `start=ADDRESS,end=ADDRESS`
pub(super) fn pools(given: &[String]) -> Result<Value, ClientError> {
    let pool = |given: &String| {
        let [start, end] = read(given, ["start", "end"], "start=ADDRESS,end=ADDRESS")?;
        Ok(json!({"start": start, "end": end}))
    };
    given.iter().map(pool).collect::<Result<Vec<_>, _>>().map(Value::from)
}

/// `ip-address=ADDRESS,mac-address=MAC`, the MAC optional.
pub(super) fn address_pairs(given: &[String]) -> Result<Value, ClientError> {
    let pair = |given: &String| {
        let keys = ["ip-address", "mac-address"];
        let [address, mac] = read(given, keys, "ip-address=ADDRESS,mac-address=MAC")?;
        Ok(json!({"ip_address": address, "mac_address": mac}))
    };
    given.iter().map(pair).collect::<Result<Vec<_>, _>>().map(Value::from)
}

/// `name=NAME,value=VALUE,ip-version=4`; without a value the option is taken away.
pub(super) fn dhcp_options(given: &[String]) -> Result<Value, ClientError> {
    let option = |given: &String| {
        let keys = ["name", "value", "ip-version"];
        let [name, value, version] = read(given, keys, "name=NAME,value=VALUE,ip-version=4")?;
        Ok(json!({"opt_name": name, "opt_value": value, "ip_version": version.unwrap_or("4".to_owned())}))
    };
    given.iter().map(option).collect::<Result<Vec<_>, _>>().map(Value::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_read() {
        let routes = routes(&["destination=10.0.0.0/8,gateway=10.0.0.1".to_owned()]).unwrap();
        assert_eq!(routes, json!([{"destination": "10.0.0.0/8", "nexthop": "10.0.0.1"}]));
        for wrong in ["", "start", "begin=1", "start=1,,"] {
            assert!(matches!(pools(&[wrong.to_owned()]), Err(ClientError::Form { .. })), "{wrong}");
        }
    }
}
