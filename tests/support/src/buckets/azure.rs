//! The one call to Azure that our own client cannot make: a container is made by whoever owns the account.

use data_encoding::BASE64;
use sha2::{Digest as _, Sha256};
use std::net::SocketAddr;

/// Azurite's well-known account, and its key.
pub(super) const ACCOUNT: &str = "devstoreaccount1";
pub(super) const KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

const VERSION: &str = "2023-11-03";

/// The whole request, signed by the account's key ("Authorize with Shared Key").
pub(super) fn create_container(address: SocketAddr, container: &str) -> String {
    let date = jiff::Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let resource = format!("/{ACCOUNT}/{ACCOUNT}/{container}\nrestype:container");
    let headers = format!("x-ms-date:{date}\nx-ms-version:{VERSION}\n");
    let signed = format!("PUT\n\n\n\n\n\n\n\n\n\n\n\n{headers}{resource}");
    let key = BASE64.decode(KEY.as_bytes()).expect("a key in base64");
    let signature = BASE64.encode(&hmac(&key, signed.as_bytes()));
    format!(
        "PUT /{ACCOUNT}/{container}?restype=container HTTP/1.1\r\nHost: {address}\r\nx-ms-date: {date}\r\n\
         x-ms-version: {VERSION}\r\nAuthorization: SharedKey {ACCOUNT}:{signature}\r\nContent-Length: 0\r\n\r\n"
    )
}

/// HMAC-SHA256 of a key of at most a block (RFC 2104).
fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut block = [0_u8; 64];
    block[..key.len()].copy_from_slice(key);
    let pad = |byte: u8| block.map(|b| b ^ byte);
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().to_vec()
}
