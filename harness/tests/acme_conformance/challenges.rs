//! Where validation looks: a server with the files of http-01.

use std::{
    collections::BTreeMap,
    net::Ipv4Addr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

type Files = Arc<Mutex<BTreeMap<String, String>>>;

pub(crate) struct Challenges {
    pub(crate) port: u16,
    files: Files,
    serving: JoinHandle<()>,
}

impl Drop for Challenges {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Challenges {
    pub(crate) async fn start(address: Ipv4Addr) -> Self {
        let listener = TcpListener::bind((address, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let files = Files::default();
        let serving = tokio::spawn(serve(listener, Arc::clone(&files)));
        Self {
            port,
            files,
            serving,
        }
    }

    pub(crate) fn put(&self, token: &str, content: &str) {
        self.files
            .lock()
            .unwrap()
            .insert(token.to_owned(), content.to_owned());
    }
}

async fn serve(listener: TcpListener, files: Files) {
    while let Ok((stream, _)) = listener.accept().await {
        let files = Arc::clone(&files);
        tokio::spawn(async move { answer(stream, &files).await });
    }
}

async fn answer(mut stream: TcpStream, files: &Files) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !request.windows(4).any(|four| four == b"\r\n\r\n") {
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    let path = request.split(' ').nth(1).unwrap_or_default();
    let token = path
        .strip_prefix("/.well-known/acme-challenge/")
        .unwrap_or_default();
    let found = files.lock().unwrap().get(token).cloned();
    let (status, body) = found.map_or(("404 Not Found", String::new()), |content| {
        ("200 OK", content)
    });
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}
