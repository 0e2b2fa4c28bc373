/// How the models were trained: a picture that is not in the results.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// The picture.
    pub svg: String,
}

impl Figure {
    /// Its file in the report folder.
    pub const FILE: &str = "training.svg";

    /// What it shows and where the numbers are from, as Markdown.
    pub const ABOUT: &str = "\
What each training measured after its epochs: on the rows, with the attack and with the probes of its recipe. Nothing of it is \
measured again here, so the last points need not be the numbers above. The values are those of `metrics.jsonl` beside each \
model, which its manifest pins; a model that was not trained from a recipe has no line.";
}
