//! Asking the swarm: whichever manager answers.

use std::{future::Future, time::Duration};

use tokio::time::timeout;

use super::{LabError, Node};

/// A manager that is frozen or cut off does not answer at all; one that is busy
/// does within this.
const PATIENCE: Duration = Duration::from_secs(10);

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
        for manager in self.0 {
            let answer = timeout(PATIENCE, question(manager)).await;
            match answer {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) => {
                    first.get_or_insert(error);
                }
                Err(_) => {
                    first.get_or_insert(LabError::Silent {
                        node: manager.name().to_owned(),
                        waited: PATIENCE,
                    });
                }
            }
        }
        Err(first.unwrap_or_else(|| unreachable!("a lab has a manager")))
    }
}
