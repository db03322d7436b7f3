//! Encrypted connections, where this build has them.
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, Config};

use crate::OpenError;
use crate::builder::PostgresStoreBuilder;
use crate::connection::Line;

/// How connections are encrypted.
#[derive(Clone)]
pub(crate) struct Tls {
    #[cfg(feature = "rustls")]
    connect: Option<tokio_postgres_rustls::MakeRustlsConnect>,
}

impl Tls {
    #[cfg(feature = "rustls")]
    pub(crate) fn new(settings: &PostgresStoreBuilder, config: &Config) -> Result<Self, OpenError> {
        use tokio_postgres_rustls::MakeRustlsConnect;

        if config.get_ssl_mode() == SslMode::Disable {
            return Ok(Self { connect: None });
        }
        let config = match &settings.tls {
            Some(config) => rustls::ClientConfig::clone(config),
            None => trusting_the_system()?,
        };
        Ok(Self {
            connect: Some(MakeRustlsConnect::new(config)),
        })
    }

    #[cfg(not(feature = "rustls"))]
    pub(crate) fn new(_: &PostgresStoreBuilder, config: &Config) -> Result<Self, OpenError> {
        match config.get_ssl_mode() {
            SslMode::Disable | SslMode::Prefer => Ok(Self {}),
            _ => Err(OpenError::NoTls),
        }
    }

    /// Connects; what the connection says has to be listened to.
    pub(crate) async fn connect(
        &self,
        config: &Config,
    ) -> Result<(Client, Line), tokio_postgres::Error> {
        #[cfg(feature = "rustls")]
        if let Some(connect) = &self.connect {
            let (client, connection) = config.connect(connect.clone()).await?;
            return Ok((client, Line::new(connection)));
        }
        let (client, connection) = config.connect(tokio_postgres::NoTls).await?;
        Ok((client, Line::new(connection)))
    }
}

#[cfg(feature = "rustls")]
fn trusting_the_system() -> Result<rustls::ClientConfig, OpenError> {
    let mut roots = rustls::RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    // A store of certificates often has some that nobody can read.
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let why = match found.errors.into_iter().next() {
            Some(error) => error.into(),
            None => "there are none".into(),
        };
        return Err(OpenError::Certificates(why));
    }
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| OpenError::Certificates(error.into()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}
