//! The lab that one scenario leaves to the next.

use super::Parameters;
use crate::acme::Acme;
use crate::lab::{Lab, LabError};
use crate::site::{Engine, Site, SiteError};
use crate::volume::Volume;

/// What kind of lab a scenario takes.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    /// How many nodes.
    pub nodes: u8,
    /// How many of them are managers.
    pub managers: u8,
    /// The volume that they mount.
    pub volume: Volume,
    /// The ACME server.
    pub acme: Acme,
}

/// A lab that is kept as long as the next scenario can use it too: bringing one
/// up takes longer than many a scenario.
#[derive(Debug, Default)]
pub struct Labs {
    current: Option<Up>,
    /// Why one that was up before is not gone.
    left: Option<LabError>,
}

#[derive(Debug)]
struct Up {
    shape: Shape,
    /// What obtained certificates last.
    engine: Engine,
    /// What was played last may have left anything.
    spoiled: bool,
    lab: Lab,
}

impl Labs {
    /// A lab for these parameters: the one that is up, or another in its place.
    ///
    /// # Errors
    /// When it does not come up, or cannot be emptied. That the one before could not
    /// be taken down is told [in the end](Self::end): it is nothing to this one.
    pub async fn lab(&mut self, parameters: &Parameters) -> Result<&Lab, SiteError> {
        let shape = parameters.shape();
        let up = match self.current.take() {
            Some(mut up) if up.shape == shape => {
                // Each leaves files of another layout, and what it makes of the
                // other's is a story of its own.
                if up.spoiled || up.engine != parameters.engine {
                    Site::remove(&up.lab).await?;
                    up.engine = parameters.engine;
                    up.spoiled = false;
                }
                up
            }
            other => {
                if let Some(other) = other {
                    let stopped = other.lab.stop().await;
                    self.left = self.left.take().or(stopped.err());
                }
                Up {
                    lab: brought_up(&shape).await?,
                    engine: parameters.engine,
                    spoiled: false,
                    shape,
                }
            }
        };
        Ok(&self.current.insert(up).lab)
    }

    /// What was played last is not as it must be, or could not be played to its end: the
    /// next begins in an empty swarm, so that it is not red for what this one has left.
    pub fn spoil(&mut self) {
        if let Some(up) = &mut self.current {
            up.spoiled = true;
        }
    }

    /// The shape of the lab that is up.
    #[must_use]
    pub fn shape(&self) -> Option<&Shape> {
        self.current.as_ref().map(|up| &up.shape)
    }

    /// What obtained certificates last in the lab that is up.
    #[must_use]
    pub fn engine(&self) -> Option<Engine> {
        self.current.as_ref().map(|up| up.engine)
    }

    /// Gives up the lab that is up, for whoever shall have it.
    pub fn take(&mut self) -> Option<Lab> {
        self.current.take().map(|up| up.lab)
    }

    /// Takes the lab down that is up.
    ///
    /// # Errors
    /// When something of it, or of one before it, could not be removed.
    pub async fn end(&mut self) -> Result<(), LabError> {
        let stopped = match self.take() {
            Some(lab) => lab.stop().await,
            None => Ok(()),
        };
        self.left.take().map_or(stopped, Err)
    }
}

async fn brought_up(shape: &Shape) -> Result<Lab, LabError> {
    let lab = Lab::builder()
        .nodes(shape.nodes)
        .managers(shape.managers)
        .volume(shape.volume.clone())
        .acme(shape.acme);
    lab.start().await
}
