//! Options that Neutron has and that are not used here, and what to say of them: nothing where nothing is
//! lost, a sentence at every start where somebody may miss something. Pure.

mod elsewhere;
mod idle;
mod missing;
mod names;

use std::collections::BTreeSet;

pub(crate) use names::old_names;

use super::values::InForce;
use super::written::{Place, Written};

/// What there is to say of everything that nobody asked for.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// Options without effect, with the reason in place of a help text.
    pub(crate) without_effect: Vec<InForce>,
    /// One sentence each.
    pub(crate) warnings: Vec<String>,
}

/// Judges all that was written and is not among `asked`.
pub(crate) fn judge(written: &Written, asked: &BTreeSet<Place>) -> Verdict {
    let mut verdict = Verdict::default();
    for (place, value) in written.iter().filter(|(place, _)| !asked.contains(*place)) {
        let (section, option) = (place.0.as_str(), place.1.as_str());
        if let Some((new_section, new_option)) = names::new_name(section, option) {
            verdict.warnings.push(format!(
                "{}: [{section}] {option} is an old name of [{new_section}] {new_option}, which is used",
                value.origin
            ));
            continue;
        }
        let reason = match fate(section, option, &value.text) {
            Fate::Elsewhere => "read by other programs that share the file",
            Fate::Idle(reason) => reason,
            Fate::Missing(missed) => {
                let warning = format!("{}: [{section}] {option} = {}: {missed}", value.origin, value.text);
                verdict.warnings.push(warning);
                missed
            }
            Fate::Unknown => {
                verdict.warnings.push(unknown(section, option, &value.origin.to_string(), asked));
                continue;
            }
        };
        verdict.without_effect.push(InForce {
            section: section.to_owned(),
            option: option.to_owned(),
            value: if elsewhere::is_secret(option) {
                "***".to_owned()
            } else {
                value.text.replace('\n', " ")
            },
            origin: value.origin.to_string(),
            help: format!("no effect here: {reason}"),
        });
    }
    verdict
}

/// What becomes of an option that is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Of another program.
    Elsewhere,
    /// Nothing is lost without it, because of what is said.
    Idle(&'static str),
    /// What somebody may miss.
    Missing(&'static str),
    /// Nobody knows it.
    Unknown,
}

fn fate(section: &str, option: &str, value: &str) -> Fate {
    match missing::missed(section, option, value) {
        Some(Some(missed)) => return Fate::Missing(missed),
        Some(None) => return Fate::Idle("as it is set, it asks for nothing"),
        None => {}
    }
    if let Some(reason) = idle::reason(section, option) {
        return Fate::Idle(reason);
    }
    if elsewhere::is(section, option) { Fate::Elsewhere } else { Fate::Unknown }
}

/// A warning with the option that may have been meant: the same in another section, or one that is
/// written alike.
fn unknown(section: &str, option: &str, origin: &str, asked: &BTreeSet<Place>) -> String {
    // Closer than this two words are more likely one misspelt than two.
    const ALIKE: f64 = 0.92;
    let same = asked.iter().find(|place| place.1 == option);
    let likeness = |place: &&Place| strsim::jaro_winkler(option, &place.1);
    let near = || {
        let alike = asked.iter().filter(|place| likeness(place) > ALIKE);
        alike.max_by(|one, other| likeness(one).total_cmp(&likeness(other)))
    };
    let meant = same.or_else(near).map(|(section, option)| format!("; is [{section}] {option} meant?"));
    let meant = meant.unwrap_or_default();
    format!("{origin}: [{section}] {option} is not an option that is known here, and is ignored{meant}")
}
