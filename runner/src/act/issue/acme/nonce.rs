//! Nonces that an authority does not take.

use instant_acme::Error;

/// How often in a row a nonce may be refused. The library asks three times each.
const IN_A_ROW: usize = 4;

/// Repeats what was refused for its nonce: then the authority has done nothing, and
/// each attempt has a fresh one.
pub(super) async fn with_fresh_nonces<T>(
    mut attempt: impl AsyncFnMut() -> Result<T, Error>,
) -> Result<T, Error> {
    for _ in 1..IN_A_ROW {
        match attempt().await {
            Err(Error::Api(problem)) if is_bad_nonce(&problem) => {}
            other => return other,
        }
    }
    attempt().await
}

fn is_bad_nonce(problem: &instant_acme::Problem) -> bool {
    let kind = problem.r#type.as_deref().unwrap_or_default();
    kind.ends_with(":badNonce")
}
