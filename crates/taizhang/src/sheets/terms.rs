//! The office's own words for what the contracts name: the Chinese terms in their comments.

use prost_reflect::{
    DescriptorPool, EnumValueDescriptor, FieldDescriptor, FileDescriptor, MessageDescriptor,
};
use taizhang_contracts::common::Rule;
use taizhang_contracts::descriptors::pool;

/// What the office calls a field, such as 会议名称.
pub(super) fn of_field(field: &FieldDescriptor) -> String {
    let said = comment(&field.parent_message().parent_file(), field.path());
    term(&said).unwrap_or_else(|| field.name().to_owned())
}

/// What the office calls a value, such as 常委会会议.
pub(super) fn of_value(value: &EnumValueDescriptor) -> String {
    let said = comment(&value.parent_enum().parent_file(), value.path());
    term(&said).unwrap_or_else(|| value.name().to_owned())
}

/// What the office calls a kind of record, such as 会议.
pub(super) fn of_message(message: &MessageDescriptor) -> String {
    let said = comment(&message.parent_file(), message.path());
    term(&said).unwrap_or_else(|| message.name().to_owned())
}

/// What the contract says of something, in one line.
pub(super) fn comment(file: &FileDescriptor, path: &[i32]) -> String {
    let info = file.file_descriptor_proto().source_code_info.as_ref();
    let mut places = info.into_iter().flat_map(|info| &info.location);
    let place = places.find(|place| place.path == path);
    let words = place.map(|place| place.leading_comments().split_whitespace());
    words.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// The Chinese term in the last brackets of a comment, such as `(AIP-154; 版本标记)`.
fn term(comment: &str) -> Option<String> {
    let (_, bracketed) = comment.rsplit_once('(')?;
    let (inside, _) = bracketed.split_once(')')?;
    let term = inside.rsplit("; ").next()?.trim();
    let has_han = term.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
    has_han.then(|| term.replace(' ', ""))
}

/// What the contract asks of a field.
pub(super) fn rule(field: &FieldDescriptor) -> Rule {
    let rule = option(pool(), field);
    rule.unwrap_or_default()
}

fn option(pool: &DescriptorPool, field: &FieldDescriptor) -> Option<Rule> {
    let extension = pool.get_extension_by_name("taizhang.common.v1.rule")?;
    let value = field.options().get_extension(&extension).into_owned();
    value.as_message()?.transcode_to().ok()
}

#[cfg(test)]
mod tests {
    use super::term;

    #[test]
    fn a_term_is_the_last_chinese_one_in_brackets() {
        assert_eq!(
            term("What it is called (会议名称).").as_deref(),
            Some("会议名称")
        );
        assert_eq!(
            term("Give it back (AIP-154; 版本标记).").as_deref(),
            Some("版本标记")
        );
        assert_eq!(
            term("Its costs (nothing). All (接待费合计，分).").as_deref(),
            Some("接待费合计，分")
        );
        assert_eq!(term("Not given (yet)."), None);
        assert_eq!(term("Not given."), None);
    }
}
