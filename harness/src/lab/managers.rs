//! Asking the swarm: whichever manager answers.

use std::{future::Future, time::Duration};

use tokio::time::timeout;

use super::{LabError, Node};

/// A manager that is frozen or cut off does not answer at all; one that is busy
/// mostly does within this, and else another one is asked.
const PATIENCE: Duration = Duration::from_secs(10);
/// Where there is no other one.
const WITH_THE_LAST: Duration = Duration::from_secs(40);

/// The managers of a lab, which know the same of its swarm.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Managers<'lab>(pub(crate) &'lab [Node]);

impl<'lab> Managers<'lab> {
    /// Asks one after the other, the first one first, until one has an answer: a
    /// lab whose first manager was taken away can still be looked at.
    ///
    /// # Errors
    /// Why the first one has none, if all have none.
    pub(crate) async fn ask<T, Answer>(
        self,
        question: impl Fn(&'lab Node) -> Answer,
    ) -> Result<T, LabError>
    where
        Answer: Future<Output = Result<T, LabError>>,
    {
        let mut first = None;
        for (place, manager) in self.0.iter().enumerate() {
            let is_last = place + 1 == self.0.len();
            let patience = if is_last { WITH_THE_LAST } else { PATIENCE };
            let answer = timeout(patience, question(manager)).await;
            match answer {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) => {
                    first.get_or_insert(error);
                }
                Err(_) => {
                    first.get_or_insert(LabError::Silent {
                        node: manager.name().to_owned(),
                        waited: patience,
                    });
                }
            }
        }
        Err(first.unwrap_or_else(|| unreachable!("a lab has a manager")))
    }
}
