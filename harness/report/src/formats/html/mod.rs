//! One page that needs nothing but a browser: no network, no other file, and without scripts still a document.

mod board;
mod chart;
pub(crate) mod parts;

use evidence::Results;

use crate::board::board;
use crate::text::html;
use crate::{Beside, Error, Figure};

pub(crate) use board::Shown;

/// A part of the page.
pub(crate) struct Section {
    /// Its anchor; unique on the page.
    pub(crate) id: String,
    /// Its heading, without markup.
    pub(crate) title: String,
    /// What stands below the heading.
    pub(crate) body: String,
}

impl Section {
    pub(crate) fn new(id: &str, title: &str, body: String) -> Self {
        Self { id: id.to_owned(), title: title.to_owned(), body }
    }
}

/// `report.html`.
pub(super) fn render(results: &Results, beside: Beside<'_>) -> Result<String, Error> {
    let mut sections = Vec::new();
    let board = board(results);
    sections.extend(beside.verdict.map(|verdict| Section::new("verdict", "Verdict", parts::verdict(verdict))));
    sections.extend(Shown::new(results, &board, "", &[])?.sections());
    sections.extend(chart::curves(results, &board).map(|body| Section::new("curves", "Robustness curves", body)));
    if let Some(figure) = beside.training {
        let body = parts::svg_image(&figure.svg, "Measures over the epochs of training")
            + &parts::markdown_prose(Figure::ABOUT);
        sections.push(Section::new("training", "Training", body));
    }
    if !beside.pictures.is_empty() {
        sections.push(Section::new("pictures", "Pictures", parts::pictures(beside.pictures)));
    }
    sections.extend([
        Section::new("flags", "Flags", parts::flags(&board)),
        Section::new("checks", "Checks and their parameters", parts::checks(&results.models)),
        Section::new("models", "Models and digests", parts::digests(results, &board)),
        Section::new("again", "How to run it again", parts::again(results)),
    ]);
    let lead = parts::threat(results);
    Ok(page(&results.suite, &format!("{lead}{}", parts::facts(results)), &sections))
}

/// The whole page. `lead` is markup.
pub(crate) fn page(title: &str, lead: &str, sections: &[Section]) -> String {
    let title = html(title);
    // Of several boards only the boards.
    let is_board = |section: &&Section| section.id.starts_with("leaderboard");
    let boards = sections.iter().filter(is_board).count();
    let links: String = sections
        .iter()
        .filter(|section| boards < 2 || is_board(section))
        .map(|section| format!("<li><a href=\"#{}\">{}</a></li>", section.id, html(&section.title)))
        .collect();
    let main: String = sections
        .iter()
        .map(|Section { id, title, body }| {
            format!(
                "<section id=\"{id}\" aria-labelledby=\"{id}-h\">\n<h2 id=\"{id}-h\">{}</h2>\n{body}\n</section>\n",
                html(title)
            )
        })
        .collect();
    let first =
        sections.iter().find(|section| section.id.starts_with("leaderboard")).map_or("main", |section| &section.id);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"generator\" content=\"Tinyassay\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <a class=\"skip\" href=\"#{first}\">Skip to the leaderboard</a>\n\
         <header class=\"top\">\n<div class=\"bar-top\"><p class=\"brand\">Tinyassay</p>\
         <button type=\"button\" id=\"theme\" class=\"js-only\" aria-pressed=\"false\">Dark</button></div>\n\
         <h1>{title}</h1>\n{lead}\n<nav aria-label=\"Sections\"><ul>{links}</ul></nav>\n</header>\n\
         <main id=\"main\">\n{main}</main>\n\
         <div id=\"tip\" role=\"tooltip\" hidden></div>\n<script>\n{SCRIPT}</script>\n</body>\n</html>\n"
    )
}

/// Nothing is fetched from anywhere; style and script are those of the page.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{example, figure, model, pictures, ranked, results, verdict, with_probes};
    use std::collections::BTreeSet;

    fn full(results: &Results) -> String {
        let (figure, verdict, pictures) = (figure(), verdict(), pictures());
        let beside = Beside { training: Some(&figure), latency: &[], verdict: Some(&verdict), pictures: &pictures };
        render(results, beside).unwrap()
    }

    /// The page without style and script, which are files of their own.
    fn document(results: &Results) -> String {
        full(results).replace(STYLE, "STYLE\n").replace(SCRIPT, "SCRIPT\n")
    }

    #[test]
    fn the_page() {
        insta::assert_snapshot!(document(&ranked()), @r##"
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="Tinyassay">
<title>resnet8-linf</title>
<style>
STYLE
</style>
</head>
<body>
<a class="skip" href="#leaderboard">Skip to the leaderboard</a>
<header class="top">
<div class="bar-top"><p class="brand">Tinyassay</p><button type="button" id="theme" class="js-only" aria-pressed="false">Dark</button></div>
<h1>resnet8-linf</h1>
<p class="lead">An attacker who knows the model may change every input by at most 8/255 in the L∞ norm (pixels in 0..1). Tried on 200 rows of cifar10 (test split): the first 200 by index. Licence: MIT.</p><dl class="facts"><div><dt>models</dt><dd>3</dd></div><div><dt>rows</dt><dd>200</dd></div><div><dt>attacks</dt><dd>1</dd></div><div><dt>radius</dt><dd>L∞ 8/255</dd></div></dl>
<nav aria-label="Sections"><ul><li><a href="#verdict">Verdict</a></li><li><a href="#leaderboard">Leaderboard</a></li><li><a href="#pareto">Pareto front</a></li><li><a href="#ranks">Ranks</a></li><li><a href="#classes">Classes</a></li><li><a href="#curves">Robustness curves</a></li><li><a href="#training">Training</a></li><li><a href="#pictures">Pictures</a></li><li><a href="#flags">Flags</a></li><li><a href="#checks">Checks and their parameters</a></li><li><a href="#models">Models and digests</a></li><li><a href="#again">How to run it again</a></li></ul></nav>
</header>
<main id="main">
<section id="verdict" aria-labelledby="verdict-h">
<h2 id="verdict-h">Verdict</h2>
<p class="verdict fail"><span aria-hidden="true">✕</span> <span>fail</span></p>
<ul class="gates">
<li><strong class="pass"><span aria-hidden="true">✓</span> pass</strong> <b>strong</b>: robust_accuracy of pgd-20 at least 0.4 (ci_low, 95 %)<br><small>measured within limits; evaluate more rows (suite.yaml, line 12)</small></li>
<li><strong class="inconclusive"><span aria-hidden="true">?</span> inconclusive</strong> <b>strong</b>: robust_accuracy of pgd-20 at least 0.5 (ci_low, 95 %)<br><small>measured within limits; evaluate more rows (suite.yaml, line 12)</small></li>
<li><strong class="fail"><span aria-hidden="true">✕</span> fail</strong> <b>weak</b>: robust_accuracy of pgd-20 at least 0.4 (ci_low, 95 %)<br><small>measured within limits; evaluate more rows (suite.yaml, line 12)</small></li>
</ul>
</section>
<section id="leaderboard" aria-labelledby="leaderboard-h">
<h2 id="leaderboard-h">Leaderboard</h2>
<div class="board">
<div class="controls js-only">
<label class="filter">Filter models <input type="search" autocomplete="off" spellcheck="false"></label>
<details class="choose"><summary>Columns</summary><div>
<label><input type="checkbox" data-column="0" checked> rank</label>
<label><input type="checkbox" data-column="1" checked> clean</label>
<label><input type="checkbox" data-column="2" checked> pgd-20</label>
<label><input type="checkbox" data-column="3" checked> worst case</label>
<label><input type="checkbox" data-column="4" checked> worst class</label>
<label><input type="checkbox" data-column="5" checked> worst class, robust</label>
<label><input type="checkbox" data-column="6" checked> MACs</label>
<label><input type="checkbox" data-column="7"> MACs (torchprofile)</label>
<label><input type="checkbox" data-column="8" checked> params</label>
<label><input type="checkbox" data-column="9"> params without batch norm</label>
</div></details>
</div>
<div class="scroll" role="region" aria-label="Leaderboard" tabindex="0"><table class="leaderboard">
<thead><tr>
<th scope="col" data-column="name" aria-sort="none"><button type="button" aria-describedby="about-name">model</button></th>
<th scope="col" class="num" data-column="0" aria-sort="ascending"><button type="button" aria-describedby="about-0">rank</button></th>
<th scope="col" class="num" data-column="1" aria-sort="none"><button type="button" aria-describedby="about-1">clean</button></th>
<th scope="col" class="num" data-column="2" aria-sort="none"><button type="button" aria-describedby="about-2">pgd-20</button></th>
<th scope="col" class="num" data-column="3" aria-sort="none"><button type="button" aria-describedby="about-3">worst case</button></th>
<th scope="col" class="num" data-column="4" aria-sort="none"><button type="button" aria-describedby="about-4">worst class</button></th>
<th scope="col" class="num" data-column="5" aria-sort="none"><button type="button" aria-describedby="about-5">worst class, robust</button></th>
<th scope="col" class="num" data-column="6" aria-sort="none"><button type="button" aria-describedby="about-6">MACs</button></th>
<th scope="col" class="num" data-column="7" aria-sort="none"><button type="button" aria-describedby="about-7">MACs (torchprofile)</button></th>
<th scope="col" class="num" data-column="8" aria-sort="none"><button type="button" aria-describedby="about-8">params</button></th>
<th scope="col" class="num" data-column="9" aria-sort="none"><button type="button" aria-describedby="about-9">params without batch norm</button></th>
</tr></thead>
<tbody>
<tr class="front" data-row="0"><th scope="row">strong<span class="on-front"> on the front</span></th><td class="num" data-column="0"><span class="v">1</span></td><td class="num" data-column="1"><span class="v">95.00 %</span><span class="ci">91.00–97.58</span><span class="bar" aria-hidden="true" style="--l:91.00%;--w:6.58%;--v:95.00%"></span></td><td class="num" data-column="2"><span class="v">55.00 %</span><span class="ci">47.82–62.02</span><span class="bar" aria-hidden="true" style="--l:47.82%;--w:14.20%;--v:55.00%"></span></td><td class="num" data-column="3"><span class="v">55.00 %</span><span class="ci">47.82–62.02</span><span class="bar" aria-hidden="true" style="--l:47.82%;--w:14.20%;--v:55.00%"></span></td><td class="num" data-column="4"><span class="v">90.00 %</span><span class="note">cat</span></td><td class="num" data-column="5"><span class="v">40.00 %</span><span class="note">cat</span></td><td class="num" data-column="6"><span class="v">12.5 M</span></td><td class="num" data-column="7"><span class="v">12.5 M</span></td><td class="num" data-column="8"><span class="v">78.7 k</span></td><td class="num" data-column="9"><span class="v">77.7 k</span></td></tr>
<tr data-row="1"><th scope="row">middle<span class="on-front"> on the front</span></th><td class="num" data-column="0"><span class="v">1</span></td><td class="num" data-column="1"><span class="v">95.00 %</span><span class="ci">91.00–97.58</span><span class="bar" aria-hidden="true" style="--l:91.00%;--w:6.58%;--v:95.00%"></span></td><td class="num" data-column="2"><span class="v">45.00 %</span><span class="ci">37.98–52.18</span><span class="bar" aria-hidden="true" style="--l:37.98%;--w:14.20%;--v:45.00%"></span></td><td class="num" data-column="3"><span class="v">45.00 %</span><span class="ci">37.98–52.18</span><span class="bar" aria-hidden="true" style="--l:37.98%;--w:14.20%;--v:45.00%"></span></td><td class="num" data-column="4"><span class="v">90.00 %</span><span class="note">cat</span></td><td class="num" data-column="5"><span class="v">20.00 %</span><span class="note">cat</span></td><td class="num" data-column="6"><span class="v">20.0 M</span></td><td class="num" data-column="7"><span class="v">12.5 M</span></td><td class="num" data-column="8"><span class="v">78.7 k</span></td><td class="num" data-column="9"><span class="v">77.7 k</span></td></tr>
<tr class="front" data-row="2"><th scope="row">weak<span class="on-front"> on the front</span></th><td class="num" data-column="0"><span class="v">3</span></td><td class="num" data-column="1"><span class="v">95.00 %</span><span class="ci">91.00–97.58</span><span class="bar" aria-hidden="true" style="--l:91.00%;--w:6.58%;--v:95.00%"></span></td><td class="num" data-column="2"><span class="v">15.00 %</span><span class="ci">10.35–20.72</span><span class="bar" aria-hidden="true" style="--l:10.35%;--w:10.36%;--v:15.00%"></span></td><td class="num" data-column="3"><span class="v">15.00 %</span><span class="ci">10.35–20.72</span><span class="bar" aria-hidden="true" style="--l:10.35%;--w:10.36%;--v:15.00%"></span></td><td class="num" data-column="4"><span class="v">90.00 %</span><span class="note">cat</span></td><td class="num" data-column="5"><span class="v">0.00 %</span><span class="note">cat</span></td><td class="num" data-column="6"><span class="v">1.0 M</span></td><td class="num" data-column="7"><span class="v">12.5 M</span></td><td class="num" data-column="8"><span class="v">78.7 k</span></td><td class="num" data-column="9"><span class="v">77.7 k</span></td></tr>
</tbody>
</table></div>
<p class="status" role="status"></p>
<p class="prose">Robust accuracy is empirical: found by search, an upper bound on the true robust accuracy on these rows. Below a proportion its 95 % Clopper-Pearson interval, for the population that the rows were drawn from, drawn as a bar from 0 to 100 %. Models whose intervals overlap may still differ: they were evaluated on the same rows.</p>
<details><summary>What the columns say</summary>
<dl class="wide">
<dt>model</dt><dd id="about-name">The registered name. A diamond marks models on the Pareto front of the columns that are chosen below.</dd>
<dt>rank</dt><dd id="about-0">1 and the number of models that are significantly better on the same rows: McNemar&#39;s exact test, corrected by Holm for all 3 pairs, at 5 %.</dd>
<dt>clean</dt><dd id="about-1">Accuracy of the registered file on the rows as they are, by the judge.</dd>
<dt>pgd-20</dt><dd id="about-2">Empirical robust accuracy: rows that are right and for which this search found no adversarial input, out of all rows. The search is `pgd-20`. An upper bound: a search can miss.</dd>
<dt>worst case</dt><dd id="about-3">Rows that are right and withstand every listed attack, out of all rows. An upper bound: a search can miss.</dd>
<dt>worst class</dt><dd id="about-4">Accuracy on the rows of the class that the model does worst on; the class stands below. Another draw of rows may have another worst class, so there is no interval.</dd>
<dt>worst class, robust</dt><dd id="about-5">Rows that withstand every listed attack, of the class that has the smallest share of them; the class stands below. An upper bound: a search can miss.</dd>
<dt>MACs</dt><dd id="about-6">Multiply-accumulates of one inference: convolutions and dense layers.</dd>
<dt>MACs (torchprofile)</dt><dd id="about-7">The same and one for each element that an average pool or a mean gives.</dd>
<dt>params</dt><dd id="about-8">Elements of all initializers.</dd>
<dt>params without batch norm</dt><dd id="about-9">Those that are left once every BatchNormalization of the file is removed.</dd>
</dl></details>
<script type="application/json">{"columns":[{"higher":false,"id":"rank","kind":"rank","title":"rank","unit":"rank"},{"higher":true,"id":"clean","kind":"share","title":"clean","unit":"share"},{"higher":true,"id":"pgd-20","kind":"share","title":"pgd-20","unit":"share"},{"higher":true,"id":"worst-case","kind":"share","title":"worst case","unit":"share"},{"higher":true,"id":"worst-class","kind":"share","title":"worst class","unit":"share"},{"higher":true,"id":"worst-class-robust","kind":"share","title":"worst class, robust","unit":"share"},{"higher":false,"id":"macs","kind":"count","title":"MACs","unit":"count"},{"higher":false,"id":"macs-torchprofile","kind":"count","title":"MACs (torchprofile)","unit":"count"},{"higher":false,"id":"params","kind":"count","title":"params","unit":"count"},{"higher":false,"id":"params-without-bn","kind":"count","title":"params without batch norm","unit":"count"}],"models":[{"name":"strong","values":[[1.0,null,null],[0.95,0.90997245,0.97576584],[0.55,0.4782493,0.62024642],[0.55,0.4782493,0.62024642],[0.9,null,null],[0.4,null,null],[12501632.0,null,null],[12501696.0,null,null],[78666.0,null,null],[77706.0,null,null]]},{"name":"middle","values":[[1.0,null,null],[0.95,0.90997245,0.97576584],[0.45,0.37975358,0.5217507],[0.45,0.37975358,0.5217507],[0.9,null,null],[0.2,null,null],[20000000.0,null,null],[12501696.0,null,null],[78666.0,null,null],[77706.0,null,null]]},{"name":"weak","values":[[3.0,null,null],[0.95,0.90997245,0.97576584],[0.15,0.10354951,0.20715871],[0.15,0.10354951,0.20715871],[0.9,null,null],[0.0,null,null],[1000000.0,null,null],[12501696.0,null,null],[78666.0,null,null],[77706.0,null,null]]}]}</script>
</div>
</section>
<section id="pareto" aria-labelledby="pareto-h">
<h2 id="pareto-h">Pareto front</h2>
<p class="prose">A model is on the front if no other is at least as good in every chosen column and better in one. Point estimates decide, and intervals do not: a model just off the front may well belong on it.</p><div class="scatter" data-board="leaderboard">
<div class="controls js-only">
<label>Across <select data-axis="x"><option value="1">clean</option><option value="2">pgd-20</option><option value="3">worst case</option><option value="4">worst class</option><option value="5">worst class, robust</option><option value="6" selected>MACs</option><option value="7">MACs (torchprofile)</option><option value="8">params</option><option value="9">params without batch norm</option></select></label>
<label>Up <select data-axis="y"><option value="1">clean</option><option value="2">pgd-20</option><option value="3" selected>worst case</option><option value="4">worst class</option><option value="5">worst class, robust</option><option value="6">MACs</option><option value="7">MACs (torchprofile)</option><option value="8">params</option><option value="9">params without batch norm</option></select></label>
</div>
<p class="front-list">On the front of <b>worst case, MACs</b>: strong, weak.</p>
<div class="plot"></div>
</div>
</section>
<section id="ranks" aria-labelledby="ranks-h">
<h2 id="ranks-h">Ranks</h2>
<p class="prose">A model&#39;s rank is 1 and the number of models that are significantly better: of the rows that only one of the two withstands (or without attacks, gets right), so many more are the other&#39;s that chance would seldom do it. That is McNemar&#39;s exact test, two-sided, on the same rows, with Holm&#39;s correction for all 3 pairs at 5 %. The pairs say which two can be told apart; two that cannot need not be equal. A pair counts the attacks that both faced: one that a model guides is not tried on it. The difference is in percentage points of all rows, with Tango&#39;s 95 % score interval of that pair alone, which need not agree with the corrected test.</p><details><summary>Show all 3 pairs</summary>
<div class="scroll" role="region" aria-label="Pairs of models" tabindex="0"><table>
<thead><tr><th scope="col">model</th><th scope="col">against</th><th scope="col" class="num">only the first</th><th scope="col" class="num">only the second</th><th scope="col" class="num">difference</th><th scope="col" class="num">95 %</th><th scope="col" class="num">p</th><th scope="col" class="num">p (Holm)</th><th scope="col" class="num">better</th></tr></thead>
<tbody>
<tr><th scope="row">strong</th><td>middle</td><td class="num">60</td><td class="num">40</td><td class="num">+10.00</td><td class="num">+0.20 to +19.61</td><td class="num">0.0569</td><td class="num">0.0569</td><td class="num">–</td></tr>
<tr><th scope="row">strong</th><td>weak</td><td class="num">80</td><td class="num">0</td><td class="num">+40.00</td><td class="num">+33.46 to +46.92</td><td class="num">≤ 0.0001</td><td class="num">≤ 0.0001</td><td class="num">strong</td></tr>
<tr><th scope="row">middle</th><td>weak</td><td class="num">90</td><td class="num">30</td><td class="num">+30.00</td><td class="num">+19.76 to +39.53</td><td class="num">≤ 0.0001</td><td class="num">≤ 0.0001</td><td class="num">middle</td></tr>
</tbody>
</table></div></details>
</section>
<section id="classes" aria-labelledby="classes-h">
<h2 id="classes-h">Classes</h2>
<p class="prose">Of the rows of each class, in percent: those that the model gets right, and behind the slash those that withstand every listed attack, an upper bound. The worst of each model stands first: a mean over classes can hide it. Classes have fewer rows than the whole, so their numbers are less certain; the worst one is the worst of several, and so too pessimistic a guess for new rows.</p><div class="scroll" role="region" aria-label="Accuracy by class" tabindex="0"><table>
<thead><tr><th scope="col">class</th><th scope="col" class="num">rows</th><th scope="col" class="num">strong</th><th scope="col" class="num">middle</th><th scope="col" class="num">weak</th></tr></thead>
<tbody>
<tr><th scope="row">worst</th><td class="num"></td><td class="num">90.00 / 40.00</td><td class="num">90.00 / 20.00</td><td class="num">90.00 / 0.00</td></tr>
<tr><th scope="row">cat</th><td class="num">100</td><td class="num">90.00 / 40.00</td><td class="num">90.00 / 20.00</td><td class="num">90.00 / 0.00</td></tr>
<tr><th scope="row">dog</th><td class="num">100</td><td class="num">100.00 / 70.00</td><td class="num">100.00 / 70.00</td><td class="num">100.00 / 30.00</td></tr>
</tbody>
</table></div>
</section>
<section id="curves" aria-labelledby="curves-h">
<h2 id="curves-h">Robustness curves</h2>
<p class="prose">Robust accuracy over the radius, an upper bound, with its 95 % interval as a band; at radius 0 the clean accuracy. A row that broke at one radius counts as broken at every larger one. report.md has the numbers.</p><div class="plots">
<figure><figcaption>pgd-20</figcaption><svg class="chart" viewBox="0 0 560 320" role="img" aria-label="Robust accuracy over the radius under pgd-20: report.md has the numbers">
<path class="grid" d="M46 276.0H546.0"/><text class="tick end" x="40.0" y="280.0">0 %</text>
<path class="grid" d="M46 210.0H546.0"/><text class="tick end" x="40.0" y="214.0">25 %</text>
<path class="grid" d="M46 144.0H546.0"/><text class="tick end" x="40.0" y="148.0">50 %</text>
<path class="grid" d="M46 78.0H546.0"/><text class="tick end" x="40.0" y="82.0">75 %</text>
<path class="grid" d="M46 12.0H546.0"/><text class="tick end" x="40.0" y="16.0">100 %</text>
<text class="tick middle" x="546.0" y="294.0">16/255</text>
<text class="tick middle" x="296.0" y="294.0">8/255</text>
<text class="tick middle" x="171.0" y="294.0">4/255</text>
<text class="tick middle" x="296.0" y="314.0">radius, linf (pixels in 0..1)</text>
<path class="band c0" d="M46.0 25.2L171.0 95.4L296.0 149.7L546.0 252.0L546.0 225.8L296.0 112.3L171.0 62.6L46.0 25.2Z"/><path class="line c0" d="M46.0 25.2L171.0 78.0L296.0 130.8L546.0 240.4"/>
<circle class="dot c0" cx="46.0" cy="25.2" r="3"><title>95.00 %</title></circle><circle class="dot c0" cx="171.0" cy="78.0" r="3"><title>75.00 %</title></circle><circle class="dot c0" cx="296.0" cy="130.8" r="3"><title>55.00 %</title></circle><circle class="dot c0" cx="546.0" cy="240.4" r="3"><title>13.50 %</title></circle>
<path class="band c1" d="M46.0 25.2L171.0 109.3L296.0 175.7L546.0 257.5L546.0 233.3L296.0 138.3L171.0 74.7L46.0 25.2Z"/><path class="line c1" d="M46.0 25.2L171.0 91.2L296.0 157.2L546.0 247.0"/>
<circle class="dot c1" cx="46.0" cy="25.2" r="3"><title>95.00 %</title></circle><circle class="dot c1" cx="171.0" cy="91.2" r="3"><title>70.00 %</title></circle><circle class="dot c1" cx="296.0" cy="157.2" r="3"><title>45.00 %</title></circle><circle class="dot c1" cx="546.0" cy="247.0" r="3"><title>11.00 %</title></circle>
<path class="band c2" d="M46.0 25.2L171.0 149.7L296.0 248.7L546.0 272.3L546.0 257.3L296.0 221.3L171.0 112.3L46.0 25.2Z"/><path class="line c2" d="M46.0 25.2L171.0 130.8L296.0 236.4L546.0 266.8"/>
<circle class="dot c2" cx="46.0" cy="25.2" r="3"><title>95.00 %</title></circle><circle class="dot c2" cx="171.0" cy="130.8" r="3"><title>55.00 %</title></circle><circle class="dot c2" cx="296.0" cy="236.4" r="3"><title>15.00 %</title></circle><circle class="dot c2" cx="546.0" cy="266.8" r="3"><title>3.50 %</title></circle>
</svg></figure>
</div>
<ul class="legend"><li><svg viewBox="0 0 28 8" width="28" height="8" aria-hidden="true"><path class="line c0" d="M1 4H27"/></svg> strong</li><li><svg viewBox="0 0 28 8" width="28" height="8" aria-hidden="true"><path class="line c1" d="M1 4H27"/></svg> middle</li><li><svg viewBox="0 0 28 8" width="28" height="8" aria-hidden="true"><path class="line c2" d="M1 4H27"/></svg> weak</li></ul>
</section>
<section id="training" aria-labelledby="training-h">
<h2 id="training-h">Training</h2>
<figure class="paper"><img alt="Measures over the epochs of training" src="data:image/svg+xml;base64,PHN2Zz48L3N2Zz4K"></figure>
<p class="prose">What each training measured after its epochs: on the rows, with the attack and with the probes of its recipe. Nothing of it is measured again here, so the last points need not be the numbers above. The values are those of metrics.jsonl beside each model, which its manifest pins; a model that was not trained from a recipe has no line.</p>
</section>
<section id="pictures" aria-labelledby="pictures-h">
<h2 id="pictures-h">Pictures</h2>
<div class="pictures">
<figure><img alt="The data set" src="data:image/png;base64,iVBORw0KGgpyb3dzLnBuZw=="><figcaption><b>The data set</b> 8 rows of cat, then 8 of dog.</figcaption></figure>
<div>
<figure><img alt="strong under pgd-20" src="data:image/png;base64,iVBORw0KGgphZHZlcnNhcmlhbC0xLnBuZw=="><figcaption><b>strong under pgd-20</b> Row 3: cat is taken for dog.</figcaption></figure>
</div></div>
</section>
<section id="flags" aria-labelledby="flags-h">
<h2 id="flags-h">Flags</h2>
<dl class="wide">
<dt>tie</dt><dd><p>3 rows of strong under pgd-20; 3 rows of middle under pgd-20; 3 rows of weak under pgd-20.</p><p><b>Raised if</b> the judge&#39;s verdict rests on two equal highest outputs. <b>Means:</b> another implementation may decide otherwise. <b>Do:</b> look at the margins; read the row as neither progress nor regress.</p></dd>
<dt>unconfirmed</dt><dd><p>2 rows of strong under pgd-20; 2 rows of middle under pgd-20; 2 rows of weak under pgd-20.</p><p><b>Raised if</b> the check found adversarial inputs and the judge rejected them all. <b>Means:</b> the gradient graph and the file disagree near this row. <b>Do:</b> try more restarts before trusting `unknown`.</p></dd>
</dl>
</section>
<section id="checks" aria-labelledby="checks-h">
<h2 id="checks-h">Checks and their parameters</h2>
<div class="scroll" role="region" aria-label="Checks and their parameters" tabindex="0"><table>
<thead><tr><th scope="col">check</th><th scope="col">kind</th><th scope="col">revision</th><th scope="col">parameters</th></tr></thead>
<tbody>
<tr><th scope="row">pgd-20</th><td>attack</td><td>1</td><td>step_size 2/255; steps 20</td></tr>
</tbody>
</table></div>
</section>
<section id="models" aria-labelledby="models-h">
<h2 id="models-h">Models and digests</h2>
<dl class="wide">
<dt>strong</dt><dd><code>eda15ce4834ac303532bc6973df5ff8a5deb75d7dfceb9fc2cdf1bb450a01cf5</code><br><small>190 of 200 rows correct, 1 on a tie</small></dd>
<dt>middle</dt><dd><code>a4888af4e46c129c695ee32775a8c233f113c82e7cd4e6fd3cbb1fda5659f36a</code><br><small>190 of 200 rows correct, 1 on a tie</small></dd>
<dt>weak</dt><dd><code>481ba4019c9d2710c3386537382592c093ef02bf5b056c30237b3d92b0e19a1d</code><br><small>190 of 200 rows correct, 1 on a tie</small></dd>
<dt>data set cifar10</dt><dd><code>3a6eb0790f39ac87c94f3856b2dd2c5d110e6811602261a9a923d3bb23adc8b7</code></dd>
<dt>plan</dt><dd><code>64879f7d6b960a01909762d911a32d4582c20010c5641ee90278b644a9e3b525</code></dd>
<dt>library of ONNX Runtime</dt><dd><code>fc44112fbe06d7d689c57e11d3862031f64711007e4ee020f8eed5185fd2c1d3</code></dd>
</dl>
<p class="prose">Computed by Tinyassay 0.1.0, ONNX Runtime 1.31.1 (cpu, avx2, optimisation all).</p>
</section>
<section id="again" aria-labelledby="again-h">
<h2 id="again-h">How to run it again</h2>
<pre><code>tinyassay run resnet8-linf.yaml --samples 200 --out again</code></pre>
<p class="prose">On the same runtime identity results.json is the same byte for byte. The suite is in suite.yaml beside this page, every number that decided the run in report.md and results.json, and sha256sum -c SHA256SUMS checks the files of the folder.</p>
</section>
</main>
<div id="tip" role="tooltip" hidden></div>
<script>
SCRIPT
</script>
</body>
</html>
"##);
    }

    /// Every attribute of this name, in order.
    fn attributes<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
        let start = format!(" {name}=\"");
        text.split(&start).skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
    }

    #[test]
    fn anchors_and_descriptions_lead_somewhere_once() {
        for results in [ranked(), example(), with_probes()] {
            let text = document(&results);
            let ids = attributes(&text, "id");
            assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "{ids:?}");
            let links = attributes(&text, "href").into_iter().map(|link| link.strip_prefix('#').unwrap());
            let more =
                ["aria-describedby", "aria-labelledby", "for"].into_iter().flat_map(|name| attributes(&text, name));
            for target in links.chain(more) {
                assert!(ids.contains(&target), "{target}");
            }
        }
    }

    #[test]
    fn nothing_comes_from_elsewhere() {
        let text = full(&ranked());
        for source in attributes(&text, "src") {
            assert!(source.starts_with("data:image/"), "{source}");
        }
        for part in ["http://", "https://", "@import", "url(", "innerHTML", "eval("] {
            let found = text.replace("http://www.w3.org/2000/svg", "");
            assert!(!found.contains(part), "{part}");
        }
        assert!(text.contains("default-src 'none'"));
    }

    #[test]
    fn hostile_names_stay_text() {
        let evil = "</script><script>alert(1)</script><img src=x onerror='x'>\"&";
        let mut results = results(vec![model(evil, 5, &[(evil, 3)]), model("b", 5, &[(evil, 3)])]);
        (results.suite, results.dataset.name) = (evil.to_owned(), evil.to_owned());
        results.models[0].notes.push(evil.to_owned());
        results.models[0].attacks[0].parameters.insert(evil.to_owned(), evil.into());
        let tags = |text: &str, tag: &str| text.matches(tag).count();
        let (text, other) = (document(&results), document(&ranked()));
        assert_eq!(tags(&text, "<script"), tags(&other, "<script"));
        assert_eq!(tags(&text, "</script"), tags(&other, "</script"));
        assert!(!text.contains("<img src=x") && text.contains("&lt;img src=x onerror=&#39;x&#39;&gt;"));
    }
}
