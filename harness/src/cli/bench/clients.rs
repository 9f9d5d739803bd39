//! Other ACME clients, each run as its manual has it for one certificate: its
//! account is there, its key is of the curve P-256, and it answers http-01.

use super::CouldNot;
use rollover_lab::acme::{Client, Pebble};

/// Where challenges are answered, by whichever client.
pub(super) const PORT: u16 = 5002;
/// How long one command may take to run: `$1` is the name to obtain.
const TIMED: &str = r#"
set -eu
begun=$(date +%s%N)
obtain "$1" >/tmp/said 2>&1 || { tail -n 20 /tmp/said >&2; exit 1; }
echo $(($(date +%s%N) - begun))"#;

/// A client of a Debian package.
pub(super) struct Kind {
    pub(super) package: &'static str,
    /// The lab's image that has it.
    pub(super) image: &'static str,
    /// In a shell with `$DIRECTORY`, `$CA` and `$PORT`: what is done once.
    prepare: &'static str,
    /// The body of a function: what obtains the certificate of `$1`.
    obtain: &'static str,
}

/// Serves the answers of a client that writes them into files.
const WEBROOT: &str = "mkdir -p /webroot/.well-known/acme-challenge
busybox httpd -p $PORT -h /webroot
cp $CA /usr/local/share/ca-certificates/lab.crt
update-ca-certificates >/dev/null";

pub(super) const KINDS: [Kind; 4] = [
    Kind {
        package: "certbot",
        image: "certbot",
        prepare: "REQUESTS_CA_BUNDLE=$CA certbot register --non-interactive --agree-tos \
                  --register-unsafely-without-email --server $DIRECTORY",
        obtain: "REQUESTS_CA_BUNDLE=$CA certbot certonly --non-interactive --server $DIRECTORY \
                 --standalone --http-01-port $PORT --domain $1",
    },
    Kind {
        package: "lego",
        image: "clients",
        prepare: "",
        // Its first run makes the account.
        obtain: "LEGO_CA_CERTIFICATES=$CA lego --accept-tos --email lab@example.org \
                 --server $DIRECTORY --path /lego --http --http.port :$PORT --domains $1 run",
    },
    Kind {
        package: "dehydrated",
        image: "clients",
        prepare: "mkdir -p /dehydrated
printf '%s\\n' CA=$DIRECTORY BASEDIR=/dehydrated KEY_ALGO=prime256v1 \
    WELLKNOWN=/webroot/.well-known/acme-challenge >/dehydrated/config
dehydrated --config /dehydrated/config --register --accept-terms",
        obtain: "dehydrated --config /dehydrated/config --cron --domain $1",
    },
    Kind {
        package: "uacme",
        image: "clients",
        prepare: "uacme --yes --acme-url $DIRECTORY --confdir /uacme new",
        obtain: "UACME_CHALLENGE_PATH=/webroot/.well-known/acme-challenge \
                 uacme --yes --acme-url $DIRECTORY --confdir /uacme --type EC \
                 --hook /usr/share/uacme/uacme.sh issue $1",
    },
];

impl Kind {
    /// Obtains a certificate for each name, one after the other; what each took,
    /// in seconds. The first name is obtained to warm up, and not counted.
    pub(super) async fn measure(
        &self,
        client: &Client,
        pebble: &Pebble,
        names: &[String],
    ) -> Result<Vec<f64>, CouldNot> {
        for name in names {
            pebble.set_addresses(name, &[client.address()]).await?;
        }
        let write = "printf %s \"$1\" >/ca.pem";
        let ca = ["sh", "-c", write, "sh", pebble.ca_pem()];
        client.exec(&ca).await?.succeeded("write the authority")?;
        let shell = format!(
            "DIRECTORY={} CA=/ca.pem PORT={PORT}\nexport DIRECTORY CA PORT\n",
            pebble.directory_url()
        );
        let web = self.answers_by_file().then_some(WEBROOT);
        let prepare = format!("set -eu\n{shell}{}\n{}", web.unwrap_or(""), self.prepare);
        let prepared = client.exec(&["sh", "-c", &prepare]).await?;
        prepared.succeeded(&format!("prepare {}", self.package))?;
        let obtain = format!("{shell}obtain() {{\n{}\n}}\n{TIMED}", self.obtain);
        let mut seconds = Vec::new();
        for name in names {
            let output = client.exec(&["sh", "-c", &obtain, "sh", name]).await?;
            let output = output.succeeded(self.package)?;
            let nanoseconds: f64 = output.stdout.trim().parse()?;
            seconds.push(nanoseconds / 1e9);
        }
        Ok(seconds.split_off(1))
    }

    fn answers_by_file(&self) -> bool {
        self.obtain.contains("/webroot/") || self.prepare.contains("/webroot/")
    }

    /// Which version of it that is.
    pub(super) async fn version(&self, client: &Client) -> Result<String, CouldNot> {
        let ask = ["dpkg-query", "-W", "-f", "${Version}", self.package];
        Ok(client
            .exec(&ask)
            .await?
            .succeeded("ask for its version")?
            .stdout)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_answers_by_a_file_has_a_web_server() {
        let by_file = KINDS.iter().filter(|kind| kind.answers_by_file());
        let by_file: Vec<_> = by_file.map(|kind| kind.package).collect();
        assert_eq!(by_file, ["dehydrated", "uacme"]);
        let with_one = KINDS.iter().filter(|kind| kind.image == "clients");
        assert_eq!(with_one.count(), 3, "and the image that has one");
    }
}
