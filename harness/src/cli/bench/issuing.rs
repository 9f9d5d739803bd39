//! How long a certificate takes, from the command to the file, beside other
//! clients; and a thousand.

use super::clients::{KINDS, Kind, PORT};
use super::fleet::{self, Age};
use super::released::{Released, Took};
use super::{CouldNot, Figure, Progress};
use rollover_lab::acme::{Pebble, PebbleOptions};
use rollover_lab::lab::{Lab, ensure_image};

/// One after the other.
const ONE_AT_MOST: f64 = 0.15;
/// All of them, with the bound that the runner has by default.
const MANY: usize = 1000;
const MANY_AT_MOST: f64 = 30.0;

/// Obtains so many certificates by each client, in one lab with one Pebble, and
/// then a thousand by the runner.
pub(super) async fn measure(progress: &Progress, times: u32) -> Result<Vec<Figure>, CouldNot> {
    let image = ensure_image("clients");
    progress.step("the image of other clients", image).await?;
    let options = PebbleOptions {
        http_port: PORT,
        // It counts in whole seconds, and would measure itself.
        retry_after: 0,
        ..PebbleOptions::default()
    };
    let lab = Lab::builder()
        .nodes(1)
        .images([] as [&str; 0])
        .pebble(options);
    let what = "a lab of one node comes up";
    let lab = progress.step(what, lab.start()).await?;
    let figures = in_lab(&lab, progress, times).await;
    progress.step("the lab is taken down", lab.stop()).await?;
    figures
}

async fn in_lab(lab: &Lab, progress: &Progress, times: u32) -> Result<Vec<Figure>, CouldNot> {
    let pebble = lab.pebble().ok_or("the lab has no Pebble")?;
    let listen = format!("{}:{PORT}", lab.gateway());
    let runner = Released::of(lab).await?.with("challenge-listen", &listen);
    let one = one_by_one(lab, &runner, pebble, times);
    let what = "certificates by the runner, one by one";
    let seconds = progress.step(what, one).await?;
    let what = "one certificate, rollover once --force";
    let mut figures = vec![Figure::median(what, seconds, Some(ONE_AT_MOST))];
    for (number, kind) in (1..).zip(KINDS) {
        let what = format!("certificates by {}, one by one", kind.package);
        let others = of_kind(lab, pebble, number, &kind, times);
        figures.push(progress.step(&what, others).await?);
    }
    let what = format!("{MANY} certificates by the runner");
    let many = many(lab, &runner, pebble);
    let took = progress.step(&what, many).await?;
    let what = format!("{MANY} certificates, rollover once");
    figures.push(Figure::seconds(
        what,
        vec![took.seconds],
        Some(MANY_AT_MOST),
    ));
    let what = "  of that on a core";
    figures.push(Figure::seconds(what, vec![took.cpu_seconds], None));
    Ok(figures)
}

/// What each took from the start of the command to its end.
async fn one_by_one(
    lab: &Lab,
    runner: &Released<'_>,
    pebble: &Pebble,
    times: u32,
) -> Result<Vec<f64>, CouldNot> {
    // The first one makes the account.
    let names = fleet::names("one", times as usize + 1);
    lead_to_runner(lab, pebble, &names).await?;
    fleet::publish(&runner.root, &names, Age::New, false)?;
    fleet::ask_for(lab, "one", &names).await?;
    runner.once(&[]).await?;
    let mut seconds = Vec::new();
    for name in &names {
        seconds.push(runner.once(&["--force", name]).await?.seconds);
    }
    Ok(seconds.split_off(1))
}

async fn of_kind(
    lab: &Lab,
    pebble: &Pebble,
    number: u8,
    kind: &Kind,
    times: u32,
) -> Result<Figure, CouldNot> {
    let client = lab.client(number, kind.image).await?;
    let names = fleet::names(kind.package, times as usize + 1);
    let seconds = kind.measure(&client, pebble, &names).await?;
    let version = kind.version(&client).await?;
    let what = format!("one certificate, {} {version}", kind.package);
    Ok(Figure::median(what, seconds, None))
}

/// What a thousand take that have expired, and so are due at once: by the limits
/// of an account, others would be spread over hours.
async fn many(lab: &Lab, runner: &Released<'_>, pebble: &Pebble) -> Result<Took, CouldNot> {
    let names = fleet::names("many", MANY);
    lead_to_runner(lab, pebble, &names).await?;
    fleet::publish(&runner.root, &names, Age::Expired, false)?;
    fleet::ask_for(lab, "many", &names).await?;
    runner.once(&[]).await
}

async fn lead_to_runner(lab: &Lab, pebble: &Pebble, names: &[String]) -> Result<(), CouldNot> {
    for name in names {
        pebble.set_addresses(name, &[lab.gateway()]).await?;
    }
    Ok(())
}
