// Package pki is X.509 as values: certificate templates, requests, issuing,
// trust stores, path validation, revocation lists and OCSP. It is what ACM Private
// CA's issuing rules and API Gateway's client-certificate checks rest on, and
// it answers for no AWS operation itself.
//
// It opens no file, reads no clock and draws no randomness of its own: bytes,
// a time, an [io.Reader] and a [crypto.Signer] are handed in. Everything it
// returns is immutable by agreement and safe for concurrent use.
//
// Two thirds of it are about saying no. [TrustStore.Verify] builds the path
// itself and judges every certificate by RFC 5280 and by the stricter rules of
// the gateway; each refusal has a stable [Reason]. [ParseRequest], [CheckKey],
// [Issuance.Lint] and [CheckImport] are the same for what a CA is asked to sign.
//
// Left out: delta CRLs, ML-DSA and SM2, and certificate policy processing beyond
// what [TrustStore.Verify] says.
package pki
