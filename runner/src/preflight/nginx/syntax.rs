//! nginx's syntax: directives, their arguments, blocks. Word by word as
//! `ngx_conf_read_token` takes them (nginx, src/core/ngx_conf_file.c).

use std::borrow::Cow;

use super::DumpError;

/// A directive with what belongs to it.
#[derive(Debug)]
pub(super) struct Directive<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) arguments: Vec<Cow<'a, str>>,
    /// Empty for one that ends with a semicolon.
    pub(super) block: Vec<Directive<'a>>,
}

enum Token<'a> {
    Word(Cow<'a, str>),
    End,
    Open,
    Close,
}

/// Reads a whole file.
pub(super) fn read<'a>(file: &str, text: &'a str) -> Result<Vec<Directive<'a>>, DumpError> {
    let mut reader = Reader { file, text, at: 0 };
    reader.directives(0)
}

/// No configuration is nested deeper; a stack is not endless.
const MAX_DEPTH: usize = 32;

struct Reader<'f, 'a> {
    file: &'f str,
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'_, 'a> {
    fn directives(&mut self, depth: usize) -> Result<Vec<Directive<'a>>, DumpError> {
        if depth > MAX_DEPTH {
            return Err(self.wrong("blocks in blocks without end"));
        }
        let (mut directives, mut words) = (Vec::new(), Vec::new());
        while let Some(token) = self.token()? {
            let block = match token {
                Token::Word(word) => {
                    words.push(word);
                    continue;
                }
                Token::Close if words.is_empty() && depth > 0 => return Ok(directives),
                Token::Close if words.is_empty() => {
                    return Err(self.wrong("an end of a block that did not begin"));
                }
                Token::Close => return Err(self.wrong("a directive without an end")),
                Token::End | Token::Open if words.is_empty() => {
                    return Err(self.wrong("an end of a directive without a name"));
                }
                Token::End => Vec::new(),
                Token::Open if words[0].ends_with("_by_lua_block") => {
                    self.skip_lua()?;
                    Vec::new()
                }
                Token::Open => self.directives(depth + 1)?,
            };
            let mut words = std::mem::take(&mut words).into_iter();
            directives.extend(words.next().map(|name| Directive {
                name,
                arguments: words.collect(),
                block,
            }));
        }
        if depth > 0 {
            return Err(self.wrong("a block that does not end"));
        }
        if words.is_empty() {
            return Ok(directives);
        }
        Err(self.wrong("a directive without an end"))
    }

    fn token(&mut self) -> Result<Option<Token<'a>>, DumpError> {
        self.skip_blank();
        let Some(first) = self.rest().chars().next() else {
            return Ok(None);
        };
        let token = match first {
            ';' => Token::End,
            '{' => Token::Open,
            '}' => Token::Close,
            '"' | '\'' => return self.quoted(first).map(Some),
            _ => return Ok(Some(self.word())),
        };
        self.at += 1;
        Ok(Some(token))
    }

    fn skip_blank(&mut self) {
        loop {
            let rest = self.rest();
            self.at += rest.len() - rest.trim_start().len();
            if !self.rest().starts_with('#') {
                return;
            }
            self.at += self.rest().find('\n').unwrap_or(self.rest().len());
        }
    }

    /// A word up to a blank, `;` or `{`, but for the `{` of `${name}`.
    fn word(&mut self) -> Token<'a> {
        let (start, mut before, mut escaped) = (self.at, ' ', false);
        let mut end = self.text.len();
        for (index, c) in self.rest().char_indices() {
            let ends = c.is_whitespace() || c == ';' || (c == '{' && before != '$');
            if ends && !escaped {
                end = start + index;
                break;
            }
            escaped = c == '\\' && !escaped;
            before = c;
        }
        self.at = end;
        Token::Word(Cow::Borrowed(&self.text[start..end]))
    }

    fn quoted(&mut self, quote: char) -> Result<Token<'a>, DumpError> {
        let start = self.at + 1;
        let mut escaped = false;
        for (index, c) in self.text[start..].char_indices() {
            if c == quote && !escaped {
                self.at = start + index + 1;
                return Ok(Token::Word(unescaped(&self.text[start..start + index])));
            }
            escaped = c == '\\' && !escaped;
        }
        Err(self.wrong("a quote that does not end"))
    }

    /// Lua has braces of its own; those in its strings and comments count for
    /// nothing.
    fn skip_lua(&mut self) -> Result<(), DumpError> {
        let mut depth = 1;
        while let Some(first) = self.rest().chars().next() {
            let rest = self.rest();
            let passed = match first {
                '"' | '\'' => {
                    self.quoted(first)?;
                    0
                }
                '-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
                '[' if rest.starts_with("[[") => rest.find("]]").map_or(rest.len(), |end| end + 2),
                '{' => {
                    depth += 1;
                    1
                }
                '}' => {
                    depth -= 1;
                    1
                }
                other => other.len_utf8(),
            };
            self.at += passed;
            if depth == 0 {
                return Ok(());
            }
        }
        Err(self.wrong("a block that does not end"))
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn wrong(&self, found: &'static str) -> DumpError {
        DumpError::Syntax {
            file: self.file.to_owned(),
            line: self.text[..self.at].matches('\n').count() + 1,
            found,
        }
    }
}

/// Without the backslashes before what they escape.
fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let (mut plain, mut characters) = (String::with_capacity(text.len()), text.chars());
    while let Some(c) = characters.next() {
        match c {
            '\\' => plain.extend(characters.next()),
            other => plain.push(other),
        }
    }
    Cow::Owned(plain)
}
