//! A recursive-descent parser from text to [`Expr`], by the grammar of AIP-160.

use taizhang_contracts::{Error, Result, Violations};

use super::{Comparison, Expr, MAX_COMPARISONS, MAX_DEPTH, MAX_LENGTH, Op, Pattern, Positioned};

/// Parses a filter; a blank one gives `None`.
///
/// # Errors
/// INVALID_FIELDS, with the position of the error and what was expected.
pub(super) fn parse(text: &str) -> Result<Option<Expr>> {
    let text: Vec<char> = text.chars().take(MAX_LENGTH + 1).collect();
    if text.len() > MAX_LENGTH {
        let zh = format!("不得超过{MAX_LENGTH}个字符");
        return Err(Violations::of(
            "filter",
            zh,
            format!("must have at most {MAX_LENGTH} characters"),
        ));
    }
    if let Some(i) = text
        .iter()
        .position(|c| c.is_control() && !c.is_whitespace())
    {
        return Err(wrong(
            i + 1,
            "不得含控制字符",
            "control characters are not allowed",
        ));
    }
    let mut parser = Parser {
        text,
        next: 0,
        depth: 0,
        comparisons: 0,
    };
    parser.skip_space();
    if parser.peek().is_none() {
        return Ok(None);
    }
    let expr = parser.expression()?;
    match parser.peek() {
        None => Ok(Some(expr)),
        Some(_) => Err(parser.expected("AND、OR 或结尾", "AND, OR or the end")),
    }
}

/// A syntax or type error at a position.
pub(super) fn wrong(at: usize, zh: impl AsRef<str>, en: impl AsRef<str>) -> Error {
    let zh = format!("第{at}个字符处：{}", zh.as_ref());
    Violations::of("filter", zh, format!("at character {at}: {}", en.as_ref()))
}

struct Parser {
    text: Vec<char>,
    next: usize,
    depth: usize,
    comparisons: usize,
}

/// Every method that parses a token also skips the whitespace after it.
impl Parser {
    /// `factor {[AND] factor}`
    fn expression(&mut self) -> Result<Expr> {
        let mut parts = vec![self.factor()?];
        while self.keyword("AND") || !matches!(self.peek(), None | Some(')')) {
            parts.push(self.factor()?);
        }
        Ok(one_or(parts, Expr::And))
    }

    /// `term {OR term}`
    fn factor(&mut self) -> Result<Expr> {
        let mut parts = vec![self.term()?];
        while self.keyword("OR") {
            parts.push(self.term()?);
        }
        Ok(one_or(parts, Expr::Or))
    }

    /// `[NOT | -] simple`
    fn term(&mut self) -> Result<Expr> {
        if self.keyword("NOT") || self.take("-") {
            return Ok(Expr::Not(Box::new(self.simple()?)));
        }
        self.simple()
    }

    /// `( expression ) | comparison`
    fn simple(&mut self) -> Result<Expr> {
        let at = self.at();
        if !self.take("(") {
            return self.comparison();
        }
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            let zh = format!("括号嵌套不得超过{MAX_DEPTH}层");
            return Err(wrong(
                at,
                zh,
                format!("at most {MAX_DEPTH} parentheses may be open at once"),
            ));
        }
        let expr = self.expression()?;
        if !self.take(")") {
            return Err(self.expected("AND、OR 或 )", "AND, OR or )"));
        }
        self.depth -= 1;
        Ok(expr)
    }

    /// `field operator value`
    fn comparison(&mut self) -> Result<Expr> {
        let field = Positioned {
            at: self.at(),
            node: self.word(|c, _| c == ':'),
        };
        if field.node.is_empty() || field.node.starts_with('-') || is_keyword(&field.node) {
            self.next = field.at - 1;
            return Err(self.expected("字段、NOT、- 或 (", "a field, NOT, - or ("));
        }
        self.comparisons += 1;
        if self.comparisons > MAX_COMPARISONS {
            let zh = format!("不得超过{MAX_COMPARISONS}个比较");
            return Err(wrong(
                field.at,
                zh,
                format!("at most {MAX_COMPARISONS} comparisons are allowed"),
            ));
        }
        let at = self.at();
        let Some(op) = Op::ALL.into_iter().find(|op| self.take(op.symbol())) else {
            let symbols = Op::ALL.map(Op::symbol).join(" ");
            return Err(self.expected(
                &format!("运算符 {symbols}"),
                &format!("an operator: {symbols}"),
            ));
        };
        let value = Positioned {
            at: self.at(),
            node: self.value()?,
        };
        Ok(Expr::Compare(Comparison {
            field,
            op: Positioned { at, node: op },
            value,
        }))
    }

    fn value(&mut self) -> Result<Pattern> {
        let start = self.next;
        if let Some(quote @ ('"' | '\'')) = self.peek() {
            return self.quoted(quote);
        }
        // Instants contain colons: a bare value that begins with a digit may contain one.
        let word = self.word(|c, first| c == ':' && !first.is_ascii_digit());
        if word.is_empty() || is_keyword(&word) {
            self.next = start;
            return Err(self.expected("值", "a value"));
        }
        Ok(Pattern(word.split('*').map(str::to_owned).collect()))
    }

    fn quoted(&mut self, quote: char) -> Result<Pattern> {
        let at = self.at();
        let (mut pieces, mut piece) = (Vec::new(), String::new());
        self.next += 1;
        while let Some(c) = self.peek() {
            self.next += 1;
            match c {
                _ if c == quote => {
                    self.skip_space();
                    pieces.push(piece);
                    return Ok(Pattern(pieces));
                }
                '*' => pieces.push(std::mem::take(&mut piece)),
                '\\' => match self.peek() {
                    Some(c @ ('"' | '\'' | '\\' | '*')) => {
                        self.next += 1;
                        piece.push(c);
                    }
                    _ => {
                        return Err(
                            self.expected(r#"\ 之后为 " ' \ 或 *"#, r#"one of " ' \ * after \"#)
                        );
                    }
                },
                c => piece.push(c),
            }
        }
        Err(wrong(
            at,
            format!("引号 {quote} 没有结束"),
            format!("the quotation mark {quote} is not closed"),
        ))
    }

    /// The characters up to whitespace, a parenthesis, a quotation mark, an operator, or one for
    /// which `ends` is true, given the character and the word's first one.
    fn word(&mut self, ends: impl Fn(char, char) -> bool) -> String {
        let rest = &self.text[self.next..];
        let first = rest.first().copied().unwrap_or_default();
        let special = |c: char| c.is_whitespace() || "()\"'=!<>".contains(c) || ends(c, first);
        let word: String = rest.iter().take_while(|c| !special(**c)).collect();
        self.next += word.chars().count();
        self.skip_space();
        word
    }

    /// Consumes a keyword if it is the next word.
    fn keyword(&mut self, keyword: &str) -> bool {
        let start = self.next;
        let found = self.word(|c, _| c == ':') == keyword;
        if !found {
            self.next = start;
        }
        found
    }

    /// Consumes a symbol if it comes next.
    fn take(&mut self, symbol: &str) -> bool {
        let found = symbol
            .chars()
            .eq(self.text[self.next..].iter().copied().take(symbol.len()));
        if found {
            self.next += symbol.len();
            self.skip_space();
        }
        found
    }

    fn skip_space(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.next += 1;
        }
    }

    fn peek(&self) -> Option<char> {
        self.text.get(self.next).copied()
    }

    /// The position of the next character, from 1.
    fn at(&self) -> usize {
        self.next + 1
    }

    fn expected(&self, zh: &str, en: &str) -> Error {
        let (but_zh, but_en) = match self.peek() {
            Some(c) => (format!("而非 {c}"), format!("found {c}")),
            None => ("但已结尾".into(), "found the end".into()),
        };
        wrong(
            self.at(),
            format!("应为{zh}，{but_zh}"),
            format!("expected {en}, {but_en}"),
        )
    }
}

fn is_keyword(word: &str) -> bool {
    matches!(word, "AND" | "OR" | "NOT")
}

/// A single part as it is, several joined.
fn one_or(mut parts: Vec<Expr>, join: impl FnOnce(Vec<Expr>) -> Expr) -> Expr {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        last => {
            parts.extend(last);
            join(parts)
        }
    }
}
