//! A browser without a window, driven through two pipes by the protocol of its developer tools.

use crate::scratch::ensure;
use libtest_mimic::Failed;
use serde_json::{Value, json};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Names that Chromium goes by.
const PROGRAMS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];

/// How long an answer may take before the browser counts as lost. Nothing is measured.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running browser with one page.
pub(crate) struct Browser {
    child: Child,
    to: File,
    from: Receiver<Value>,
    last: u64,
    session: Option<String>,
    events: Vec<Value>,
    _profile: tempfile::TempDir,
}

/// The browser of this machine, if it has one.
pub(crate) fn installed() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    PROGRAMS.iter().find_map(|program| folders.iter().map(|folder| folder.join(program)).find(|file| file.is_file()))
}

impl Browser {
    /// Starts it with an empty profile and an empty page.
    pub(crate) fn start(program: &Path) -> Result<Self, Failed> {
        let profile = tempfile::tempdir()?;
        let [down, up] = ["down", "up"].map(|name| profile.path().join(name));
        ensure(Command::new("mkfifo").args([&down, &up]).status()?.success(), "mkfifo makes two pipes")?;
        // It reads from descriptor 3 and writes to 4. Opening a named pipe for both ways waits for nobody.
        let child = Command::new("sh")
            .args(["-c", "down=$1 up=$2; shift 2; exec \"$@\" 3<>\"$down\" 4<>\"$up\"", "sh"])
            .args([down.as_os_str(), up.as_os_str(), program.as_os_str()])
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .args(["--disable-extensions", "--disable-dev-shm-usage", "--hide-scrollbars", "--remote-debugging-pipe"])
            .arg(format!("--user-data-dir={}", profile.path().join("profile").display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let open = |path: &Path| OpenOptions::new().read(true).write(true).open(path);
        let (to, answers) = (open(&down)?, open(&up)?);
        let (send, from) = channel();
        std::thread::spawn(move || {
            for message in BufReader::new(answers).split(0).map_while(Result::ok) {
                let Ok(message) = serde_json::from_slice(&message) else { break };
                if send.send(message).is_err() {
                    break;
                }
            }
        });
        let (last, session, events) = (0, None, Vec::new());
        let mut browser = Self { child, to, from, last, session, events, _profile: profile };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }))?;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = browser.call("Target.attachToTarget", attach)?;
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Network", "Log"] {
            browser.call(&format!("{domain}.enable"), json!({}))?;
        }
        Ok(browser)
    }

    /// Calls a method and waits for its answer; events that come meanwhile are kept.
    pub(crate) fn call(&mut self, method: &str, params: Value) -> Result<Value, Failed> {
        self.last += 1;
        let mut message = json!({ "id": self.last, "method": method, "params": params });
        if let Some(session) = &self.session {
            message["sessionId"] = session.as_str().into();
        }
        self.to.write_all(&[message.to_string().as_bytes(), b"\0"].concat())?;
        loop {
            let answer = self.from.recv_timeout(PATIENCE).map_err(|error| format!("{method}: {error}"))?;
            if answer["id"] != self.last {
                self.events.push(answer);
                continue;
            }
            return match &answer["error"] {
                Value::Null => Ok(answer["result"].clone()),
                error => Err(format!("{method}: {error}").into()),
            };
        }
    }

    /// Opens a file, and waits until it is loaded.
    pub(crate) fn open(&mut self, file: &Path) -> Result<(), Failed> {
        let url = format!("file://{}", file.canonicalize()?.display());
        self.events.clear();
        self.call("Page.navigate", json!({ "url": url }))?;
        while !self.events.iter().any(|event| event["method"] == "Page.loadEventFired") {
            self.events.push(self.from.recv_timeout(PATIENCE)?);
        }
        Ok(())
    }

    /// What JavaScript says in the page; a promise is awaited.
    pub(crate) fn evaluate(&mut self, expression: &str) -> Result<Value, Failed> {
        let params = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let answer = self.call("Runtime.evaluate", params)?;
        match answer.get("exceptionDetails") {
            Some(details) => Err(format!("{expression}: {details}").into()),
            None => Ok(answer["result"]["value"].clone()),
        }
    }

    /// Presses and releases a key, such as `Tab`.
    pub(crate) fn press(&mut self, key: &str, code: u32) -> Result<(), Failed> {
        for kind in ["keyDown", "keyUp"] {
            let mut params = json!({ "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code });
            if key == "Enter" && kind == "keyDown" {
                params["text"] = "\r".into();
            }
            self.call("Input.dispatchKeyEvent", params)?;
        }
        Ok(())
    }

    /// Moves the mouse to the middle of an element.
    pub(crate) fn hover(&mut self, selector: &str) -> Result<(), Failed> {
        let place = self.evaluate(&format!(
            "(() => {{ const at = document.querySelector({selector:?}).getBoundingClientRect(); \
             return [at.left + at.width / 2, at.top + at.height / 2]; }})()"
        ))?;
        self.call("Input.dispatchMouseEvent", json!({ "type": "mouseMoved", "x": place[0], "y": place[1] }))?;
        Ok(())
    }

    /// The size of the page, and whether the system is dark.
    pub(crate) fn screen(&mut self, width: u32, height: u32, dark: bool) -> Result<(), Failed> {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500 });
        self.call("Emulation.setDeviceMetricsOverride", size)?;
        let scheme = json!({ "name": "prefers-color-scheme", "value": if dark { "dark" } else { "light" } });
        self.call("Emulation.setEmulatedMedia", json!({ "features": [scheme] }))?;
        Ok(())
    }

    /// Everything since the page was opened that no page of ours does: a message on the console, an exception, a request
    /// for anything but the file itself and what it holds.
    pub(crate) fn complaints(&mut self) -> Result<Vec<String>, Failed> {
        // Whatever was said before this is answered has come by then.
        self.evaluate("1")?;
        let is_complaint = |event: &&Value| match event["method"].as_str() {
            Some("Runtime.consoleAPICalled" | "Runtime.exceptionThrown" | "Log.entryAdded") => true,
            Some("Network.requestWillBeSent") => {
                let url = event["params"]["request"]["url"].as_str().unwrap_or_default();
                !url.starts_with("file://") && !url.starts_with("data:")
            }
            _ => false,
        };
        Ok(self.events.iter().filter(is_complaint).map(ToString::to_string).collect())
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Nothing can be done about a process that does not end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
