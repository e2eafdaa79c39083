//! What a node chooses for itself, taken out of the lines that are compared; and the patterns of what may differ.

use std::collections::BTreeMap;

/// Local VLAN to the name of its network.
pub(crate) type LocalVlans = BTreeMap<u16, String>;

/// A flow as `ovs-ofctl --names --no-stats dump-flows` prints it, without its cookie and with networks for VLANs.
pub(crate) fn flow(line: &str, vlans: &LocalVlans) -> Option<String> {
    let line = line.trim();
    let (_, flow) = line.strip_prefix("cookie=")?.split_once(", ")?;
    // The parts of a match have no order of their own.
    let (matched, actions) = flow.split_once(" actions=")?;
    let mut fields: Vec<&str> = matched.split(',').map(str::trim).collect();
    fields.sort_by_key(|field| (!field.starts_with("table="), !field.starts_with("priority="), *field));
    Some(words(&format!("{} actions={}", fields.join(","), without_cookies(actions)), vlans))
}

/// A flow that others are learned by names their cookie.
fn without_cookies(actions: &str) -> String {
    let mut parts = actions.split("cookie=0x");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |sum, part| {
        sum + "cookie=*" + part.trim_start_matches(|letter: char| letter.is_ascii_hexdigit())
    })
}

/// Replaces the numbers of local VLANs wherever a flow or a row names one.
pub(crate) fn words(text: &str, vlans: &LocalVlans) -> String {
    let mut out = text.to_owned();
    for (vlan, network) in vlans {
        let forms = [
            format!("dl_vlan={vlan}"),
            format!("mod_vlan_vid:{vlan}"),
            format!("vlan_tci=0x{:04x}/0x1fff", vlan | 0x1000),
            format!("vlan_tci=0x{vlan:04x}/0x0fff"),
            format!("set_field:{}->vlan_vid", vlan | 0x1000),
            format!("load:0x{vlan:x}->NXM_OF_VLAN_TCI[0..11]"),
            format!("reg6=0x{vlan:x}"),
            format!("load:0x{vlan:x}->NXM_NX_REG6[]"),
            format!("tag={vlan}"),
            format!("tag=\"{vlan}\""),
        ];
        for form in forms {
            out = replace_word(&out, &form, &format!("<vlan of {network}>"));
        }
    }
    out
}

/// Replaces a text that is not followed by another digit.
fn replace_word(text: &str, word: &str, by: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(word) {
        let (before, after) = (&rest[..at], &rest[at + word.len()..]);
        out += before;
        out += if after.starts_with(|letter: char| letter.is_ascii_alphanumeric()) { word } else { by };
        rest = after;
    }
    out + rest
}

/// The patterns of a document: in tables, what stands between back quotes in the first column.
pub(crate) fn patterns(document: &str) -> Vec<&str> {
    let rows = document.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| row.split_once("` |")).map(|(pattern, _)| pattern).collect()
}

/// Whether a line has the parts of a pattern between `*` in their order, from its beginning to its end. A pattern
/// that begins with `?` fits lines of either side.
pub(crate) fn fits(pattern: &str, line: &str) -> bool {
    if let Some(either) = pattern.strip_prefix('?') {
        return fits(either, line.get(1..).unwrap_or_default());
    }
    let parts: Vec<&str> = pattern.split('*').collect();
    let (Some((first, rest)), true) = (parts.split_first(), line.starts_with(parts[0])) else { return false };
    let mut remaining = &line[first.len()..];
    let Some((last, middle)) = rest.split_last() else { return remaining.is_empty() };
    for part in middle {
        let Some(at) = remaining.find(part) else { return false };
        remaining = &remaining[at + part.len()..];
    }
    remaining.ends_with(last)
}

#[test]
fn patterns_fit_whole_lines() {
    assert!(fits("- a*c", "- abc") && fits("- a*c", "- ac") && fits("*b*", "abc") && fits("abc", "abc"));
    assert!(fits("? a*", "- ab") && fits("? a*", "+ ac") && !fits("? a*", "- b"));
    assert!(!fits("- a*c", "- abcd") && !fits("b*", "abc") && !fits("abc", "abcd") && !fits("a*b*c", "acb"));
    assert_eq!(patterns("| `- x` | why |\n| What | Why |\ntext `- y` |\n"), ["- x"]);
}

#[test]
fn flows_lose_what_a_node_chose() {
    let vlans = LocalVlans::from([(1, "red".to_owned()), (12, "blue".to_owned())]);
    let line = " cookie=0xba01, priority=3,table=0,in_port=\"int-br-ex\",dl_vlan=12 actions=learn(cookie=0xba2f,a),mod_vlan_vid:1,resubmit(,58)";
    let normal = "table=0,priority=3,<vlan of blue>,in_port=\"int-br-ex\" actions=learn(cookie=*,a),<vlan of red>,resubmit(,58)";
    assert_eq!(flow(line, &vlans).as_deref(), Some(normal));
}
