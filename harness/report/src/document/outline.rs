use super::{Document, Section};

/// A section with its place: `[4, 2]` is the second part of the fourth chapter.
pub(super) struct Placed<'a> {
    pub(super) place: Vec<usize>,
    pub(super) section: &'a Section,
}

impl Placed<'_> {
    /// `4.2`.
    pub(super) fn number(&self) -> String {
        self.joined(".")
    }

    /// A name for links: `s4-2`.
    pub(super) fn anchor(&self) -> String {
        format!("s{}", self.joined("-"))
    }

    /// 1 for chapters.
    pub(super) fn depth(&self) -> usize {
        self.place.len()
    }

    fn joined(&self, between: &str) -> String {
        self.place.iter().map(usize::to_string).collect::<Vec<_>>().join(between)
    }
}

/// Every section in reading order.
pub(super) fn outline(document: &Document) -> Vec<Placed<'_>> {
    let mut placed = Vec::new();
    visit(&document.sections, &[], &mut placed);
    placed
}

fn visit<'a>(sections: &'a [Section], above: &[usize], placed: &mut Vec<Placed<'a>>) {
    for (index, section) in sections.iter().enumerate() {
        let place = [above, &[index + 1]].concat();
        placed.push(Placed { place: place.clone(), section });
        visit(&section.sections, &place, placed);
    }
}
