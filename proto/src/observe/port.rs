//! The port on which metrics are served: plain HTTP, apart from the port on which parties are called.
//!
//! It knows one path, `/metrics`. A caller is given a few seconds and a few kilobytes, and a handful of callers are served
//! at once: whoever floods this port harms nobody but those who read metrics.

use std::convert::Infallible;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;

use super::metrics::Page;

/// The file in a party's state folder that says where its metrics are, while they are served: address and port, one line.
/// Programs read it where the configuration says port 0.
pub const ADDRESS_FILE: &str = "metrics.address";

/// Callers served at once.
const CALLERS_MAX: usize = 8;
/// How long a caller may take in all.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// Largest head of a request, in bytes.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// How long to wait when the system has no room for another connection.
const PAUSE: Duration = Duration::from_millis(100);

/// Metrics that are served, until this is dropped.
#[derive(Debug)]
pub struct MetricsPort {
    address: SocketAddr,
    file: PathBuf,
    serving: AbortHandle,
}

impl MetricsPort {
    /// Serves `page` at `address`, and says in the state folder where that is.
    ///
    /// # Errors
    /// Where the address cannot be had or the file not be written.
    pub async fn open(address: SocketAddr, page: Page, state: &Path) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let file = state.join(ADDRESS_FILE);
        // Whoever finds the file finds all of it.
        let unfinished = file.with_extension("unfinished");
        fs::write(&unfinished, format!("{address}\n"))?;
        fs::rename(&unfinished, &file)?;
        let serving = tokio::spawn(serve(listener, Arc::new(page))).abort_handle();
        Ok(Self { address, file, serving })
    }

    /// Where metrics are served.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for MetricsPort {
    fn drop(&mut self) {
        self.serving.abort();
        // A file that stays behind names a port that does not answer, which programs must expect after a crash too.
        let _ = fs::remove_file(&self.file);
    }
}

async fn serve(listener: TcpListener, page: Arc<Page>) {
    let places = Arc::new(Semaphore::new(CALLERS_MAX));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        // One caller too many finds its connection closed.
        let Ok(place) = places.clone().try_acquire_owned() else { continue };
        let page = page.clone();
        tokio::spawn(async move {
            let _place = place;
            // A caller that is late or broken has no answer, and nobody else is the worse for it.
            let _ = tokio::time::timeout(CALL_TIMEOUT, answer(stream, &page)).await;
        });
    }
}

async fn answer(stream: TcpStream, page: &Page) -> hyper::Result<()> {
    let service = service_fn(|request| async move { Ok::<_, Infallible>(respond(&request, page)) });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(CALL_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await
}

fn respond<B>(request: &Request<B>, page: &Page) -> Response<Full<Bytes>> {
    let mut response = Response::default();
    if request.uri().path() != "/metrics" {
        *response.status_mut() = StatusCode::NOT_FOUND;
    } else if request.method() != Method::GET {
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
    } else {
        let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, kind);
        *response.body_mut() = Full::from(page.text());
    }
    response
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::observe::Telemetry;

    async fn ask(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).await.expect("connected");
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut answer = String::new();
        // A connection that is closed over an unfinished request may be reset; what was said before counts.
        let _ = stream.read_to_string(&mut answer).await;
        answer
    }

    #[tokio::test]
    async fn the_page_is_found_by_the_file_and_nothing_else_is_served() {
        let state = std::env::temp_dir().join(format!("kobling-metrics-{}", std::process::id()));
        fs::create_dir_all(&state).expect("a folder");
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let port = MetricsPort::open(any, Page::new(Telemetry::default(), || 2), &state).await.expect("open");
        let said = fs::read_to_string(state.join(ADDRESS_FILE)).expect("a file");
        let address: SocketAddr = said.trim().parse().expect("an address");
        assert_eq!(address, port.address());
        let page = ask(address, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert!(
            page.starts_with("HTTP/1.1 200 OK") && page.contains("\nkobling_sessions_open 2\n"),
            "{page}"
        );
        for (request, status) in [
            ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404"),
            ("POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 405"),
            ("nonsense\r\n\r\n", "HTTP/1.1 400"),
        ] {
            let answer = ask(address, request).await;
            assert!(answer.starts_with(status) && !answer.contains("kobling_"), "{request}: {answer}");
        }
        let long = format!("GET /metrics HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(2 * HEAD_BYTES_MAX));
        assert!(!ask(address, &long).await.contains("200 OK"));
        drop(port);
        assert!(!state.join(ADDRESS_FILE).exists());
        fs::remove_dir(&state).expect("nothing else was left there");
    }
}
