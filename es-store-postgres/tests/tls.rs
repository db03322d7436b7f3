//! Encrypted connections: to a server whose certificate is trusted, and not to others.
#![cfg(feature = "rustls")]
#![expect(clippy::unwrap_used, reason = "what panics in a helper fails its test")]

use std::fs;
use std::sync::Arc;

use es_core::persistence::EventStore;
use es_store_postgres::testing::{Disk, Server};
use es_store_postgres::{OpenError, PostgresStore};
use rcgen::{CertificateParams, KeyPair};
use rustls::{ClientConfig, RootCertStore};

/// Trusts these certificates and no others.
fn trusting(roots: RootCertStore) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// A certificate for this machine, and its key.
fn certificate() -> (rcgen::Certificate, KeyPair) {
    let key = KeyPair::generate().unwrap();
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let certificate = CertificateParams::new(names).unwrap();
    (certificate.self_signed(&key).unwrap(), key)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_believed_whose_certificate_is_trusted() {
    let mut server = Server::start(Disk::NotWaitedFor).unwrap();
    let (own, key) = certificate();
    let data = server.folder().join("data");
    for (name, content) in [
        ("server.crt", own.pem()),
        ("server.key", key.serialize_pem()),
    ] {
        let path = data.join(name);
        fs::write(&path, content).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(&path, mode).unwrap();
        if let Some((user, group)) = server.user() {
            std::os::unix::fs::chown(&path, Some(user), Some(group)).unwrap();
        }
    }
    let mut settings = fs::read_to_string(data.join("postgresql.auto.conf")).unwrap();
    settings += "ssl = on\n";
    fs::write(data.join("postgresql.auto.conf"), settings).unwrap();
    server.restart().unwrap();

    let at = |mode: &str| format!("{}?sslmode={mode}", server.url());
    let mut roots = RootCertStore::empty();
    roots.add(own.der().clone()).unwrap();
    let builder = PostgresStore::builder(&at("require")).tls(trusting(roots));
    let store = builder.connect().await.unwrap();
    store.migrate().await.unwrap();
    store.head().await.unwrap();
    let (client, connection) = tokio_postgres::connect(&at("disable"), tokio_postgres::NoTls)
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    let plain = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'es' AND NOT ssl";
    let encrypted = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'es' AND ssl";
    assert_eq!(
        client.query_one(plain, &[]).await.unwrap().get::<_, i64>(0),
        0
    );
    assert!(
        client
            .query_one(encrypted, &[])
            .await
            .unwrap()
            .get::<_, i64>(0)
            > 0
    );
    connection.abort();

    // Somebody else's certificate is trusted, or those of the system.
    let mut others = RootCertStore::empty();
    others.add(certificate().0.der().clone()).unwrap();
    let refused = PostgresStore::builder(&at("require")).tls(trusting(others));
    let refused = refused.connect().await.unwrap_err();
    assert!(matches!(refused, OpenError::Postgres(_)), "{refused:?}");
    let told = std::error::Error::source(&refused).unwrap().to_string();
    assert!(told.contains("SSL_CERT_FILE"), "{told}");
    let refused = PostgresStore::connect(&at("require")).await.unwrap_err();
    assert!(
        matches!(refused, OpenError::Postgres(_) | OpenError::Certificates(_)),
        "{refused:?}"
    );
    PostgresStore::connect(&at("disable")).await.unwrap();
}
