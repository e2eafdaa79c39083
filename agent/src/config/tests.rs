//! Configurations as operators have them, read from end to end.

use std::path::{Path, PathBuf};

use model::Role;

use super::values::Values;
use super::*;

fn entries(files: &[(&str, &str)]) -> Vec<Vec<Entry>> {
    files.iter().map(|(name, text)| ini::parse(Path::new(name), text).unwrap()).collect()
}

fn loaded(files: &[(&str, &str)]) -> Loaded {
    check(Values::new(entries(files))).unwrap()
}

fn refused(files: &[(&str, &str)]) -> String {
    check(Values::new(entries(files))).unwrap_err().to_string()
}

fn value<'a>(loaded: &'a Loaded, section: &str, option: &str) -> &'a str {
    let found = loaded.in_force.iter().find(|value| value.section == section && value.option == option);
    &found.unwrap_or_else(|| panic!("[{section}] {option} is not in force")).value
}

fn testdata(files: &[&str]) -> Loaded {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config/testdata");
    let sources = files.iter().map(|name| Source::File(folder.join(name))).collect();
    load(&Request { sources, ..Request::default() }).unwrap()
}

fn neutron(loaded: &Loaded) -> &controller::neutron::Settings {
    match &loaded.node.driver {
        DriverChoice::Neutron(settings) => settings,
        DriverChoice::Local(_) => panic!("the embedded controller was chosen"),
    }
}

#[test]
fn every_option_of_neutron_is_known_and_its_default_is_quiet() {
    let loaded = testdata(&["neutron-27.conf"]);
    assert_eq!(loaded.warnings, Vec::<String>::new());
    assert!(loaded.without_effect.len() > 300, "{}", loaded.without_effect.len());
    assert_eq!(testdata(&["neutron-20-to-24.conf"]).warnings, Vec::<String>::new());
}

#[test]
fn files_of_a_container_deployment_are_understood() {
    let loaded = testdata(&[
        "kolla/neutron.conf",
        "kolla/openvswitch_agent.ini",
        "kolla/dhcp_agent.ini",
        "kolla/l3_agent.ini",
        "kolla/metadata_agent.ini",
    ]);
    let about = |word: &str| loaded.warnings.iter().filter(|warning| warning.contains(word)).count();
    assert_eq!((about("NOT enforced"), about("extension qos")), (1, 1), "{:#?}", loaded.warnings);
    assert_eq!(loaded.warnings.len(), 2, "{:#?}", loaded.warnings);
    assert_eq!(loaded.node.switch.ovsdb, "unix:/run/openvswitch/db.sock", "it need not be told to listen");
    let settings = neutron(&loaded);
    assert_eq!(settings.router.extensions, ["port_forwarding"]);
    assert!(settings.switch.ovs_hybrid_plug, "guests are plugged as the configured firewall needs it");
    assert_eq!(loaded.node.log.file, Some(PathBuf::from("/var/log/kolla/neutron/baryon.log")));
    assert_eq!(loaded.node.state_path, Path::new("/var/lib/neutron/kolla"));
    assert_eq!(value(&loaded, "DEFAULT", "transport_url").matches("***").count(), 2);
    let shown = format!("{:?}{:?}", loaded.in_force, loaded.without_effect);
    for secret in ["p%40ss", "hush", "$ecret"] {
        assert!(!shown.contains(secret), "{secret} is shown");
    }
}

#[test]
fn files_of_a_package_are_understood() {
    let loaded = testdata(&["rdo/neutron-dist.conf", "rdo/neutron.conf", "rdo/openvswitch_agent.ini"]);
    assert_eq!(loaded.warnings, Vec::<String>::new());
    let switch = &loaded.node.switch;
    assert_eq!(switch.bridge_mappings.len(), 2);
    assert_eq!(switch.tunnel_types.len(), 2);
    assert_eq!(neutron(&loaded).host.0, "compute-0.example.org");
    assert_eq!(neutron(&loaded).bus.response_timeout.as_secs(), 120);
}

#[test]
fn older_names_are_taken_and_told() {
    let loaded = testdata(&["debian/neutron.conf", "debian/dhcp_agent.ini"]);
    assert_eq!(loaded.node.dhcp.dns_domain, "example.net");
    let warnings = loaded.warnings.join("\n");
    assert!(
        warnings.contains("dhcp_agent.ini:7: [DEFAULT] dhcp_domain is an old name of [DEFAULT] dns_domain"),
        "{warnings}"
    );
    assert!(warnings.contains("rabbit_durable_queues is an old name"), "{warnings}");
    assert_eq!(loaded.warnings.len(), 2, "{warnings}");
}

#[test]
fn what_nobody_knows_is_told_with_what_may_be_meant() {
    let text = "[agent]\ntunel_types = vxlan\nlocal_ip = 192.0.2.1\n[default]\nhost = x\n[ovs]\nzzz = 1\n";
    let warnings = loaded(&[("x.conf", text)]).warnings;
    assert_eq!(warnings.len(), 4, "{warnings:#?}");
    let all = warnings.join("\n");
    assert!(all.contains("x.conf:2: [agent] tunel_types is not an option that is known here, and is ignored; is [agent] tunnel_types meant?"), "{all}");
    assert!(all.contains("x.conf:3: [agent] local_ip") && all.contains("is [ovs] local_ip meant?"), "{all}");
    assert!(all.contains("is [DEFAULT] host meant?"), "{all}");
    assert!(
        all.contains("x.conf:7: [ovs] zzz is not an option that is known here, and is ignored\n")
            || all.ends_with("ignored"),
        "{all}"
    );
}

#[test]
fn a_server_drives_where_one_is_named() {
    let local = loaded(&[("x.conf", "[DEFAULT]\nhost = n1\n")]);
    assert!(matches!(local.node.driver, DriverChoice::Local(_)));
    assert_eq!(local.node.state_path, Path::new("/var/lib/baryon"));
    let server = loaded(&[("x.conf", "[DEFAULT]\nhost = n1\ntransport_url = rabbit://u:p@b/\n")]);
    assert_eq!(server.node.state_path, Path::new("/var/lib/neutron"));
    assert_eq!(neutron(&server).metadata.proxy_socket, "/var/lib/neutron/metadata_proxy");
    let forced = "[DEFAULT]\ntransport_url = rabbit://u:p@b/\n[baryon]\ndriver = local\n";
    assert!(matches!(loaded(&[("x.conf", forced)]).node.driver, DriverChoice::Local(_)));
}

#[test]
fn each_agent_reads_its_own_file() {
    let server = "[DEFAULT]\ntransport_url = rabbit://u:p@b/\n";
    let files = [
        ("/etc/neutron/neutron.conf", server),
        ("/etc/neutron/l3_agent.ini", "[agent]\nextensions = port_forwarding\n"),
        ("/etc/neutron/plugins/ml2/openvswitch_agent.ini", "[agent]\nextensions = port_forwarding,qos\n"),
    ];
    let loaded = loaded(&files);
    assert_eq!(neutron(&loaded).router.extensions, ["port_forwarding"]);
    assert!(
        loaded.warnings.iter().any(|warning| warning.contains("extension qos")),
        "{:#?}",
        loaded.warnings
    );

    let zones = [
        ("neutron.conf", server),
        ("dhcp_agent.ini", "[agent]\navailability_zone = a\n"),
        ("l3_agent.ini", "[agent]\navailability_zone = b\n"),
    ];
    assert!(refused(&zones).contains("have one zone"), "{}", refused(&zones));
    let mut alone = zones.to_vec();
    alone.push(("last.conf", "[baryon]\nroles = l2, dhcp\n"));
    assert_eq!(neutron(&check(Values::new(entries(&alone))).unwrap()).availability_zone, "a");
}

#[test]
fn what_would_mislead_the_server_is_refused() {
    for (text, reason) in [
        ("[DEFAULT]\nagent_mode = dvr\n", "only legacy routers"),
        ("[AGENT]\nenable_distributed_routing = true\n", "distributed routers are not built in"),
        ("[DEFAULT]\nlocal_ip = $my_ip\n[ovs]\nlocal_ip = $none\n", "$none is no option that is set"),
        ("[agent]\ntunnel_types = vxlan\n", "local_ip is not"),
    ] {
        let told = refused(&[("x.conf", text)]);
        assert!(told.contains(reason), "{told}");
    }
    // Where another process has the role, its settings are its own.
    let others = "[DEFAULT]\nagent_mode = dvr\n[baryon]\nroles = dhcp\n";
    assert_eq!(loaded(&[("x.conf", others)]).node.roles, [Role::Dhcp].into());
}

#[test]
fn an_answer_without_population_is_left_out_as_the_python_agent_does() {
    let text = "[ovs]\nlocal_ip = 192.0.2.1\n[agent]\ntunnel_types = vxlan\narp_responder = true\n";
    let loaded = loaded(&[("x.conf", text)]);
    assert!(!loaded.node.switch.arp_responder);
    assert!(loaded.warnings[0].contains("l2_population"), "{:#?}", loaded.warnings);
}

#[test]
fn the_command_line_goes_before_files() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config/testdata");
    let request = Request {
        sources: vec![Source::File(folder.join("kolla/neutron.conf"))],
        typed: vec![("debug", "true".to_owned()), ("log_file", "/tmp/$x.log".to_owned())],
        stand_in: Some(Role::Dhcp),
    };
    let loaded = load(&request).unwrap();
    assert!(loaded.node.log.debug);
    assert_eq!(loaded.node.log.file, Some(PathBuf::from("/tmp/$x.log")));
    assert_eq!(loaded.node.roles, [Role::Dhcp].into());
    assert_eq!(loaded.node.api.socket, Path::new("/run/baryon/dhcp.sock"));
}

#[test]
fn syslog_and_compression_are_taken_up_or_refused_with_a_sentence() {
    let text = "[DEFAULT]\nuse_syslog = true\nsyslog_log_facility = local2\ntransport_url = rabbit://x/\n\
        [oslo_messaging_rabbit]\nkombu_compression = gzip\nrabbit_login_method = EXTERNAL\n";
    let loaded = loaded(&[("neutron-l3-agent.conf", text)]);
    assert_eq!(loaded.warnings, Vec::<String>::new());
    assert_eq!(value(&loaded, "DEFAULT", "syslog_log_facility"), "local2");
    let syslog = loaded.node.log.syslog.as_ref().unwrap();
    assert_eq!(syslog.facility.to_string(), "LOG_LOCAL2");
    let bus = &neutron(&loaded).bus;
    assert_eq!(bus.compression, Some(messaging::Compression::Gzip));
    assert_eq!(bus.login, messaging::Login::External);

    for (section, line, words) in [
        ("DEFAULT", "syslog_log_facility = LOG_LOCAL9", "LOG_LOCAL0 to LOG_LOCAL7"),
        ("oslo_messaging_rabbit", "kombu_compression = zstd", "it has to be gzip, bz2 or nothing"),
        (
            "oslo_messaging_rabbit",
            "rabbit_login_method = RABBIT-CR-DEMO",
            "it has to be PLAIN, AMQPLAIN or EXTERNAL",
        ),
    ] {
        let told =
            refused(&[("x.conf", &format!("[DEFAULT]\ntransport_url = rabbit://x/\n[{section}]\n{line}\n"))]);
        assert!(told.contains(words) && told.contains(line.split(' ').next().unwrap()), "{told}");
    }
}
