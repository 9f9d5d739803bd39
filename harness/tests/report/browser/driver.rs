//! A real Chromium, without a window, driven by WebDriver.

use std::path::Path;
use std::process::Stdio;

use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use url::Url;

/// What a person has told the system to look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Theme {
    Light,
    Dark,
}

pub(super) struct Browser {
    client: Client,
    // Ends with the test; the browser, whose pipe to it breaks then, ends too.
    _driver: Child,
}

/// How high a window is; pages are looked at as if they fitted into one.
const HEIGHT: u32 = 900;

impl Browser {
    pub(super) async fn start() -> Self {
        let (driver, port) = start_driver().await;
        let options = json!({
            // Root cannot use Chromium's sandbox; the page is our own.
            "args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                     "--remote-debugging-pipe"],
        });
        let capabilities = json!({
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL"},
        });
        let Value::Object(capabilities) = capabilities else {
            unreachable!("it is written as an object")
        };
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .expect("chromedriver starts Chromium");
        Self {
            client,
            _driver: driver,
        }
    }

    /// Sets theme and width for the pages that are opened from now on.
    pub(super) async fn view(&self, theme: Theme, width: u32) {
        let value = match theme {
            Theme::Light => "light",
            Theme::Dark => "dark",
        };
        let features = json!([{"name": "prefers-color-scheme", "value": value}]);
        self.tell("Emulation.setEmulatedMedia", json!({"features": features}))
            .await;
        self.size(width, HEIGHT).await;
    }

    async fn size(&self, width: u32, height: u32) {
        let metrics = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false,
        });
        self.tell("Emulation.setDeviceMetricsOverride", metrics)
            .await;
    }

    /// Opens a file from disk, and makes the window as high as its page, so that
    /// all of it can be seen at once.
    pub(super) async fn open(&self, page: &Path) {
        let page = Url::from_file_path(page.canonicalize().unwrap()).unwrap();
        self.client.goto(page.as_str()).await.unwrap();
        let size = "return [innerWidth, document.documentElement.scrollHeight]";
        let size = self.run(size).await;
        let of = |index: usize| u32::try_from(size[index].as_u64().unwrap()).unwrap();
        self.size(of(0), of(1)).await;
    }

    /// What a script in the page returns.
    pub(super) async fn run(&self, script: &str) -> Value {
        self.client.execute(script, Vec::new()).await.unwrap()
    }

    /// What the browser had to complain about since it was last asked.
    pub(super) async fn errors(&self) -> Vec<String> {
        let entries = self.post("se/log", json!({"type": "browser"})).await;
        let entries = entries.as_array().cloned().unwrap_or_default().into_iter();
        entries.map(|entry| entry["message"].to_string()).collect()
    }

    /// Keeps a picture of what is seen.
    pub(super) async fn picture(&self, path: &Path) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, self.client.screenshot().await.unwrap()).unwrap();
    }

    pub(super) async fn close(self) {
        self.client.close().await.unwrap();
    }

    /// A command of Chromium's own, for what WebDriver has no word for.
    async fn tell(&self, command: &str, parameters: Value) {
        let body = json!({"cmd": command, "params": parameters});
        self.post("goog/cdp/execute", body).await;
    }

    async fn post(&self, path: &'static str, body: Value) -> Value {
        self.client.issue_cmd(Post { path, body }).await.unwrap()
    }
}

async fn start_driver() -> (Child, u16) {
    let mut driver = Command::new("chromedriver")
        .arg("--port=0")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("chromedriver is there: run ci/browser");
    let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        let Some((_, port)) = line.split_once("started successfully on port ") else {
            continue;
        };
        let port = port.trim_end_matches('.').parse().unwrap();
        return (driver, port);
    }
    panic!("chromedriver ended without saying its port");
}

/// A command to the session that fantoccini does not know.
#[derive(Debug)]
struct Post {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Post {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, url::ParseError> {
        base.join(&format!(
            "session/{}/{}",
            session.unwrap_or_default(),
            self.path
        ))
    }

    fn method_and_body(&self, _: &Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(self.body.to_string()))
    }
}
