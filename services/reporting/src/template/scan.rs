//! Splits a template into text and tags.
//!
//! The engine has parsed the template before, so every tag is closed.

/// A piece of a template.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Literal text, with its first line.
    Text(usize, &'a str),
    /// `{{ … }}`: has output.
    Emit(Vec<(usize, Token<'a>)>),
    /// `{% … %}`: has no output.
    Tag(Vec<(usize, Token<'a>)>),
}

/// A token between the braces.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(super) enum Token<'a> {
    /// A name or a keyword.
    Word(&'a str),
    /// A number.
    Number(&'a str),
    /// A text in quotes, without them.
    Quoted(&'a str),
    /// Any other character.
    Mark(char),
}

/// The pieces of a template, in order, without comments.
pub(super) fn pieces(template: &str) -> Vec<Piece<'_>> {
    let mut out = Vec::new();
    let (mut rest, mut line) = (template, 1);
    while !rest.is_empty() {
        let Some((at, kind)) = opening(rest) else {
            out.push(Piece::Text(line, rest));
            break;
        };
        let (text, inside) = rest.split_at(at);
        if !text.is_empty() {
            out.push(Piece::Text(line, text));
            line += lines(text);
        }
        let inside = inside.get(2..).unwrap_or_default();
        let (length, tokens) = match kind {
            '#' => (inside.find("#}").unwrap_or(inside.len()), Vec::new()),
            '{' => tokens(inside, "}}", line),
            _ => tokens(inside, "%}", line),
        };
        match kind {
            '#' => {}
            '{' => out.push(Piece::Emit(tokens)),
            _ => out.push(Piece::Tag(tokens)),
        }
        let (inside, after) = inside.split_at(length);
        line += lines(inside);
        rest = after.get(2..).unwrap_or_default();
    }
    out
}

/// The position and the kind of the first opening tag.
fn opening(text: &str) -> Option<(usize, char)> {
    text.match_indices('{').find_map(|(at, _)| {
        let kind = text.get(at + 1..)?.chars().next()?;
        matches!(kind, '{' | '%' | '#').then_some((at, kind))
    })
}

/// The tokens up to `end`, and their length in bytes.
fn tokens<'a>(inside: &'a str, end: &str, mut line: usize) -> (usize, Vec<(usize, Token<'a>)>) {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(rest) = inside.get(at..) {
        let Some(first) = rest.chars().next() else {
            break;
        };
        // `-` and `+` at either edge control whitespace.
        let edge = rest.starts_with(['-', '+'])
            && (at == 0 || rest.get(1..).is_some_and(|r| r.starts_with(end)));
        if rest.starts_with(end) {
            break;
        } else if first.is_whitespace() || edge {
            line += usize::from(first == '\n');
            at += first.len_utf8();
        } else if matches!(first, '"' | '\'') {
            let length = quoted(rest.get(1..).unwrap_or_default(), first);
            let text = rest.get(1..=length).unwrap_or_default();
            out.push((line, Token::Quoted(text)));
            line += lines(text);
            at += length + 2;
        } else if first.is_ascii_alphanumeric() || first == '_' {
            let length = rest
                .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
                .unwrap_or(rest.len());
            let word = rest.get(..length).unwrap_or_default();
            out.push((
                line,
                if first.is_ascii_digit() {
                    Token::Number(word)
                } else {
                    Token::Word(word)
                },
            ));
            at += length;
        } else {
            out.push((line, Token::Mark(first)));
            at += first.len_utf8();
        }
    }
    (at.min(inside.len()), out)
}

/// The length of a text up to its closing quote.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        if !escaped && c == quote {
            return at;
        }
        escaped = !escaped && c == '\\';
    }
    text.len()
}

fn lines(text: &str) -> usize {
    text.matches('\n').count()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn text_and_tags_are_split_with_their_lines() {
        let template = "甲{# 注\n释 #}乙{{ x|unit }}\n{%- if a.b is missing -%}\n丙{{ y|missing_or(\"}}\\\"q\") }}{ 丁";
        let word = |line, w| (line, Token::Word(w));
        let mark = |line, c| (line, Token::Mark(c));
        assert_eq!(
            pieces(template),
            [
                Piece::Text(1, "甲"),
                Piece::Text(2, "乙"),
                Piece::Emit(vec![word(2, "x"), mark(2, '|'), word(2, "unit")]),
                Piece::Text(2, "\n"),
                Piece::Tag(vec![
                    word(3, "if"),
                    word(3, "a"),
                    mark(3, '.'),
                    word(3, "b"),
                    word(3, "is"),
                    word(3, "missing"),
                ]),
                Piece::Text(3, "\n丙"),
                Piece::Emit(vec![
                    word(4, "y"),
                    mark(4, '|'),
                    word(4, "missing_or"),
                    mark(4, '('),
                    (4, Token::Quoted("}}\\\"q")),
                    mark(4, ')'),
                ]),
                Piece::Text(4, "{ 丁"),
            ]
        );
    }

    #[test]
    fn malformed_templates_do_not_panic() {
        for odd in [
            "{{",
            "{%",
            "{#",
            "{",
            "{{ \"",
            "{{ '\\",
            "{{-",
            "{{ 三 }}",
            "{{ }",
            "{%+",
        ] {
            pieces(odd);
        }
    }
}
