/// How the models were trained: the one thing in a report that is not in its results.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// The picture.
    pub svg: String,
    /// What it shows and where the numbers are from, as Markdown.
    pub about: String,
}

impl Figure {
    /// Its file in the report folder.
    pub const FILE: &str = "training.svg";
}
