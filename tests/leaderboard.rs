//! Leaderboards of several reports, and report folders that are rendered again.

use crate::Test;
use crate::scratch::{SUITE, Scratch, ensure};
use libtest_mimic::Failed;
use serde_json::Value;

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("reports_in_parts_make_the_board_of_the_whole", reports_in_parts_make_the_board_of_the_whole),
    ("a_file_is_written_and_checked", a_file_is_written_and_checked),
    ("what_cannot_be_a_leaderboard_says_why", what_cannot_be_a_leaderboard_says_why),
    ("a_folder_is_rendered_again", a_folder_is_rendered_again),
    ("pictures_come_and_go_with_what_they_show", pictures_come_and_go_with_what_they_show),
];

/// `tiny.yaml` with these models, under this name, into `reports/NAME`.
fn run(scratch: &Scratch, name: &str, models: &str) -> Result<(), Failed> {
    let suite = SUITE.replace("name: tiny\n", &format!("name: {name}\n")).replace("[linear, conv]", models);
    scratch.write(&format!("{name}.yaml"), suite)?;
    scratch.run(["run", &format!("{name}.yaml")])?.expect(0, &[&format!("report: reports/{name}")])
}

fn boards(scratch: &Scratch, reports: &[&str]) -> Result<Value, Failed> {
    let ran = scratch.run(["leaderboard", "--format", "json"].iter().chain(reports))?;
    ran.expect(0, &[])?;
    Ok(serde_json::from_str(&ran.stdout)?)
}

fn reports_in_parts_make_the_board_of_the_whole() -> Result<(), Failed> {
    let scratch = Scratch::tiny()?;
    for (name, models) in [("whole", "[linear, conv]"), ("one", "[linear]"), ("two", "[conv]")] {
        run(&scratch, name, models)?;
    }
    let parts = boards(&scratch, &["one", "reports/two/results.json"])?;
    let whole = boards(&scratch, &["whole"])?;
    for (name, board) in [("parts", &parts), ("whole", &whole)] {
        ensure(board["boards"].as_array().map(Vec::len) == Some(1), format!("{name}: one question"))?;
    }
    for part in ["models", "ranking", "columns", "pareto", "dataset", "threat"] {
        ensure(parts["boards"][0][part] == whole["boards"][0][part], format!("{part}: {parts}\n{whole}"))?;
    }
    ensure(
        boards(&scratch, &["one", "two", "whole"])?["boards"][0]["models"] == whole["boards"][0]["models"],
        "once each",
    )?;
    let ranking = scratch.json("reports/whole/results.json")?["ranking"].clone();
    ensure(whole["boards"][0]["ranking"] == ranking && ranking.is_object(), "the ranks are those of the run")?;
    // Fewer rows are another question.
    scratch.run(["run", "one.yaml", "--samples", "100", "--out", "fewer"])?.expect(0, &[])?;
    let both = boards(&scratch, &["fewer", "two"])?;
    ensure(both["boards"].as_array().map(Vec::len) == Some(2), "two questions")
}

fn a_file_is_written_and_checked() -> Result<(), Failed> {
    let scratch = Scratch::tiny()?;
    run(&scratch, "whole", "[linear, conv]")?;
    let args = ["leaderboard", "reports/whole", "--format", "markdown", "--out", "reports/LEADERBOARD.md"];
    let check = || scratch.run(args.iter().chain(&["--check"]));
    check()?.expect(2, &["failed to read reports/LEADERBOARD.md"])?;
    scratch.run(args)?.expect(0, &["wrote reports/LEADERBOARD.md"])?;
    let text = scratch.read("reports/LEADERBOARD.md")?;
    for part in
        ["](<whole/report.md>)", "McNemar", "Holm", "step_size 3/255", "restarts 2", "### Classes", "Pareto front of"]
    {
        ensure(text.contains(part), format!("no `{part}` in\n{text}"))?;
    }
    check()?.expect(0, &["as it should be"])?;
    scratch.write("reports/LEADERBOARD.md", text + "\n")?;
    check()?.expect(1, &["differs"])
}

fn what_cannot_be_a_leaderboard_says_why() -> Result<(), Failed> {
    let scratch = Scratch::tiny()?;
    run(&scratch, "whole", "[linear, conv]")?;
    let whole = scratch.read("reports/whole/results.json")?;
    let results: Value = serde_json::from_str(&whole)?;
    let robust = results["models"][0]["attacks"][0]["robust"].as_u64().ok_or("no attack")?;
    scratch.write("liar/results.json", whole.replacen(&format!("\"robust\": {robust},"), "\"robust\": 299,", 1))?;
    scratch.write("broken/results.json", "{")?;
    scratch.run(["leaderboard"])?.expect(2, &["<REPORT>"])?;
    scratch.run(["leaderboard", "nowhere"])?.expect(2, &["nowhere", "no results.json", "hint: "])?;
    scratch.run(["leaderboard", "broken"])?.expect(2, &["broken", "results.json"])?;
    scratch.run(["leaderboard", "whole", "liar"])?.expect(2, &["`linear`", "299", "hint: "])?;
    scratch.run(["leaderboard", "whole", "--sort", "speed"])?.expect(2, &["`speed`", "worst-case", "macs"])?;
    scratch.run(["leaderboard", "whole", "--pareto", "clean,speed"])?.expect(2, &["`speed`"])?;
    scratch.run(["leaderboard", "whole", "--out", "no/such/folder.md"])?.expect(2, &["no/such/folder.md"])
}

fn a_folder_is_rendered_again() -> Result<(), Failed> {
    let scratch = Scratch::tiny()?;
    run(&scratch, "whole", "[linear, conv]")?;
    let kept = scratch.files("reports/whole")?;
    scratch.run(["report", "whole", "--check"])?.expect(0, &["every format is as it should be"])?;
    scratch.edit("reports/whole/report.md", "Leaderboard", "Liederboard")?;
    std::fs::remove_file(scratch.path("reports/whole/report.html"))?;
    let names = ["differs: reports/whole/report.md", "differs: reports/whole/report.html", "SHA256SUMS"];
    scratch.run(["report", "whole", "--check"])?.expect(1, &names)?;
    ensure(!scratch.path("reports/whole/report.html").exists(), "a check writes nothing")?;
    scratch.run(["report", "reports/whole"])?.expect(0, &["wrote reports/whole/report.html"])?;
    crate::scratch::same("rendered again", &kept, &scratch.files("reports/whole")?)?;
    scratch.run(["report", "nowhere"])?.expect(2, &["no results.json", "hint: "])
}

fn pictures_come_and_go_with_what_they_show() -> Result<(), Failed> {
    let scratch = Scratch::tiny()?;
    let pictures = |options: &[&str]| -> Result<Vec<String>, Failed> {
        scratch.results(options)?;
        let files = scratch.files("out")?;
        Ok(files.into_keys().filter_map(|name| name.strip_prefix("pictures/").map(str::to_owned)).collect())
    };
    ensure(
        pictures(&[])? == ["adversarial-1.png", "adversarial-2.png", "index.json", "rows.png"],
        "a sheet and two models",
    )?;
    let index = scratch.json("out/pictures/index.json")?;
    let captions = index["pictures"].to_string();
    for part in ["tiny, test split", "linear", "is taken for", "away in linf", "enlarged"] {
        ensure(captions.contains(part), format!("no `{part}` in {captions}"))?;
    }
    let page = scratch.read("out/report.html")?;
    ensure(page.matches("src=\"data:image/png;base64,").count() == 3, "the page has all of them")?;
    // The witness is that of `attack show`, pixel for pixel: four of them beside each other, and one between panels.
    let png = std::fs::read(scratch.path("out/pictures/adversarial-1.png"))?;
    ensure(png[16..24] == [0, 0, 0, 14, 0, 0, 0, 4], format!("14 x 4 pixels, found {:?}", &png[16..24]))?;
    // Without witnesses an earlier run's examples go.
    std::fs::remove_dir_all(scratch.path("out/evidence"))?;
    ensure(pictures(&["--no-witnesses"])? == ["index.json", "rows.png"], "no witnesses, no examples")
}
