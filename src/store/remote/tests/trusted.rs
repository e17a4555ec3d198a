use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::*;
use crate::model::{Code, Failure, FailureKind};
use crate::store::remote::testing::{Answer, Server, location};
use crate::store::{Created, Location};

fn openssl(folder: &Path, arguments: &str) {
    let mut command = Command::new("openssl");
    let output = command.args(arguments.split(' ')).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// An authority, `ca.pem`, and a server's certificate by it, for one name.
fn certified(folder: &Path, name: &str) -> Arc<ServerConfig> {
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    openssl(folder, &format!("req -x509 {key} -keyout ca.key -out ca.pem -subj /CN=ca -days 2"));
    openssl(folder, &format!("req {key} -keyout key.pem -out csr -subj /CN=server"));
    std::fs::write(folder.join("ext"), format!("subjectAltName=DNS:{name}")).unwrap();
    openssl(
        folder,
        "x509 -req -in csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile ext -out cert.pem",
    );
    let certificate = CertificateDer::from_pem_file(folder.join("cert.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.join("key.pem")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key);
    Arc::new(config.unwrap())
}

/// The real server behind one that speaks TLS.
fn behind_tls(name: &str, config: Arc<ServerConfig>) -> (Location, Server) {
    let mut location = location(name);
    let behind = location.options["aws_endpoint"].trim_start_matches("http://").to_owned();
    let server = Server::before(Some(behind), Some(config), |_, _| Answer::Pass);
    let endpoint = format!("https://localhost:{}", server.port());
    location.options.insert("aws_endpoint".to_owned(), endpoint);
    location.options.remove("aws_allow_http");
    (location, server)
}

#[tokio::test]
async fn a_server_with_a_certificate_of_its_own_is_verified_by_the_authority_that_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let config = certified(folder.path(), "localhost");
    let (bare, server) = behind_tls("tls", config);
    let failure = Failure::from(Store::open(&bare).unwrap().head("raw/a").await.unwrap_err());
    assert_eq!((failure.kind, failure.code), (FailureKind::Permanent, Code::StoreUnreachable));
    assert!(failure.hint.as_ref().unwrap().contains("root_certificate"), "{failure:?}");
    assert_eq!(server.seen().len(), 0, "nothing is said to a server that is not trusted");

    let file = folder.path().join("ca.pem");
    let text = std::fs::read_to_string(&file).unwrap();
    for (key, given) in [("raw/file", file.display().to_string()), ("raw/text", text)] {
        let mut location = bare.clone();
        location.options.insert("root_certificate".to_owned(), given);
        let store = Store::open(&location).unwrap();
        assert_eq!(store.create(key, "x".into()).await.unwrap(), Created::Written);
        assert_eq!(content(&store, key).await.unwrap().unwrap(), b"x");
    }
}

#[tokio::test]
async fn a_certificate_for_another_name_or_by_another_authority_is_not_accepted() {
    let [theirs, ours, other] = [0; 3].map(|_| tempfile::tempdir().unwrap());
    let elsewhere = certified(theirs.path(), "elsewhere.example");
    let here = certified(ours.path(), "localhost");
    certified(other.path(), "localhost");
    for (config, authority) in [(elsewhere, theirs.path()), (here, other.path())] {
        let (mut location, server) = behind_tls("untrusted", config);
        let authority = authority.join("ca.pem").display().to_string();
        location.options.insert("root_certificate".to_owned(), authority);
        let failure =
            Failure::from(Store::open(&location).unwrap().head("raw/a").await.unwrap_err());
        assert_eq!(failure.kind, FailureKind::Permanent, "{failure:?}");
        assert!(failure.causes.iter().any(|cause| cause.contains("certificate")), "{failure:?}");
        assert_eq!(server.seen().len(), 0);
    }
}
