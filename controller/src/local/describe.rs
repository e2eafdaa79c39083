//! The fields that every resource has: name, description, project, tags.

use super::fault::Fault;
use super::fields::Fields;
use super::networks::set;
use super::record::Meta;

/// Neutron's limit for names and descriptions.
const LONGEST_NAME: usize = 255;
/// Neutron's limit for a tag.
const LONGEST_TAG: usize = 255;

pub(super) fn settings(name: &mut String, meta: &mut Meta, fields: &mut Fields) -> Result<(), Fault> {
    set(name, short_text(fields, "name")?);
    set(&mut meta.description, short_text(fields, "description")?);
    set(&mut meta.project_id, short_text(fields, "tenant_id")?);
    set(&mut meta.project_id, short_text(fields, "project_id")?);
    if let Some(given) = fields.texts::<String>("tags")? {
        meta.tags = tags(given)?;
    }
    Ok(())
}

/// Tags as they are kept: sorted, each once.
pub(super) fn tags(mut given: Vec<String>) -> Result<Vec<String>, Fault> {
    if let Some(long) = given.iter().find(|tag| tag.is_empty() || tag.chars().count() > LONGEST_TAG) {
        return Err(Fault::invalid(
            "tags",
            format!("{long:?} has not between 1 and {LONGEST_TAG} characters"),
        ));
    }
    given.sort();
    given.dedup();
    Ok(given)
}

fn short_text(fields: &mut Fields, name: &'static str) -> Result<Option<String>, Fault> {
    let text = fields.text(name)?;
    match &text {
        Some(text) if text.chars().count() > LONGEST_NAME => {
            Err(Fault::invalid(name, format!("it has more than {LONGEST_NAME} characters")))
        }
        _ => Ok(text),
    }
}
