//! A service of a stack file as the swarm is given it: what the docker command makes
//! of each key (docker/cli, `cli/compose/loader/loader.go` and
//! `cli/compose/convert/service.go`). What is not understood is kept as it is
//! written, so that it is unchanged only where it is written the same.

mod container;
mod deploy;
mod environment;
mod file_objects;
mod keys;
mod mounts;
mod networks;
mod publish;
mod written;

pub(super) use deploy::CONSTRAINTS;
pub(super) use keys::{Around, convert};
pub(super) use networks::{DEFAULT, network_names};
pub(super) use publish::{Published, published};
pub(super) use written::written;
