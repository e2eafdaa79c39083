//! Sysctls of the network, which differ per namespace. `/proc/sys/net` shows the namespace of whoever opens
//! a file in it, so it is read and written on a thread inside.
//!
//! A key is written with dots (`net.ipv4.ip_forward`), or with slashes when a part has dots in it, as the
//! name of a device may (`net/ipv4/conf/eth0.7/forwarding`).

use std::fs;
use std::io;
use std::path::PathBuf;

use nix::errno::Errno;

use crate::{Error, Namespace, Result};

/// Reads many values in one visit; None for a key that the kernel or the namespace does not have.
/// The values stand in the order of the keys.
pub async fn read(namespace: &Namespace, keys: Vec<String>) -> Result<Vec<Option<String>>> {
    let values: Vec<_> =
        namespace.run(move || keys.into_iter().map(|key| (read_here(&key), key)).collect()).await?;
    values
        .into_iter()
        .map(|(value, key)| match value {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => {
                let deed = format!("sysctl {key}");
                Err(Error::Sysctl { deed, namespace: namespace.to_string(), source })
            }
        })
        .collect()
}

/// Writes many values in one visit, in their order. One that fails does not stop the later ones. The results
/// stand in the order of the values.
pub async fn write(namespace: &Namespace, values: Vec<(String, String)>) -> Result<Vec<Result<()>>> {
    let write_all = move || -> Vec<_> {
        values.into_iter().map(|(key, value)| (write_here(&key, &value), key, value)).collect()
    };
    let written = namespace.run(write_all).await?;
    let report = |(result, key, value): (io::Result<()>, String, String)| {
        result.map_err(|source| {
            let deed = format!("sysctl -w {key}={value}");
            Error::Sysctl { deed, namespace: namespace.to_string(), source }
        })
    };
    Ok(written.into_iter().map(report).collect())
}

fn read_here(key: &str) -> io::Result<String> {
    Ok(fs::read_to_string(path(key)?)?.trim_end().to_owned())
}

fn write_here(key: &str, value: &str) -> io::Result<()> {
    fs::write(path(key)?, value)
}

fn path(key: &str) -> io::Result<PathBuf> {
    let key = if key.contains('/') { key.to_owned() } else { key.replace('.', "/") };
    let wild = key.split('/').any(|part| matches!(part, "" | "." | ".."));
    // Anything but the network's is the whole machine's and no business of a namespace.
    if wild || !key.starts_with("net/") {
        return Err(Errno::EINVAL.into());
    }
    Ok(PathBuf::from("/proc/sys").join(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_stays_within_the_network() {
        assert_eq!(path("net.ipv4.ip_forward").unwrap(), PathBuf::from("/proc/sys/net/ipv4/ip_forward"));
        let dotted = path("net/ipv4/conf/eth0.7/forwarding").unwrap();
        assert_eq!(dotted, PathBuf::from("/proc/sys/net/ipv4/conf/eth0.7/forwarding"));
        for key in ["", "kernel.panic", "net/../kernel/panic", "net..x", "/net/ipv4/ip_forward", "net"] {
            assert!(path(key).is_err(), "{key}");
        }
    }
}
