//! The page of a report in a browser: what a reader does with mouse, keyboard and phone. Skipped where there is no Chromium.

use crate::Test;
use crate::browser::{Browser, installed};
use crate::scratch::{SUITE, Scratch, conv, ensure, linear, saturated};
use libtest_mimic::Failed;
use serde_json::Value;

pub(crate) const TESTS: &[(&str, Test)] = &[("page_in_a_browser", page_in_a_browser)];

/// Four models, an attack with a curve, and rows that are pictures.
fn report() -> Result<Scratch, Failed> {
    let scratch = Scratch::tiny()?;
    scratch.add_model("steep", &saturated()?, &[])?;
    scratch.add_model("linear-2", &linear()?, &[])?;
    scratch.add_model("conv-2", &conv()?, &["--output-kind", "softmax"])?;
    let suite = SUITE
        .replace("[linear, conv]", "[linear, conv, steep, linear-2]")
        .replace("attacks:\n", "curve: { epsilons: [2/255, 4/255, 8/255, 16/255] }\nattacks:\n");
    scratch.write("tiny.yaml", &suite)?;
    scratch.run(["run", "tiny.yaml", "--out", "out"])?.expect(0, &["report: out"])?;
    scratch.write(
        "other.yaml",
        SUITE.replace("name: tiny\n", "name: other\n").replace("[linear, conv]", "[conv, conv-2]"),
    )?;
    scratch.run(["run", "other.yaml", "--out", "other"])?.expect(0, &[])?;
    scratch.run(["leaderboard", "out", "other", "--format", "html", "--out", "board.html"])?.expect(0, &["wrote"])?;
    Ok(scratch)
}

fn page_in_a_browser() -> Result<(), Failed> {
    let program = installed().ok_or("no browser")?;
    let scratch = report()?;
    let mut browser = Browser::start(&program)?;
    let page = &mut browser;
    page.screen(1280, 900, false)?;
    page.open(&scratch.path("out/report.html"))?;
    sorts_by_every_column(page)?;
    sorts_by_the_keyboard(page, &scratch.json("out/results.json")?)?;
    explains_columns(page)?;
    filters_and_hides(page)?;
    draws_the_front(page)?;
    turns_dark(page)?;
    fits_a_phone(page)?;
    let complaints = page.complaints()?;
    ensure(complaints.is_empty(), complaints.join("\n"))?;
    reaches_nothing(page)?;

    page.screen(1280, 900, true)?;
    page.open(&scratch.path("board.html"))?;
    ensure(page.evaluate("document.querySelectorAll('.board').length")? == 2, "two questions, two boards")?;
    sorts_by_every_column(page)?;
    let complaints = page.complaints()?;
    ensure(complaints.is_empty(), complaints.join("\n"))?;

    page.call("Emulation.setScriptExecutionDisabled", serde_json::json!({ "value": true }))?;
    page.open(&scratch.path("out/report.html"))?;
    is_a_document_without_scripts(page)
}

/// Both directions of every column of every board: the order is that of the numbers, what is missing stands last, and exactly
/// one head says so.
fn sorts_by_every_column(page: &mut Browser) -> Result<(), Failed> {
    let wrong = page.evaluate(
        r#"(() => {
            const wrong = [];
            let sorted = 0;
            for (const board of document.querySelectorAll(".board")) {
                const { columns, models } = JSON.parse(board.querySelector("script").textContent);
                for (const head of board.querySelectorAll("thead th")) {
                    const id = head.dataset.column;
                    for (const press of [1, 2]) {
                        head.querySelector("button").click();
                        const rows = [...board.querySelectorAll("tbody tr")];
                        const of = (row) => id === "name" ? models[row.dataset.row].name : models[row.dataset.row].values[id][0];
                        const values = rows.map(of);
                        const way = head.getAttribute("aria-sort");
                        const known = values.filter((value) => value !== null);
                        const rises = (a, b) => typeof a === "string" ? a.localeCompare(b, "en", { numeric: true }) : a - b;
                        const wanted = [...known].sort(rises);
                        if (way === "descending") wanted.reverse();
                        const first = id === "name" || !columns[id].higher ? "ascending" : "descending";
                        const last = values.slice(known.length).every((value) => value === null);
                        const others = [...board.querySelectorAll("thead th")].filter((other) => other.getAttribute("aria-sort") !== "none");
                        const names = new Set(rows.map((row) => row.dataset.row));
                        const before = press === 1 && head.dataset.column !== "0" ? way === first : true;
                        sorted += 1;
                        if (JSON.stringify(known) !== JSON.stringify(wanted) || !last || others.length !== 1 || names.size !== models.length || !before) {
                            wrong.push([id, press, way, values]);
                        }
                    }
                }
            }
            return sorted < 20 ? ["too few", sorted] : wrong;
        })()"#,
    )?;
    ensure(wrong == Value::Array(Vec::new()), format!("sorted wrongly: {wrong}"))
}

/// Enter on the head of a column; the order is that of the results.
fn sorts_by_the_keyboard(page: &mut Browser, results: &Value) -> Result<(), Failed> {
    let mut models: Vec<(f64, &str)> = Vec::new();
    for model in results["models"].as_array().ok_or("no models")? {
        models.push((model["clean_accuracy"].as_f64().ok_or("no number")?, model["name"].as_str().ok_or("no name")?));
    }
    page.evaluate("document.querySelector('thead th[data-column=\"1\"] button').focus()")?;
    for rises in [false, true] {
        page.press("Enter", 13)?;
        let shown = page.evaluate(
            "[...document.querySelectorAll('.leaderboard tbody th')].map((head) => head.firstChild.textContent)",
        )?;
        let shown: Vec<&str> = shown.as_array().ok_or("no rows")?.iter().filter_map(Value::as_str).collect();
        let accuracy = |name: &&str| models.iter().find(|(_, model)| model == name).map(|(accuracy, _)| *accuracy);
        let accuracies: Vec<f64> = shown.iter().filter_map(accuracy).collect();
        let in_order = accuracies.windows(2).all(|pair| if rises { pair[0] <= pair[1] } else { pair[0] >= pair[1] });
        ensure(in_order && accuracies.len() == models.len(), format!("rising {rises}: {shown:?} {accuracies:?}"))?;
        let said = page.evaluate("document.querySelector('.status').textContent")?;
        ensure(
            said == format!("Sorted by clean, {}.", if rises { "ascending" } else { "descending" }),
            said.to_string(),
        )?;
    }
    Ok(())
}

/// The tooltip: its text, or null where it is not to be seen, and whether it is inside the window.
const TIP: &str = "(() => { const tip = document.querySelector('#tip'); const at = tip.getBoundingClientRect(); \
                   return tip.hidden || !at.width ? [null, true] : \
                   [tip.textContent, at.left >= 0 && at.top >= 0 && at.right <= innerWidth && at.bottom <= innerHeight]; })()";

/// By the keyboard alone from the top of the page, and by the mouse: every column says what it is.
fn explains_columns(page: &mut Browser) -> Result<(), Failed> {
    page.evaluate("document.querySelector('.skip').focus()")?;
    let heads =
        "[...document.querySelectorAll('.leaderboard thead button')].filter((one) => one.offsetWidth > 0).length";
    let count = page.evaluate(heads)?.as_u64().unwrap_or(0);
    let (mut told, mut steps) = (Vec::new(), 0);
    while (told.len() as u64) < count && steps < 80 {
        page.press("Tab", 9)?;
        steps += 1;
        let focus = page.evaluate("document.activeElement.closest('.leaderboard thead th')?.textContent ?? null")?;
        // The box may scroll, which is told after the focus.
        page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")?;
        let tip = page.evaluate(TIP)?;
        if focus.is_null() {
            ensure(tip[0].is_null(), format!("a tooltip without a reason: {tip}"))?;
            continue;
        }
        let described = page
            .evaluate("document.getElementById(document.activeElement.getAttribute('aria-describedby')).textContent")?;
        ensure(tip[0] == described && tip[1] == true, format!("{focus}: {tip}, expected {described}"))?;
        let ring = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")?;
        ensure(ring == "solid", format!("{focus} shows its focus: {ring}"))?;
        told.push(described.to_string());
    }
    ensure(told.len() as u64 == count && count > 5, format!("{} of {count} heads after {steps} steps", told.len()))?;
    page.press("Escape", 27)?;
    ensure(page.evaluate(TIP)?[0].is_null(), "escape closes the tooltip")?;
    page.evaluate(
        "document.activeElement.blur(); document.querySelector('#leaderboard').scrollIntoView({ behavior: 'instant' })",
    )?;
    page.hover(".leaderboard thead th[data-column='1'] button")?;
    let tip = page.evaluate(TIP)?;
    ensure(tip[0].as_str().is_some_and(|text| text.contains("registered file")) && tip[1] == true, format!("{tip}"))?;
    page.hover("#leaderboard-h")?;
    ensure(page.evaluate(TIP)?[0].is_null(), "the tooltip goes with the mouse")
}

fn filters_and_hides(page: &mut Browser) -> Result<(), Failed> {
    let shown = "[...document.querySelectorAll('.leaderboard tbody tr')].filter((row) => row.offsetHeight > 0).length";
    page.evaluate("document.querySelector('input[type=search]').focus()")?;
    page.call("Input.insertText", serde_json::json!({ "text": "LINEAR" }))?;
    ensure(page.evaluate(shown)? == 2, "linear and linear-2")?;
    ensure(page.evaluate("document.querySelector('.status').textContent")? == "2 of 4 models.", "the count is said")?;
    page.call("Input.insertText", serde_json::json!({ "text": " nothing" }))?;
    ensure(page.evaluate(shown)? == 0, "no model has that name")?;
    page.evaluate(
        "(() => { const input = document.querySelector('input[type=search]'); input.value = ''; input.dispatchEvent(new Event('input')); })()",
    )?;
    ensure(page.evaluate(shown)? == 4, "all again")?;
    // Columns that are left out at first, and one that is taken away.
    let hidden = "[...document.querySelectorAll('.choose input')].map((box) => [box.checked, \
                  document.querySelector(`td[data-column=\"${box.dataset.column}\"]`).offsetWidth > 0])";
    let agree = |cells: &Value| cells.as_array().is_some_and(|cells| cells.iter().all(|cell| cell[0] == cell[1]));
    let at_first = page.evaluate(hidden)?;
    ensure(agree(&at_first) && at_first.to_string().contains("[false,false]"), at_first.to_string())?;
    page.evaluate("document.querySelectorAll('.choose input').forEach((box) => box.click())")?;
    let turned = page.evaluate(hidden)?;
    ensure(agree(&turned) && turned != at_first, turned.to_string())?;
    page.evaluate("document.querySelectorAll('.choose input').forEach((box) => box.click())")?;
    Ok(())
}

/// Every pair of columns: the marks are the models that have both numbers, and nobody on the front is beaten.
fn draws_the_front(page: &mut Browser) -> Result<(), Failed> {
    let wrong = page.evaluate(
        r#"(() => {
            const place = document.querySelector(".scatter");
            const { columns, models } = JSON.parse(document.querySelector(".board script").textContent);
            const [x, y] = ["x", "y"].map((axis) => place.querySelector(`[data-axis=${axis}]`));
            const wrong = [];
            for (let a = 1; a < columns.length; a += 1) for (let b = 1; b < columns.length; b += 1) {
                x.value = a; y.value = b;
                y.dispatchEvent(new Event("change"));
                const both = models.filter((model) => model.values[a][0] !== null && model.values[b][0] !== null);
                const good = (model, at) => (columns[at].higher ? 1 : -1) * model.values[at][0];
                const beaten = (model) => both.some((other) => [a, b].every((at) => good(other, at) >= good(model, at)) && [a, b].some((at) => good(other, at) > good(model, at)));
                const wanted = both.filter((model) => !beaten(model)).map((model) => model.name).sort();
                const marks = [...place.querySelectorAll(".point.on")].map((mark) => mark.dataset.tip.split(": ")[0]).sort();
                const rows = [...document.querySelectorAll(".leaderboard tr.front")].map((row) => models[row.dataset.row].name).sort();
                const numbers = [...place.querySelectorAll("path, text")].every((one) => !/NaN|Infinity|undefined/.test(one.outerHTML));
                if (place.querySelectorAll(".point").length !== both.length || String(marks) !== String(wanted) || String(rows) !== String(wanted) || !numbers) {
                    wrong.push([columns[a].id, columns[b].id, marks, wanted]);
                }
            }
            return wrong;
        })()"#,
    )?;
    ensure(wrong == Value::Array(Vec::new()), format!("another front: {wrong}"))
}

fn turns_dark(page: &mut Browser) -> Result<(), Failed> {
    let colours = "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color, \
                   document.querySelector('#theme').getAttribute('aria-pressed')].join()";
    let light = page.evaluate(colours)?;
    page.evaluate("document.querySelector('#theme').click()")?;
    let dark = page.evaluate(colours)?;
    ensure(light == "rgb(255, 255, 255),rgb(27, 31, 36),false", light.to_string())?;
    ensure(dark == "rgb(16, 18, 22),rgb(231, 233, 236),true", dark.to_string())?;
    page.evaluate("document.querySelector('#theme').click()")?;
    ensure(page.evaluate(colours)? == light, "and light again")
}

/// No part of the page is wider than the screen but what scrolls in its box, and the names stay where they are.
fn fits_a_phone(page: &mut Browser) -> Result<(), Failed> {
    page.screen(390, 844, true)?;
    page.evaluate("delete document.documentElement.dataset.theme")?;
    let dark = page.evaluate("getComputedStyle(document.body).backgroundColor")?;
    ensure(dark == "rgb(16, 18, 22)", format!("as the system says: {dark}"))?;
    let wide = page.evaluate("document.documentElement.scrollWidth")?;
    ensure(wide.as_f64().is_some_and(|wide| wide <= 390.0), format!("the page is {wide} wide"))?;
    let moved = page.evaluate(
        "(() => { const box = document.querySelector('.scroll'); const name = box.querySelector('tbody th'); \
         const number = box.querySelector('tbody td'); const at = () => [name, number].map((one) => one.getBoundingClientRect().left); \
         const before = at(); box.scrollLeft = 200; const after = at(); return [before[0] - after[0], before[1] - after[1]]; })()",
    )?;
    ensure(moved[0].as_f64() == Some(0.0) && moved[1].as_f64() == Some(200.0), format!("{moved}"))?;
    page.screen(1280, 900, false)
}

/// The policy of the page stops a picture from elsewhere before it is asked for.
fn reaches_nothing(page: &mut Browser) -> Result<(), Failed> {
    let stopped = page.evaluate(
        "new Promise((done) => { document.addEventListener('securitypolicyviolation', (event) => done(event.effectiveDirective)); \
         new Image().src = 'http://127.0.0.1:9/picture.png'; setTimeout(() => done('nothing'), 10000); })",
    )?;
    ensure(stopped == "img-src", format!("stopped by {stopped}"))?;
    let asked = page.complaints()?.into_iter().filter(|complaint| complaint.contains("requestWillBeSent"));
    // A request that is stopped has a line all the same, with its end.
    ensure(asked.count() <= 1, "more than the one request that was stopped")
}

fn is_a_document_without_scripts(page: &mut Browser) -> Result<(), Failed> {
    // The tools of the browser may still look.
    let looks = page.evaluate(
        "[document.querySelectorAll('.leaderboard tbody tr').length, document.documentElement.classList.contains('js'), \
         getComputedStyle(document.querySelector('.controls')).display, document.querySelectorAll('dd[id^=about]').length > 5]",
    )?;
    ensure(looks == serde_json::json!([4, false, "none", true]), looks.to_string())
}
