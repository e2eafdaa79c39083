//! Where a running agent listens, and how the commands find it.
//!
//! An agent with all roles has `/run/baryon/baryon.sock`. Agents that share a node, each with some of the
//! roles, have a socket each, named after their roles: `/run/baryon/dhcp.sock`, `/run/baryon/l2+l3.sock`.

use std::collections::BTreeSet;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use model::Role;

use crate::config::roles;

const FOLDER: &str = "/run/baryon";
const ALL_ROLES: &str = "baryon";

/// The socket of an agent with these roles, when no other is configured.
pub(crate) fn of_roles(of: &BTreeSet<Role>) -> PathBuf {
    let name = if of.len() == roles::ALL.len() {
        ALL_ROLES.to_owned()
    } else {
        of.iter().map(|role| roles::name(*role)).collect::<Vec<_>>().join("+")
    };
    Path::new(FOLDER).join(format!("{name}.sock"))
}

/// The socket of an agent that answers; if several do, of one that has a role among `wanted`, the first of
/// them before the others. If none does, the usual one, for the sake of the message.
pub(crate) fn find(wanted: &[Role]) -> PathBuf {
    let usual = of_roles(&roles::ALL.into());
    if answers(&usual) {
        return usual;
    }
    let listing =
        std::fs::read_dir(FOLDER).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let mut answering: Vec<PathBuf> = listing
        .filter(|path| path.extension().is_some_and(|extension| extension == "sock") && answers(path))
        .collect();
    answering.sort_by_cached_key(|path| (rank(path, wanted), path.clone()));
    answering.into_iter().next().unwrap_or(usual)
}

/// The place of the first wanted role that the socket's name has.
fn rank(path: &Path, wanted: &[Role]) -> usize {
    let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
    let has = |role: &Role| name.split('+').any(|part| part == roles::name(*role));
    wanted.iter().position(has).unwrap_or(wanted.len())
}

fn answers(path: &Path) -> bool {
    UnixStream::connect(path).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_named_after_its_roles() {
        let named = |of: &[Role]| of_roles(&of.iter().copied().collect()).display().to_string();
        assert_eq!(named(&roles::ALL), "/run/baryon/baryon.sock");
        assert_eq!(named(&[Role::Dhcp]), "/run/baryon/dhcp.sock");
        assert_eq!(named(&[Role::L3, Role::L2]), "/run/baryon/l2+l3.sock");
    }

    #[test]
    fn the_first_wanted_role_decides() {
        let rank = |name: &str| rank(Path::new(name), &[Role::L3, Role::L2]);
        assert_eq!([rank("/run/l2+l3.sock"), rank("/run/l2.sock"), rank("/run/dhcp.sock")], [0, 1, 2]);
    }
}
