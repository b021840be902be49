//! HT and HT2: proof of possession of a token that the server issued, in one message each way.
//!
//! HT (draft-schmaus-kitten-sasl-ht-09) is what XMPP servers and clients deploy with XEP-0484 (FAST); HT2
//! (draft-ietf-kitten-sasl-ht-02) adds key/value pairs that both ends authenticate. What IKY has and these have not: a secret
//! that never crosses the wire, service and server name in the proof, theft of the client's half of a proof, lineage, signed failures.
//!
//! ```text
//! HT    C: authcid NUL HMAC(token, "Initiator" || cb-data)
//!       S: HMAC(token, "Responder" || cb-data)                                      with success
//! HT2   C: authcid NUL pairs NUL HMAC(token, "Initiator" || cb-data || pairs)
//!       S: NUL pairs NUL HMAC(token, "Responder" || cb-data || pairs)               with success
//!       S: %x01 reason                                                              where a protocol carries data with failure
//! ```
//!
//! As XMPP carries it (base64 cut short). The first login asks for a token, the next connection uses it; nothing is waited for:
//!
//! ```text
//! C: <authenticate xmlns='urn:xmpp:sasl:2' mechanism='SCRAM-SHA-256-PLUS'>
//!      <initial-response>…</initial-response><user-agent id='d4565fa7-4d72-4749-b3d3-740edbf87770'/>
//!      <request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-EXPR'/></authenticate>
//! …
//! S: <success xmlns='urn:xmpp:sasl:2'>…<token xmlns='urn:xmpp:fast:0' expiry='2026-12-23T04:00:00Z' token='…'/></success>
//!
//! C: <stream:stream …><authenticate xmlns='urn:xmpp:sasl:2' mechanism='HT-SHA-256-EXPR'>
//!      <initial-response>YWxpY2UA…</initial-response><user-agent id='d4565fa7-4d72-4749-b3d3-740edbf87770'/>
//!      <bind xmlns='urn:xmpp:bind:0'/><fast xmlns='urn:xmpp:fast:0' count='1'/></authenticate>
//! S: <success xmlns='urn:xmpp:sasl:2'><additional-data>…</additional-data>…<bound xmlns='urn:xmpp:bind:0'/></success>
//! ```

mod client;
mod fresh;
mod message;
mod pairs;
mod server;

pub use client::{CannotStart, Client, Known, Refused, Start};
pub use fresh::Fresh;
pub use message::{Malformed, failure};
pub use pairs::{InvalidPairs, Pairs};
pub(super) use server::{AwaitTokens, AwaitUse, receive};
pub use server::{Beside, Request};
