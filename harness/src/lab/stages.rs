//! Where the time of a start goes.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use serde::Serialize;
use tokio::time::Instant;

use super::LabError;

/// A part of a lab's start. Some go on at the same time as others, and some are
/// parts of others.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stage {
    /// Its name.
    pub name: &'static str,
    /// When it began, in seconds since the start began.
    pub from: f64,
    /// How long it took, in seconds.
    pub took: f64,
}

/// Takes the time of stages.
#[derive(Debug)]
pub(super) struct Stages {
    begun: Instant,
    ended: Mutex<Vec<Stage>>,
}

impl Stages {
    pub(super) fn begin() -> Self {
        Self {
            begun: Instant::now(),
            ended: Mutex::default(),
        }
    }

    /// Does the work of a stage, and takes its time.
    pub(super) async fn timed<T>(
        &self,
        name: &'static str,
        work: impl Future<Output = Result<T, LabError>>,
    ) -> Result<T, LabError> {
        let from = self.begun.elapsed();
        let result = work.await;
        let took: Duration = self.begun.elapsed().saturating_sub(from);
        match &result {
            Ok(_) => tracing::info!(stage = name, ?took, "done"),
            Err(error) => tracing::info!(stage = name, ?took, %error, "failed"),
        }
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        ended.push(Stage {
            name,
            from: from.as_secs_f64(),
            took: took.as_secs_f64(),
        });
        result
    }

    /// All of them, by their beginnings.
    pub(super) fn into_vec(self) -> Vec<Stage> {
        let ended = self.ended.into_inner();
        let mut stages = ended.unwrap_or_else(PoisonError::into_inner);
        stages.sort_by(|one, other| one.from.total_cmp(&other.from));
        stages
    }
}
