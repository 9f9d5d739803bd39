//! Standing still at a step, so that a test can kill the runner just there.

use tracing::warn;

/// Where a test may break something: between two steps that a crash must not
/// tear apart.
#[derive(Clone, Copy, Debug)]
pub(crate) enum HoldPoint {
    /// A new certificate is published, nobody was told yet.
    Issued,
}

impl HoldPoint {
    fn name(self) -> &'static str {
        match self {
            Self::Issued => "issued",
        }
    }
}

/// Waits for ever if `hold_at` names this point; otherwise goes on.
pub(crate) async fn at(point: HoldPoint, hold_at: &str) {
    if hold_at == point.name() {
        warn!(step = point.name(), "held, as --hold-at asks");
        std::future::pending::<()>().await;
    }
}
