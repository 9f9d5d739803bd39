//! What came of a run, for people and programs.
//!
//! A [`Run`] is all there is to know of a run. From it come, as peers, what the
//! terminal shows (its `Display`), a page for people ([`html`]), and JUnit for
//! continuous integration ([`junit`]); as JSON it is kept whole, so that another
//! form can be made of it later.
//!
//! What was lost is laid to what happened just then:
//!
//! ```no_run
//! # fn example(lab: &rollover_lab::lab::Lab, record: &rollover_lab::traffic::Record) {
//! use rollover_lab::report::Moment;
//! use rollover_lab::report::attribution::attribute;
//!
//! let moments: Vec<Moment> = lab.timeline().into_iter().map(Moment::from).collect();
//! let attribution = attribute(record, &moments);
//! // Each loss: its class, its target, the replica and what had become of that.
//! println!("{attribution}");
//! assert!(attribution.losses.is_empty());
//! # }
//! ```

pub mod attribution;
mod html;
mod junit;
mod losses;
mod run;

use std::io;
use std::path::{Path, PathBuf};

pub use attribution::Moment;
pub use html::html;
pub use junit::junit;
pub use run::{Figure, Run, Verdict};

/// Why a report could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A file or directory.
    #[error("write the report to {path}", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// JUnit, which is XML.
    #[error("write the report as JUnit")]
    Junit(#[from] quick_junit::SerializeError),
}

/// Writes `report.html`, `report.json` and `junit.xml` into a directory, which is
/// made if need be; what is there of an earlier report is replaced.
///
/// # Errors
/// When one of them cannot be written.
pub fn write(directory: &Path, runs: &[Run]) -> Result<(), ReportError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| ReportError::File { path, source }
    };
    std::fs::create_dir_all(directory).map_err(failed(directory))?;
    let file = |name: &str, content: &[u8]| {
        let path = directory.join(name);
        std::fs::write(&path, content).map_err(failed(&path))
    };
    // What everything else can be made of comes first.
    let json = serde_json::to_vec(runs).map_err(io::Error::from);
    file("report.json", &json.map_err(failed(directory))?)?;
    file("report.html", html(runs).as_bytes())?;
    file("junit.xml", junit(runs)?.as_bytes())
}
