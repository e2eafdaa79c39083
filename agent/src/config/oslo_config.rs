//! What oslo.config makes of odd files. The right column is what version 10.7 gave for them; where this
//! program differs on purpose, the left one says why.

use std::path::Path;

use super::ini;
use super::values::{Name, Values};

const fn name(section: &'static str, option: &'static str) -> Name {
    Name { section, option, help: "", secret: false }
}

/// The text of an option as oslo.config's StrOpt gives it; an error as `!`.
fn text_of(files: &[&str], section: &'static str, option: &'static str) -> Option<String> {
    let mut read = Vec::new();
    for text in files {
        match ini::parse(Path::new("test.conf"), text) {
            Ok(entries) => read.push(entries),
            Err(_) => return Some("!".to_owned()),
        }
    }
    let mut values = Values::new(read);
    // Options have to be known to be named by others.
    values.get(name("DEFAULT", "state_path"), "/var/lib/neutron".to_owned());
    let written = values.is_written(section, option);
    let value = values.get(name(section, option), String::new());
    match values.finish().errors.is_empty() {
        true => written.then_some(value),
        false => Some("!".to_owned()),
    }
}

#[test]
fn texts_are_read_as_oslo_config_reads_them() {
    let cases: &[(&[&str], &str, &str, Option<&str>)] = &[
        (&["[DEFAULT]\na = $nothing"], "DEFAULT", "a", Some("!")),
        (&["[DEFAULT]\na = $state_path/x"], "DEFAULT", "a", Some("/var/lib/neutron/x")),
        (&["[DEFAULT]\na = ${state_path}x"], "DEFAULT", "a", Some("/var/lib/neutronx")),
        (&["[DEFAULT]\na = $state_path.x"], "DEFAULT", "a", Some("!")),
        (&["[DEFAULT]\na = $state_path."], "DEFAULT", "a", Some("!")),
        (&["[DEFAULT]\na = ${state_path}."], "DEFAULT", "a", Some("/var/lib/neutron.")),
        (&["[DEFAULT]\na = $$x \\$y $ $1 ${} ${"], "DEFAULT", "a", Some("$x $y $ $1 ${} ${")),
        (&["[DEFAULT]\na = $b\nb=$a"], "DEFAULT", "a", Some("!")),
        (&["[DEFAULT]\na = $ovs.local_ip\n[OVS]\nlocal_ip = 1.2.3.4"], "DEFAULT", "a", Some("1.2.3.4")),
        (&["[DEFAULT]\na = ${ovs.local_ip}-\n[ovs]\nlocal_ip = 1.2.3.4"], "DEFAULT", "a", Some("1.2.3.4-")),
        (&["[DEFAULT]\na = $STATE_PATH"], "DEFAULT", "a", Some("!")),
        (&["[DEFAULT]\na = top\n[ovs]\na = in\nhost2 = $a"], "ovs", "host2", Some("in")),
        (&["[DEFAULT]\nb = top\n[ovs]\nhost2 = $b"], "ovs", "host2", Some("top")),
        (&["[default]\na = 1"], "DEFAULT", "a", None),
        (&["a = 1"], "DEFAULT", "a", Some("!")),
        (&["[Agent]\nx = 1"], "AGENT", "x", Some("1")),
        (&["[ ovs ]\na = 1"], "ovs", "a", None),
        (&["[ovs] # x\na = 1"], "ovs", "a", Some("!")),
        (&["[ovs]x\na = 1"], "ovs", "a", Some("!")),
        (&[" [ovs]\na = 1"], "ovs", "a", Some("!")),
        (&["[DEFAULT]\na = 1\na = 2"], "DEFAULT", "a", Some("2")),
        (&["[DEFAULT]\na = x # y ; z"], "DEFAULT", "a", Some("x # y ; z")),
        (&["[DEFAULT]\na = x\n# c\n y"], "DEFAULT", "a", Some("!")),
        (&["[DEFAULT]\na = x\n  # c\n y"], "DEFAULT", "a", Some("x\n# c\ny")),
        (&["[DEFAULT]\na = x\n\n y"], "DEFAULT", "a", Some("!")),
        (&["[DEFAULT]\na = x\n   \n y"], "DEFAULT", "a", Some("!")),
        // oslo.config keeps the line end before x; nothing that is read here wants one.
        (&["[DEFAULT]\na =\n  x\n  y"], "DEFAULT", "a", Some("x\ny")),
        (&["[DEFAULT]\na = \"x\n  y\""], "DEFAULT", "a", Some("\"x\ny\"")),
        (&["[DEFAULT]\na = \""], "DEFAULT", "a", Some("")),
        (&["[DEFAULT]\na = \"x'"], "DEFAULT", "a", Some("\"x'")),
        (&["[DEFAULT]\na = \"\"x\"\""], "DEFAULT", "a", Some("\"x\"")),
        (&["[DEFAULT]\na : x = y"], "DEFAULT", "a", Some("x = y")),
        (&["[DEFAULT]\na = x : y"], "DEFAULT", "a", Some("x : y")),
        (&["[DEFAULT]\na:b = y"], "DEFAULT", "a", Some("b = y")),
        (&["[DEFAULT]\n= y"], "DEFAULT", "a", Some("!")),
        (&["[DEFAULT]\njunk"], "DEFAULT", "a", Some("!")),
        (&["[]\na=1"], "DEFAULT", "a", Some("!")),
        (&["[ovs\na=1"], "DEFAULT", "a", Some("!")),
        (&["\u{feff}[DEFAULT]\na = 1"], "DEFAULT", "a", Some("!")),
        (&["[DEFAULT]\r\na = 1\r\n"], "DEFAULT", "a", Some("1")),
        (&["[DEFAULT]\na = 1\n", "[DEFAULT]\na =\n"], "DEFAULT", "a", Some("")),
        (&["[DEFAULT]\na = é"], "DEFAULT", "a", Some("é")),
        (&["[DEFAULT]\nA = 1"], "DEFAULT", "a", None),
        (&["[DEFAULT]\na=1\n[DEFAULT]\nb=2\n[DEFAULT]\na=3"], "DEFAULT", "a", Some("3")),
        // Names in use today go before older ones in one file, but later files before earlier ones.
        (&["[DEFAULT]\nlogfile = 1"], "DEFAULT", "log_file", Some("1")),
        (&["[DEFAULT]\nlog_file = 1", "[DEFAULT]\nlogfile = 2"], "DEFAULT", "log_file", Some("2")),
        (&["[DEFAULT]\nlog_file = 1\nlogfile = 2"], "DEFAULT", "log_file", Some("1")),
        (&["[DEFAULT]\nlogfile = 2\nlog_file = 1"], "DEFAULT", "log_file", Some("1")),
    ];
    for (files, section, option, expected) in cases {
        let read = text_of(files, section, option);
        assert_eq!(read.as_deref(), *expected, "{files:?}");
    }
}

fn one(line: &str) -> Values {
    let text = format!("[DEFAULT]\n{line}\n");
    Values::new([ini::parse(Path::new("test.conf"), &text).unwrap()])
}

#[test]
fn lists_are_read_as_oslo_config_reads_them() {
    for (line, expected) in [
        // An empty entry between commas is dropped: no list that is read here has a meaning for it.
        ("l = 1, 2,\n  3 ,, 4,", &["1", "2", "3", "4"][..]),
        ("l = 1\n 2", &["1\n2"]),
        ("l = [1,2]", &["[1", "2]"]),
        ("l = \"1,2\"", &["1", "2"]),
        ("l =", &[]),
        ("l = \"1\",\"2\"", &["1\"", "\"2"]),
    ] {
        assert_eq!(one(line).list::<String>(name("DEFAULT", "l")), expected, "{line}");
    }
}

#[test]
fn booleans_and_numbers_are_read_as_oslo_config_reads_them() {
    for (text, expected) in [
        ("TRUE", Some(true)),
        ("oN", Some(true)),
        ("yes", Some(true)),
        ("1", Some(true)),
        ("Off", Some(false)),
        ("no", Some(false)),
        ("y", None),
        ("t", None),
        ("", None),
        ("2", None),
    ] {
        let mut values = one(&format!("flag = {text}"));
        let read = values.flag(name("DEFAULT", "flag"), false);
        assert_eq!(values.finish().errors.is_empty().then_some(read), expected, "{text:?}");
    }
    for (text, expected) in [("\" 5 \"", Some(5)), ("+5", Some(5)), ("5.0", None), ("0x10", None)] {
        let mut values = one(&format!("n = {text}"));
        let read: u32 = values.get(name("DEFAULT", "n"), 0);
        assert_eq!(values.finish().errors.is_empty().then_some(read), expected, "{text:?}");
    }
}

#[test]
fn a_wrong_value_is_named_with_its_line() {
    let mut values = one("mtu = big");
    assert_eq!(values.get(name("DEFAULT", "mtu"), 1500_u32), 1500);
    let told = values.finish().errors[0].to_string();
    assert!(told.starts_with("test.conf:2: option [DEFAULT] mtu = \"big\""), "{told}");
}
