//! The page as a person meets it: opened from disk in a real browser, by day and
//! by night, on a telephone and on a wide screen.

mod driver;
mod look;

use std::path::{Path, PathBuf};

use rollover_lab::report::{self, Run};

use crate::sample::{failed, passed, red_control, void};
use driver::{Browser, Theme};
use look::Look;

/// Every theme on every width, in CSS pixels.
const VIEWS: [(Theme, u32); 6] = [
    (Theme::Light, 400),
    (Theme::Dark, 400),
    (Theme::Light, 1000),
    (Theme::Dark, 1000),
    (Theme::Light, 1600),
    (Theme::Dark, 1600),
];

/// Text of the usual size must differ this much from what is behind it (WCAG 2,
/// success criterion 1.4.3).
const CONTRAST: f64 = 4.5;
/// A mark must differ this much from what is around it (criterion 1.4.11).
const MARK_CONTRAST: f64 = 3.0;

fn directory(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("report")
        .join(name)
}

/// Where the pictures are kept, for people to look at.
fn pictures() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("../report-screenshots")
}

/// Writes a report, opens it, and looks at it in every view.
async fn looks_of(name: &str, runs: &[Run]) -> Vec<((Theme, u32), Look)> {
    let directory = directory(name);
    report::write(&directory, runs).unwrap();
    looks_at(name, &directory.join("report.html")).await
}

async fn looks_at(name: &str, page: &Path) -> Vec<((Theme, u32), Look)> {
    let browser = Browser::start().await;
    let mut looks = Vec::new();
    for (theme, width) in VIEWS {
        browser.view(theme, width).await;
        browser.open(page).await;
        let look = look::look(&browser).await;
        let picture = pictures().join(format!("{name}-{theme:?}-{width}.png").to_lowercase());
        browser.picture(&picture).await;
        looks.push(((theme, width), look));
    }
    browser.close().await;
    looks
}

#[tokio::test]
async fn it_can_be_read_in_every_view() {
    let runs = [failed(40), passed(40), red_control(40), void()];
    for (view, look) in looks_of("several", &runs).await {
        assert!(
            look.texts > 200,
            "{view:?}: {} texts were looked at",
            look.texts
        );
        let pale = look.paler_than(CONTRAST);
        assert!(pale.is_empty(), "{view:?}: {pale:#?}");
        assert_eq!(
            look.overflow, 0.0,
            "{view:?}: the page can be moved sideways"
        );
        assert_eq!(look.errors, Vec::<String>::new(), "{view:?}");
    }
}

#[tokio::test]
async fn what_was_lost_is_unmistakable_in_every_view() {
    let run = failed(200);
    for (view, look) in looks_of("many", std::slice::from_ref(&run)).await {
        assert_eq!(look.lost.len(), run.lost(), "{view:?}: one mark for each");
        for mark in &look.lost {
            assert!(
                mark.width >= 8.0 && mark.height >= 8.0,
                "{view:?}: {mark:?}"
            );
            assert!(
                mark.left >= 0.0 && mark.right <= f64::from(view.1),
                "{view:?}: {mark:?}"
            );
        }
        let cross = look.cross.contrast_with(look.page);
        assert!(
            cross >= MARK_CONTRAST,
            "{view:?}: the mark on the page: {cross:.1}"
        );
        let apart = look.cross.distance_from(look.dot);
        assert!(
            apart > 150.0,
            "{view:?}: a mark and a dot are {apart:.0} apart"
        );
    }
}

#[tokio::test]
async fn both_themes_are_what_they_are_called() {
    for ((theme, _), look) in looks_of("themes", &[passed(4)]).await {
        let lightness = look.page.luminance();
        match theme {
            Theme::Light => assert!(lightness > 0.9, "{lightness}"),
            Theme::Dark => assert!(lightness < 0.05, "{lightness}"),
        }
    }
}

/// The control: a page with everything wrong that the tests above look for.
#[tokio::test]
async fn what_is_wrong_with_a_page_is_seen() {
    let directory = directory("wrong");
    std::fs::create_dir_all(&directory).unwrap();
    let page = directory.join("wrong.html");
    std::fs::write(
        &page,
        "<!DOCTYPE html><html lang=en><title>wrong</title><body style='background:white'>
         <p style='color:#999'>too pale</p><p style='width:2000px'>too wide</p>
         <svg class=timeline><rect width=99 height=30 fill=#444 /><text y=15 x=5>too dark</text></svg>
         <script>throw new Error('too clever')</script>",
    )
    .unwrap();
    for (view, look) in looks_at("wrong", &page).await {
        let pale = look.paler_than(CONTRAST);
        let texts: Vec<_> = pale.iter().map(|text| text.text.as_str()).collect();
        assert_eq!(texts, ["too dark", "too pale"], "{view:?}");
        assert!(look.overflow > 300.0, "{view:?}: {}", look.overflow);
        assert!(
            look.errors.iter().any(|error| error.contains("too clever")),
            "{view:?}"
        );
    }
}
