//! Remotes from text and back.

use crate::ovsdb::{Error, Remote};

#[test]
fn remotes_are_read_as_open_vswitch_writes_them() {
    let tcp = |host: &str, port| Remote::Tcp { host: host.into(), port };
    for (text, remote, written) in [
        ("unix:/run/db.sock", Remote::Unix("/run/db.sock".into()), "unix:/run/db.sock"),
        ("tcp:127.0.0.1:6640", tcp("127.0.0.1", 6640), "tcp:127.0.0.1:6640"),
        ("tcp:127.0.0.1", tcp("127.0.0.1", 6640), "tcp:127.0.0.1:6640"),
        ("tcp:[::1]:7000", tcp("::1", 7000), "tcp:[::1]:7000"),
        ("tcp:[::1]", tcp("::1", 6640), "tcp:[::1]:6640"),
        (
            " ssl:db.example.org:1 ",
            Remote::Ssl { host: "db.example.org".into(), port: 1 },
            "ssl:db.example.org:1",
        ),
    ] {
        let read: Remote = text.parse().expect(text);
        assert_eq!(read, remote);
        assert_eq!(read.to_string(), written);
    }
}

#[test]
fn other_texts_are_refused_with_the_reason() {
    for (text, complaint) in [
        ("", "it must begin with unix:, tcp: or ssl:"),
        ("/run/db.sock", "it must begin with unix:, tcp: or ssl:"),
        ("http://x", "it must begin with unix:, tcp: or ssl:"),
        ("ptcp:6640", "passive remotes are for servers; use tcp: to connect"),
        ("unix:", "there is no path after unix:"),
        ("tcp::6640", "there is no host"),
        ("tcp:::1:6640", "an IPv6 address must be in brackets, as in tcp:[::1]:6640"),
        ("tcp:[::1:6640", "an IPv6 address must be in brackets, as in tcp:[::1]:6640"),
        ("tcp:h:0", "the port \"0\" is not a number from 1 to 65535"),
        ("tcp:h:65536", "the port \"65536\" is not a number from 1 to 65535"),
        ("ssl:h:x", "the port \"x\" is not a number from 1 to 65535"),
        ("tcp:[::1]6640", "the port \"6640\" is not a number from 1 to 65535"),
    ] {
        let error = text.parse::<Remote>().expect_err(text);
        assert_eq!(error.to_string(), format!("the remote {text:?} is not usable"));
        let Error::Remote { source, .. } = error else { panic!("another error: {error:?}") };
        assert_eq!(source.to_string(), complaint, "{text}");
    }
}
