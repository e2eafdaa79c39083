//! Files of certificates and keys: what is in them, and the sentences for what is wrong with them. Every sentence
//! names the option and the file.

use std::fmt;
use std::path::PathBuf;

use rustls::client::VerifierBuilderError;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A file in PEM form, and the option that names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    pub option: &'static str,
    pub path: PathBuf,
}

/// Why TLS could not be prepared.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not there, may not be read, or is no PEM file: the source tells which.
    #[error("cannot read a {what} from {file}")]
    Read { what: &'static str, file: File, source: pem::Error },

    #[error("{file} holds no {what}")]
    Lacks { what: &'static str, file: File },

    #[error("{file} holds no certificate of an authority that can be used")]
    NoAuthority { file: File },

    #[error("the authorities in {file} cannot be used")]
    Authorities { file: File, source: VerifierBuilderError },

    #[error("this system has no file of authorities; name those of the server's certificate in {instead}")]
    NoSystem { instead: &'static str },

    #[error("{certificate} and {key} must be set together")]
    Half { certificate: &'static str, key: &'static str },

    #[error("{certificate} and {key} cannot be used together")]
    Identity { certificate: File, key: File, source: Box<rustls::Error> },

    #[error("no version of TLS can be used")]
    Versions(#[source] rustls::Error),
}

impl File {
    pub fn new(option: &'static str, path: impl Into<PathBuf>) -> Self {
        Self { option, path: path.into() }
    }

    /// At least one.
    pub(crate) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, Error> {
        let unreadable = |source| Error::Read { what: "certificate", file: self.clone(), source };
        let found = CertificateDer::pem_file_iter(&self.path).map_err(unreadable)?;
        let certificates: Vec<_> = found.collect::<Result<_, _>>().map_err(unreadable)?;
        match certificates.is_empty() {
            true => Err(Error::Lacks { what: "certificate", file: self.clone() }),
            false => Ok(certificates),
        }
    }

    pub(crate) fn private_key(&self) -> Result<PrivateKeyDer<'static>, Error> {
        let what = "private key";
        PrivateKeyDer::from_pem_file(&self.path).map_err(|source| match source {
            pem::Error::NoItemsFound => Error::Lacks { what, file: self.clone() },
            source => Error::Read { what, file: self.clone(), source },
        })
    }
}

impl fmt::Display for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.option, self.path.display())
    }
}
