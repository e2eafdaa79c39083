//! The program under the name of one of Neutron's agents, so that a unit file or a container that starts
//! that agent starts this one: a symlink is enough. It takes the command line of the Python agent.

use std::ffi::OsString;
use std::path::Path;

use clap::{CommandFactory as _, FromArgMatches as _};
use model::Role;

use crate::cli::StandIn;
use crate::config::{Request, roles};

/// The agent by whose name the program was started.
pub(crate) fn role(program: Option<OsString>) -> Option<Role> {
    let program = program?;
    let name = Path::new(&program).file_name()?;
    roles::ALL.into_iter().find(|role| name == roles::binary(*role))
}

/// Reads the command line as the agent would, and ends the program where that asks for it.
pub(crate) fn request(role: Role) -> Request {
    let matches = StandIn::command().name(roles::binary(role)).get_matches();
    let stand_in = StandIn::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    Request { stand_in: Some(role), ..stand_in.settings.request() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_an_agent_is_a_role() {
        let role = |name: &str| role(Some(name.into()));
        assert_eq!(role("/usr/bin/neutron-dhcp-agent"), Some(Role::Dhcp));
        assert_eq!(role("neutron-openvswitch-agent"), Some(Role::L2));
        assert_eq!(role("/usr/local/bin/baryon"), None);
        assert_eq!(role("neutron-dhcp-agent/"), Some(Role::Dhcp));
        assert_eq!(role(""), None);
    }
}
