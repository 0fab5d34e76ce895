//! The office's terms for fields, values and records: the Chinese terms in the contracts' comments.

use prost_reflect::{EnumValueDescriptor, FieldDescriptor, FileDescriptor, MessageDescriptor};

use crate::common::Rule;
use crate::descriptors::pool;

/// The office's term for a field, such as 会议名称.
pub fn of_field(field: &FieldDescriptor) -> String {
    let comment = comment(&field.parent_message().parent_file(), field.path());
    term(&comment).unwrap_or_else(|| field.name().to_owned())
}

/// The office's term for an enum's value, such as 常委会会议.
pub fn of_value(value: &EnumValueDescriptor) -> String {
    let comment = comment(&value.parent_enum().parent_file(), value.path());
    term(&comment).unwrap_or_else(|| value.name().to_owned())
}

/// The office's term for a kind of record, such as 会议.
pub fn of_message(message: &MessageDescriptor) -> String {
    let comment = comment(&message.parent_file(), message.path());
    term(&comment).unwrap_or_else(|| message.name().to_owned())
}

/// The comment of a descriptor, in one line.
fn comment(file: &FileDescriptor, path: &[i32]) -> String {
    let info = file.file_descriptor_proto().source_code_info.as_ref();
    let mut locations = info.into_iter().flat_map(|info| &info.location);
    let location = locations.find(|location| location.path == path);
    let words = location.map(|location| location.leading_comments().split_whitespace());
    words.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// The last Chinese term in parentheses in a comment, such as `(AIP-154; 版本标记)`.
fn term(comment: &str) -> Option<String> {
    let is_han = |c| ('\u{4e00}'..='\u{9fff}').contains(&c);
    let bracketed = comment.rsplit('(').filter_map(|part| part.split_once(')'));
    let mut terms = bracketed.filter_map(|(inside, _)| inside.rsplit("; ").next());
    let term = terms.find(|term| term.chars().any(is_han))?;
    Some(term.replace(' ', ""))
}

/// The rule of a field, as its contract declares it.
pub fn rule(field: &FieldDescriptor) -> Rule {
    let declared = || -> Option<Rule> {
        let extension = pool().get_extension_by_name("taizhang.common.v1.rule")?;
        let options = field.options();
        let value = options.get_extension(&extension);
        value.as_message()?.transcode_to().ok()
    };
    declared().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::term;

    #[test]
    fn a_term_is_the_last_chinese_one_in_parentheses() {
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
        assert_eq!(
            term("What is local (督查设置). A singleton (AIP-156).").as_deref(),
            Some("督查设置")
        );
        assert_eq!(term("Not given (yet)."), None);
        assert_eq!(term("Not given."), None);
    }
}
