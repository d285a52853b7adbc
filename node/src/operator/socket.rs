//! The operator's socket: in the state folder, for the operator's own account only.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

use super::{Order, hear};
use crate::node::Node;

/// How long somebody who has connected may take to say something.
const ORDER_PATIENCE: Duration = Duration::from_secs(5);

/// A path to a socket that fits whatever the length of the folder's: an address of a socket has room for 107 bytes. The folder stays open
/// as long as the path is used.
fn short_path(socket: &Path) -> io::Result<(File, PathBuf)> {
    let (folder, name) = (socket.parent(), socket.file_name());
    let (Some(folder), Some(name)) = (folder, name) else { return Err(io::ErrorKind::NotFound.into()) };
    let folder = File::open(folder)?;
    let path = Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(name);
    Ok((folder, path))
}

/// Connects with a node's socket.
///
/// # Errors
/// Also where there is none, or nobody listens.
pub async fn connect(socket: &Path) -> io::Result<UnixStream> {
    let (_folder, path) = short_path(socket)?;
    UnixStream::connect(path).await
}

/// Listens. Whoever holds the state folder's log may take the place of a socket that a process before has left.
///
/// # Errors
/// What the file system says.
pub fn listen(socket: &Path) -> io::Result<UnixListener> {
    match fs::remove_file(socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let (_folder, path) = short_path(socket)?;
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(socket, Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Whether the other end runs under this process's account, or the system's.
fn is_operator(stream: &UnixStream) -> bool {
    let own = rustix::process::geteuid().as_raw();
    stream.peer_cred().is_ok_and(|peer| peer.uid() == own || peer.uid() == 0)
}

/// Carries out orders until the node stops serving. Each is carried out to its end, also if whoever gave it has left.
pub async fn serve(node: Arc<Node>, listener: UnixListener, stop: CancellationToken) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        let Ok((stream, _)) = accepted else {
            // Too many open files, say: not to be tried again at once.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        if !is_operator(&stream) {
            continue;
        }
        let node = node.clone();
        tokio::spawn(async move {
            let readable = tokio::time::timeout(ORDER_PATIENCE, stream.readable()).await;
            if matches!(readable, Ok(Ok(()))) {
                let act = |order: Order| async move { node.carry_out(order).await };
                // Whoever has left hears nothing; what was ordered is done and recorded.
                let _ = hear(stream, act).await;
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::{Answer, Unheard, ask};

    #[tokio::test]
    async fn an_order_reaches_whoever_listens_in_a_folder_of_any_depth() {
        let folder = tempfile::tempdir().expect("a folder");
        let deep = folder.path().join("x".repeat(100)).join("y".repeat(100));
        fs::create_dir_all(&deep).expect("a folder");
        let socket = deep.join("operator.sock");
        assert!(matches!(ask(&socket, &Order::Resume).await, Err(Unheard::NotServing)));
        // What a process before has left is in nobody's way.
        fs::write(&socket, "").expect("written");
        let listener = listen(&socket).expect("a socket");
        assert_eq!(fs::metadata(&socket).expect("there").permissions().mode() & 0o777, 0o600);
        let order = Order::Stop { reason: "a leak".into() };
        let heard = async {
            let (stream, _) = listener.accept().await.expect("somebody");
            assert!(is_operator(&stream));
            let expected = order.clone();
            let act = |order| async move {
                assert_eq!(order, expected);
                Answer::Stopped { unrecorded: None, unwritten: None }
            };
            hear(stream, act).await.expect("answered");
        };
        let (answer, ()) = tokio::join!(ask(&socket, &order), heard);
        assert_eq!(answer.expect("an answer"), Answer::Stopped { unrecorded: None, unwritten: None });
        drop(listener);
        assert!(matches!(ask(&socket, &Order::Resume).await, Err(Unheard::NotServing)));
    }
}
