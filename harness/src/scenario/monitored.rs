//! Prometheus, by the page that shows how.

use std::time::Duration;

use super::private_registry::shell;
use super::window::{CLOSED, label};
use super::{Control, Kind, Parameters, Scenario, Stage};
use crate::lab::wait::until;
use crate::lab::{Task, ensure_image};
use crate::site::{Site, SiteError};

/// What a Prometheus is told, and what wakes a person.
pub(super) const SCENARIO: Scenario = Scenario {
    name: "monitored",
    about: "Prometheus watches the runner by the files of docs/metrics.md. A certificate is \
            renewed and no replica may be touched yet: it is told how many are stale, and that what \
            they serve expires at another time than what is published, and the alert fires. It ends when \
            they serve it; another one fires while no runner is there.",
    control: Control {
        wrong: "the runner listens nowhere",
        found_by: &[Kind::Unclear],
    },
    parameters: Parameters::with_certbot,
    play: |stage| Box::pin(play(stage)),
};

const PAGE: &str = "docs/metrics.md";
const SERVICE: &str = "prometheus";
const LISTEN: &str = "ROLLOVER_METRICS_LISTEN";
/// But for the one that looks back at problems of before.
const FIRING: &str = "alertstate=\"firing\",alertname!=\"ProblemsStand\"";
/// For `promtool test rules`: of a life of 10000 s less than 2000 are left, and 2000. With
/// the lives that Pebble gives it would take days.
const RULE_TEST: &str = r#"
rule_files: [/etc/prometheus/rollover.yml]
tests:
  - interval: 1m
    input_series:
      - series: rollover_served_not_after_timestamp_seconds{target="late",certificate="a"}
        values: 1999
      - series: rollover_served_not_after_timestamp_seconds{target="well",certificate="a"}
        values: 2000
      - series: rollover_served_not_before_timestamp_seconds{target="late",certificate="a"}
        values: -8001
      - series: rollover_served_not_before_timestamp_seconds{target="well",certificate="a"}
        values: -8000
    alert_rule_test:
      - eval_time: 0m
        alertname: CertificateServedExpiresSoon
        exp_alerts:
          - exp_labels: {target: late, certificate: a}
            exp_annotations:
              summary: late serves a with less than a fifth of its life left
"#;
const TO_START: Duration = Duration::from_secs(60);
/// A look of the daemon's, a scrape, and a look at the rules.
const TO_BE_TOLD: Duration = Duration::from_secs(60);
const CONTROLS: Duration = Duration::from_secs(20);

async fn play(stage: &Stage<'_>) -> Result<(), SiteError> {
    ensure_image(SERVICE).await?;
    stage.empty().await?;
    let site = stage.site().await?;
    let played = by_the_page(stage, &site).await;
    let _step = stage.step("Prometheus ends");
    // First what is on the stack's network.
    let there = site.lab().service(SERVICE).exists().await?;
    let remove = format!("docker service rm {SERVICE}; docker config rm {SERVICE} {SERVICE}-rules");
    if there {
        shell(stage.lab().manager(), &remove).await?;
    }
    stage.empty().await?;
    played
}

async fn by_the_page(stage: &Stage<'_>, site: &Site<'_>) -> Result<(), SiteError> {
    let page = site.options().page(PAGE)?;
    let begun = stage.step("Prometheus begins to watch");
    listen(stage, site, &page).await?;
    let prometheus = begin(site, &page).await?;
    let script =
        format!("cat > /tmp/test.yml <<'END'\n{RULE_TEST}\nEND\npromtool test rules /tmp/test.yml");
    let tested = prometheus.exec(&["sh", "-c", &script]).await?;
    stage.check(tested.code == 0, Kind::Unclear, || {
        format!("expected rules that pass their test, found {tested}")
    });
    drop(begun);
    watched(stage, site, &Prometheus(prometheus)).await
}

async fn listen(stage: &Stage<'_>, site: &Site<'_>, page: &str) -> Result<(), SiteError> {
    let lines = page.lines().map(str::trim);
    let address = lines
        .filter_map(|line| line.strip_prefix(LISTEN)?.strip_prefix(": "))
        .next();
    let address = address.filter(|_| !stage.is_control());
    let listen = format!("{LISTEN}={}", address.unwrap_or_default());
    let often = "ROLLOVER_CHECK_INTERVAL=3s";
    let change = ["--env-add", &listen, "--env-add", often];
    site.runner().update(&change).await?;
    site.settle().await
}

/// Has it run, by the page's files, but in seconds what they have in minutes.
async fn begin(site: &Site<'_>, page: &str) -> Result<Task, SiteError> {
    let lab = site.lab();
    lab.push(SERVICE).await?;
    let configuration = block(page, "scrape_configs:")
        .replace("scrape_interval: 30s", "scrape_interval: 1s")
        .replace("type: A", "type: A\n        refresh_interval: 1s");
    let configuration = format!("global: {{evaluation_interval: 1s}}\n{configuration}");
    let rules: Vec<&str> = block(page, "groups:")
        .lines()
        .filter(|line| !line.trim_start().starts_with("for: "))
        .collect();
    let rules = rules.join("\n");
    let script = format!(
        "docker config create {SERVICE} - <<'END'\n{configuration}\nEND\n\
         docker config create {SERVICE}-rules - <<'END'\n{rules}\nEND\n\
         docker service create --quiet --detach --name {SERVICE} --network patch_frontend \
         --config source={SERVICE},target=/etc/prometheus/prometheus.yml \
         --config source={SERVICE}-rules,target=/etc/prometheus/rollover.yml {}",
        lab.image(SERVICE)
    );
    shell(lab.manager(), &format!("set -e\n{script}")).await?;
    let mut tasks = lab.service(SERVICE).converged(TO_START).await?;
    Ok(tasks.remove(0))
}

/// The file of the page that has a line like this.
fn block<'a>(page: &'a str, line: &str) -> &'a str {
    let blocks = page.split("```yaml\n").skip(1);
    let mut blocks = blocks.filter_map(|rest| rest.split("```").next());
    let block = blocks.find(|block| block.lines().any(|it| it == line));
    block.unwrap_or_default()
}

async fn watched(
    stage: &Stage<'_>,
    site: &Site<'_>,
    prometheus: &Prometheus,
) -> Result<(), SiteError> {
    let replicas = stage.parameters().replicas;
    let well = format!(
        "rollover_leads == 1 and on () rollover_target_in_step == 1 \
         and on () rollover_replicas{{standing=\"serving\"}} == {replicas}"
    );
    {
        let _step = stage.step("all is well");
        let patience = stage.patience(TO_BE_TOLD, CONTROLS);
        let told = prometheus.tells(&well, &[], patience).await;
        if let Err(why) = told {
            stage.found(Kind::Unclear, why.to_string());
            return Ok(());
        }
    }
    {
        let _step = stage.step("a renewal outside of the window");
        label(site, "--label-add", &format!("rollover.window={CLOSED}")).await?;
        let _due = site.make_due().await?;
        site.once(&[]).await?.succeeded()?;
        // Pebble chooses by chance how long each of its certificates lives.
        let behind = format!(
            "rollover_replicas{{standing=\"stale\"}} == {replicas} and on (certificate) \
             rollover_served_not_after_timestamp_seconds \
             != on (certificate) rollover_certificate_not_after_timestamp_seconds"
        );
        let fires = ["CertificateNotServed"];
        prometheus.tells(&behind, &fires, TO_BE_TOLD).await?;
    }
    {
        let _step = stage.step("the window is open");
        label(site, "--label-rm", "rollover.window").await?;
        prometheus.tells(&well, &[], TO_BE_TOLD).await?;
    }
    let _step = stage.step("no runner is there");
    site.runner().update(&["--replicas", "0"]).await?;
    let silent = "absent(rollover_leads)";
    prometheus
        .tells(silent, &["NobodyRenews"], TO_BE_TOLD)
        .await
}

struct Prometheus(Task);

impl Prometheus {
    /// Waits until an expression has a result, and these alerts fire and no other.
    async fn tells(
        &self,
        expression: &str,
        fires: &[&str],
        patience: Duration,
    ) -> Result<(), SiteError> {
        let what = format!("Prometheus tell {expression} and the alerts {fires:?}");
        until(what, patience, async || {
            let told = self.asked(expression).await?;
            let firing = self.asked(&format!("ALERTS{{{FIRING}}}")).await?;
            let fire = |alert: &&str| firing.contains(&format!("alertname=\"{alert}\""));
            let as_wanted = firing.lines().count() == fires.len() && fires.iter().all(fire);
            if !told.is_empty() && as_wanted {
                return Ok(());
            }
            let all = self.asked("{__name__=~\"rollover_.*\"}").await?;
            Err(format!("firing: {firing:?}; told: {all:?}"))
        })
        .await?;
        Ok(())
    }

    async fn asked(&self, expression: &str) -> Result<String, String> {
        let command = [
            "promtool",
            "query",
            "instant",
            "http://localhost:9090",
            expression,
        ];
        let output = self
            .0
            .exec(&command)
            .await
            .map_err(|error| error.to_string())?;
        let output = output
            .succeeded("promtool")
            .map_err(|error| error.to_string())?;
        Ok(output.stdout.trim().to_owned())
    }
}
