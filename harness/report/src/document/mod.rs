//! A document as a tree, written once and rendered to what people read: HTML, Markdown, Typst, and a terminal.
//!
//! Text in it is data: no character of it is markup in any target. This module knows nothing of results.

mod html;
mod markdown;
mod outline;
mod terminal;
mod text;
mod typst;

#[cfg(test)]
mod laws;

pub use html::html;
pub use markdown::markdown;
pub use terminal::terminal;
pub use text::{Span, Text};
pub use typst::typst;

/// A whole document.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Document {
    /// What stands at the top.
    pub title: String,
    /// Lines below the title: what it is about.
    pub about: Vec<Text>,
    /// The chapters, which every target but the terminal numbers.
    pub sections: Vec<Section>,
}

/// A chapter, or a part of one.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Section {
    /// Its heading.
    pub title: String,
    /// What stands below the heading.
    pub blocks: Vec<Block>,
    /// Its parts, after the blocks.
    pub sections: Vec<Section>,
}

/// One thing below the other.
#[derive(Debug, Clone, PartialEq)]
pub enum Block {
    /// Running text.
    Paragraph(Text),
    /// Text that must not be overlooked.
    Note(Text),
    /// Points of equal weight.
    List(Vec<Text>),
    /// Rows and columns.
    Table(Table),
    /// A picture.
    Figure(Figure),
    /// Lines to type into a shell, as they are.
    Commands(Vec<String>),
}

/// A table. Every row has as many cells as there are columns.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    /// The columns.
    pub columns: Vec<Column>,
    /// The rows.
    pub rows: Vec<Vec<Text>>,
}

/// The head of a column.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Whether its cells are numbers, which stand at the right.
    pub is_number: bool,
}

/// A picture as SVG.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// What its file is called where a target has pictures in files: a plain name that ends with `.svg`.
    pub file: String,
    /// The file's text. Targets show it as a picture: nothing in it runs.
    pub svg: String,
    /// What it shows.
    pub caption: Text,
}

impl Document {
    /// Every picture, in reading order.
    pub fn figures(&self) -> Vec<&Figure> {
        let blocks = outline::outline(self).into_iter().flat_map(|placed| &placed.section.blocks);
        blocks.filter_map(|block| if let Block::Figure(figure) = block { Some(figure) } else { None }).collect()
    }
}

impl Section {
    /// A section with nothing in it yet.
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), ..Self::default() }
    }

    /// Adds running text.
    pub fn paragraph(self, text: impl Into<Text>) -> Self {
        self.with(Block::Paragraph(text.into()))
    }

    /// Adds text that must not be overlooked.
    pub fn note(self, text: impl Into<Text>) -> Self {
        self.with(Block::Note(text.into()))
    }

    /// Adds a list; nothing where it is empty.
    pub fn list(self, items: Vec<Text>) -> Self {
        if items.is_empty() { self } else { self.with(Block::List(items)) }
    }

    /// Adds a table; nothing where it has no rows.
    pub fn table(self, table: Table) -> Self {
        if table.rows.is_empty() { self } else { self.with(Block::Table(table)) }
    }

    /// Adds a picture where there is one.
    pub fn figure(self, figure: Option<Figure>) -> Self {
        match figure {
            Some(figure) => self.with(Block::Figure(figure)),
            None => self,
        }
    }

    /// Adds lines to type into a shell.
    pub fn commands(self, lines: Vec<String>) -> Self {
        self.with(Block::Commands(lines))
    }

    /// Adds a part.
    pub fn section(mut self, section: Section) -> Self {
        self.sections.push(section);
        self
    }

    fn with(mut self, block: Block) -> Self {
        self.blocks.push(block);
        self
    }
}

impl Table {
    /// A table with these columns of words and then these of numbers, and no rows.
    pub fn new(words: &[&str], numbers: &[&str]) -> Self {
        let columns = |names: &[&str], is_number| -> Vec<Column> {
            names.iter().map(|name| Column { name: (*name).to_owned(), is_number }).collect()
        };
        Self { columns: [columns(words, false), columns(numbers, true)].concat(), rows: Vec::new() }
    }

    /// Adds a last column of words.
    pub fn and_words(mut self, name: &str) -> Self {
        self.columns.push(Column { name: name.to_owned(), is_number: false });
        self
    }

    /// Adds a row, cut or filled up to the number of columns.
    pub fn push<T: Into<Text>>(&mut self, cells: impl IntoIterator<Item = T>) {
        let mut row: Vec<Text> = cells.into_iter().map(Into::into).collect();
        row.resize(self.columns.len(), Text::default());
        self.rows.push(row);
    }

    /// The table with these rows.
    pub fn rows<T: Into<Text>, R: IntoIterator<Item = T>>(mut self, rows: impl IntoIterator<Item = R>) -> Self {
        rows.into_iter().for_each(|row| self.push(row));
        self
    }
}
