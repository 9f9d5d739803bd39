//! Other servers than the stack's own, by the files that `docs/servers.md` shows.

use std::time::Duration;

use super::{Site, SiteError};
use crate::lab::{Service, Task};

const TO_START: Duration = Duration::from_secs(120);

/// A server as `docs/servers/` has it, a stack of its own beside a site.
#[derive(Debug, Clone, Copy)]
pub struct Server {
    /// The stack's name, and its file's.
    pub stack: &'static str,
    /// The service's full name.
    pub service: &'static str,
    image: &'static str,
    /// The variable of the stack file that names its image.
    variable: &'static str,
}

impl Server {
    /// HAProxy.
    pub const HAPROXY: Self = Self {
        stack: "haproxy",
        service: "haproxy_proxy",
        image: "haproxy",
        variable: "HAPROXY_IMAGE",
    };
    /// Apache httpd.
    pub const HTTPD: Self = Self {
        stack: "httpd",
        service: "httpd_server",
        image: "httpd",
        variable: "HTTPD_IMAGE",
    };
    /// nginx, beside the load balancer's.
    pub const NGINX: Self = Self {
        stack: "nginx",
        service: "nginx_server",
        image: "loadbalancer",
        variable: "LOADBALANCER_IMAGE",
    };

    /// Deploys it beside the site, and waits until it runs.
    ///
    /// # Errors
    /// What `docker stack deploy` wrote, or what does not run in time.
    pub async fn deploy(&self, site: &Site<'_>) -> Result<Vec<Task>, SiteError> {
        let lab = site.lab();
        let file = format!("docs/servers/{}.yml", self.stack);
        let file = site.options().stack.with_file_name(file);
        lab.push(self.image).await?;
        let image = lab.image(self.image);
        lab.deploy(&file, self.stack, &[(self.variable, &image)])
            .await?;
        Ok(lab.service(self.service).converged(TO_START).await?)
    }

    /// Has it so many replicas, and waits until they run.
    ///
    /// # Errors
    /// When they do not in time.
    pub async fn scale(&self, site: &Site<'_>, replicas: u32) -> Result<Vec<Task>, SiteError> {
        let service: Service<'_> = site.lab().service(self.service);
        service
            .update(&["--replicas", &replicas.to_string()])
            .await?;
        Ok(service.converged(TO_START).await?)
    }
}
