//! Checks a template before it is stored, so that a report never fails because of it: its syntax, its
//! names, its references, and that it contains no typed number.

use std::collections::BTreeSet;

use taizhang_contracts::Office;
use taizhang_contracts::reporting::{ReportFigure, ReportValue};
use taizhang_contracts::statistics::Indicator;

use super::render::{FILTERS, Failure, PARTS, TESTS, VARIABLES, engine, render};
use super::scan::{Piece, Token, pieces};

/// The tags that a template may use.
const TAGS: &[&str] = &["if", "elif", "else", "endif", "for", "endfor"];
/// The characters allowed between the braces in addition to words and quoted texts.
const MARKS: &[char] = &['(', ')', '.', ',', '|', '=', '!'];
/// Common unit words, in addition to those of the indicators.
const UNITS: &[&str] = &[
    "场", "次", "件", "份", "期", "篇", "条", "人", "天", "起", "家", "项", "类", "名", "个", "批",
    "套", "间", "户", "%", "％", "‰",
];
/// The most problems in an error.
const MOST_PROBLEMS: usize = 20;

/// The indicators that a template refers to; none if it can't be parsed.
pub(crate) fn references(template: &str) -> Vec<String> {
    let engine = engine();
    let Ok(parsed) = engine.template_from_str(template) else {
        return Vec::new();
    };
    let mut names: Vec<String> = parsed
        .undeclared_variables(false)
        .into_iter()
        .filter(|name| !VARIABLES.contains(&name.as_str()))
        .collect();
    // In the order of the text, which is the order of figures that no source returns.
    names.sort_by_key(|name| (template.find(name.as_str()), name.clone()));
    names
}

/// The syntax errors of a template.
pub(crate) fn syntax(template: &str) -> Vec<Failure> {
    match engine().template_from_str(template) {
        Ok(_) => Vec::new(),
        Err(error) => vec![error.into()],
    }
}

/// All other problems of a template, given all indicators.
pub(crate) fn check(template: &str, known: &[Indicator]) -> Vec<Failure> {
    let pieces = pieces(template);
    let mut problems = Vec::new();
    words(&pieces, &mut problems);
    for name in references(template) {
        if !known.iter().any(|i| i.id == name) {
            let zh = format!("没有指标 {name}");
            let en = format!("there is no indicator {name}");
            problems.push(at(line_of(&pieces, &name), zh, en));
        }
    }
    typed_numbers(&pieces, known, &mut problems);
    if problems.is_empty() {
        problems.extend(trial(template, known));
    }
    problems.sort_by_key(|p| p.line);
    problems.truncate(MOST_PROBLEMS);
    problems
}

fn at(line: impl Into<Option<usize>>, zh: impl Into<String>, en: impl Into<String>) -> Failure {
    Failure {
        line: line.into(),
        zh: zh.into(),
        en: en.into(),
    }
}

/// Finds unknown names, also in branches that are not rendered.
fn words(pieces: &[Piece<'_>], problems: &mut Vec<Failure>) {
    for piece in pieces {
        let tokens = match piece {
            Piece::Text(..) => continue,
            Piece::Emit(tokens) => tokens,
            Piece::Tag(tokens) => {
                if let Some((line, Token::Word(tag))) = tokens.first()
                    && !TAGS.contains(tag)
                {
                    let all = TAGS.join("、");
                    problems.push(at(
                        *line,
                        format!("没有标签 {tag}，只有 {all}"),
                        format!("there is no tag {tag}"),
                    ));
                }
                tokens
            }
        };
        for (i, (line, token)) in tokens.iter().enumerate() {
            let before = |n: usize| Some(tokens.get(i.checked_sub(n)?)?.1);
            let (what, whats, word) = match token {
                Token::Number(number) => {
                    let zh =
                        format!("写入了数字 {number}：数字只能引用指标，判断是否为零用 is zero");
                    problems.push(at(*line, zh, format!("contains a typed number: {number}")));
                    continue;
                }
                Token::Quoted(text) => {
                    if text.chars().any(is_digit) {
                        let zh = format!("引号内写入了数字：{text}");
                        problems.push(at(*line, zh, format!("contains a typed number: {text}")));
                    }
                    continue;
                }
                Token::Mark(mark) => {
                    if !MARKS.contains(mark) {
                        let zh = format!("不能使用 {mark}：模板不作运算");
                        problems.push(at(*line, zh, format!("{mark} can't be used")));
                    }
                    continue;
                }
                Token::Word(word) => match (before(1), before(2)) {
                    (Some(Token::Mark('|')), _) if !FILTERS.contains(word) => {
                        ("过滤器", "filter", word)
                    }
                    (Some(Token::Mark('.')), _) if !PARTS.contains(word) => ("内容", "part", word),
                    (Some(Token::Word("is")), _)
                    | (Some(Token::Word("not")), Some(Token::Word("is")))
                        if *word != "not" && !TESTS.contains(word) =>
                    {
                        ("判断", "test", word)
                    }
                    _ => continue,
                },
            };
            let zh = format!("没有{what} {word}");
            problems.push(at(*line, zh, format!("there is no {whats} {word}")));
        }
    }
}

/// The line of the first reference to a name.
fn line_of(pieces: &[Piece<'_>], name: &str) -> Option<usize> {
    pieces.iter().find_map(|piece| match piece {
        Piece::Text(..) => None,
        Piece::Emit(tokens) | Piece::Tag(tokens) => tokens
            .iter()
            .find(|(_, t)| *t == Token::Word(name))
            .map(|(line, _)| *line),
    })
}

/// The placeholder for the output of a reference.
const REFERENCE: char = '\u{fffc}';

/// Finds numbers typed into the text: digits followed by a unit word, or adjacent to a reference,
/// whose value they would change. 「第3期」 is a label and allowed.
fn typed_numbers(pieces: &[Piece<'_>], known: &[Indicator], problems: &mut Vec<Failure>) {
    let units: BTreeSet<&str> = known
        .iter()
        .map(|i| i.unit.as_str())
        .filter(|unit| !unit.is_empty())
        .chain(UNITS.iter().copied())
        .collect();
    // Tags have no output, so the texts around them are adjacent.
    let mut text: Vec<(usize, char)> = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Text(first, literal) => {
                let mut line = *first;
                for c in literal.chars() {
                    text.push((line, c));
                    line += usize::from(c == '\n');
                }
            }
            Piece::Emit(tokens) => text.push((tokens.first().map_or(0, |t| t.0), REFERENCE)),
            Piece::Tag(_) => {}
        }
    }
    let char_at = |i: usize| text.get(i).map(|(_, c)| *c);
    let mut i = 0;
    while i < text.len() {
        if !char_at(i).is_some_and(is_digit) {
            i += 1;
            continue;
        }
        let start = i;
        while char_at(i).is_some_and(is_digit)
            || (char_at(i).is_some_and(|c| ".,．，".contains(c))
                && char_at(i + 1).is_some_and(is_digit))
        {
            i += 1;
        }
        let before = start.checked_sub(1).and_then(char_at);
        let mut after = i;
        while char_at(after).is_some_and(|c| " \u{3000}余多几".contains(c)) {
            after += 1;
        }
        let rest: String = text.iter().skip(after).take(8).map(|(_, c)| *c).collect();
        let unit = units
            .iter()
            .filter(|unit| rest.starts_with(*unit))
            .max_by_key(|u| u.len());
        let touches = before == Some(REFERENCE) || char_at(i) == Some(REFERENCE);
        if touches || (unit.is_some() && before != Some('第')) {
            let line = text.get(start).map(|(line, _)| *line);
            // The number as typed, with its unit word.
            let end = if unit.is_some() { after } else { i };
            let typed = text.get(start..end).unwrap_or_default().iter();
            let mut number: String = typed.map(|(_, c)| *c).collect();
            number.push_str(unit.unwrap_or(&""));
            problems.push(at(
                line,
                format!("写入了数字“{number}”：数字只能引用指标"),
                format!("contains a typed number: {number}"),
            ));
        }
    }
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit() || ('０'..='９').contains(&c)
}

/// Renders the template with present, zero and missing figures, to find runtime errors such as a
/// filter on a value that is not a figure, or too much work.
fn trial(template: &str, known: &[Indicator]) -> Option<Failure> {
    let office = Office::from_id("trial")?;
    [Some(1234), Some(0), None].into_iter().find_map(|value| {
        let value = Some(ReportValue {
            value,
            missing_reason: value.map_or("试算", |_| "").into(),
            ..Default::default()
        });
        let figures: Vec<ReportFigure> = known
            .iter()
            .map(|i| ReportFigure {
                indicator: i.id.clone(),
                label: i.label.clone(),
                unit: i.unit.clone(),
                part_of: i.part_of.clone(),
                decimals: i.decimals,
                current: value.clone(),
                previous: value.clone(),
                ..Default::default()
            })
            .collect();
        render(template, &office, 2000, &figures).err()
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
