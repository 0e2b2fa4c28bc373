/// Text with emphasis. A line break in it is a character like another: it does not break the line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Text(Vec<Span>);

/// A piece of text in one style. What it holds may come from anywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Span {
    /// As it is.
    Plain(String),
    /// A name, a digest, a command: fixed width, no typographic change.
    Code(String),
    /// Important.
    Strong(String),
    /// A word that is spoken about.
    Emphasis(String),
}

impl Text {
    /// Appends plain text.
    pub fn plain(self, text: impl Into<String>) -> Self {
        self.with(Span::Plain(text.into()))
    }

    /// Appends a name, a digest or a command.
    pub fn code(self, text: impl Into<String>) -> Self {
        self.with(Span::Code(text.into()))
    }

    /// Appends what is important.
    pub fn strong(self, text: impl Into<String>) -> Self {
        self.with(Span::Strong(text.into()))
    }

    /// Appends a word that is spoken about.
    pub fn emphasis(self, text: impl Into<String>) -> Self {
        self.with(Span::Emphasis(text.into()))
    }

    /// Appends another text.
    pub fn then(mut self, text: Text) -> Self {
        self.0.extend(text.0);
        self
    }

    /// The pieces in their order, none of them empty.
    pub fn spans(&self) -> &[Span] {
        &self.0
    }

    /// The characters alone.
    pub fn characters(&self) -> String {
        self.0.iter().map(Span::text).collect()
    }

    fn with(mut self, span: Span) -> Self {
        if !span.text().is_empty() {
            self.0.push(span);
        }
        self
    }
}

impl Span {
    /// Its characters.
    pub fn text(&self) -> &str {
        match self {
            Self::Plain(text) | Self::Code(text) | Self::Strong(text) | Self::Emphasis(text) => text,
        }
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::default().plain(text)
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::default().plain(text)
    }
}

/// Characters that every target shows and none obeys: those that drive a terminal, break a line or turn the direction of writing
/// are replaced.
pub(super) fn shown(text: &str) -> String {
    let obeyed = |c: char| {
        c.is_control()
            || matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{61c}')
            || ('\u{202a}'..='\u{202e}').contains(&c)
            || ('\u{2066}'..='\u{2069}').contains(&c)
    };
    text.chars().map(|c| if obeyed(c) { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_follow_each_other_and_none_is_empty() {
        let text = Text::from("a ").code("b").plain("").strong(" c").then(Text::default().emphasis("d"));
        assert_eq!((text.characters().as_str(), text.spans().len()), ("a b cd", 4));
    }

    #[test]
    fn no_character_drives_what_shows_it() {
        assert_eq!(shown("a\u{1b}[31m\nb\u{202e}c\u{2028}d–€"), "a\u{fffd}[31m\u{fffd}b\u{fffd}c\u{fffd}d–€");
    }
}
