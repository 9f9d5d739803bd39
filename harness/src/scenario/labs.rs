//! The lab that one scenario leaves to the next.

use crate::acme::Acme;
use crate::lab::{Lab, LabError};
use crate::site::Engine;
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
    /// Images beside those of the stack.
    pub images: Vec<&'static str>,
    /// The ACME server.
    pub acme: Acme,
    /// What obtains certificates there: each leaves files of another layout, and
    /// what it makes of the other's is a story of its own.
    pub engine: Engine,
}

/// A lab that is kept as long as the next scenario can use it too: bringing one
/// up takes longer than many a scenario.
#[derive(Debug, Default)]
pub struct Labs {
    current: Option<(Shape, Lab)>,
}

impl Labs {
    /// A lab of that shape: the one that is up, or another in its place.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn lab(&mut self, shape: &Shape) -> Result<&Lab, LabError> {
        if self.current.as_ref().is_none_or(|(up, _)| up != shape) {
            self.end().await?;
            let lab = Lab::builder()
                .nodes(shape.nodes)
                .managers(shape.managers)
                .volume(shape.volume.clone())
                .more_images(&shape.images)
                .acme(shape.acme)
                .start()
                .await?;
            self.current = Some((shape.clone(), lab));
        }
        // It was put there just now, if it was not there before.
        self.current
            .as_ref()
            .map(|(_, lab)| lab)
            .ok_or_else(|| unreachable!("a lab is up"))
    }

    /// The shape of the lab that is up.
    #[must_use]
    pub fn up(&self) -> Option<&Shape> {
        self.current.as_ref().map(|(shape, _)| shape)
    }

    /// Gives up the lab that is up, for whoever shall have it.
    pub fn take(&mut self) -> Option<Lab> {
        self.current.take().map(|(_, lab)| lab)
    }

    /// Takes the lab down that is up.
    ///
    /// # Errors
    /// When something of it could not be removed.
    pub async fn end(&mut self) -> Result<(), LabError> {
        match self.current.take() {
            Some((_, lab)) => lab.stop().await,
            None => Ok(()),
        }
    }
}
